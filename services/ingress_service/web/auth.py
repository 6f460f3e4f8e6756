"""HTTP Basic authentication that tells an unknown user from a wrong password neither by words nor by time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping

import anyio
import argon2

from services.ingress_service.errors import NotAuthenticatedError
from services.ingress_service.web.users import ANONYMOUS, User, UserEntry, is_hash

MAX_HEADER_BYTES = 8192
PARALLEL_HASHES = 2
MAX_REMEMBERED = 1024


class Authenticator:
    """Checks the `Authorization` header against the configured users.

    Every refusal costs one verification of the costliest kind configured. A hash that has been verified is
    remembered under a keyed digest, so that a client pays for argon2 once and not with every upload.
    """

    def __init__(self, users: Mapping[str, UserEntry], *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._users = users
        self._key = secrets.token_bytes(32)
        self._hasher = argon2.PasswordHasher()
        self._limiter = anyio.CapacityLimiter(PARALLEL_HASHES)
        self._remembered: dict[bytes, None] = {}
        hashes = [text for entry in users.values() if is_hash(text := entry.password.get_secret_value())]
        self._decoy_hash = max(hashes, key=_cost, default=None)
        self._decoy_plain = secrets.token_urlsafe(32)

    async def authenticate(self, header: str | None) -> User:
        """The user behind an `Authorization` header; raises NotAuthenticatedError."""
        if not self._enabled:
            return ANONYMOUS
        if not header:
            raise NotAuthenticatedError("Not authenticated")
        name, password = _credentials(header)
        entry = self._users.get(name)
        if not await self._verify(name, password, entry) or entry is None:
            raise NotAuthenticatedError("Invalid authentication credentials")
        return User(name, entry.roles, entry.endpoints)

    async def _verify(self, name: str, password: str, entry: UserEntry | None) -> bool:
        digest = self._digest(f"{name}\0{password}")
        if digest in self._remembered:
            return True
        stored = entry.password.get_secret_value() if entry is not None else self._decoy_plain
        if not is_hash(stored):
            equal = hmac.compare_digest(self._digest(password), self._digest(stored))
            if equal or self._decoy_hash is None:
                return equal and entry is not None
            stored, entry = self._decoy_hash, None
        verified = await anyio.to_thread.run_sync(self._verify_hash, stored, password, limiter=self._limiter)
        if verified and entry is not None:
            self._remember(digest)
        return verified and entry is not None

    def _verify_hash(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except argon2.exceptions.VerificationError:
            return False

    def _digest(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key).digest()

    def _remember(self, digest: bytes) -> None:
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[digest] = None


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(header) > MAX_HEADER_BYTES:
        raise NotAuthenticatedError("Invalid authentication credentials")
    try:
        raw = base64.b64decode(encoded.strip(), validate=True)
        text = raw.decode("utf-8")
    except (binascii.Error, UnicodeError, ValueError):
        raise NotAuthenticatedError("Invalid authentication credentials") from None
    name, colon, password = text.partition(":")
    if not colon:
        raise NotAuthenticatedError("Invalid authentication credentials")
    return name, password


def _cost(stored: str) -> int:
    parameters = argon2.extract_parameters(stored)
    return parameters.memory_cost * parameters.time_cost
