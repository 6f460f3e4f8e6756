"""Text columns → numbers: the common forms at once, unusual ones by their digits, never through a detour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from zarr_fuse.values.pint_units import Unit, convert

Mask = NDArray[np.bool_]
NA_TEXTS = ("", "nan", "nat")
_DECIMAL = r"^([+-]?)0*(\d*)\.?(\d*?)0*(?:[eE]([+-]?\d{1,9}))?$"
_HAS_DIGIT = r"^[+-]?(\d|\.\d)"
_LONGEST_DIGITS = 20
_POWERS = pl.Series([10**power for power in range(19)], dtype=pl.Int128)
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?nan|[+-]?inf"
_COMPLEX = rf"(?i)^\(?(?P<re>{_NUMBER})??(?:(?P<im>(?:{_NUMBER})|[+-])?(?P<j>[ij]))?\)?$"


@dataclass(frozen=True)
class NumberTexts:
    """Values of a text column, shape (rows,); missing cells; rejected cells by kind."""

    values: NDArray[Any]
    missing: Mask
    faults: dict[str, Mask]


def read_floats(column: pl.Series, *, truth: bool) -> NumberTexts:
    """Nearest doubles; with `truth` also the texts true and false."""
    read = column.cast(pl.Float64, strict=False)
    rest = (read.is_null() & column.is_not_null()).arg_true()
    missing = column.is_null().to_numpy()
    values = read.fill_null(np.nan).to_numpy(writable=True)
    faults: dict[str, Mask] = {}
    if len(rest):
        texts = _cleaned(column, rest, truth=truth)
        again = texts.cast(pl.Float64, strict=False)
        values[rest.to_numpy()] = again.fill_null(np.nan).to_numpy()
        faults = _marked(
            len(column), rest, {"not_convertible": again.is_null() & ~texts.is_in(list(NA_TEXTS))}
        )
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        overflow = ~column[infinite].str.contains(r"(?i)inf")
        faults |= _marked(len(column), pl.Series(infinite), {"not_representable": overflow})
    missing |= np.isnan(values) & ~_rejected(faults, missing)
    return NumberTexts(values, missing, faults)


def read_integers(column: pl.Series, dtype: type[pl.DataType], *, truth: bool) -> NumberTexts:
    """Exact integers of a polars integer type; with `truth` also the texts true and false."""
    read = column.cast(dtype, strict=False)
    rest = (read.is_null() & column.is_not_null()).arg_true()
    missing = column.is_null().to_numpy(writable=True)
    values = read.fill_null(0).to_numpy(writable=True)
    if not len(rest):
        return NumberTexts(values, missing, {})
    texts = _cleaned(column, rest, truth=truth)
    narrow = _narrow(texts, dtype)
    index = rest.to_numpy()
    values[index] = narrow.fill_null(0).to_numpy()
    absent = texts.is_in(list(NA_TEXTS))
    missing[index] = absent.to_numpy()
    number = texts.cast(pl.Float64, strict=False).is_not_null()
    verdicts = {
        "not_convertible": ~number & ~absent,
        "not_representable": number & narrow.is_null() & ~absent,
    }
    return NumberTexts(values, missing, _marked(len(column), rest, verdicts))


def complex_numbers(
    column: pl.Series | NDArray[Any], dtype: np.dtype[Any], source: Unit, target: Unit
) -> tuple[NDArray[Any], Mask, dict[str, Mask]]:
    """Complex numbers in `target`, missing cells, and rejected ones by kind; text such as `1.5-2j`."""
    faults: dict[str, Mask] = {}
    if not isinstance(column, pl.Series):
        values = column.astype(np.complex128)
    elif column.dtype == pl.String:
        values, faults = _complex_texts(column)
    elif column.dtype.is_temporal():
        raise TypeError(f"a column of type {column.dtype} holds no numbers")
    else:
        values = column.cast(pl.Float64).fill_null(np.nan).to_numpy().astype(np.complex128)
    missing = np.isnan(values)
    for mask in faults.values():
        missing &= ~mask
    if source != target:
        values = np.asarray(convert(values, source, target))
    return values.astype(dtype), missing, faults


def _complex_texts(column: pl.Series) -> tuple[NDArray[np.complex128], dict[str, Mask]]:
    texts = column.fill_null("").str.strip_chars().str.to_lowercase().str.replace_all(r"\s+", "")
    parts = texts.str.extract_groups(_COMPLEX).struct.unnest()
    imaginary = parts["j"].is_not_null()
    unit_sign = parts["im"].fill_null("+")
    im_text = pl.select(
        pl.when(unit_sign.is_in(["+", "-"])).then(unit_sign + "1").otherwise(unit_sign)
    ).to_series()
    real = parts["re"].cast(pl.Float64, strict=False)
    im = im_text.cast(pl.Float64, strict=False)
    readable = real.is_not_null() | imaginary
    absent = texts.is_in(list(NA_TEXTS))
    values = np.where(readable, real.fill_null(0.0).to_numpy(), np.nan).astype(np.complex128)
    values.imag = np.where(imaginary, im.fill_null(np.nan).to_numpy(), 0.0)
    bad = (~readable & ~absent).to_numpy()
    return values, {"not_convertible": bad} if bad.any() else {}


def _narrow(texts: pl.Series, dtype: type[pl.DataType]) -> pl.Series:
    """Whole numbers in any notation; null where one is none or does not fit."""
    plain = texts.str.replace(r"\.0*$", "").cast(dtype, strict=False)
    rest = plain.is_null().arg_true()
    return (
        plain.scatter(rest, _by_digits(texts.gather(rest)).cast(dtype, strict=False)) if len(rest) else plain
    )


def _by_digits(texts: pl.Series) -> pl.Series:
    """Decimal texts such as `3.0` or `12e3` as Int128; null where that is no whole number or too long."""
    groups = texts.str.extract_groups(_DECIMAL).struct.rename_fields(["sign", "whole", "part", "power"])
    digits = pl.col("whole") + pl.col("part")
    zeros = digits.str.extract(r"(0*)$", 1).str.len_chars().cast(pl.Int64)
    shift = pl.col("power").fill_null("0").cast(pl.Int64, strict=False) - pl.col("part").str.len_chars().cast(
        pl.Int64
    )
    dropped = pl.min_horizontal(zeros, -shift).clip(0)
    kept = digits.str.head(digits.str.len_chars().cast(pl.Int64) - dropped).str.strip_chars_start("0")
    return groups.struct.unnest().select(_scaled(kept, shift + dropped, texts)).to_series()


def _scaled(digits: pl.Expr, shift: pl.Expr, texts: pl.Series) -> pl.Expr:
    """`digits` · 10^`shift` with its sign, where that fits into Int128."""
    fits = (shift >= 0) & (shift < len(_POWERS)) & (digits.str.len_chars() <= _LONGEST_DIGITS)
    power = pl.lit(_POWERS).gather(shift.fill_null(0).clip(0, len(_POWERS) - 1))
    sign = pl.when(pl.col("sign") == "-").then(-1).otherwise(1).cast(pl.Int128)
    number = digits.str.head(_LONGEST_DIGITS).cast(pl.Int128, strict=False)
    zero = (digits == "") & pl.lit(texts).str.contains(_HAS_DIGIT)
    return pl.when(zero).then(pl.lit(0, pl.Int128)).when(fits).then(number * power * sign)


def _cleaned(column: pl.Series, rest: pl.Series, *, truth: bool) -> pl.Series:
    texts = column.gather(rest).str.strip_chars().str.to_lowercase()
    return texts.replace({"true": "1", "false": "0"}) if truth else texts


def _marked(rows: int, rest: pl.Series, verdicts: dict[str, pl.Series]) -> dict[str, Mask]:
    """Verdicts on some cells, spread over all; kinds without any are left out."""
    marked = {}
    for kind, verdict in verdicts.items():
        if verdict.any():
            marked[kind] = np.zeros(rows, dtype=bool)
            marked[kind][rest.to_numpy()] = verdict.to_numpy()
    return marked


def _rejected(faults: dict[str, Mask], like: Mask) -> Mask:
    return np.asarray(np.logical_or.reduce([*faults.values(), np.zeros_like(like)]))
