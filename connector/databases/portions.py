"""Rows of Python's values, as drivers of databases give them in portions: their types, and as batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from connector.rows.cast import Misfit, type_word
from connector.rows.types import ColumnProfile
from connector.rows.values import to_array

Portion = Sequence[Sequence[Any]]

BATCH_ROWS = 10_000
_UNFIT = (ValueError, TypeError, OverflowError)


def look_at(names: Sequence[str], portions: Iterable[Portion], told: Sequence[pa.Field | None] = ()) -> pa.Schema:
    """Return the columns as the database told them, and by all their values where it did not."""
    columns = [ColumnProfile() for _ in names]
    for rows in portions:
        for profile, values in zip(columns, zip(*rows, strict=True), strict=True):
            profile.add(values)
    guessed = [profile.field(name) for name, profile in zip(names, columns, strict=True)]
    known = told if len(told) == len(guessed) else guessed
    return pa.schema([field or guess for field, guess in zip(known, guessed, strict=True)])


def as_batches(portions: Iterable[Portion], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows in these columns; a Misfit names the first value of a column that does not fit it."""
    place = 0
    for rows in portions:
        columns = [_column(values, field, place) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
        place += len(rows)


def row_label(place: int) -> str:
    """Return the number of a row, counted from 1."""
    return f"row {place + 1:,}"


def _column(values: Sequence[Any], field: pa.Field, place: int) -> pa.Array:
    try:
        return to_array(values, field)
    except _UNFIT:
        for row, value in enumerate(values):
            try:
                to_array([value], field)
            except _UNFIT:
                raise Misfit(field.name, row_label(place + row), type_word(field)) from None
        raise
