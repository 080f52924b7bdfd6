"""Inferred rows with the types that a definition knows, so that a field has one type however it was read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pyarrow as pa

from connector.definitions.endpoint import Endpoint
from connector.definitions.names import column_name, shorten
from connector.rows.flatten import to_column
from connector.rows.infer import InferredRows
from connector.rows.parse import parsed
from connector.rows.render import is_text
from connector.rows.types import ARROW_TYPES, arrow_field

_MISFIT = (ValueError, TypeError, OverflowError)  # Arrow's own errors are among them
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)


def with_known_types(rows: InferredRows, endpoint: Endpoint) -> InferredRows:
    """Return the rows with the definition's type for each column that it knows and whose values all fit it."""
    kinds = {shorten(column_name(".".join(column.path))): column.type for column in endpoint.columns if column.path}
    wanted = {
        place: kinds[field.name]
        for place, field in enumerate(rows.schema)
        if field.name in kinds and not field.equals(arrow_field(field.name, kinds[field.name]), check_metadata=True)
    }
    for batch in rows.batches() if wanted else ():
        wanted = {place: kind for place, kind in wanted.items() if _fits(batch.column(place), kind)}
    if not wanted:
        return rows
    fields = enumerate(rows.schema)
    schema = pa.schema([arrow_field(each.name, wanted[place]) if place in wanted else each for place, each in fields])
    return replace(rows, schema=schema, _read=lambda: _converted(rows, schema, wanted))


def _fits(column: pa.Array, kind: str) -> bool:
    try:
        _as_known(column, kind)
    except _MISFIT:
        return False
    return True


def _converted(rows: InferredRows, schema: pa.Schema, wanted: Mapping[int, str]) -> Iterator[pa.RecordBatch]:
    for batch in rows.batches():
        columns = enumerate(batch.columns)
        yield pa.RecordBatch.from_arrays(
            [_as_known(column, wanted[place]) if place in wanted else column for place, column in columns],
            schema=schema,
        )


def _as_known(column: pa.Array, kind: str) -> pa.Array:
    """Return a column as found in JSON as a type that a definition says; a ValueError where a value does not fit."""
    if column.null_count == len(column):
        return pa.nulls(len(column), ARROW_TYPES[kind])
    is_number = any(is_kind(column.type) for is_kind in _NUMBERS)
    if is_text(column.type) and kind in ("decimal", "date") and "" not in column.to_pylist():
        return parsed(column, ARROW_TYPES[kind])
    if is_number and kind == "timestamp":
        return to_column(kind, column.to_pylist())
    if is_number and kind in ("integer", "number", "decimal"):
        return column.cast(ARROW_TYPES[kind])
    raise ValueError("not what the definition knows")
