"""What the tests of the command line share: running a verb, and looking what it wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dualion.cli.app import app
from dualion.records import BarrierError, Check, HopRecord, Outcome
from dualion.store.opening import open_store

CIF = """data_test
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {a}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""
ERROR = BarrierError(
    residual=0.02,
    energy=0.0061,
    fit_difference=0.001,
    verified=(Check.CONVERGED, Check.RESOLVED),
    unverified=(Check.JOINS_ENDS,),
)
FCC = ((0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0))


@dataclass(frozen=True)
class Answer:
    """What a person sees of a command."""

    code: int
    out: str
    err: str

    def one_line_error(self) -> str:
        """The error line, after checking that it is the only thing printed."""
        assert self.out == ""
        assert self.err.startswith("error: ")
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err


@pytest.fixture
def dualion(tmp_path, monkeypatch) -> Callable[..., Answer]:
    """Run a verb in an empty folder, without the user's settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("RUNS", "STORE", "LIBRARY", "ENGINES", "WORKERS"):
        monkeypatch.delenv(f"DUALION_{name}", raising=False)

    def run(*words: object) -> Answer:
        result = CliRunner().invoke(app, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def tree(tmp_path) -> Callable[[], dict[str, str]]:
    """Take a picture of the test's folder: every path, and a hash of every file.

    SQLite's own shared-memory files beside a store come and go with readers.
    """

    def look() -> dict[str, str]:
        return {
            str(path.relative_to(tmp_path)): hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file()
            else "folder"
            for path in sorted(tmp_path.rglob("*"))
            if not path.name.endswith(("-wal", "-shm"))
        }

    return look


@pytest.fixture
def rocksalt(tmp_path) -> Callable[..., Path]:
    """Write rocksalt MCl as CIF: ``cations`` share each M site as (symbol, occupancy).

    All sites are listed: pymatgen takes seconds to expand the 192 operations of Fm-3m.
    """

    def write(
        name: str = "nacl.cif",
        *,
        cations: tuple[tuple[str, float], ...] = (("Na", 1.0),),
        a: float = 5.64,
        twin: float | None = None,
    ) -> Path:
        rows = [("Cl", (x + 0.5, y, z), 1.0) for x, y, z in FCC]
        rows += [(symbol, site, share) for site in FCC for symbol, share in cations]
        if twin is not None:  # a second atom that many Å from the first cation
            rows.append((cations[0][0], (twin / a, 0.0, 0.0), 1.0))
        lines = [
            f"{symbol}{n} {symbol} {x % 1.0} {y} {z} {share}"
            for n, (symbol, (x, y, z), share) in enumerate(rows)
        ]
        file = tmp_path / name
        file.write_text(CIF.format(a=a) + "\n".join(lines) + "\n")
        return file

    return write


@pytest.fixture
def store(tmp_path, make_record) -> Path:
    """A store with Li and Cu on two hops; Cu has no barrier on the second."""
    path = tmp_path / "some.sqlite"
    records: list[HopRecord] = [
        make_record(class_id="h1", forward=0.218, error=ERROR),
        make_record(class_id="h2", forward=0.343),
        make_record(class_id="h1", moving_ion="Cu", forward=0.63, reverse=0.70),
        make_record(class_id="h2", moving_ion="Cu", outcome=Outcome.WRONG_MOVER),
    ]
    with open_store(path) as opened:
        for record in records:
            opened.add(record)
    return path
