"""The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), as MongoDB's clients speak it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass

from pymongo.saslprep import saslprep

MECHANISM = "SCRAM-SHA-256"
ITERATIONS = 4096  # the least that clients accept


class AuthenticationError(Exception):
    """The client did not prove that it knows the password."""


@dataclass(frozen=True)
class Account:
    """A user, and what a server keeps in place of the password."""

    user: str
    salt: bytes
    stored_key: bytes
    server_key: bytes

    @classmethod
    def of(cls, user: str, password: str) -> Account:
        """Make the account of a user with a password."""
        salt = os.urandom(28)
        prepared = saslprep(password).encode()
        salted = hashlib.pbkdf2_hmac("sha256", prepared, salt, ITERATIONS)
        client_key = _mac(salted, b"Client Key")
        return cls(user, salt, hashlib.sha256(client_key).digest(), _mac(salted, b"Server Key"))


class Conversation:
    """One attempt of one client."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._first = b""
        self._nonce = b""
        self._proven = False

    def first(self, payload: bytes) -> bytes:
        """Answer the client's first message with nonce, salt and iteration count."""
        if not payload.startswith(b"n,,"):
            raise AuthenticationError("channel binding is not supported")
        bare = payload[3:]
        parts = _parts(bare)
        user = parts.get(b"n", b"").replace(b"=2C", b",").replace(b"=3D", b"=").decode()
        if user != self._account.user:
            raise AuthenticationError(f"no user {user!r}")
        self._nonce = parts.get(b"r", b"") + base64.b64encode(os.urandom(24))
        salt = base64.b64encode(self._account.salt)
        reply = b"r=%b,s=%b,i=%d" % (self._nonce, salt, ITERATIONS)
        self._first = bare + b"," + reply
        return reply

    def final(self, payload: bytes) -> bytes:
        """Check the client's proof, and answer with the server's signature."""
        if self._proven and not payload:
            return b""  # the empty exchange that some clients end with
        without_proof, _, proof = payload.rpartition(b",p=")
        parts = _parts(without_proof)
        if parts.get(b"c") != b"biws" or parts.get(b"r") != self._nonce or not self._nonce:
            raise AuthenticationError("the message does not belong to this conversation")
        message = self._first + b"," + without_proof
        signature = _mac(self._account.stored_key, message)
        try:
            given = base64.b64decode(proof, validate=True)
        except ValueError:
            given = b""
        client_key = bytes(a ^ b for a, b in zip(given, signature, strict=False))
        if not hmac.compare_digest(hashlib.sha256(client_key).digest(), self._account.stored_key):
            raise AuthenticationError("the password is wrong")
        self._proven = True
        return b"v=" + base64.b64encode(_mac(self._account.server_key, message))


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _parts(message: bytes) -> dict[bytes, bytes]:
    pairs = (part.partition(b"=") for part in message.split(b","))
    return {name: value for name, _, value in pairs}
