"""The commands that pymongo, GridFS, maggma and FireWorks send, on the documents in memory."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import bson
from bson import Int64, ObjectId
from mongomock_ng.filtering import filter_applies
from mongomock_ng.helpers import utcnow
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError, WriteError

from standin.collection import Data, IndexedCollection

Document = dict[str, Any]
Handler = Callable[[str, Document], Document]

LARGEST_DOCUMENT = 16 * 1024 * 1024
BATCH_BYTES = 12 * 1024 * 1024
FIRST_BATCH = 101
ALL = 1 << 30
WRITES = {"insert", "update", "delete", "findandmodify"} | {
    *("create", "createindexes", "dropindexes", "drop", "dropdatabase")
}
VERSION = {"version": "6.0.0", "versionArray": [6, 0, 0, 0], "gitVersion": "stand-in"}
HELLO = {
    "ismaster": True,
    "isWritablePrimary": True,
    "helloOk": True,
    "maxBsonObjectSize": LARGEST_DOCUMENT,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 17,
    "readOnly": False,
}
OK = {"ok": 1.0}


def failure(code: int, name: str, message: object) -> Document:
    """Return the reply to a command that failed."""
    return {"ok": 0.0, "code": code, "codeName": name, "errmsg": str(message)}


def name_of(command: Document) -> str:
    """Return the name of a command, in small letters."""
    return next(iter(command), "").lower()


def is_write(command: Document) -> bool:
    """Say whether a command may change what is stored."""
    name = name_of(command)
    if name == "aggregate":
        return any({"$out", "$merge"} & set(stage) for stage in command.get("pipeline", []))
    return name in WRITES


def settle(command: Document) -> list[ObjectId]:
    """Decide beforehand what a server decides in a write, so that doing it again does the same.

    Times and the ids of inserted documents are put into the command; the ids that its upserts may
    need are returned.
    """
    for document in command.get("documents", []):
        if "_id" not in document:
            document["_id"] = ObjectId()
    statements = command.get("updates", [])
    if name_of(command) == "findandmodify":
        statements = [{"u": command.get("update"), "upsert": command.get("upsert")}]
    for statement in statements:
        update = statement["u"]
        if isinstance(update, dict) and "$currentDate" in update:
            fields = update.pop("$currentDate")
            update["$set"] = update.get("$set", {}) | dict.fromkeys(fields, utcnow())
    return [ObjectId() for statement in statements if statement.get("upsert")]


class Commands:
    """What the server does for each command."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.asked = 0
        self._cursors: dict[int, tuple[str, Iterator[Any]]] = {}
        self._cursor_ids = itertools.count(1)
        self._handlers: dict[str, Handler] = {
            "hello": lambda _db, _c: HELLO | OK,
            "ismaster": lambda _db, _c: HELLO | OK,
            "ping": lambda _db, _c: OK,
            "endsessions": lambda _db, _c: OK,
            "buildinfo": lambda _db, _c: VERSION | {"maxBsonObjectSize": LARGEST_DOCUMENT} | OK,
            "serverstatus": self._status,
            "insert": self._insert,
            "update": self._update,
            "delete": self._delete,
            "find": self._find,
            "getmore": self._get_more,
            "killcursors": self._kill_cursors,
            "aggregate": self._aggregate,
            "findandmodify": self._find_and_modify,
            "count": self._count,
            "distinct": self._distinct,
            "create": self._create,
            "createindexes": self._create_indexes,
            "listindexes": self._list_indexes,
            "dropindexes": self._drop_indexes,
            "listcollections": self._list_collections,
            "listdatabases": self._list_databases,
            "drop": self._drop,
            "dropdatabase": self._drop_database,
            "collstats": self._collection_size,
            "dbstats": self._database_size,
        }

    def run(self, command: Document) -> Document:
        """Do a command; whatever goes wrong is said in the reply."""
        self.asked += 1
        handler = self._handlers.get(name_of(command))
        if handler is None:
            return failure(59, "CommandNotFound", f"no such command: '{next(iter(command), '')}'")
        try:
            return handler(command.get("$db", "admin"), command)
        except OperationFailure as error:
            name = "DuplicateKey" if isinstance(error, DuplicateKeyError) else "BadValue"
            return failure(error.code or 2, name, error) | _details(error)
        except NotImplementedError as error:
            return failure(238, "NotImplemented", error)
        except (PyMongoError, ValueError, TypeError, KeyError) as error:
            return failure(2, "BadValue", f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 - a server answers and lives on
            traceback.print_exc()
            return failure(8, "UnknownError", f"{type(error).__name__}: {error}")

    def _collection(self, db: str, command: Document) -> IndexedCollection:
        return self.data[db, next(iter(command.values()))]

    # Cursors.

    def _batch(self, ns: str, items: Iterable[Any], size: int) -> tuple[list[Any], int]:
        """Take the first items, as many as fit a reply; the rest waits under the number given."""
        rest = iter(items)
        taken: list[Any] = []
        used = 0
        for item in rest:
            used += len(bson.encode(item))
            if taken and (used > BATCH_BYTES or len(taken) >= size):
                cursor = next(self._cursor_ids)
                self._cursors[cursor] = (ns, itertools.chain([item], rest))
                return taken, cursor
            taken.append(item)
        return taken, 0

    def _first_batch(self, ns: str, items: Iterable[Any], size: int = ALL) -> Document:
        # A list: what was found stays found while documents change between the batches.
        taken, cursor = self._batch(ns, list(items), size)
        return {"cursor": {"id": Int64(cursor), "ns": ns, "firstBatch": taken}} | OK

    def _get_more(self, _db: str, command: Document) -> Document:
        number = command["getMore"]
        if number not in self._cursors:
            return failure(43, "CursorNotFound", f"cursor id {number} not found")
        ns, items = self._cursors.pop(number)
        taken, cursor = self._batch(ns, items, command.get("batchSize") or ALL)
        if cursor:
            self._cursors[number] = self._cursors.pop(cursor)
        left = Int64(number if cursor else 0)
        return {"cursor": {"id": left, "ns": ns, "nextBatch": taken}} | OK

    def _kill_cursors(self, _db: str, command: Document) -> Document:
        asked = command["cursors"]
        killed = [number for number in asked if self._cursors.pop(number, None)]
        missing = [number for number in asked if number not in killed]
        return {"cursorsKilled": killed, "cursorsNotFound": missing, "cursorsAlive": []} | OK

    # Reading.

    def _find(self, db: str, command: Document) -> Document:
        found = self._collection(db, command).select(
            command.get("filter"),
            command.get("projection") or None,
            list((command.get("sort") or {}).items()),
            command.get("skip", 0),
            abs(command.get("limit", 0)),
        )
        size = ALL if command.get("singleBatch") else command.get("batchSize", FIRST_BATCH)
        return self._first_batch(f"{db}.{command['find']}", found, size)

    def _aggregate(self, db: str, command: Document) -> Document:
        found = self._collection(db, command).aggregate(command["pipeline"])
        size = (command.get("cursor") or {}).get("batchSize", FIRST_BATCH)
        return self._first_batch(f"{db}.{command['aggregate']}", found, size)

    def _count(self, db: str, command: Document) -> Document:
        count = self._collection(db, command).count_documents(command.get("query") or {})
        count = max(0, count - command.get("skip", 0))
        limit = abs(command.get("limit", 0))
        return {"n": min(count, limit) if limit else count} | OK

    def _distinct(self, db: str, command: Document) -> Document:
        found = self._collection(db, command).distinct(command["key"], command.get("query") or {})
        return {"values": list(found)} | OK

    # Writing.

    def _insert(self, db: str, command: Document) -> Document:
        collection = self._collection(db, command)

        def one(document: Document) -> None:
            if len(bson.encode(document)) > LARGEST_DOCUMENT:
                raise WriteError("object to insert too large", 10334)
            collection.insert_one(document)
            reply["n"] += 1

        reply: Document = {"n": 0}
        return _each(command["documents"], one, reply, ordered=command.get("ordered", True))

    def _update(self, db: str, command: Document) -> Document:
        collection = self._collection(db, command)
        indices = itertools.count()

        def one(statement: Document) -> None:
            index = next(indices)
            update, options = statement["u"], {"upsert": statement.get("upsert", False)}
            if not _has_operators(update):
                result = collection.replace_one(statement["q"], update, **options)
            else:
                if statement.get("arrayFilters"):
                    options["array_filters"] = statement["arrayFilters"]
                many = statement.get("multi")
                method = collection.update_many if many else collection.update_one
                result = method(statement["q"], update, **options)
            reply["n"] += result.matched_count
            reply["nModified"] += result.modified_count or 0
            if result.upserted_id is not None:
                reply["n"] += 1
                reply.setdefault("upserted", []).append({"index": index, "_id": result.upserted_id})

        reply: Document = {"n": 0, "nModified": 0}
        return _each(command["updates"], one, reply, ordered=command.get("ordered", True))

    def _delete(self, db: str, command: Document) -> Document:
        collection = self._collection(db, command)

        def one(statement: Document) -> None:
            method = collection.delete_one if statement.get("limit") else collection.delete_many
            reply["n"] += method(statement["q"]).deleted_count

        reply: Document = {"n": 0}
        return _each(command["deletes"], one, reply, ordered=command.get("ordered", True))

    def _find_and_modify(self, db: str, command: Document) -> Document:
        collection = self._collection(db, command)
        query = command.get("query") or {}
        options: Document = {
            "projection": command.get("fields") or None,
            "sort": list((command.get("sort") or {}).items()),
        }
        if command.get("remove"):
            value = collection.find_one_and_delete(query, **options)
            return {"value": value, "lastErrorObject": {"n": int(value is not None)}} | OK
        update, upsert = command["update"], bool(command.get("upsert"))
        existed = next(collection.select(query, {"_id": 1}, limit=1), None) is not None
        method = (
            collection.find_one_and_update
            if _has_operators(update)
            else collection.find_one_and_replace
        )
        value = method(
            query, update, upsert=upsert, return_document=bool(command.get("new")), **options
        )
        last = {"n": int(existed or upsert), "updatedExisting": existed}
        return {"value": value, "lastErrorObject": last} | OK

    # Collections and indexes.

    def _create(self, db: str, command: Document) -> Document:
        name = command["create"]
        if name in self.data.database(db).list_collection_names():
            return failure(48, "NamespaceExists", f"Collection {db}.{name} already exists.")
        self.data.database(db).create_collection(name)
        return OK

    def _create_indexes(self, db: str, command: Document) -> Document:
        collection = self._collection(db, command)
        before = max(1, len(collection.index_information()))
        for index in command["indexes"]:
            keys = [
                (field, int(order) if isinstance(order, float) else order)
                for field, order in index["key"].items()
            ]
            kept = ("unique", "sparse", "expireAfterSeconds", "partialFilterExpression")
            options = {option: index[option] for option in kept if index.get(option)}
            collection.create_index(keys, name=index["name"], **options)
        after = len(collection.index_information())
        return {"numIndexesBefore": before, "numIndexesAfter": after} | OK

    def _list_indexes(self, db: str, command: Document) -> Document:
        name = command["listIndexes"]
        if name not in self.data.database(db).list_collection_names():
            return failure(26, "NamespaceNotFound", f"ns does not exist: {db}.{name}")
        listed = [
            {"v": 2, **index, "key": dict(index["key"]), "name": index_name}
            for index_name, index in self.data[db, name].index_information().items()
        ]
        return self._first_batch(f"{db}.{name}", listed)

    def _drop_indexes(self, db: str, command: Document) -> Document:
        collection = self._collection(db, command)
        asked = command["index"]
        if asked == "*":
            collection.drop_indexes()
            return OK
        known = collection.index_information()
        if isinstance(asked, dict):
            keys = list(asked.items())
            asked = [name for name, index in known.items() if list(index["key"]) == keys]
        names = [asked] if isinstance(asked, str) else asked
        if not names or any(name not in known for name in names):
            return failure(27, "IndexNotFound", f"index not found: {command['index']}")
        for name in names:
            collection.drop_index(name)
        return OK

    def _list_collections(self, db: str, command: Document) -> Document:
        info = {"type": "collection", "options": {}, "info": {"readOnly": False}}
        names = self.data.database(db).list_collection_names()
        listed = [{"name": name} | info for name in names]
        wanted = command.get("filter") or {}
        matching = [document for document in listed if filter_applies(wanted, document)]
        return self._first_batch(f"{db}.$cmd.listCollections", matching)

    def _list_databases(self, _db: str, _command: Document) -> Document:
        names = self.data.client.list_database_names()
        listed = [{"name": name, "sizeOnDisk": 0, "empty": False} for name in names]
        return {"databases": listed, "totalSize": 0} | OK

    def _drop(self, db: str, command: Document) -> Document:
        if command["drop"] not in self.data.database(db).list_collection_names():
            return failure(26, "NamespaceNotFound", "ns not found")
        self.data.database(db).drop_collection(command["drop"])
        return OK

    def _drop_database(self, db: str, _command: Document) -> Document:
        self.data.client.drop_database(db)
        return {"dropped": db} | OK

    # Figures.

    def _status(self, _db: str, _command: Document) -> Document:
        scanned = Int64(self.data.store.examined)
        figures: Document = {
            "metrics": {"queryExecutor": {"scannedObjects": scanned}},
            "opcounters": {"command": Int64(self.asked)},
        }
        return VERSION | figures | OK

    def _collection_size(self, db: str, command: Document) -> Document:
        return {"count": self._collection(db, command).count_documents({})} | OK

    def _database_size(self, db: str, _command: Document) -> Document:
        names = self.data.database(db).list_collection_names()
        objects = sum(self.data[db, name].count_documents({}) for name in names)
        return {"db": db, "collections": len(names), "objects": objects} | OK


def _has_operators(update: Any) -> bool:
    return isinstance(update, list) or next(iter(update), "").startswith("$")


def _details(error: OperationFailure) -> Document:
    details = error.details or {}
    return {name: details[name] for name in ("keyPattern", "keyValue") if name in details}


def _each(
    statements: list[Document], one: Callable[[Document], None], reply: Document, *, ordered: bool
) -> Document:
    """Do the statements of a write; an ordered one ends with the first that fails."""
    errors = []
    for index, statement in enumerate(statements):
        try:
            one(statement)
        except (PyMongoError, ValueError, TypeError) as error:
            details = _details(error) if isinstance(error, OperationFailure) else {}
            code = getattr(error, "code", None) or 2
            errors.append({"index": index, "code": code, "errmsg": str(error)} | details)
            if ordered:
                break
    if errors:
        reply["writeErrors"] = errors
    return reply | OK
