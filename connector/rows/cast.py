"""Columns brought to other types, strictly: a value keeps what it says, or its row and column are named.

`guess_types` finds the narrowest types that all values of a source fit, `cast` gives a batch the types wanted, and
`plain_schema` says which types a source's own are read as.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from connector.errors import DataError
from connector.rows.notation import notation_hint
from connector.rows.parse import narrowed, parse_number, parsed, without_empty
from connector.rows.render import as_text, glue, is_json, is_text
from connector.rows.types import GUESSED, TextProfile

if TYPE_CHECKING:
    from connector.rows.streams import Source

_DECIMAL_DIGITS = 38


class Misfit(DataError):
    """A value that does not fit the type of its column; `column` is the column's name."""

    def __init__(self, column: str, where: str, wanted: str, hint: str = "") -> None:
        super().__init__(
            f'{where}, column "{column}": the value does not fit the type {wanted}. '
            f"Correct it, or give the column another type.{hint}"
        )
        self.column = column


def guess_types(source: Source) -> pa.Schema:
    """Return the narrowest types that all values of a source of text fit; other sources know their types.

    All rows are read. A column is text as soon as one of its values has leading zeros, a plus, an exponent, blanks
    around it or more than 15 digits. Times without a zone are UTC.
    """
    if not source.is_text:
        return source.schema
    columns = [TextProfile(GUESSED, empty_says_nothing=True) for _ in source.schema]
    for batch in source.batches():
        for profile, column in zip(columns, batch.columns, strict=True):
            profile.add(column)
    return pa.schema([pa.field(name, each.type) for name, each in zip(source.schema.names, columns, strict=True)])


def cast(batch: pa.RecordBatch, to: pa.Schema, place: int, row_label: Callable[[int], str]) -> pa.RecordBatch:
    """Return the columns of `to`, by name, from a batch whose first row is the source's row `place`.

    Nothing is rounded or cut: the first row with a value that does not fit raises a Misfit, which names the column,
    the row and the type, never the value. Empty text is null in every column that is not text. Times without a zone
    are UTC, binary data becomes text in base64, and is read from it.
    """
    columns, misfits = [], []
    for wanted in to:
        index = batch.schema.get_field_index(wanted.name)
        if index < 0:
            raise DataError(f'The rows have no column "{wanted.name}".')
        column, field = _decoded(batch.column(index), batch.schema.field(index))
        try:
            columns.append(_converted(column, field, wanted))
        except ValueError:  # Arrow's own errors are ValueErrors, too
            row = _first_misfit(column, field, wanted)
            misfits.append((row, wanted, notation_hint(column[row].as_py()) if is_text(column.type) else ""))
    if misfits:
        row, wanted, hint = min(misfits, key=lambda misfit: misfit[0])
        raise Misfit(wanted.name, row_label(place + row), type_word(wanted), hint)
    return pa.RecordBatch.from_arrays(columns, schema=to)


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return the few types that rows of any Arrow types are read as: wide numbers, UTC, JSON for what is nested."""
    return pa.schema([_plain_field(field) for field in schema])


def type_word(field: pa.Field) -> str:
    """Return what people call the type of a field."""
    kind = field.type
    if is_json(field):
        return "json"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_integer(kind):
        return "integer" if kind.bit_width == pa.int64().bit_width else f"integer ({kind})"
    for is_kind, word in _WORDS:
        if is_kind(kind):
            return word
    return str(kind)


_WORDS: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (is_text, "text"),
    (pa.types.is_floating, "number"),
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_date, "date"),
)


def _plain_field(field: pa.Field) -> pa.Field:
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType):
        is_marked, kind = kind.extension_name == "arrow.json", kind.storage_type
        field = pa.field(field.name, pa.string(), metadata={"type": "json"} if is_marked else None)
        if is_marked or pa.types.is_fixed_size_binary(kind):  # the latter is a UUID
            return field
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        kind = kind.value_type
    if pa.types.is_nested(kind) or is_json(field):
        return pa.field(field.name, pa.string(), metadata={"type": "json"})
    return pa.field(field.name, _plain_type(kind))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale) if kind.precision <= _DECIMAL_DIGITS else pa.string()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    for is_kind, plain in _PLAIN:
        if is_kind(kind):
            return plain
    return pa.string()


_PLAIN: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
    (pa.types.is_uint64, pa.decimal128(20, 0)),
    (pa.types.is_integer, pa.int64()),
    (pa.types.is_floating, pa.float64()),
    (pa.types.is_boolean, pa.bool_()),
    (pa.types.is_date, pa.date32()),
)


def _decoded(column: pa.Array, field: pa.Field) -> tuple[pa.Array, pa.Field]:
    """Return a column without what is only a way of storing it: dictionaries, views, marks on other types."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        if pa.types.is_fixed_size_binary(kind.storage_type):
            column = pa.array([None if each is None else str(each) for each in column.to_pylist()], pa.string())
        else:
            column, field = column.storage, _plain_field(field)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    if pa.types.is_binary_view(column.type):
        column = column.cast(pa.large_binary())
    if pa.types.is_run_end_encoded(column.type):
        column = pc.run_end_decode(column)
    return column, field.with_type(column.type)


