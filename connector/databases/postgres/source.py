"""What only Postgres says about its columns, and how its values are to come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
import pyarrow as pa
from psycopg.types.string import TextLoader
from sqlalchemy import Connection

_TYPES = {
    "bool": pa.bool_(),
    "int2": pa.int64(),
    "int4": pa.int64(),
    "int8": pa.int64(),
    "oid": pa.int64(),
    "float4": pa.float64(),
    "float8": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
}
_MOST_DIGITS = 38
# Python's own values for these would say something else: 1.1 for 1.10, thirty days for a month.
_AS_TEXT = ("json", "jsonb", "interval", "inet", "cidr", "time", "timetz")


def prepare(connection: Connection) -> None:
    """Let values that Python has no exact counterpart for come as text."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    read_as_text(raw)


def read_as_text(connection: psycopg.Connection[Any]) -> None:
    """Let values that Python has no exact counterpart for come as text."""
    for name in _AS_TEXT:
        connection.adapters.register_loader(name, TextLoader)


def described(connection: Connection, sql: str) -> list[pa.Field | None]:
    """Return the columns of a SELECT; None for a numeric that may have any number of digits."""
    with connection.exec_driver_sql(f"SELECT * FROM (\n{sql}\n) AS source LIMIT 0") as result:
        assert result.cursor is not None
        return fields_of(result.cursor.description or ())


def fields_of(description: Iterable[Any]) -> list[pa.Field | None]:
    """Return the columns that a cursor describes; None for a numeric that may have any number of digits."""
    return [_field(column) for column in description]


def _field(column: Any) -> pa.Field | None:
    known = psycopg.postgres.types.get(column.type_code)
    if known is None:
        return pa.field(column.name, pa.string())  # such as an enumeration
    if known.array_oid == column.type_code or known.name in ("json", "jsonb"):
        return pa.field(column.name, pa.string(), metadata={"type": "json"})
    if known.name == "numeric":
        digits, scale = column.precision, column.scale
        if digits is None or not 0 <= scale <= digits <= _MOST_DIGITS:
            return None
        return pa.field(column.name, pa.decimal128(digits, scale))
    return pa.field(column.name, _TYPES.get(known.name, pa.string()))
