"""Times in numbers only, such as `25.12.2024 6:07` or `2024/3/5`, brought into ISO 8601 as whole columns."""

from __future__ import annotations

import polars as pl

_FORM = (
    r"^(?P<a>\d{1,4})(?P<s>[-/.])(?P<b>\d{1,2})(?P<t>[-/.])(?P<c>\d{1,4})"
    r"(?P<clock>[T ](?P<h>\d{1,2})(?P<rest>:\d{2}(?::\d{2}(?:[.,]\d+)?)?))?"
    r"(?P<zone> ?(?:Z|[+-]\d{2}:?\d{2}))?$"
)


def as_iso(texts: pl.Series, *, dayfirst: bool) -> pl.Series:
    """The same times in ISO 8601; text of another form, also with a year of two digits, as it is.

    `dayfirst` decides where day and month allow both readings; a year of four digits in front never does.
    """
    parts = texts.str.extract_groups(_FORM).struct.unnest()
    year_first = (pl.col("a").str.len_chars() == 4) & (pl.col("c").str.len_chars() <= 2)
    year_last = (pl.col("c").str.len_chars() == 4) & (pl.col("a").str.len_chars() <= 2)
    first, second = ("b", "a") if dayfirst else ("a", "b")
    month_fits = pl.col(first).cast(pl.Int32) <= 12
    month = pl.when(year_first).then("b").when(month_fits).then(pl.col(first)).otherwise(pl.col(second))
    day = pl.when(year_first).then("c").when(month_fits).then(pl.col(second)).otherwise(pl.col(first))
    iso = pl.concat_str(
        pl.when(year_first).then("a").otherwise("c"),
        pl.lit("-") + month.str.zfill(2) + "-" + day.str.zfill(2),
        pl.when(pl.col("clock").is_null()).then(pl.lit("")).otherwise(pl.lit("T") + pl.col("h").str.zfill(2)),
        pl.col("rest").fill_null(""),
        pl.col("zone").fill_null("").str.strip_chars_start(" "),
    )
    fits = (pl.col("s") == pl.col("t")) & (year_first | year_last)
    rewritten = parts.select(pl.when(fits).then(iso)).to_series()
    return rewritten.fill_null(texts)
