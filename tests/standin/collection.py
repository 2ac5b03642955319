"""mongomock's collection on the indexed store, with updates that happen wholly or not at all."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from bson import ObjectId
from mongomock_ng import MongoClient
from mongomock_ng.aggregate import process_pipeline
from mongomock_ng.collection import Collection
from mongomock_ng.database import Database
from mongomock_ng.filtering import filter_applies, resolve_key, resolve_sort_key
from mongomock_ng.geospatial import extract_near_specs
from mongomock_ng.helpers import (
    _clone_document,
    get_value_by_dot,
    hashdict,
    patch_datetime_awareness_in_document,
)
from pymongo.errors import DuplicateKeyError, OperationFailure, WriteError
from sentinels import NOTHING

from standin.index import IndexedServer

Document = dict[str, Any]


class IndexedCollection(Collection):  # type: ignore[misc]
    """One collection; `fresh` gives the ids of documents that an upsert makes."""

    def __init__(self, database: Any, name: str, fresh: deque[ObjectId]) -> None:
        super().__init__(database, name, _db_store=database._store)
        self._fresh = fresh

    def select(
        self,
        spec: Mapping[str, Any] | None,
        projection: Any = None,
        sort: Any = None,
        skip: int = 0,
        limit: int = 0,
    ) -> Iterator[Document]:
        """Find documents; only those handed out are copied."""
        spec = patch_datetime_awareness_in_document(spec or {})
        found = self._get_dataset(spec, sort, projection, dict)
        return itertools.islice(found, skip, skip + limit if limit else None)

    def _get_dataset(self, spec: Any, sort: Any, fields: Any, as_class: Any) -> Iterator[Document]:
        keys = list(sort.items() if isinstance(sort, dict) else sort or [])
        if (
            not keys
            or any(field.startswith("$") for field, _ in keys)
            or extract_near_specs(spec)[0]
        ):
            found: Iterator[Document] = super()._get_dataset(spec, sort, fields, as_class)
            return found
        documents = list(self._iter_documents(spec))
        for field, order in reversed(keys):
            values = _sort_values(documents, field)
            places = sorted(range(len(values)), key=values.__getitem__, reverse=order < 0)
            documents = [documents[place] for place in places]
        copies = (self._copy_only_fields(d, fields, as_class, filter=spec) for d in documents)
        return (document for document in copies if document is not None)

    def find_one(self, filter: Any = None, projection: Any = None, sort: Any = None) -> Any:  # noqa: A002 - mongomock's name
        return next(self.select(filter, projection, sort), None)

    def drop_indexes(self, session: Any = None) -> None:  # noqa: ARG002 - mongomock's parameter
        for name in list(self._store.indexes):
            self._store.drop_index(name)

    def aggregate(self, pipeline: list[Document]) -> Iterator[Document]:
        """Run a pipeline; a `$match` it begins with uses the indexes."""
        spec: Document = {}
        if pipeline and set(pipeline[0]) == {"$match"}:
            spec, pipeline = pipeline[0]["$match"], pipeline[1:]
        if pipeline == [{"$group": {"_id": 1, "n": {"$sum": 1}}}]:  # how drivers count
            count = self.count_documents(spec)
            return iter([{"_id": 1, "n": count}] if count else [])
        found = list(self.select(spec))
        return iter(process_pipeline(found, self.database, pipeline, None))

    def _iter_documents(self, filter: Any) -> Iterator[Document]:  # noqa: A002 - mongomock's name
        documents = self._store.chosen(filter)
        if not documents:
            filter_applies(filter, {})  # a filter that makes no sense is an error all the same
        if self._store.settles(filter):
            return iter(documents)
        return (document for document in documents if filter_applies(filter, document))

    def _ensure_uniques(self, new_data: Document, before: Document | None = None) -> None:
        for index in self._store.indexes.values():
            if not index.get("unique"):
                continue
            sparse, partial = index.get("sparse"), index.get("partialFilterExpression")
            entries = self._compute_index_entries(new_data, index["key"], sparse)
            if entries is None or (
                before is not None
                and entries == self._compute_index_entries(before, index["key"], sparse)
            ):
                continue
            field = index["key"][0][0]
            for other in self._store.chosen(_sharing(new_data, field)):
                if other["_id"] == new_data["_id"] or (
                    partial and not filter_applies(partial, other)
                ):
                    continue
                theirs = self._compute_index_entries(other, index["key"], sparse)
                if theirs is not None and self._entries_overlap(entries, theirs):
                    value = {key: _plain(new_data, key) for key, _ in index["key"]}
                    raise DuplicateKeyError(
                        f"E11000 duplicate key error collection: {self.full_name} dup key: {value}",
                        11000,
                        {"keyPattern": dict(index["key"]), "keyValue": value},
                    )

    def _update_documents(
        self,
        spec: Any,
        document: Any,
        upsert: bool,  # noqa: FBT001 - mongomock's signature
        multi: bool,  # noqa: FBT001 - same
        sort: Any,
        session: Any = None,
        validate: bool = True,  # noqa: FBT001, FBT002 - same
    ) -> Document:
        """Change a copy and put it in place only if all went well; mongomock changes in place."""
        matches = (
            list(self._get_dataset(spec, sort, None, dict))
            if sort
            else list(self._iter_documents(spec))
        )
        changed = 0
        for before in matches if multi else matches[:1]:
            after = _clone_document(before)
            self._apply(after, spec, document, was_insert=False, session=session)
            if after.get("_id") != before["_id"]:
                raise WriteError("the (immutable) field '_id' was found to have been altered", 66)
            self._ensure_uniques(after, before)
            self._store[_key(after)] = after  # even if equal: 1 may have become True
            changed += after != before
        upserted = None
        if upsert and not matches:
            upserted = self._upsert(spec, document, session, validate=validate)
        return {
            "connectionId": 0,
            "err": None,
            "n": min(len(matches), len(matches) if multi else 1) + (upserted is not None),
            "nModified": changed,
            "ok": 1,
            "upserted": upserted,
            "updatedExisting": bool(matches),
        }

    def _upsert(self, spec: Any, document: Any, session: Any, *, validate: bool) -> Any:
        identity = spec.get("_id")
        if identity is None and isinstance(document, dict):
            identity = document.get("_id")
        if identity is None:
            identity = self._fresh.popleft() if self._fresh else ObjectId()
        made, _ = self._discard_operators(self._expand_dots(dict(spec, _id=identity)))
        self._apply(made, spec, document, was_insert=True, session=session)
        return self._insert(made, validate=validate)

    def _apply(
        self, target: Document, spec: Any, document: Any, *, was_insert: bool, session: Any
    ) -> None:
        if isinstance(document, list):
            self._apply_update_pipeline(target, document, session)
        else:
            self._apply_update_document(target, spec, document, was_insert)


def _key(document: Document) -> Any:
    identity = document["_id"]
    return hashdict(identity) if isinstance(identity, dict) else identity


def _sort_values(documents: list[Document], field: str) -> list[Any]:
    """Return what to sort by; plain values if all are of one kind: mongomock's are slow."""
    values = [resolve_key(field, document) for document in documents]
    if {type(value) for value in values if value is not NOTHING} in (set(), {int}, {str}):
        return [(0,) if value is NOTHING else (1, value) for value in values]
    return [resolve_sort_key(field, document) for document in documents]


