"""Records as OPTIMADE structures: the first image of a band, and what is known of its barrier.

Properties of dualion's own have the prefix ``_dualion_`` and are the columns of
:mod:`~dualion.store.formats.table`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dualion.errors import InputError
from dualion.records import HopRecord, Images
from dualion.store.base import BarrierStore
from dualion.store.formats.table import COLUMNS
from dualion.store.summary import moment

PREFIX = "_dualion_"
TYPE = "structures"
GEOMETRY = ("lattice_vectors", "cartesian_site_positions")
"""Read from the store for each answer; nothing can be asked of them."""

_TYPES = {"text": "string", "number": "float", "count": "integer", "flag": "boolean"}
_SCALARS = frozenset({"string", "float", "integer", "boolean", "timestamp"})

Attributes = dict[str, Any]


def properties() -> dict[str, dict[str, Any]]:
    """Return description, type and whether one can sort by it, for each property.

    Raises
    ------
    InputError
        If the package optimade is not installed.
    """
    try:
        from optimade.models import StructureResource
        from optimade.server.schemas import retrieve_queryable_properties
    except ImportError as error:
        raise InputError(
            "OPTIMADE needs the package optimade, which is not installed",
            where="serve",
            remedy="pip install 'dualion[optimade]'",
        ) from error
    found: dict[str, dict[str, Any]] = {}
    known = retrieve_queryable_properties(StructureResource, ("id", "type", "attributes"))
    for name, facts in known.items():
        kind = str(getattr(facts["type"], "value", facts["type"]))
        found[name] = {"description": facts["description"], "type": kind}
        if facts.get("unit") is not None:
            found[name]["unit"] = facts["unit"]
    for name, field in COLUMNS.items():
        found[f"{PREFIX}{name}"] = {"description": field.about, "type": _TYPES[field.kind]}
    for facts in found.values():
        facts["sortable"] = facts["type"] in _SCALARS
    return found


class Entries:
    """The entries of a store as they are when this is made.

    What can be asked is held in memory, a few kB a record; geometries are not. Records without
    images are no structures and are left out.

    Parameters
    ----------
    store
        Open for reading.

    Raises
    ------
    InputError
        If the package optimade is not installed.
    """

    def __init__(self, store: BarrierStore) -> None:
        self.properties = properties()
        self._store = store
        self._found = {
            record.record_id: _attributes(record, record.images)
            for record in store.query(images=True)
            if record.images is not None and len(record.images)
        }

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[tuple[str, Attributes]]:
        return iter(self._found.items())

    def get(self, record_id: str) -> Attributes | None:
        """Return what can be asked of one entry; None if there is no such entry."""
        return self._found.get(record_id)

    def resource(self, record_id: str, fields: Iterable[str] | None = None) -> dict[str, Any]:
        """Return one entry as JSON API has it.

        Parameters
        ----------
        record_id
            Of an entry that is there.
        fields
            The properties wanted; unknown ones are null. None: all.
        """
        known = self._found[record_id]
        wanted = [
            name
            for name in (self.properties if fields is None else fields)
            if name not in {"id", "type"}
        ]
        attributes = {name: known.get(name) for name in wanted}
        if any(name in attributes for name in GEOMETRY):
            images = self._store.images(record_id)
            if images is not None:
                geometry = {
                    "lattice_vectors": [list(row) for row in images.lattice],
                    "cartesian_site_positions": [list(xyz) for xyz in images.positions[0]],
                }
                attributes |= {name: geometry[name] for name in GEOMETRY if name in attributes}
        return {"id": record_id, "type": TYPE, "attributes": attributes}


def _attributes(record: HopRecord, images: Images) -> Attributes:
    from optimade.adapters.structures.pymatgen import from_pymatgen

    model = from_pymatgen(images.geometry(0).structure())
    found: Attributes = {
        name: value
        for name, value in model.model_dump(mode="json").items()
        if name not in GEOMETRY and value is not None
    }
    found["species"] = sorted(found["species"], key=lambda each: str(each["name"]))
    found |= {"id": record.record_id, "type": TYPE, "immutable_id": record.record_id}
    if made := moment(record.provenance.created):
        found["last_modified"] = made.replace("+00:00", "Z")
    for name, field in COLUMNS.items():
        value = field.read(record)
        if value is not None:
            found[f"{PREFIX}{name}"] = value
    return found
