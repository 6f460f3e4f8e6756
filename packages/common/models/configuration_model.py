"""What the configuration file may say: endpoints, scrapers, and the sections of earlier products."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    model_validator,
)

from packages.common.cron import checked_cron
from packages.common.keys import checked_name, normalise_node_path
from packages.common.models.treatment_model import Treatment

Name = Annotated[str, AfterValidator(checked_name)]
Cron = Annotated[str, AfterValidator(checked_cron)]


def _empty_list(value: object) -> object:
    return [] if value is None else value


class Section(BaseModel):
    """A mapping of the file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Target(Section, Treatment):
    """Where the data of an endpoint or scraper goes, and which function turns it into a frame."""

    name: Name
    schema_name: str | None = Field(None, min_length=1)
    schema_path: str | None = Field(None, min_length=1)
    target_node: str = ""
    extract_fn: str | None = None
    fn_module: str | None = None

    _schema_file: Path | None = PrivateAttr(None)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: part for key, part in value.items() if part is not None}

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        if (self.schema_name is None) == (self.schema_path is None):
            raise ValueError("one of schema_name and schema_path is needed")
        if (self.extract_fn is None) != (self.fn_module is None):
            raise ValueError("extract_fn and fn_module come together")
        if self.extract is not None and self.extract_fn is not None:
            raise ValueError("extract and extract_fn exclude each other: one of them makes the table")
        self.target_node = normalise_node_path(self.target_node)
        return self

    @property
    def is_extracted(self) -> bool:
        """Whether payloads are something else before they are tables."""
        return self.extract_fn is not None or self.extract is not None

    @property
    def schema_file(self) -> Path:
        """The schema's file, as the loader of the configuration resolved it."""
        return self._schema_file or Path(self.schema_path or self.schema_name or "")

    def bind_schema(self, path: Path) -> None:
        """Say where the schema's file is."""
        self._schema_file = path

    def same_target(self, other: "Target") -> bool:
        """Whether items of both are treated alike."""
        keys = ("schema_name", "schema_path", "target_node", "extract_fn", "fn_module")
        return all(getattr(self, key) == getattr(other, key) for key in (*keys, *Treatment.model_fields))


RESERVED_PATHS = (
    "/health",
    "/metrics",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/api/v1/items",
    "/api/v1/scrappers",
)


def _checked_path(path: str) -> str:
    path = path.rstrip("/")
    if not path.startswith("/") or path != f"/{normalise_node_path(path)}":
        raise ValueError("must be a path such as /api/v1/weather")
    if any(character in path for character in "?#%{}"):
        raise ValueError("may not hold any of ? # % { }")
    if any(path == taken or path.startswith(f"{taken}/") for taken in RESERVED_PATHS):
        raise ValueError("is a path of the service itself")
    return path


class Endpoint(Target):
    """One path that clients send to; `users` None lets every user in."""

    endpoint: Annotated[str, AfterValidator(_checked_path)]
    users: list[str] | None = None


class Scrapper(Target):
    """One address that is fetched on a schedule (the form with `cron` and `method`).

    `allow_private_hosts` names hosts that may resolve to an address which is not public; `content_type`
    takes the place of what the answer says about itself.
    """

    cron: Cron
    url: str = Field(pattern=r"^https?://[^\s@/]+(/\S*)?$")
    method: Literal["GET"] = "GET"
    content_type: str | None = None
    allow_private_hosts: list[str] = Field(default_factory=list)


class Smtp(Section):
    """Whom to tell when a scraper fails; the password comes from `SMTP_PASSWORD`."""

    notify_to: str | list[str]
    host: str
    port: int = Field(587, gt=0, le=65535)
    from_email: str
    username: str | None = None


class Base(Section):
    """Settings of earlier products; read and without effect, the environment takes their place."""

    queue_dir_path: str | None = None
    log_level: str | None = None
    port: int | None = None
    worker_poll_interval: float | None = None


class ServiceSection(Section):
    """The `configuration` section."""

    smtp: Smtp | None = None
    base: Base | None = None


class Configuration(Section):
    """The whole file."""

    endpoints: Annotated[list[Endpoint], BeforeValidator(_empty_list)] = Field(default_factory=list)
    active_scrappers: Annotated[list[Scrapper], BeforeValidator(_empty_list)] = Field(default_factory=list)
    configuration: ServiceSection | None = None

    def target(self, name: str) -> Target | None:
        """The endpoint or scraper with this name."""
        return next(
            (found for found in (*self.endpoints, *self.active_scrappers) if found.name == name), None
        )