def _sharing(document: Document, field: str) -> Document:
    """Return a filter that no document fails which has a value of this field in common."""
    value = get_value_by_dot(document, field)
    if value is NOTHING or value is None or value == []:
        return {}
    return {field: {"$in": list(value) if isinstance(value, (list, tuple)) else [value]}}


def _plain(document: Document, key: str) -> Any:
    value = get_value_by_dot(document, key)
    return None if value is NOTHING else value


class IndexedView(Database):  # type: ignore[misc]
    """One database, whose collections use the indexes also where a pipeline names them."""

    def __init__(self, client: Any, name: str, store: Any, fresh: deque[ObjectId]) -> None:
        super().__init__(client, name, store)
        self._fresh = fresh

    def get_collection(self, name: str, **_: Any) -> IndexedCollection:
        if not isinstance(name, str) or not name or name.startswith("$"):
            raise OperationFailure(f"invalid collection name: {name!r}", 73)
        return IndexedCollection(self, name, self._fresh)


class Data:
    """All databases of a server, by name."""

    def __init__(self) -> None:
        self.store = IndexedServer()
        self.client = MongoClient(_store=self.store)
        self.fresh: deque[ObjectId] = deque()

    def __getitem__(self, place: tuple[str, str]) -> IndexedCollection:
        database, name = place
        return self.database(database).get_collection(name)

    def database(self, name: str) -> IndexedView:
        """Return a database, which exists once something is in it."""
        return IndexedView(self.client, name, self.store[name], self.fresh)