def _first_misfit(column: pa.Array, field: pa.Field, wanted: pa.Field) -> int:
    """Return the first row that cannot be converted, by halving the rows that it must be among."""
    start, end = 0, len(column)
    while end - start > 1:
        middle = (start + end) // 2
        try:
            _converted(column.slice(start, middle - start), field, wanted)
        except ValueError:
            end = middle
        else:
            start = middle
    return start


def _converted(column: pa.Array, field: pa.Field, wanted: pa.Field) -> pa.Array:
    """Return the column in another type; a ValueError where some value does not fit."""
    kind = wanted.type
    if column.type == kind and is_json(wanted) <= is_json(field):
        return column
    if column.null_count == len(column):
        return pa.nulls(len(column), kind)
    if is_text(kind):
        return (_to_json(column, field) if is_json(wanted) else _to_text(column)).cast(kind)
    if is_text(column.type):
        return parsed(column, kind)
    for is_kind, convert in _CONVERSIONS:
        if is_kind(kind):
            return convert(column, kind)
    raise ValueError("no such conversion")


def _to_text(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_nested(kind):
        return _nested(column)
    if _is_bytes(kind):
        return pa.array([None if each is None else base64.b64encode(each).decode() for each in column.to_pylist()])
    if pa.types.is_interval(kind) or pa.types.is_duration(kind):
        return pa.array([None if each is None else str(each) for each in column.to_pylist()])
    text = as_text(column)
    return pc.replace_substring_regex(text, r"\.0+$", "") if pa.types.is_time(kind) else text


def _nested(column: pa.Array) -> pa.Array:
    import msgspec

    encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
    values = column.to_pylist(maps_as_pydicts="strict")
    return pa.array([None if value is None else encoder.encode(value).decode() for value in values], pa.string())


def _to_json(column: pa.Array, field: pa.Field) -> pa.Array:
    import msgspec

    text = _to_text(column)
    if is_json(field) or pa.types.is_nested(column.type):
        return text
    if pa.types.is_temporal(column.type):
        return glue('"', text, '"')
    text = without_empty(text)
    check = msgspec.json.Decoder(float_hook=str).decode  # so that 1e999 is what it is
    for value in text.to_pylist():
        if value is not None:
            check(value)  # its error is a ValueError
    return text


def _to_integer(column: pa.Array, kind: pa.DataType) -> pa.Array:
    _refuse_unless(pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, kind=column.type)
    return column.cast(pa.int64()).cast(kind) if pa.types.is_decimal(column.type) else column.cast(kind)


def _to_number(column: pa.Array, kind: pa.DataType) -> pa.Array:
    _refuse_unless(pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, kind=column.type)
    if pa.types.is_decimal(column.type):
        return parse_number(as_text(column), kind)
    return narrowed(column.cast(pa.float64()), kind)


def _to_decimal(column: pa.Array, kind: pa.DataType) -> pa.Array:
    _refuse_unless(pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, kind=column.type)
    if pa.types.is_decimal(column.type):
        return column.cast(kind)
    if pa.types.is_floating(column.type) and not pc.all(pc.is_finite(column), min_count=0).as_py():
        raise ValueError("not finite")
    return as_text(column).cast(kind)  # by text, in which a float says what it means


def _to_date(column: pa.Array, kind: pa.DataType) -> pa.Array:
    _refuse_unless(pa.types.is_date, pa.types.is_timestamp, kind=column.type)
    clock = _clock(column)
    days = clock.cast(kind)
    if not pc.all(pc.equal(days.cast(clock.type), clock), min_count=0).as_py():
        raise ValueError("not midnight")
    return days


def _to_timestamp(column: pa.Array, kind: pa.DataType) -> pa.Array:
    _refuse_unless(pa.types.is_date, pa.types.is_timestamp, kind=column.type)
    return _clock(column).cast(kind)


def _to_binary(column: pa.Array, kind: pa.DataType) -> pa.Array:
    _refuse_unless(_is_bytes, kind=column.type)
    return column.cast(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    return any(
        is_kind(kind) for is_kind in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    )


def _clock(column: pa.Array) -> pa.Array:
    """Return times as their clock in UTC, in microseconds and without a zone."""
    if pa.types.is_timestamp(column.type) and column.type.tz:
        column = column.cast(pa.timestamp(column.type.unit, "UTC")).cast(pa.timestamp(column.type.unit))
    return column.cast(pa.timestamp("us"))


def _refuse_unless(*is_kinds: Callable[[pa.DataType], bool], kind: pa.DataType) -> None:
    if not any(is_kind(kind) for is_kind in is_kinds):
        raise ValueError("no such conversion")


_CONVERSIONS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array, pa.DataType], pa.Array]], ...] = (
    (pa.types.is_integer, _to_integer),
    (pa.types.is_floating, _to_number),
    (pa.types.is_decimal, _to_decimal),
    (pa.types.is_date, _to_date),
    (pa.types.is_timestamp, _to_timestamp),
    (pa.types.is_binary, _to_binary),
)
