"""What every dialect of the configuration is read into: when a scraper fires, and what it asks for then.

A firing (its fire time) takes the variables of each schedule that fires at that time, adds those of the
time itself, and multiplies by every value of every source; each combination makes one request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from packages.common.models.configuration_model import Scrapper
from packages.common.templates import Template

Variables: TypeAlias = Mapping[str, str]
JsonBody: TypeAlias = Template | Mapping[str, Any] | Sequence[Any]


@dataclass(frozen=True)
class Schedule:
    """Five fields of cron, and the variables that are set when it fires."""

    cron: str
    values: Variables = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """One value of a source: its variables, and the whole row where it comes from a frame."""

    variables: Variables
    row: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class RequestPlan:
    """What is asked for, with places for variables; a body that is no template becomes JSON."""

    url: Template
    method: str = "GET"
    headers: tuple[tuple[str, Template], ...] = ()
    params: tuple[tuple[str, Template], ...] = ()
    body: JsonBody | None = None


@dataclass(frozen=True)
class Job:
    """One scraper: the configuration it comes from, its schedules, and how its requests are made.

    `at_time` gives the variables of a fire time; each of `sources` reads its choices anew for each firing.
    """

    scrapper: Scrapper
    schedules: tuple[Schedule, ...]
    request: RequestPlan
    at_time: Callable[[datetime], Variables] = lambda _fired_at: {}
    sources: tuple[Callable[[], Sequence[Choice]], ...] = ()

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self.scrapper.name
