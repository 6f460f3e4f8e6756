from __future__ import annotations

import asyncio
import base64

import argon2
import pytest

from packages.common.errors import ConfigurationError
from packages.common.models.configuration_model import Endpoint, Scrapper
from packages.common.models.user_model import User as UserEntry
from services.ingress_service.errors import NotAuthenticatedError
from services.ingress_service.web import auth
from services.ingress_service.web.auth import Authenticator
from services.ingress_service.web.users import ANONYMOUS, User

HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
HASHED = {"hana": UserEntry(password=HASHER.hash("sésame: ouvre"))}
PLAIN = {"paul": UserEntry(password="open", roles=frozenset({"admin"}), endpoints=frozenset({"weather"}))}


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def login(authenticator: Authenticator, header: str | None) -> User:
    return asyncio.run(authenticator.authenticate(header))


def test_plain_password_and_hash_are_both_accepted() -> None:
    authenticator = Authenticator(HASHED | PLAIN)
    assert login(authenticator, basic("hana", "sésame: ouvre")).name == "hana"
    assert login(authenticator, basic("paul", "open")) == User(
        "paul", frozenset({"admin"}), frozenset({"weather"})
    )


@pytest.mark.parametrize(
    "header",
    [
        basic("hana", "sésame"),
        basic("paul", "sésame: ouvre"),
        basic("nobody", "open"),
        basic("", ""),
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"paul").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:open").decode(),
        "Bearer " + base64.b64encode(b"paul:open").decode(),
        "Basic " + "A" * 100_000,
        basic("hana", HASHED["hana"].password.get_secret_value()),
    ],
)
def test_anything_else_is_refused_in_the_same_words(header: str) -> None:
    with pytest.raises(NotAuthenticatedError, match=r"^Invalid authentication credentials$"):
        login(Authenticator(HASHED | PLAIN), header)


@pytest.mark.parametrize("header", [None, ""])
def test_no_credentials_are_named_as_such(header: str | None) -> None:
    with pytest.raises(NotAuthenticatedError, match=r"^Not authenticated$"):
        login(Authenticator(PLAIN), header)


class CountingHasher:
    def __init__(self) -> None:
        self.calls = 0

    def verify(self, stored: str, password: str) -> bool:
        self.calls += 1
        return HASHER.verify(stored, password)


@pytest.mark.parametrize("name", ["hana", "paul", "nobody"])
def test_every_refusal_costs_one_hash(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    authenticator, hasher = Authenticator(HASHED | PLAIN), CountingHasher()
    monkeypatch.setattr(authenticator, "_hasher", hasher)
    with pytest.raises(NotAuthenticatedError):
        login(authenticator, basic(name, "wrong"))
    assert hasher.calls == 1


def test_the_password_of_the_decoy_hash_opens_no_other_account() -> None:
    with pytest.raises(NotAuthenticatedError):
        login(Authenticator(HASHED | PLAIN), basic("nobody", "sésame: ouvre"))


def test_a_verified_hash_is_remembered_but_a_wrong_password_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    authenticator, hasher = Authenticator(HASHED), CountingHasher()
    monkeypatch.setattr(authenticator, "_hasher", hasher)
    for _ in range(3):
        login(authenticator, basic("hana", "sésame: ouvre"))
    assert hasher.calls == 1
    for _ in range(2):
        with pytest.raises(NotAuthenticatedError):
            login(authenticator, basic("hana", "wrong"))
    assert hasher.calls == 3


def test_a_verified_hash_is_forgotten_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    authenticator, hasher = Authenticator(HASHED), CountingHasher()
    monkeypatch.setattr(authenticator, "_hasher", hasher)
    monkeypatch.setattr(auth, "REMEMBERED_S", 0.0)
    for _ in range(2):
        login(authenticator, basic("hana", "sésame: ouvre"))
    assert hasher.calls == 2


def test_switched_off_authentication_makes_everybody_anonymous() -> None:
    assert login(Authenticator(PLAIN, enabled=False), basic("paul", "wrong")) is ANONYMOUS


def test_a_malformed_hash_is_a_configuration_error_without_the_hash() -> None:
    with pytest.raises(ConfigurationError, match=r"'eve'.*malformed") as caught:
        Authenticator({"eve": UserEntry(password="$argon2id$v=19$rubbish")})
    assert "rubbish" not in str(caught.value)


def endpoint(**changes: object) -> Endpoint:
    return Endpoint.model_validate(
        {"name": "weather", "endpoint": "/api/v1/weather", "schema_name": "s.yaml"} | changes
    )


@pytest.mark.parametrize(
    ("user", "users", "allowed"),
    [
        (User("ann"), None, True),
        (User("ann"), ["ann"], True),
        (User("ann"), ["bea"], False),
        (User("ann"), [], False),
        (User("ann", endpoints=frozenset({"weather"})), None, True),
        (User("ann", endpoints=frozenset({"other"})), None, False),
        (User("ann", endpoints=frozenset({"weather"})), ["bea"], False),
        (User("ann", roles=frozenset({"admin"})), ["bea"], False),
        (ANONYMOUS, ["bea"], True),
    ],
)
def test_both_lists_must_allow_writing(user: User, users: list[str] | None, allowed: bool) -> None:
    assert user.may_write(endpoint(users=users)) is allowed


def test_items_are_readable_by_those_who_may_write_and_by_admins() -> None:
    scraper = Scrapper(name="sun", schema_name="s.yaml", cron="* * * * *", url="https://sun.example/x")
    limited = User("ann", endpoints=frozenset({"weather"}))
    assert limited.may_read(endpoint())
    assert not limited.may_read(endpoint(users=["bea"]))
    assert not limited.may_read(scraper)
    assert User("ann").may_read(scraper)
    assert not User("ann").may_read(None)
    assert User("ann", roles=frozenset({"admin"})).may_read(None)
