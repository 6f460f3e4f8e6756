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

from packages.common.keys import checked_name, normalise_node_path
from packages.common.models.scrapper_model import ScrapperKeys
from packages.common.models.treatment_model import Treatment

Name = Annotated[str, AfterValidator(checked_name)]


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
        present = {key: part for key, part in value.items() if part is not None}
        if "schema_node" in present and "target_node" not in present:
            present["target_node"] = present.pop("schema_node")  # as earlier products call it
        return present

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


class Scrapper(ScrapperKeys, Target):
    """Addresses that are fetched on a schedule.

    `allow_private_hosts` names hosts that may resolve to an address which is not public; `content_type`
    takes the place of what the answers say about themselves.
    """


class Smtp(Section):
    """Whom to tell when a scraper fails; the password comes from `SMTP_PASSWORD`.

    `security` follows the port where it is absent: 465 means TLS, 25 neither, every other STARTTLS.
    """

    notify_to: str | list[str]
    host: str
    port: int = Field(587, gt=0, le=65535)
    from_email: str
    username: str | None = None
    enabled: bool = True
    security: Literal["starttls", "tls", "none"] | None = None
    ca_file: str | None = None
    repeat_after_h: float = Field(6.0, ge=0)

    @property
    def recipients(self) -> list[str]:
        """Every address, whether listed or separated by commas."""
        listed = self.notify_to.split(",") if isinstance(self.notify_to, str) else self.notify_to
        return [address.strip() for address in listed if address.strip()]

    @property
    def effective_security(self) -> Literal["starttls", "tls", "none"]:
        """How the connection is protected."""
        if self.security is not None:
            return self.security
        if self.port == 25 and self.username is None:
            return "none"
        return "tls" if self.port == 465 else "starttls"


class Webhook(Section):
    """An address that gets a JSON document when a scraper fails; a variable (`url_env`) may hold it."""

    url: str | None = Field(None, pattern=r"^https?://\S+$")
    url_env: str | None = None
    enabled: bool = True
    repeat_after_h: float = Field(6.0, ge=0)

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("one of url and url_env is needed")
        return self


class Base(Section):
    """Settings of earlier products; read and without effect, the environment takes their place."""

    queue_dir_path: str | None = None
    log_level: str | None = None
    port: int | None = None
    worker_poll_interval: float | None = None


class ServiceSection(Section):
    """The `configuration` section."""

    smtp: Smtp | None = None
    webhook: Webhook | None = None
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
