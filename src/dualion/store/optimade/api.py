"""Answers to requests of the OPTIMADE API 1.2: a path and a query in, a status and bytes out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode

import dualion
from dualion.errors import InputError
from dualion.store.optimade.entries import PREFIX, TYPE, Entries
from dualion.store.optimade.filters import NotSupportedError, compile_filter

VERSION = "1.2.0"
PAGE = 20
"""Entries on a page."""
LARGEST_PAGE = 500

_BASES = ("v1", "v1.2", "v1.2.0")
_SCHEMA = "https://schemas.optimade.org/openapi/v1.2/optimade.json"
_PARAMETERS = frozenset(
    {"filter", "page_limit", "page_offset", "response_fields", "response_format", "sort"}
    | {"email_address", "api_hint", "include", "property_ranges"}
)
_TITLES = {400: "Bad Request", 404: "Not Found", 501: "Not Implemented"}
_NO_VERSION = 553


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    media: str
    body: bytes


class _RefusedError(Exception):
    """A request that gets an error."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Api:
    """The endpoints over the entries of a store.

    Parameters
    ----------
    entries
        What is served.
    base
        Address under which it is reached, without a slash at the end.
    """

    def __init__(self, entries: Entries, base: str) -> None:
        self._entries = entries
        self._base = base
        self._types = {name: str(facts["type"]) for name, facts in entries.properties.items()}

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        """Answer one request.

        Parameters
        ----------
        path
            Of the address, as it was sent.
        query
            The parameters, decoded.
        """
        parts = [unquote(part) for part in path.strip("/").split("/") if part]
        shown = f"/{'/'.join(parts)}"
        try:
            if parts == ["versions"]:
                return Answer(200, "text/csv; header=present", b"version\n1\n")
            parts = _unversioned(parts)
            _require_known(query)
            document = self._document(parts, query)
        except _RefusedError as error:
            return self._error(error.status, str(error), shown)
        except NotSupportedError as error:
            return self._error(501, str(error), shown)
        except InputError as error:
            return self._error(400, str(error), shown)
        about = f"{shown}?{urlencode(query)}" if query else shown
        document["meta"] = self._meta(about) | document.get("meta", {})
        return _json(200, document)

    def _document(self, parts: list[str], query: Mapping[str, str]) -> dict[str, Any]:
        if parts in ([], ["info"]):
            return {"data": self._info()}
        if parts == ["info", TYPE]:
            return {"data": self._entry_info()}
        if parts == ["links"]:
            return {"data": []}
        if parts == [TYPE]:
            return self._many(query)
        if len(parts) == 2 and parts[0] == TYPE:
            found = self._entries.get(parts[1])
            fields = _fields(query)
            data = None if found is None else self._entries.resource(parts[1], fields)
            if data is None:
                raise _RefusedError(404, f"no structure {parts[1][:60]!r}")
            return {"data": data, "meta": {"data_returned": 1}}
        raise _RefusedError(404, "no such endpoint")

    def _info(self) -> dict[str, Any]:
        return {
            "id": "/",
            "type": "info",
            "attributes": {
                "api_version": VERSION,
                "available_api_versions": [{"url": f"{self._base}/v1/", "version": VERSION}],
                "formats": ["json"],
                "available_endpoints": ["info", "links", TYPE],
                "entry_types_by_format": {"json": [TYPE]},
                "is_index": False,
                "license": None,
                "available_licenses": None,
                "available_licenses_for_entries": None,
            },
        }

    def _entry_info(self) -> dict[str, Any]:
        known = self._entries.properties
        return {
            "id": TYPE,
            "type": "info",
            "description": "The first image of a band, with the barrier of its hop.",
            "formats": ["json"],
            "properties": known,
            "output_fields_by_format": {"json": list(known)},
        }

    def _many(self, query: Mapping[str, str]) -> dict[str, Any]:
        limit = _whole(query, "page_limit", PAGE, 1, LARGEST_PAGE)
        offset = _whole(query, "page_offset", 0, 0, 10**9)
        fields = _fields(query)
        found = list(self._entries)
        if query.get("filter", "").strip():
            passes = compile_filter(query["filter"], self._types, prefix=PREFIX)
            found = [(name, entry) for name, entry in found if passes(entry)]
        for key in reversed([each for each in query.get("sort", "").split(",") if each]):
            name, down = key.removeprefix("-"), key.startswith("-")
            if not self._entries.properties.get(name, {}).get("sortable"):
                raise _RefusedError(400, f"cannot sort by {name[:40]!r}")
            known = [each for each in found if each[1].get(name) is not None]
            rest = [each for each in found if each[1].get(name) is None]
            found = sorted(known, key=lambda each, by=name: each[1][by], reverse=down) + rest  # type: ignore[misc]
        page = found[offset : offset + limit]
        more = offset + limit < len(found)
        document: dict[str, Any] = {
            "data": [self._entries.resource(name, fields) for name, _ in page],
            "meta": {"more_data_available": more, "data_returned": len(found)},
            "links": {"next": None},
        }
        if more:
            again = {**query, "page_limit": str(limit), "page_offset": str(offset + limit)}
            document["links"]["next"] = (
                f"{self._base}/v1/{TYPE}?{urlencode(again, quote_via=quote)}"
            )
        return document

    def _meta(self, about: str) -> dict[str, Any]:
        return {
            "query": {"representation": about},
            "api_version": VERSION,
            "more_data_available": False,
            "schema": _SCHEMA,
            "time_stamp": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "data_available": len(self._entries),
            "provider": {
                "name": "dualion",
                "description": "A barrier store, served on this machine.",
                "prefix": PREFIX.strip("_"),
            },
            "implementation": {"name": "dualion", "version": dualion.__version__},
        }

    def _error(self, status: int, detail: str, about: str) -> Answer:
        title = _TITLES.get(status, "Version Not Supported")
        error = {"status": str(status), "title": title, "detail": detail}
        return _json(status, {"meta": self._meta(about), "errors": [error]})


def _unversioned(parts: list[str]) -> list[str]:
    if not parts or not re.fullmatch(r"v[0-9][0-9.]*", parts[0]):
        return parts
    if parts[0] not in _BASES:
        raise _RefusedError(_NO_VERSION, f"version {parts[0][:20]} is not served")
    return parts[1:]


def _require_known(query: Mapping[str, str]) -> None:
    for name in query:
        if name not in _PARAMETERS and not name.startswith("_"):
            raise _RefusedError(400, f"no parameter {name[:40]!r}")
    if query.get("response_format", "json") != "json":
        raise _RefusedError(400, "the only format is json")


def _json(status: int, document: dict[str, Any]) -> Answer:
    body = json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    return Answer(status, "application/vnd.api+json", body)


def _fields(query: Mapping[str, str]) -> list[str] | None:
    given = query.get("response_fields")
    return None if given is None else [each for each in given.split(",") if each]


def _whole(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
        raise _RefusedError(400, f"{name} is {text[:40]!r}: give {low} to {high}")
    return int(text)
