"""Values of Python as columns, and as text: from Excel, JSON, DataFrames and database drivers."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from connector.rows.types import kind_of

_FLOAT_INTEGER = 2**53


def to_array(values: Sequence[Any], field: pa.Field) -> pa.Array:
    """Return values as a column; a ValueError or TypeError where one of them does not fit the field."""
    kind = field.type
    if pa.types.is_string(kind):
        values = values if set(map(type, values)) <= {str, type(None)} else [as_plain_text(value) for value in values]
    elif pa.types.is_floating(kind):
        values = [None if value is None else float(value) for value in values]
    elif pa.types.is_timestamp(kind) and any(type(value) is datetime.date for value in values):
        values = [_at_midnight(value) for value in values]
    return pa.array(values, kind)


def _at_midnight(value: Any) -> Any:
    return datetime.datetime.combine(value, datetime.time()) if type(value) is datetime.date else value


def as_plain_text(value: Any) -> str | None:
    """Return one value as text: as `render.as_text` writes it, what is nested as JSON, bytes in base64."""
    if value is None or isinstance(value, str):
        return value
    return _TO_TEXT.get(kind_of(type(value)), str)(value)


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) <= _FLOAT_INTEGER else repr(float(value))


def _time(value: datetime.datetime) -> str:
    if value.utcoffset() is None:
        return value.isoformat()
    return value.astimezone(datetime.UTC).replace(tzinfo=None).isoformat() + "Z"


def _json(value: Any) -> str:
    import msgspec

    return msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode(value).decode()


_TO_TEXT: dict[str, Callable[[Any], str]] = {
    "boolean": lambda value: "true" if value else "false",
    "number": _number,
    "decimal": lambda value: format(value, "f"),
    "timestamp": _time,
    "object": _json,
    "array": _json,
    "binary": lambda value: base64.b64encode(value).decode(),
}
