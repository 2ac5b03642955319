"""The messages of MongoDB's wire protocol: OP_MSG, and OP_QUERY for a first hello."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion

HEADER = struct.Struct("<iiii")
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
CHECKSUM, MORE_TO_COME = 1, 2

# A date beyond the year 9999 must pass through, not end the connection.
OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


class ProtocolError(Exception):
    """What came over the connection is no message this server reads."""


@dataclass(frozen=True)
class Request:
    """One command of a client, with what is needed to answer it."""

    command: dict[str, Any]
    identifier: int
    opcode: int
    reply_wanted: bool = True


def parse(header: bytes, body: bytes) -> Request:
    """Read one message.

    Raises
    ------
    ProtocolError
        If the opcode is none of those that a client since MongoDB 5.1 sends.
    """
    _, identifier, _, opcode = HEADER.unpack(header)
    if opcode == OP_MSG:
        return _message(identifier, body)
    if opcode == OP_QUERY:
        return _query(identifier, body)
    raise ProtocolError(f"opcode {opcode}")


def _message(identifier: int, body: bytes) -> Request:
    (flags,) = struct.unpack_from("<I", body)
    end = len(body) - (4 if flags & CHECKSUM else 0)
    command: dict[str, Any] = {}
    sequences: dict[str, Any] = {}
    at = 4
    while at < end:
        kind = body[at]
        (size,) = struct.unpack_from("<i", body, at + 1)
        section = body[at + 1 : at + 1 + size]
        if kind == 0:
            command = bson.decode(section, OPTIONS)
        elif kind == 1:
            name_end = section.index(b"\0", 4)
            sequences[section[4:name_end].decode()] = bson.decode_all(
                section[name_end + 1 :], OPTIONS
            )
        else:
            raise ProtocolError(f"section of kind {kind}")
        at += 1 + size
    return Request(command | sequences, identifier, OP_MSG, reply_wanted=not flags & MORE_TO_COME)


def _query(identifier: int, body: bytes) -> Request:
    name_end = body.index(b"\0", 4)
    command = bson.decode(body[name_end + 9 :], OPTIONS)  # two integers: skip, number to return
    command["$db"] = body[4:name_end].decode().partition(".")[0]
    return Request(command, identifier, OP_QUERY)


def answer(request: Request, document: dict[str, Any], identifier: int) -> bytes:
    """Write the reply to a request, in the kind of message it came in."""
    text = bson.encode(document)
    if request.opcode == OP_MSG:
        head = HEADER.pack(21 + len(text), identifier, request.identifier, OP_MSG)
        return head + struct.pack("<IB", 0, 0) + text
    head = HEADER.pack(36 + len(text), identifier, request.identifier, OP_REPLY)
    return head + struct.pack("<iqii", 8, 0, 0, 1) + text
