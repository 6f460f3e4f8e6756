"""HTTP Basic authentication that tells an unknown user from a wrong password neither by words nor by time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress

import anyio
import argon2

from packages.common.errors import ConfigurationError
from packages.common.models.user_model import SETTING
from packages.common.models.user_model import User as UserEntry
from services.ingress_service.errors import NotAuthenticatedError
from services.ingress_service.web.users import ANONYMOUS, User

MAX_HEADER_BYTES = 8192
PARALLEL_HASHES = 2
MAX_REMEMBERED = 1024
REMEMBERED_S = 300.0


class Authenticator:
    """Checks the `Authorization` header against the configured users.

    Every refusal costs one verification of the costliest kind configured. A hash that has been verified is
    remembered for some minutes under a keyed digest, so that a client pays for argon2 now and then and not
    with every upload.
    Raises ConfigurationError for a malformed hash.
    """

    def __init__(self, users: Mapping[str, UserEntry], *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._users = users
        self._key = secrets.token_bytes(32)
        self._hasher = argon2.PasswordHasher()
        self._limiter = anyio.CapacityLimiter(PARALLEL_HASHES)
        self._remembered: dict[bytes, float] = {}
        costs = {_hash_cost(name, entry): _secret(entry) for name, entry in users.items() if entry.has_hash}
        self._decoy_hash = costs[max(costs)] if costs else None
        self._decoy_plain = secrets.token_urlsafe(32)

    async def authenticate(self, header: str | None) -> User:
        """The user behind an `Authorization` header; raises NotAuthenticatedError."""
        if not self._enabled:
            return ANONYMOUS
        if not header:
            raise NotAuthenticatedError("Not authenticated")
        name, password = _credentials(header)
        entry = self._users.get(name)
        verified = await self._verify(name, password, entry)
        if entry is None or not verified:
            raise NotAuthenticatedError("Invalid authentication credentials")
        return User(name, entry.roles, entry.endpoints)

    async def _verify(self, name: str, password: str, entry: UserEntry | None) -> bool:
        if entry is not None and entry.has_hash:
            return await self._verify_remembered(
                self._digest(f"{name}\0{password}"), _secret(entry), password
            )
        expected = _secret(entry) if entry is not None else self._decoy_plain
        equal = hmac.compare_digest(self._digest(password), self._digest(expected))
        if not equal and self._decoy_hash is not None:
            await self._verify_hash(self._decoy_hash, password)
        return equal

    async def _verify_remembered(self, digest: bytes, stored: str, password: str) -> bool:
        if self._remembered.get(digest, 0.0) > time.monotonic():
            return True
        verified = await self._verify_hash(stored, password)
        if verified:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[digest] = time.monotonic() + REMEMBERED_S
        return verified

    async def _verify_hash(self, stored: str, password: str) -> bool:
        try:
            return await anyio.to_thread.run_sync(
                self._hasher.verify, stored, password, limiter=self._limiter
            )
        except argon2.exceptions.VerificationError:
            return False

    def _digest(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode(), key=self._key).digest()


def _credentials(header: str) -> tuple[str, str]:
    """Name and password of a Basic header (RFC 7617, UTF-8)."""
    scheme, _, encoded = header.partition(" ")
    text = ""
    if scheme.lower() == "basic" and len(header) <= MAX_HEADER_BYTES:
        with suppress(ValueError):
            text = base64.b64decode(encoded.strip(), validate=True).decode()
    name, colon, password = text.partition(":")
    if not colon:
        raise NotAuthenticatedError("Invalid authentication credentials")
    return name, password


def _secret(entry: UserEntry) -> str:
    return entry.password.get_secret_value()


def _hash_cost(name: str, entry: UserEntry) -> int:
    try:
        parameters = argon2.extract_parameters(_secret(entry))
    except argon2.exceptions.InvalidHashError:
        raise ConfigurationError(f"{SETTING}: user {name!r}: the argon2 hash is malformed") from None
    return parameters.memory_cost * parameters.time_cost
