"""What is known of an engine before it is built, and the engines that ship with dualion."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from dualion.records import Record

Tier = Literal["test", "fast", "standard", "accurate", "dft", "other"]
Kind = Literal["ase", "vasp"]


class EngineEntry(Record):
    """How an engine is built: a calculator that follows ASE's interface, and its weights."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")
    calculator: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="'module:attribute'; called with `kwargs` it returns an ASE calculator.",
    )
    kwargs: dict[str, str | int | float | bool] = Field(default_factory=dict)
    package: str = Field(description="Name to give to pip.")
    data_package: str | None = Field(
        None, description="Package of data whose version is part of the level of theory."
    )
    install: str = Field("", description="How to install it; empty: by pip.")
    tier: Tier = "other"
    alias: str = Field("", description="Another name the user may type.")
    device_argument: str | None = Field(
        None, description="Keyword that takes 'cpu' or 'cuda'; None: the engine has no device."
    )
    model_argument: str | None = Field(
        None, description="Keyword that takes the path of the weights; None: no weights."
    )
    weights: str | None = Field(
        None, description="Weights inside the package: a path relative to site-packages."
    )
    model_file: Path | None = Field(None, description="Weights elsewhere: an absolute path.")
    model_sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="What `model_file` must hash to."
    )
    known_models: dict[str, str] = Field(
        default_factory=dict, description="SHA-256 of weights that are known, and what they are."
    )
    charge_argument: str | None = Field(
        None,
        description="Keyword that takes the charge of the cell in e; None: it knows no charge.",
    )
    kind: Kind = Field(
        "ase",
        description="Who moves the atoms: dualion with forces of `calculator`, or VASP itself.",
    )
    elements: tuple[str, ...] | None = Field(None, description="None: not limited, or unknown.")
    note: str = ""

    @field_validator("model_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        if path is None:
            return None
        path = path.expanduser()
        if not path.is_absolute():
            msg = f"must be an absolute path, not '{path}'"
            raise ValueError(msg)
        return path

    @property
    def needs_model(self) -> bool:
        """Whether this engine reads weights."""
        return self.model_argument is not None

    @property
    def charged(self) -> bool:
        """Whether it can treat a charged cell."""
        return self.charge_argument is not None


def _gpaw(name: str, numerics: dict[str, str | int | float | bool], *, note: str) -> EngineEntry:
    return EngineEntry(
        name=name,
        calculator="dualion.engines.plane_waves:plane_wave_calculator",
        kwargs={"functional": "PBE", "smearing": 0.05, **numerics},
        package="gpaw",
        data_package="gpaw-data",
        install="make gpaw (in a clone) or launch/install_gpaw.sh VENV",
        tier="dft",
        charge_argument="charge",
        note=note,
    )


def _vasp(name: str, functional: str, *, alias: str = "") -> EngineEntry:
    return EngineEntry(
        name=name,
        alias=alias,
        calculator="dualion.engines.vasp.source:vasp_calculator",
        kwargs={"functional": functional},
        package="atomate2",
        tier="dft",
        charge_argument="charge",
        kind="vasp",
        note=f"VASP with {functional}; needs your VASP and its POTCARs",
    )


BUILT_IN: tuple[EngineEntry, ...] = (
    EngineEntry(
        name="emt",
        calculator="dualion.engines.calculators:emt_calculator",
        package="ase",
        tier="test",
        elements=("Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt", "H", "C", "N", "O"),
        note="effective medium theory for fcc metals; for tests and first tries",
    ),
    EngineEntry(
        name="chgnet",
        alias="fast",
        calculator="dualion.engines.calculators:chgnet_calculator",
        package="chgnet",
        tier="fast",
        device_argument="device",
        model_argument="path",
        weights="chgnet/pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar",
        known_models={
            "d14ab7c0f093efe64b60a7bcd540bca10e74fb7f46c86108a079af60524659d1": "CHGNet 0.3.0",
        },
        note="screening; barriers come out 25–45 % low",
    ),
    EngineEntry(
        name="7net-0",
        alias="standard",
        calculator="sevenn.calculator:SevenNetCalculator",
        package="sevenn",
        tier="standard",
        device_argument="device",
        model_argument="model",
        weights="sevenn/pretrained_potentials/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
        known_models={
            "7052cb42b7b3be42b40b97fa0d21077a48c54b5548948fc4dcf346629f813c36": (
                "SevenNet-0 (11 July 2024)"
            ),
        },
        note="SevenNet-0; about five times the cost of CHGNet",
    ),
    EngineEntry(
        name="7net-l3i5",
        alias="accurate",
        calculator="sevenn.calculator:SevenNetCalculator",
        package="sevenn",
        tier="accurate",
        device_argument="device",
        model_argument="model",
        weights="sevenn/pretrained_potentials/SevenNet_l3i5/checkpoint_l3i5.pth",
        known_models={
            "a7ff190d41efe5b8317a03d20a468e4036a1a3e64e0b14fdbab64ac3f4bfc09d": "SevenNet-l3i5",
        },
        note="SevenNet-l3i5; about nine times the cost of CHGNet",
    ),
    EngineEntry(
        name="mace-mp",
        calculator="mace.calculators:MACECalculator",
        kwargs={"default_dtype": "float64"},
        package="mace-torch",
        device_argument="device",
        model_argument="model_paths",
        note="weights are not in the package: give model_file in your own entry",
    ),
    EngineEntry(
        name="matgl",
        calculator="dualion.engines.calculators:matgl_calculator",
        package="matgl",
        model_argument="path",
        note="weights are not in the package: give model_file in your own entry",
    ),
    _gpaw(
        "gpaw",
        {"cutoff": 400, "spacing": 0.35, "tolerance": 1e-5},
        note="density functional theory, free: PBE, plane waves of 400 eV, no spin",
    ),
    _gpaw(
        "gpaw-light",
        {"cutoff": 200, "spacing": 0.62, "tolerance": 1e-4},
        note="the same with 200 eV and few k-points; for first tries",
    ),
    _vasp("vasp-pbe", "PBE", alias="vasp"),
    _vasp("vasp-pbesol", "PBEsol"),
)
