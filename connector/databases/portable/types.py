"""The types of any database that SQLAlchemy knows, beside Arrow's."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from sqlalchemy import types as sql
from sqlalchemy.types import TypeEngine

from connector.rows.render import is_json, is_text
from connector.rows.types import arrow_field

KEY_TEXT = 255  # characters: Stripe's ids are no longer, and three such columns fit into most indexes
_MOST_DIGITS = 38
_WHOLE_DIGITS = {8: 3, 16: 5, 32: 10, 64: 19}  # by bits
_KINDS: tuple[tuple[type[TypeEngine[Any]], pa.DataType], ...] = (
    (sql.Boolean, pa.bool_()),
    (sql.SmallInteger, pa.int16()),
    (sql.BigInteger, pa.int64()),
    (sql.Integer, pa.int32()),
    (sql.Float, pa.float64()),
    (sql.Double, pa.float64()),
    (sql.DateTime, pa.timestamp("us", "UTC")),
    (sql.Date, pa.date32()),
    (sql.String, pa.string()),
)


def sql_type(field: pa.Field, *, is_key: bool = False) -> TypeEngine[Any]:
    """Return the type of a column made for an Arrow field; text that is a key is short enough for an index."""
    kind = field.type
    if pa.types.is_decimal(kind) and kind.precision <= _MOST_DIGITS:
        return sql.Numeric(kind.precision, kind.scale)
    for is_such, made in (
        (pa.types.is_uint64, sql.Numeric(20, 0)),
        (pa.types.is_integer, sql.BigInteger()),
        (pa.types.is_floating, sql.Double()),
        (pa.types.is_boolean, sql.Boolean()),
        (pa.types.is_timestamp, sql.DateTime()),
        (pa.types.is_date, sql.Date()),
    ):
        if is_such(kind):
            return made
    return sql.String(KEY_TEXT) if is_key else sql.Text()


def arrow_type(kind: TypeEngine[Any]) -> pa.Field | None:
    """Return a field without a name for the values that a column takes; None: it takes the text of anything."""
    if isinstance(kind, sql.JSON):
        return arrow_field("", "json")
    if isinstance(kind, sql.Numeric) and not isinstance(kind, sql.Float):
        return _decimal(kind.precision, kind.scale)
    return next((pa.field("", arrow) for known, arrow in _KINDS if isinstance(kind, known)), None)


def _decimal(precision: int | None, scale: int | None) -> pa.Field | None:
    if precision is None or precision > _MOST_DIGITS:
        return None
    return pa.field("", pa.decimal128(precision, scale or 0))


def can_widen(old: TypeEngine[Any], new: TypeEngine[Any]) -> bool:
    """Say whether every value of one type is a value of the other, and becomes it by itself."""
    before, after = arrow_type(old), arrow_type(new)
    if before is None or after is None:
        return False
    if is_text(before.type) and is_text(after.type):
        longest = getattr(new, "length", None)
        return is_json(before) >= is_json(after) and (
            longest is None or longest >= (getattr(old, "length", 0) or longest + 1)
        )
    if is_text(after.type):
        return (
            not is_json(after)
            and (pa.types.is_integer(before.type) or pa.types.is_decimal(before.type))
            and (getattr(new, "length", None) is None)
        )
    return before.type == after.type or _is_wider_number(before.type, after.type)


def _is_wider_number(old: pa.DataType, new: pa.DataType) -> bool:
    if pa.types.is_integer(old) and pa.types.is_integer(new):
        return bool(old.bit_width <= new.bit_width)
    if not pa.types.is_decimal(new) or not (pa.types.is_integer(old) or pa.types.is_decimal(old)):
        return False
    digits, scale = (_WHOLE_DIGITS[old.bit_width], 0) if pa.types.is_integer(old) else (old.precision, old.scale)
    return bool(new.scale >= scale and new.precision - new.scale >= digits - scale)
