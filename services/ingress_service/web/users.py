"""What an authenticated caller may do."""

from __future__ import annotations

from dataclasses import dataclass

from packages.common.models.configuration_model import Endpoint, Target

ADMIN = "admin"


@dataclass(frozen=True)
class User:
    """A caller after authentication; `unrestricted` when authentication is switched off."""

    name: str
    roles: frozenset[str] = frozenset()
    endpoints: frozenset[str] | None = None
    unrestricted: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether the user may change items and see those of endpoints that are no longer configured."""
        return ADMIN in self.roles

    def may_write(self, endpoint: Endpoint) -> bool:
        """Whether the user may upload to `endpoint`: if its `users` and the user's own list allow it."""
        if self.unrestricted:
            return True
        listed = endpoint.users is None or self.name in endpoint.users
        return listed and (self.endpoints is None or endpoint.name in self.endpoints)

    def may_read(self, target: Target | None) -> bool:
        """Whether the user may see the items of an endpoint or scraper; None is not configured."""
        if self.is_admin or self.unrestricted:
            return True
        if isinstance(target, Endpoint):
            return self.may_write(target)
        return target is not None and (self.endpoints is None or target.name in self.endpoints)


ANONYMOUS = User("anonymous", unrestricted=True)
