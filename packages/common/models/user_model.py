"""Users of the HTTP interface, as `BASIC_AUTH_USERS_JSON` lists them."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from packages.common.errors import ConfigurationError

SETTING = "BASIC_AUTH_USERS_JSON"
HASH_PREFIX = "$argon2id$"


class User(BaseModel):
    """One user; `password` is plain or an argon2id hash, `endpoints` None means all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    password: SecretStr = Field(min_length=1)
    roles: frozenset[str] = frozenset()
    endpoints: frozenset[str] | None = None

    @property
    def has_hash(self) -> bool:
        """Whether `password` is an argon2id hash."""
        return self.password.get_secret_value().startswith(HASH_PREFIX)

    def may_write(self, endpoint_name: str) -> bool:
        """Whether the user may send to this endpoint."""
        return self.endpoints is None or endpoint_name in self.endpoints


def parse_users(text: str) -> dict[str, User]:
    """The users in the JSON text of the setting.

    Raises `ConfigurationError` with every problem; a message holds names and places, never a value.
    """
    try:
        users = json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{SETTING} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    if not isinstance(users, dict):
        raise ConfigurationError(f"{SETTING} must be a JSON object of user names")
    problems: list[str] = []
    parsed = {name: _parse(name, value, problems) for name, value in users.items()}
    if problems:
        raise ConfigurationError(problems)
    return {name: user for name, user in parsed.items() if user is not None}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"{SETTING} names {name!r} twice")
    return dict(pairs)


def _parse(name: str, value: object, problems: list[str]) -> User | None:
    if not name or ":" in name:
        problems.append(f"{SETTING}: the user name {name!r} is empty or holds a colon")
    try:
        return User.model_validate({"password": value} if isinstance(value, str) else value)
    except ValidationError as error:
        problems += [_problem(name, found["loc"], found["msg"]) for found in error.errors()]
        return None


def _problem(name: str, place: tuple[int | str, ...], message: str) -> str:
    return f"{SETTING}: user {name!r}{''.join(f', {part}' for part in place)}: {message}"
