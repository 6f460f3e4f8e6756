"""Parquet, read by pyarrow in the child, batch by batch."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from packages.common.payloads.binary_limits import Budget, RefusedError, Task, open_no_more_files

BATCH_BYTES = 16 << 20
BATCH_ROWS = 65_536
SAMPLE_ROWS = 1000


def table(task: Task) -> dict[str, Any]:
    """Read all rows; the first thousand are written where nothing else is asked for."""
    with (
        pq.ParquetFile(task.payload) as file,
        pa.OSFile(task.output or f"{task.result}.sample", "wb") as sink,
    ):
        schema = file.schema_arrow
        _check(file, schema, task)
        open_no_more_files()
        with pa.ipc.new_file(sink, schema) as writer:
            rows = _copy(file, task, writer)
    return {"rows": rows, "columns": schema.names}


def _check(file: pq.ParquetFile, schema: pa.Schema, task: Task) -> None:
    if len(schema.names) > task.max_variables:
        raise RefusedError(f"the file has {len(schema.names)} columns; {task.max_variables} are allowed")
    twice = [name for name, times in Counter(schema.names).items() if times > 1]
    if twice:
        raise RefusedError(f"the file has the column {twice[0]!r} twice")
    if file.metadata.num_rows * max(1, len(schema.names)) > 8 * task.max_bytes:
        raise RefusedError(f"the file declares {file.metadata.num_rows} rows")
    for column in schema:
        if not _is_known(column.type):
            raise RefusedError(f"the column {column.name!r} has the type {column.type}, which is not taken")


def _is_known(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        return bool(types.is_string(kind.value_type) or types.is_large_string(kind.value_type))
    if types.is_struct(kind):
        return all(_is_known(kind.field(number).type) for number in range(kind.num_fields))
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_known(kind.value_type)
    flat = (types.is_boolean, types.is_integer, types.is_date, types.is_time, types.is_timestamp)
    more = (types.is_float32, types.is_float64, types.is_duration, types.is_null, types.is_decimal128)
    texts = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(test(kind) for test in (*flat, *more, *texts))


def _copy(file: pq.ParquetFile, task: Task, writer: pa.RecordBatchFileWriter) -> int:
    budget, rows = Budget(task.max_bytes), 0
    at_once = min(BATCH_ROWS, max(1, BATCH_BYTES // (8 * max(1, len(file.schema_arrow.names)))))
    for batch in file.iter_batches(at_once, use_threads=False):
        budget.take(batch.nbytes)
        if task.output is not None:
            writer.write_batch(batch)
        elif rows < SAMPLE_ROWS:
            writer.write_batch(batch.slice(0, SAMPLE_ROWS - rows))
        rows += batch.num_rows
    return rows
