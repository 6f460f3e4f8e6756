"""Who may call: the users of `BASIC_AUTH_USERS_JSON` and what each may do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import argon2
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from packages.common.errors import ConfigurationError
from packages.common.models.configuration_model import Endpoint

ADMIN: Literal["admin"] = "admin"
SETTING = "BASIC_AUTH_USERS_JSON"


class UserEntry(BaseModel):
    """Long form of a user: password or argon2id hash, roles, and the endpoints the user is limited to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    password: Annotated[SecretStr, Field(min_length=1)]
    roles: frozenset[Literal["admin"]] = frozenset()
    endpoints: frozenset[str] | None = None


@dataclass(frozen=True)
class User:
    """A caller after authentication; `unrestricted` when authentication is switched off."""

    name: str
    roles: frozenset[str] = frozenset()
    endpoints: frozenset[str] | None = None
    unrestricted: bool = False

    def may_write(self, endpoint: Endpoint) -> bool:
        """Whether the user may upload to `endpoint`: if its `users` and the user's own list allow it."""
        if self.unrestricted:
            return True
        listed = endpoint.users is None or self.name in endpoint.users
        return listed and (self.endpoints is None or endpoint.name in self.endpoints)

    def may_read(self, endpoint: Endpoint | None) -> bool:
        """Whether the user may see the items of `endpoint`; None is one that is no longer configured."""
        return ADMIN in self.roles or self.unrestricted or (endpoint is not None and self.may_write(endpoint))


ANONYMOUS = User("anonymous", unrestricted=True)


def parse_users(raw: SecretStr | None) -> Mapping[str, UserEntry]:
    """Read the users setting; raises ConfigurationError that names the user, never a password."""
    if raw is None:
        return {}
    try:
        document = json.loads(raw.get_secret_value())
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ConfigurationError(f"{SETTING} is not valid JSON ({place})") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{SETTING} must be a JSON object of user names")
    return {name: _entry(name, value) for name, value in document.items()}


def _entry(name: str, value: object) -> UserEntry:
    if not name or ":" in name:
        raise ConfigurationError(f"{SETTING}: user name {name!r} must be non-empty and hold no colon")
    try:
        entry = UserEntry.model_validate({"password": value} if isinstance(value, str) else value)
    except ValidationError as error:
        places = ", ".join(
            f"{'/'.join(map(str, finding['loc'])) or 'value'}: {finding['msg']}" for finding in error.errors()
        )
        raise ConfigurationError(f"{SETTING}: user {name!r}: {places}") from None
    _check_hash(name, entry.password.get_secret_value())
    return entry


def _check_hash(name: str, password: str) -> None:
    if not is_hash(password):
        return
    try:
        argon2.extract_parameters(password)
    except argon2.exceptions.InvalidHashError:
        raise ConfigurationError(f"{SETTING}: user {name!r}: the argon2 hash is malformed") from None


def is_hash(password: str) -> bool:
    """Whether a configured password is an argon2 hash."""
    return password.startswith("$argon2")
