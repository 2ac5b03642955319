"""A framework without its working ions, and the sites they leave behind."""

from __future__ import annotations

import numpy as np

from dualion.errors import StructureError
from dualion.records import Geometry, Site, as_vectors
from dualion.structures.symmetry import copies, find_symmetry
from dualion.structures.voids import named_sites


def vacated(parent: Geometry, ion: str) -> tuple[Geometry, tuple[Site, ...]]:
    """Take the working ions out of a parent.

    Parameters
    ----------
    parent
        Ordered parent cell.
    ion
        Chemical symbol of the working ion.

    Returns
    -------
    tuple
        The rest, with its atoms where and in the order they were; and the vacant sites: those of
        the ions, and what the rest's own space group makes equivalent to them, which is more
        where the ions took part of an orbit. Labelled by multiplicity and Wyckoff letter.

    Raises
    ------
    StructureError
        If the parent has no such ion, or nothing else.
    """
    taken = np.array([symbol == ion for symbol in parent.species])
    if taken.all() or not taken.any():
        raise StructureError(
            f"{parent.formula} has no {ion} to take out"
            if not taken.any()
            else f"nothing is left of {parent.formula} without {ion}",
            where="working ion",
            remedy="'empty' is for a framework that stands without its working ions",
        )
    rest = Geometry(
        lattice=parent.lattice,
        species=tuple(symbol for symbol in parent.species if symbol != ion),
        positions=as_vectors(parent.xyz[~taken]),
    )
    symmetry = find_symmetry(rest)
    sites = parent.fractional[taken]
    for place in parent.fractional[taken]:
        for copy in copies(place, symmetry, rest.cell):
            away = sites - copy
            away -= np.rint(away)
            if np.linalg.norm(away @ rest.cell, axis=1).min() > 0.1:
                sites = np.concatenate([sites, copy[None]])
    return rest, named_sites(rest, sites)
