"""mongomock's store with hash indexes, so that a lookup costs what it finds, not what is stored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any

from bson import Int64, ObjectId
from mongomock_ng.filtering import iter_key_candidates
from mongomock_ng.store import CollectionStore, DatabaseStore, ServerStore
from sentinels import NOTHING

Bucket = Any
Ids = dict[Any, None]  # a set that keeps its order

SIMPLE = {str, int, float, bool, dt.datetime, Int64}
ODD = object()


def bucket(value: Any) -> Bucket | None:
    """Return a key that is the same for values that compare equal; None if there is no such key."""
    if type(value) is ObjectId:
        return str(value)  # mongomock finds an ObjectId in a list of strings, too
    if type(value) in SIMPLE and value == value:  # noqa: PLR0124 - NaN equals only NaN, there
        return value
    return None


def buckets(document: Mapping[str, Any], field: str) -> set[Bucket]:
    """Return the keys under which a document is found by a field; all elements of an array."""
    found: set[Bucket] = set()
    for candidate in iter_key_candidates(field, document):
        for value in candidate if isinstance(candidate, (list, tuple)) else [candidate]:
            key = bucket(value)
            if key is not None:
                found.add(key)
            elif value is not NOTHING and not isinstance(value, (Mapping, list, tuple, NoneType)):
                found.add(ODD)  # nothing is known of what it equals: always looked at
    return found


class IndexedStore(CollectionStore):  # type: ignore[misc]
    """The documents of one collection, and where to find them by an indexed field.

    Only equality is served, and only to choose which documents a filter is applied to: what is
    not in the index is never left out of a result.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.examined = 0
        self._maps: dict[str, dict[Bucket, Ids]] = {"_id": {}}
        self._held: dict[Any, dict[str, set[Bucket]]] = {}
        self._rank: dict[Any, int] = {}
        self._next_rank = 0

    def __setitem__(self, key: Any, document: Any) -> None:
        super().__setitem__(key, document)
        self._is_force_created = True  # mongod keeps a collection that lost its last document
        if key not in self._rank:
            self._rank[key] = self._next_rank
            self._next_rank += 1
        for field in self._maps:
            self._file(key, document, field)

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        for field, old in self._held.pop(key, {}).items():
            self._remove(key, field, old)
        self._rank.pop(key, None)

    def create_index(self, index_name: str, index_dict: dict[str, Any]) -> None:
        super().create_index(index_name, index_dict)
        self._is_force_created = True
        field = index_dict["key"][0][0]
        if field not in self._maps:
            self._maps[field] = {}
            for key, document in self._documents.items():
                self._file(key, document, field)

    def drop_index(self, index_name: str) -> None:
        super().drop_index(index_name)
        wanted = {"_id"} | {index["key"][0][0] for index in self.indexes.values()}
        for field in set(self._maps) - wanted:
            del self._maps[field]
            for held in self._held.values():
                held.pop(field, None)

    def drop(self) -> None:
        super().drop()
        self._maps, self._held, self._rank = {"_id": {}}, {}, {}

    def chosen(self, spec: Mapping[str, Any] | None) -> list[Any]:
        """Return the documents that a filter must be applied to, in their natural order."""
        self._remove_expired_documents()
        keys = self.narrowed(spec or {})
        if keys is None:
            documents = list(self._documents.values())
        else:
            ordered = sorted(keys, key=self._rank.__getitem__)
            documents = [self._documents[key] for key in ordered]
        self.examined += len(documents)
        return documents

    def settles(self, spec: Mapping[str, Any]) -> bool:
        """Say whether all that the indexes choose for a filter match it."""
        if len(spec) != 1:
            return False
        [(field, search)] = spec.items()
        return field in self._maps and type(search) in {str, int} and ODD not in self._maps[field]

    def narrowed(self, spec: Any) -> Ids | None:
        """Return the ids among which all matches are; None if the indexes do not tell."""
        if not isinstance(spec, Mapping):
            return None
        best: Ids | None = None
        for field, search in spec.items():
            for keys in self._terms(field, search):
                if keys is not None and (best is None or len(keys) < len(best)):
                    best = keys
        return best

    def _terms(self, field: str, search: Any) -> Iterable[Ids | None]:
        if field == "$and" and isinstance(search, list):
            return [self.narrowed(part) for part in search]
        if field == "$or" and isinstance(search, list) and search:
            return [self._any_of([self.narrowed(part) for part in search])]
        if field.startswith("$") or field not in self._maps:
            return []
        return [self._of(field, values) for values in _asked(search)]

    @staticmethod
    def _any_of(parts: list[Ids | None]) -> Ids | None:
        union: Ids = {}
        for part in parts:
            if part is None:
                return None
            union |= part
        return union

    def _of(self, field: str, values: Iterable[Any]) -> Ids | None:
        wanted = [bucket(value) for value in values]
        if None in wanted:
            return None
        entries = self._maps[field]
        if len(wanted) == 1 and ODD not in entries:
            return entries.get(wanted[0], {})
        return self._any_of([entries.get(key, {}) for key in [*wanted, ODD]])

    def _file(self, key: Any, document: Any, field: str) -> None:
        held = self._held.setdefault(key, {})
        old, new = held.get(field, set()), buckets(document, field)
        self._remove(key, field, old - new)
        for entry in new - old:
            self._maps[field].setdefault(entry, {})[key] = None
        held[field] = new

    def _remove(self, key: Any, field: str, entries: Iterable[Bucket]) -> None:
        for entry in entries:
            keys = self._maps[field][entry]
            del keys[key]
            if not keys:
                del self._maps[field][entry]


def _asked(search: Any) -> list[list[Any]]:
    """Return the lists of values of which a match must have one, for each condition on a field."""
    if not isinstance(search, Mapping):
        return [[search]]
    found = []
    if "$eq" in search:
        found.append([search["$eq"]])
    if isinstance(search.get("$in"), (list, tuple)):
        found.append(list(search["$in"]))
    return found


class IndexedDatabase(DatabaseStore):  # type: ignore[misc]
    """The collections of one database."""

    def __getitem__(self, name: str) -> IndexedStore:
        if name not in self._collections:
            self._collections[name] = IndexedStore(name)
        store: IndexedStore = self._collections[name]
        return store


class IndexedServer(ServerStore):  # type: ignore[misc]
    """The databases of one server."""

    def __getitem__(self, name: str) -> IndexedDatabase:
        if name not in self._databases:
            self._databases[name] = IndexedDatabase()
        store: IndexedDatabase = self._databases[name]
        return store

    @property
    def examined(self) -> int:
        """Documents that filters were applied to since the start."""
        return sum(
            store.examined
            for database in self._databases.values()
            for store in database._collections.values()
        )
