"""Plain values for YAML and JSON, and the YAML text itself."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml


class _PlainDumper(yaml.CSafeDumper):
    """Writes repeated values out, because anchors hide what a line says."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        """Always."""
        return True


def dump_yaml(value: object) -> str:
    """YAML text of plain values, keys in their order."""
    return yaml.dump(value, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=110)


def convert_value(value: Any) -> Any:  # noqa: ANN401
    """Schema objects, numpy values and tuples as what YAML can hold."""
    if hasattr(value, "form"):
        return convert_value(value.form())
    if isinstance(value, Mapping):
        return {key: convert_value(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [convert_value(entry) for entry in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    plain = value is None or isinstance(value, bool | int | float | str | bytes | dt.date)
    return value if plain else str(value)


def json_value(value: Any) -> Any:  # noqa: ANN401
    """A value as JSON can hold it: dates and numbers that are none become text."""
    value = convert_value(value)
    if isinstance(value, dict):
        return {str(key): json_value(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [json_value(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)
