"""A second engine whose answers are known from those of EMT, and a campaign of two tiers.

It is EMT on a crystal 1 % larger with energies 10 % higher: its lattice and all its barriers follow
from those of EMT, exactly.
"""

from __future__ import annotations

from typing import Any

STRETCH, SCALE = 1.01, 1.1

CALCULATOR = f"""\
from ase.calculators.calculator import Calculator, all_changes
from counting_emt import CountingEMT

class StretchedEMT(Calculator):
    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, pause=0.0):
        super().__init__()
        self.inner = CountingEMT(pause)

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        small = atoms.copy()
        small.set_cell(atoms.cell / {STRETCH}, scale_atoms=True)
        self.inner.calculate(small, ["energy", "forces", "stress"], all_changes)
        found = self.inner.results
        energy = {SCALE} * found["energy"]
        self.results = {{
            "energy": energy,
            "free_energy": energy,
            "forces": {SCALE / STRETCH} * found["forces"],
            "stress": {SCALE / STRETCH**3} * found["stress"],
        }}
"""

CAMPAIGN = """
name: {{name}}
framework: cu.cif
pair: [Cu, Ag]
engine: {engine}
doping: [pure, dilute, {{{{fraction: 0.12, arrangements: 2}}}}]
cell: {{{{min_image_distance: 7.0}}}}
relax: {{{{fmax: 0.005}}}}
band: {{{{method: {method}}}}}
path: {{{{images: 3}}}}
{tiers}
"""
TIERS = "tiers:\n  - {{engine: stretched-emt, promote: lowest 1 per ion}}\n"


def text(*, engine: str = "counting-emt", method: str = "full", tiers: str = TIERS) -> str:
    """A campaign for a bench."""
    return CAMPAIGN.format(engine=engine, method=method, tiers=tiers)


def with_second_engine(bench: Any, *, pause: float = 0.0) -> Any:
    """Add the engine to a bench."""
    (bench.folder / "stretched_emt.py").write_text(CALCULATOR)
    with (bench.folder / "engines.yaml").open("a") as file:
        file.write(
            "- name: stretched-emt\n"
            "  calculator: stretched_emt:StretchedEMT\n"
            "  package: ase\n"
            f"  kwargs: {{pause: {pause}}}\n"
        )
    return bench
