"""What a published database says of itself: Croissant 1.0 (JSON-LD), CITATION.cff and a README."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from dualion.records import Record
from dualion.store.formats.table import COLUMNS

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {"text": "sc:Text", "number": "sc:Float", "count": "sc:Integer", "flag": "sc:Boolean"}
_FORMATS = {
    ".csv": "text/csv",
    ".parquet": "application/x-parquet",
    ".jsonl": "application/jsonlines",
    ".extxyz": "chemical/x-xyz",
}


class About(Record):
    """Who publishes what, and how it may be used; everything else is read from the records."""

    name: str = "barriers"
    description: str = "Migration barriers of cations in anion frameworks, computed with dualion."
    licence: str = Field("", description="SPDX id, e.g. 'CC-BY-4.0'; empty: none is given.")
    creators: tuple[str, ...] = ()
    url: str = Field("", description="Where it is published, e.g. a DOI as an address.")
    date: str = Field("", description="YYYY-MM-DD; empty: that of the newest record.")


class Contents(Record):
    """What a bundle holds, as told by its files."""

    table: str
    files: tuple[tuple[str, str, int], ...] = Field(description="Name, SHA-256, bytes.")
    records: int
    superseded: int
    levels: tuple[tuple[str, str, int], ...] = Field(
        description="Fingerprint, description and number of records of each level of theory."
    )
    frameworks: tuple[str, ...]
    newest: str = Field(description="When the newest record was made; ISO 8601.")


def date_of(about: About, contents: Contents) -> str:
    """Date of publication: as given, else that of the newest record."""
    return about.date or contents.newest[:10] or "1970-01-01"


def croissant(about: About, contents: Contents) -> str:
    """Metadata of a bundle after the Croissant vocabulary 1.0, as JSON-LD."""
    files = [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "contentSize": f"{size} B",
            "encodingFormat": _FORMATS[name[name.index(".") :]],
            "sha256": sha256,
        }
        for name, sha256, size in contents.files
    ]
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"barriers/{name}",
            "name": name,
            "description": field.about,
            "dataType": _TYPES[field.kind],
            "source": {"fileObject": {"@id": contents.table}, "extract": {"column": name}},
        }
        for name, field in COLUMNS.items()
    ]
    levels = "; ".join(f"{what} [{print_}]: {n}" for print_, what, n in contents.levels)
    date = date_of(about, contents)
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": about.name,
        "description": f"{about.description} {contents.records} records. Levels of theory, which "
        f"must not be compared with each other: {levels}.",
        "version": "1.0.0",
        "datePublished": date,
        "citeAs": f"{_authors(about)}: {about.name} ({date[:4]}), computed with dualion.",
        "creator": [{"@type": "sc:Organization", "name": each} for each in _creators(about)],
        "keywords": ["migration barrier", "NEB", "ionic conductor", *contents.frameworks],
        "distribution": files,
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "barriers",
                "name": "barriers",
                "description": "One row a record.",
                "key": {"@id": "barriers/record_id"},
                "field": fields,
            }
        ],
    }
    if about.licence:
        document["license"] = _licence_address(about.licence)
    if about.url:
        document["url"] = about.url
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def citation(about: About, contents: Contents) -> str:
    """CITATION.cff of a bundle, version 1.2.0 of that format."""
    import yaml

    document: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use these data, please cite them, dualion, and the engines and sources "
        "that the records name.",
        "type": "dataset",
        "title": about.name,
        "abstract": about.description,
        "authors": [{"name": each} for each in _creators(about)],
        "date-released": date_of(about, contents),
    }
    if about.licence:
        document["license"] = about.licence
    if about.url:
        document["url"] = about.url
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100))


def readme(about: About, contents: Contents) -> str:
    """README.md of a bundle: what each file is, and what must not be compared."""
    levels = "\n".join(
        f"| `{print_}` | {_cell(what)} | {n} |" for print_, what, n in contents.levels
    )
    frameworks = ", ".join(_cell(each) for each in contents.frameworks)
    return f"""# {_cell(about.name)}

{_cell(about.description)}

{contents.records} records, {contents.superseded} superseded ones. Frameworks: {frameworks}.

Licence: {_cell(about.licence) if about.licence else "none is given; ask the creators"}.
Creators: {_cell(_authors(about))}.

| file | what it holds |
|---|---|
| `{contents.table}` | one row a record: energies in eV, lengths in Å, forces in eV/Å |
| `records.jsonl` | every record in full, one a line; numbers are exact |
| `images.extxyz` | the images of these records, in the same order; numbers are exact |
| `croissant.json` | metadata (Croissant 1.0): columns, checksums, licence |
| `manifest.json` | SHA-256 of each file, levels of theory |
| `CITATION.cff` | how to cite it |

Records with different levels of theory must not be compared with each other:

| fingerprint | level of theory | records |
|---|---|---|
{levels}

`dualion import FILE --store STORE` merges it into a store, without duplicates.
"""


def _creators(about: About) -> tuple[str, ...]:
    return about.creators or (f"The creators of {about.name}",)


def _authors(about: About) -> str:
    return ", ".join(_creators(about))


def _licence_address(licence: str) -> str:
    return licence if "://" in licence else f"https://spdx.org/licenses/{licence}.html"


def _cell(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no end of a line."""
    plain = " ".join(text.split())
    return "".join(f"\\{each}" if each in r"\`*_[]<>#|&" else each for each in plain)
