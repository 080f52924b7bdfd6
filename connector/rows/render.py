"""Arrow columns as text, whole columns at a time: what CSV, JSON Lines and Excel share.

A value passes through Python only where Arrow's own rendering is not what people expect.
"""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from connector.errors import TargetError

TEXT = pa.large_string()  # its offsets have 64 bits: a batch may pass 2 GB of text once it is quoted


def as_text(column: pa.Array) -> pa.Array:
    """Return the values as text, nulls kept: ISO 8601, true and false, numbers in their shortest exact form."""
    if pa.types.is_timestamp(column.type):
        return _times(column)
    if pa.types.is_decimal(column.type):
        return _decimals(column)
    return column.cast(TEXT)


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_json(field: pa.Field) -> bool:
    """Return whether a column of text is marked as holding JSON."""
    return (field.metadata or {}).get(b"type") == b"json"


def is_whole(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds whole numbers; a database sums integers to such decimals."""
    return bool(pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0))


def utc_clock(column: pa.Array) -> pa.Array:
    """Return times as microseconds in UTC without their zone: with one, Arrow takes 25 times as long to render them."""
    micros = column.cast(pa.timestamp("us", "UTC" if column.type.tz else None), safe=False)
    return micros.cast(pa.timestamp("us"))


def refuse_infinite(column: pa.Array, name: str, first_row: int) -> None:
    """Raise a TargetError that names the first row with NaN or infinity, which this format cannot hold."""
    place = pc.index(pc.is_finite(column), False).as_py()
    if place >= 0:
        raise TargetError(
            f'Column "{name}" holds NaN or infinity in row {first_row + place:,}: only CSV, Parquet and DuckDB take it.'
        )


def glue(*parts: pa.Array | str) -> pa.Array:
    """Return one column, the texts of each row one after the other; a null makes the row null."""
    typed = [pa.scalar(part, TEXT) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*typed, pa.scalar("", TEXT))


def _times(column: pa.Array) -> pa.Array:
    clock = utc_clock(column)
    with contextlib.suppress(pa.ArrowInvalid):  # where all are whole seconds, as Stripe's are, this is quicker
        clock = clock.cast(pa.timestamp("s"))
    text = pc.binary_replace_slice(clock.cast(TEXT), 10, 11, "T")
    return glue(pc.replace_substring(text, ".000000", ""), "Z" if column.type.tz else "")


def _decimals(column: pa.Array) -> pa.Array:
    text = column.cast(TEXT)
    with_exponent = pc.match_substring(text, "E")  # Arrow writes zero as 0E-12
    plain = [format(Decimal(value), "f") for value in text.filter(with_exponent).to_pylist()]
    if plain:
        text = pc.replace_with_mask(text, with_exponent, pa.array(plain, TEXT))
    return pc.ascii_rtrim(pc.ascii_rtrim(text, "0"), ".") if column.type.scale > 0 else text
