"""The documents the service answers with, as models, for the answers and for their documentation."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from packages.common.models.metadata_model import Outcome, PastEvent


class RowProblem(BaseModel):
    """One row at fault; `row` counts data rows from 0."""

    row: int | None = None
    column: str | None = None
    value: str | None = None
    message: str


class Problem(BaseModel):
    """Body of every error (`application/problem+json`, RFC 9457)."""

    type: str = Field(examples=["urn:zarr-fuse-ingress:problem:columns_missing"])
    title: str = Field(examples=["Required columns are missing"])
    status: int = Field(examples=[400])
    detail: str = Field(examples=["Columns that the schema requires are missing: 'time'."])
    instance: str = Field(examples=["/api/v1/weather"])
    error: str = Field(description="the same text as `detail`, for older clients")
    code: str = Field(description="stable name of the error", examples=["columns_missing"])
    errors: list[RowProblem] = Field(description="the rows at fault, where rows are")


class Accepted(BaseModel):
    """An upload that is stored durably and will be merged."""

    status: Literal["accepted"] = "accepted"
    item_id: str = Field(examples=["weather/20261120T081500_3b200e72354d"])
    state_url: str = Field(examples=["/api/v1/items/weather/20261120T081500_3b200e72354d"])


class Finding(RowProblem):
    """A row or cell of the sample that the merge would not take."""

    kind: str


class ValidationReport(BaseModel):
    """What the checks found in a payload that would have been accepted."""

    status: Literal["valid"] = "valid"
    endpoint: str
    node_path: str | None
    rows: int | None = Field(
        description="rows of the table, cells of the grid of a dataset; null if not known"
    )
    columns: list[str]
    sample_rows: int = Field(description="how many of the first rows or cells were converted on trial")
    findings: list[Finding] = Field(description="the first findings in the sample")
    finding_counts: dict[str, int] = Field(description="all findings in the sample, by kind")
    notes: list[str] = Field(
        description="what nobody reads: columns that the schema does not name, arrays of a dataset left out; "
        "and arrays that join the schema"
    )


class Item(BaseModel):
    """One item of the queue and what became of it."""

    item_id: str
    state: str = Field(examples=["accepted", "processed", "failed"])
    endpoint: str
    node_path: str | None = None
    user: str | None = None
    received_at: AwareDatetime | None = None
    content_type: str | None = None
    size_bytes: int
    sha256: str | None = None
    filename: str | None = None
    attempts: int = 0
    retry_at: AwareDatetime | None = None
    outcome: Outcome | None = Field(None, description="set when the item has left `accepted`")
    history: list[PastEvent] = Field(description="what it has gone through, from `received` to its outcome")
    spooled: bool = Field(
        default=False, description="whether it waits in the replica that answers for the storage"
    )
    links: dict[str, str] = Field(description="`self`, `content`, and `rejected` where rows are quarantined")


class ItemPage(BaseModel):
    """Items, newest first; `next_cursor` continues, null ends."""

    items: list[Item]
    next_cursor: str | None
    spooled: int = Field(
        0,
        description="how many items wait in the replica that answers for the storage; they are listed with "
        "`spooled=true` only",
    )


class Check(BaseModel):
    """One check of readiness."""

    name: str
    ok: bool
    required: bool = Field(default=True, description="whether the service is not ready without it")
    detail: str


class ReadinessReport(BaseModel):
    """Whether the service can take uploads, check by check."""

    status: Literal["ready", "not_ready"]
    checks: list[Check]


class ScraperRun(BaseModel):
    """What became of one request of one firing."""

    scrapper: str
    fired_at: AwareDatetime
    finished_at: AwareDatetime
    state: str = Field(examples=["accepted", "duplicate", "unchanged", "failed"])
    item_id: str | None = Field(description="the item it has become, or would have")
    kind: str | None = None
    reason: str | None = None
    request: str = Field("", description="address; values of parameters named like secrets are hidden")
    row: str | None = Field(None, description="first column of the row it was made for")
    page: int = 1


class ScraperRuns(BaseModel):
    """The runs of one firing."""

    runs: list[ScraperRun]


class ScraperBackfill(ScraperRuns):
    """The runs for windows that lie behind; `remaining` windows are still missed."""

    windows: list[AwareDatetime]
    remaining: int


class ScraperFiring(BaseModel):
    """One firing: how many of its requests ended how."""

    fired_at: AwareDatetime
    finished_at: AwareDatetime
    triggered_by: Literal["schedule", "manual", "backfill"]
    counts: dict[str, int] = Field(examples=[{"accepted": 3, "failed": 1}])
    complete: bool = Field(description="false where a stop of the service came in between")


class ScraperWindow(BaseModel):
    """A fire time at which nothing was fetched."""

    fired_at: AwareDatetime
    reason: str = Field(examples=["late", "coalesced"])


class Scraper(BaseModel):
    """One scraper of the configuration; times in UTC."""

    name: str
    cron: str
    time_zone: str
    url: str
    next_run_at: AwareDatetime | None
    running: bool = Field(description="in the replica that answers")
    last_runs: list[ScraperRun] = Field(description="of the last firing")
    requests: list[ScraperRun] = Field(description="last run of every request, failures first")
    firings: list[ScraperFiring] = Field(description="the latest, newest first")
    missed: list[ScraperWindow] = Field(description="windows that can be back-filled")


class ScraperList(BaseModel):
    """Scrapers in the order of the configuration."""

    scrappers: list[Scraper]
