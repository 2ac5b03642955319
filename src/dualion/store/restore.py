"""Putting a backup in the place of a barrier store, without losing what only the store has."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from dualion.errors import StoreError, StoreVersionError
from dualion.records import Record
from dualion.store.check import check
from dualion.store.database import explain
from dualion.store.sqlite import SQLiteBarrierStore

_SHOWN = 3
_HISTORIES = (
    "SELECT record_id, sum(n) FROM ("
    "SELECT record_id, 1 AS n FROM records UNION ALL SELECT record_id, 1 FROM revisions "
    "UNION ALL SELECT record_id, 1 FROM tombstones"
    ") GROUP BY record_id"
)


class Restored(Record):
    """What a restore did."""

    records: int = Field(description="In the store now.")
    aside: str = Field("", description="Where the store that was replaced is kept; empty: none.")


def restore(backup: Path, path: Path, *, force: bool = False) -> Restored:
    """Put a backup in the place of an SQLite store: wholly or not at all.

    Other processes may have the store open; they see the old content or the new.

    Parameters
    ----------
    backup
        As ``store backup`` writes it, of this schema version or an older one. It is looked over
        first, and not changed.
    path
        Of the store; made if it does not exist.
    force
        Replace a store that has records or revisions which the backup lacks, or that cannot be
        read. What is replaced is kept beside it.

    Raises
    ------
    StoreError
        If the backup is damaged or is the store itself, the store may not be replaced, or the
        disk is full.
    """
    backup, path = Path(backup), Path(path)
    if not backup.is_file():
        raise StoreError("there is no backup", where=str(backup), remedy="check the path")
    if path.exists() and backup.samefile(path):
        raise StoreError("is the store itself", where=str(backup), remedy="name its backup")
    # Gathered in a local place: a backup may lie on a network disk, where the log may not.
    try:
        with tempfile.TemporaryDirectory(prefix="dualion-") as folder:
            draft = Path(folder) / "draft.sqlite"
            _copy(backup, draft)
            with SQLiteBarrierStore(draft) as store:  # brings an older version up to date
                _require_sound(store, backup)
                theirs = _histories(store)
                records = store.count()
                aside = _replace(store, draft, path, theirs, force=force)
    except OSError as error:
        raise explain(error, path, "restored store") from error
    return Restored(records=records, aside=aside)


def _copy(backup: Path, draft: Path) -> None:
    """Copy a backup, of any version and also while it is written to."""
    try:
        with SQLiteBarrierStore(backup, read_only=True) as store:
            store.backup(draft)
    except StoreVersionError:
        if Path(f"{backup}-wal").exists():
            raise
        shutil.copyfile(backup, draft)


def _require_sound(store: SQLiteBarrierStore, backup: Path) -> None:
    troubles = check(store).troubles
    if troubles:
        first = f"{troubles[0].record_id} {troubles[0].what}".strip()
        raise StoreError(
            f"the backup is damaged ({len(troubles)} faults; first: {first})",
            where=str(backup),
            remedy="name another one, or repair this with 'dualion store check --repair'",
        )


def _histories(store: SQLiteBarrierStore) -> dict[str, int]:
    return {str(one): int(str(n)) for one, n in store.database.rows(_HISTORIES)}


def _replace(
    draft: SQLiteBarrierStore, file: Path, path: Path, theirs: dict[str, int], *, force: bool
) -> str:
    if not path.exists():
        draft.backup(path)
        return ""
    aside = path.with_name(f"{path.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    if not _is_readable(path):
        if not force:
            raise StoreError(
                "the store cannot be read, so nobody knows what the backup lacks",
                where=str(path),
                remedy="give --force; what is there is kept beside it",
            )
        path.replace(aside)
        for rest in (Path(f"{path}{suffix}") for suffix in ("-wal", "-shm")):
            if rest.exists():
                rest.replace(f"{aside}{rest.name.removeprefix(path.name)}")
        draft.backup(path)
        return str(aside)
    with SQLiteBarrierStore(path) as present:
        ours = _histories(present)
        lacking = [each for each, count in ours.items() if theirs.get(each, 0) < count]
        if lacking:
            if not force:
                raise _lacks(lacking, path)
            present.backup(aside)
        # Readers that keep the summaries learn from it that all may be another.
        removals = present.removals + draft.removals + 1
        draft.database.execute("UPDATE counters SET value = ? WHERE name = 'removals'", (removals,))
        present.database.replace(file)
    return str(aside) if lacking else ""


def _lacks(lacking: list[str], path: Path) -> StoreError:
    shown = ", ".join(lacking[:_SHOWN]) + (", …" if len(lacking) > _SHOWN else "")
    return StoreError(
        f"the store has {len(lacking)} records or revisions that the backup lacks ({shown})",
        where=str(path),
        remedy="copy them first with 'dualion store migrate', or give --force",
    )


def _is_readable(path: Path) -> bool:
    try:
        with SQLiteBarrierStore(path, read_only=True) as store:
            return store.database.check() == "ok"
    except StoreVersionError:
        return True  # opening it for writing brings it up to date, or says why not
    except StoreError:
        return False
