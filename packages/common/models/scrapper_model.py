"""What the configuration may say about a scraper, in any of the three dialects that are in use.

When it fires (`cron`, `crons` or `runs`), what it asks for (`url` with `headers`, `url_params` and a frame,
or `request` with `render` and `iterate`), and how (everything else).
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    model_validator,
)

from packages.common.config_paths import beside
from packages.common.cron import checked_cron
from packages.common.models.scrapper_checks import (
    check_credentials,
    check_forms,
    check_iterate,
    check_pagination,
    check_render,
    check_variables,
    checked_next,
    checked_variable,
    checked_zone,
)

Cron = Annotated[str, AfterValidator(checked_cron)]
Variable = Annotated[str, AfterValidator(checked_variable)]
HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
HeaderValue = Annotated[str, Field(pattern=r"^[^\r\n\x00]*$")]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
FetchedUrl = Annotated[str, Field(pattern=r"^https?://[^\s@/]+(/\S*)?$")]
TemplateUrl = Annotated[str, Field(pattern=r"^(https?://[^\s@/]+(/\S*)?|\{\S*)$")]
Method = Literal["GET", "POST"]


class Part(BaseModel):
    """A mapping inside a scraper; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Header(Part):
    """One header of every request."""

    header_name: HeaderName
    header_value: HeaderValue


class UrlParam(Part):
    """One query parameter: the value of a column of the frame, or without a frame `column_name` itself."""

    param_name: str
    column_name: str


class QueryParam(Part):
    """One query parameter, whose value may hold `{name}`."""

    name: str
    value: str


class RunTimes(Part):
    """One schedule, and the variables that it sets."""

    cron: Cron
    set: dict[Variable, str] = Field(default_factory=dict)


class RequestTemplate(Part):
    """The request; `{name}` may stand in `url`, header values, query values and the body."""

    url: TemplateUrl
    method: Method = "GET"
    headers: list[Header] = Field(default_factory=list)
    query_params: list[QueryParam] = Field(default_factory=list)
    body: str | dict[str, Any] | list[Any] | None = None


class Render(Part):
    """One variable from the fire time or a constant."""

    name: Variable
    source: Literal["datetime_utc", "datetime_local", "const"]
    format: str | None = None
    value: str | None = None

    _check = model_validator(mode="after")(check_render)


class Iterate(Part):
    """Variables that take several values, one request each."""

    name: Variable
    source: Literal["schema", "dataframe"]
    schema_regex: str | None = None
    target_node: str | None = Field(
        None, validation_alias=AliasChoices("target_node", "schema_node"), serialization_alias="target_node"
    )
    unique: bool = True
    dataframe_path: str | None = None
    dataframe_has_header: bool = True
    outputs: dict[Variable, str] = Field(default_factory=dict)

    _check = model_validator(mode="after")(check_iterate)


class Auth(Part):
    """Credentials, from named environment variables."""

    username: str | None = None
    username_env: EnvironmentName | None = None
    password_env: EnvironmentName | None = None
    bearer_env: EnvironmentName | None = None
    headers_env: dict[HeaderName, EnvironmentName] = Field(default_factory=dict)

    _check = model_validator(mode="after")(check_credentials)


class Pagination(Part):
    """How one answer leads to the next: a link in it, or a page number that counts up."""

    next: Annotated[str, AfterValidator(checked_next)] | None = None
    page_param: str | None = Field(None, min_length=1)
    first_page: int = Field(1, ge=0)
    max_pages: int = Field(100, ge=1, le=10_000)

    _check = model_validator(mode="after")(check_pagination)


class ScrapperKeys(BaseModel):
    """The keys of a scraper besides those that say where its data goes."""

    cron: Cron | None = None
    crons: list[Cron] | None = Field(None, min_length=1)
    runs: list[RunTimes] | None = Field(None, min_length=1)
    timezone: Annotated[str, AfterValidator(checked_zone)] = "UTC"
    jitter_s: float = Field(0.0, ge=0, le=3600)
    grace_s: float = Field(300.0, ge=1, le=7 * 86400)
    coalesce: bool = True

    url: FetchedUrl | None = None
    method: Method = "GET"
    headers: list[Header] = Field(default_factory=list)
    url_params: list[UrlParam] = Field(
        default_factory=list,
        validation_alias=AliasChoices("url_params", "query_params"),
        serialization_alias="url_params",
    )
    dataframe_path: str | None = None
    dataframe_has_header: bool = True
    body: str | dict[str, Any] | list[Any] | None = None

    request: RequestTemplate | None = None
    render: list[Render] = Field(default_factory=list)
    iterate: list[Iterate] = Field(default_factory=list)

    content_type: str | None = None
    allow_private_hosts: list[str] = Field(default_factory=list)
    auth: Auth | None = None
    pagination: Pagination | None = None
    skip_unchanged: bool = True
    concurrency: int = Field(1, ge=1, le=32)
    requests_per_second: float | None = Field(None, gt=0, le=1000)
    timeout_s: float | None = Field(None, gt=0, le=3600)

    _folder: Path = PrivateAttr(Path())

    @model_validator(mode="after")
    def _check_scrapper(self) -> Self:
        check_forms(self)
        check_variables(self)
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the schedules and of `datetime_local`."""
        return ZoneInfo(self.timezone)

    @property
    def times(self) -> list[RunTimes]:
        """Every schedule with what it sets, whichever key it was given by."""
        crons = [self.cron] if self.cron is not None else self.crons or []
        return self.runs or [RunTimes(cron=cron) for cron in crons]

    @property
    def schedule(self) -> str:
        """All schedules in one line."""
        return "; ".join(dict.fromkeys(one.cron for one in self.times))

    @property
    def shown_url(self) -> str:
        """The address, as the configuration has it."""
        return self.request.url if self.request is not None else self.url or ""

    def bind_folder(self, folder: Path) -> None:
        """Say which folder the configuration lies in."""
        self._folder = folder

    def file(self, text: str) -> Path:
        """The file that a path of this scraper means."""
        return beside(self._folder, text)
