"""What is done with the items of an endpoint or scraper on their way into the store."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import polars as pl
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from packages.common.extractors.json_paths import compiled, extracted

OnBadRows = Literal["report", "fail", "quarantine"]


def _checked_json_path(path: str) -> str:
    compiled(path)
    return path


JsonPath = Annotated[str, AfterValidator(_checked_json_path)]


class Extraction(BaseModel):
    """How JSON of a plain shape becomes a table, without a function.

    `rows` finds the rows and `columns` a value in each; without `rows` each column is found whole.
    `document` adds values of the whole document, `dataframe` those of a scrape's row of locations.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    rows: JsonPath | None = None
    columns: dict[str, JsonPath] = Field(min_length=1)
    document: dict[str, JsonPath] = Field(default_factory=dict)
    dataframe: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [*self.columns, *self.document, *self.dataframe]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the column {twice[0]!r} is given twice")
        return self

    def frame(
        self, payload: bytes, content_type: str, dataframe_row: Mapping[str, Any] | None = None
    ) -> pl.DataFrame:
        """The table in a payload, or `PayloadError` that says which column and row is wrong."""
        return extracted(payload, content_type, **self.model_dump(), dataframe_row=dataframe_row)


class Treatment(BaseModel):
    """The keys that a sweep takes from the configuration; everything else it finds with each item."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    on_bad_rows: OnBadRows = "report"
    extract: Extraction | None = None
    extractor_timeout_s: float | None = Field(None, gt=0)
    extractor_memory_bytes: int | None = Field(None, gt=0)

    @property
    def bad_rows_at_merge(self) -> Literal["report", "fail"]:
        """The same for the merge: rows that are quarantined are reported first."""
        return "fail" if self.on_bad_rows == "fail" else "report"
