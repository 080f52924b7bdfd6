"""Rows to write in tests, and the bytes that a format makes of them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from connector.files import formats
from connector.files.formats import WriteOptions, choose_format
from connector.result import Result

JSON = "json"
TEXT = pa.string()
TIME = pa.timestamp("us", "UTC")
DECIMAL = pa.decimal128(38, 12)
NOON = datetime(2024, 1, 31, 12, tzinfo=UTC)


def rows(**columns: tuple[pa.DataType | str, list[Any]]) -> pa.RecordBatch:
    """Return a batch of columns given as name=(type, values)."""
    fields = [
        pa.field(name, TEXT, metadata={"type": "json"}) if kind == JSON else pa.field(name, kind)
        for name, (kind, _) in columns.items()
    ]
    return pa.RecordBatch.from_pydict({name: values for name, (_, values) in columns.items()}, pa.schema(fields))


def written(form: str, *batches: pa.RecordBatch, **options: Any) -> bytes:
    """Return the whole output of a format; `options` are fields of WriteOptions."""
    stream = io.BytesIO()
    given = WriteOptions(form, **options)
    formats.write_rows(choose_format("-", given), stream, batches[0].schema, iter(batches), given)
    return stream.getvalue()


def write_rows(
    to: Path | str,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    options: WriteOptions | None = None,
    **how: Any,
) -> int:
    """Write rows as a verb's result does: to a file, or into a table of a database."""
    return Result("rows", schema, lambda _: iter(batches)).to(str(to), options, **how)
