"""The process in which a file from outside is read: `python -m packages.common.payloads.binary_child TASK`.

It imports what it needs, gives up what it does not, and writes a description of the file as JSON. The parent
never opens the file itself, and trusts nothing of the description but its form.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from packages.common.payloads.binary_limits import RefusedError, Task, confine

MODULES = {"parquet": "parquet", "netcdf": "hdf5", "netcdf3": "netcdf3", "hdf5": "hdf5", "grib": "grib"}
MESSAGE_LENGTH = 500


def main() -> int:
    """Read the file of the task; returns 0 also where it is refused."""
    task = Task(**json.loads(sys.argv[1]))
    reader = importlib.import_module(f"packages.common.payloads.binary_{MODULES[task.format]}")
    with Path(task.result).open("w", encoding="utf-8") as result:
        confine(task)
        json.dump(_answer(task, reader), result)
    return 0


def _answer(task: Task, reader: Any) -> dict[str, Any]:  # noqa: ANN401
    try:
        return reader.table(task) if task.format == "parquet" else _arrays(task, reader)
    except RefusedError as error:
        return {"refused": str(error)[:MESSAGE_LENGTH], "kind": type(error).__name__}
    except MemoryError:
        return {"refused": "reading it takes too much memory"}
    except Exception as error:  # noqa: BLE001 - whatever a library says of a broken file
        return {"refused": f"it cannot be read: {_one_line(error)}"}


def _arrays(task: Task, reader: Any) -> dict[str, Any]:  # noqa: ANN401
    from packages.common.payloads.binary_arrays import export
    from packages.common.payloads.binary_limits import Budget

    budget = Budget(task.max_bytes)
    if task.output is None:
        return {"arrays": export(reader.arrays(task), budget, None)}
    with Path(task.output).open("wb") as output:
        return {"arrays": export(reader.arrays(task), budget, output)}


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return "".join(char if char.isprintable() else "?" for char in lines[0])[:MESSAGE_LENGTH]


if __name__ == "__main__":
    sys.exit(main())
