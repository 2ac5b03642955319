"""VASP: relaxations and bands by VASP itself, on input sets of atomate2 and with custodian.

``presets`` says what is asked of VASP and why, ``inputs`` writes it, ``custody`` runs VASP and
mends what goes wrong, ``outputs`` reads what it left, and ``relaxation`` and ``band`` put these
together. ``source`` gives single energies and forces to bands that dualion moves itself.
"""

from __future__ import annotations
