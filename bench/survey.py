"""The measured dataset: 19 arrays, two of them the axes time and (composed) place, and data for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

NODE = "stations"
STEP_S = 600
VARIABLES = [f"v{number:02d}" for number in range(14)]
FLAGS = ["good", "suspect", "bad"]


def schema(time_chunk: int, place_chunk: int) -> dict[str, Any]:
    """The schema as a mapping; chunk lengths in labels."""
    over_place = {
        "latitude": {"unit": "degree", "coords": "place"},
        "longitude": {"unit": "degree", "coords": "place"},
        "flag": {"unit": "", "type": "str[8]", "coords": "place", "range": {"discrete": FLAGS}},
    }
    readings = {name: {"unit": "m", "coords": ["time", "place"]} for name in VARIABLES}
    time = {"unit": {"tick": "s"}, "chunk_size": time_chunk}
    place = {"composed": ["latitude", "longitude"], "chunk_size": place_chunk}
    return {NODE: {"VARS": over_place | readings, "COORDS": {"time": time, "place": place}}}


@dataclass(frozen=True)
class Grid:
    """Complete readings of some times at some places.

    Attributes:
        times: seconds since 1970, shape (times,).
        places: number of places, always the same first ones.
        values: the 14 variables, shape (14, times, places); NaN is a missing cell.
    """

    times: NDArray[np.int64]
    places: int
    values: NDArray[np.float64]

    @property
    def rows(self) -> int:
        """Rows of the frame."""
        return len(self.times) * self.places

    def frame(self) -> pl.DataFrame:
        """One row for each time and place, 18 columns."""
        place = np.tile(np.arange(self.places), len(self.times))
        columns: dict[str, Any] = {
            "time": pl.Series(np.repeat(self.times, self.places)).cast(pl.Int64),
            "latitude": 40.0 + place // 100 * 0.25,
            "longitude": 10.0 + place % 100 * 0.25,
            "flag": pl.Series(FLAGS).gather(place % len(FLAGS)),
        }
        readings = {
            name: pl.Series(array.reshape(-1), nan_to_null=True)
            for name, array in zip(VARIABLES, self.values, strict=True)
        }
        return pl.DataFrame(columns | readings)


def grid(start: float, times: int, places: int, seed: int) -> Grid:
    """Random readings with two decimals from the `start`-th time step on; a half lies between two steps."""
    random = np.random.default_rng(seed)
    values = random.normal(12.0, 4.0, (len(VARIABLES), times, places)).round(2)
    return Grid(int(start * STEP_S) + STEP_S * np.arange(times), places, values)


def without_values(full: Grid, period: int, chunk: int) -> Grid:
    """The grid with values in every `period`-th chunk of times only."""
    bare = full.times // STEP_S // chunk % period != 0
    values = full.values
    values[:, bare] = np.nan
    return Grid(full.times, full.places, values)
