"""Records as bytes: plain JSON for the numbers, columns of doubles for the geometries.

Nothing here names a class or module, so reading a store from elsewhere runs no code, and
every size is bounded before memory is given to it.
"""

from __future__ import annotations

import json
import zlib

import numpy as np
from pydantic import ValidationError

from dualion.errors import RecordError
from dualion.records import HopRecord, Images, as_vectors

MAX_BYTES = 64 * 2**20
"""No record, geometries or job output is larger than this when unpacked."""

_LEVEL = 6


def deflate(data: bytes, *, what: str) -> bytes:
    """Compress; refuses what is larger than :data:`MAX_BYTES`."""
    if len(data) > MAX_BYTES:
        raise RecordError(
            f"{what} is too large to store ({len(data) / 2**20:.0f} MiB, "
            f"limit {MAX_BYTES // 2**20} MiB)",
            remedy="use fewer images or a smaller supercell",
        )
    return zlib.compress(data, _LEVEL)


def inflate(blob: bytes, *, what: str) -> bytes:
    """Decompress; refuses damaged data and what would unfold beyond :data:`MAX_BYTES`."""
    machine = zlib.decompressobj()
    try:
        data = machine.decompress(blob, MAX_BYTES)
    except zlib.error as error:
        raise _damaged(what, str(error)) from error
    if not machine.eof:
        raise _damaged(what, "cut short, or larger than any record")
    return data


def _damaged(what: str, why: str) -> RecordError:
    return RecordError(f"{what} cannot be read ({why})", remedy="restore a backup")


def pack_record(record: HopRecord) -> bytes:
    """Compress a record without its images; floats keep every bit."""
    # Python's json writes NaN and infinity, which a finding of a failed band may hold;
    # pydantic's would turn them into null.
    text = json.dumps(record.model_dump(mode="json", exclude={"images"}), separators=(",", ":"))
    return deflate(text.encode(), what=f"record '{record.record_id}'")


def unpack_record(blob: bytes, images: bytes | None, *, record_id: str) -> HopRecord:
    """Undo :func:`pack_record`, and :func:`pack_images` if given.

    Raises
    ------
    RecordError
        If the data are damaged or hold what this version does not know.
    """
    what = f"record '{record_id}'"
    try:
        body = json.loads(inflate(blob, what=what))
        if images is not None:
            body["images"] = unpack_images(images, record_id=record_id)
        return HopRecord.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecordError(
            f"{what} does not fit this dualion ({place}: {first['msg']})",
            remedy="it may be from a newer version: upgrade dualion",
        ) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise _damaged(what, str(error)) from error


def pack_images(images: Images, *, record_id: str) -> bytes:
    """Compress a band: lattice and species once, coordinates as 64-bit columns."""
    head = json.dumps({"species": images.species, "images": len(images)}).encode()
    numbers = np.concatenate([images.cell.ravel(), images.xyz.ravel()]).astype("<f8")
    # Bytes of equal significance side by side: the leading ones repeat and compress well.
    columns = numbers.view(np.uint8).reshape(-1, 8).T.tobytes()
    return deflate(head + b"\n" + columns, what=f"record '{record_id}'")


def unpack_images(blob: bytes, *, record_id: str) -> Images:
    """Undo :func:`pack_images`, exactly."""
    what = f"images of record '{record_id}'"
    head, _, columns = inflate(blob, what=what).partition(b"\n")
    try:
        meta = json.loads(head)
        species = tuple(str(symbol) for symbol in meta["species"])
        turned = np.frombuffer(columns, np.uint8).reshape(8, -1).T
        numbers = np.ascontiguousarray(turned).view("<f8").ravel()
        a, b, c = as_vectors(numbers[:9].reshape(3, 3))
        xyz = numbers[9:].reshape(int(meta["images"]), len(species), 3)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged(what, str(error)) from error
    return Images.from_array((a, b, c), species, xyz)
