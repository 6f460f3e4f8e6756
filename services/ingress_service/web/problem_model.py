"""The error document as a model, for the answers and for their documentation."""

from pydantic import BaseModel, Field


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
    detail: str = Field(examples=["The node 'level1' needs the columns 'time', 'x'."])
    instance: str = Field(examples=["/api/v1/weather/level1"])
    error: str = Field(description="the same text as `detail`, for older clients")
    code: str = Field(description="stable name of the error", examples=["columns_missing"])
    errors: list[RowProblem] = Field(description="the rows at fault, where rows are")
