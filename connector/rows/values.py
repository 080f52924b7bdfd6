"""Columns of Python values, whose type shows when all of them have been seen: from Excel, JSON and database drivers.

integer + decimal → decimal      integer + number → number      date + naive time → time      all else → text
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

_DECIMAL = pa.decimal128(38, 12)
_MOST_DIGITS = 38
_FLOAT_DIGITS = 15  # a decimal with no more digits is a float that says the same
_FLOAT_INTEGER = 2**53
_INT64 = 2**63
_KINDS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("boolean", (bool,)),
    ("integer", (int,)),
    ("number", (float,)),
    ("decimal", (Decimal,)),
    ("text", (str,)),
    ("time", (datetime.datetime,)),
    ("date", (datetime.date,)),
    ("nested", (Mapping, list, tuple, set, frozenset)),
    ("binary", (bytes, bytearray, memoryview)),
)


class Seen:
    """What has been seen in one column."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._types: dict[type, str | None] = {type(None): None}
        self._largest = 0  # integer, without its sign
        self._whole_digits = self._decimals = 0
        self._is_exact_float = True
        self._zones: set[bool] = set()

    def see(self, values: Sequence[Any]) -> None:
        """Take note of values."""
        for kind in set(map(type, values)):
            if kind not in self._types:
                self._types[kind] = kind_of(kind)
            word = self._types[kind]
            if word is None:
                continue
            self._kinds.add(word)
            if word in ("integer", "decimal", "time"):
                self._look(word, [each for each in values if type(each) is kind])

    def _look(self, word: str, values: list[Any]) -> None:
        if word == "integer":
            self._largest = max(self._largest, *map(abs, values))
        elif word == "decimal":
            self._see_decimals(values)
        else:
            self._zones |= {each.utcoffset() is not None for each in values}

    def _see_decimals(self, values: Iterable[Decimal]) -> None:
        for value in values:
            if not value.is_finite():
                self._kinds.add("text")
                continue
            _, digits, exponent = value.as_tuple()
            assert isinstance(exponent, int)
            self._whole_digits = max(self._whole_digits, len(digits) + exponent)
            self._decimals = max(self._decimals, -exponent)
            self._is_exact_float &= len(digits) <= _FLOAT_DIGITS

    def field(self, name: str) -> pa.Field:
        """Return the field that holds all values seen."""
        if self._kinds == {"nested"}:
            return pa.field(name, pa.string(), metadata={"type": "json"})
        return pa.field(name, self._type() or pa.string())

    def _type(self) -> pa.DataType | None:
        kinds = self._kinds
        if kinds == {"boolean"}:
            return pa.bool_()
        if kinds and kinds <= {"integer", "number", "decimal"}:
            return self._numeric()
        if kinds == {"date"}:
            return pa.date32()
        if "time" in kinds and kinds <= {"time", "date"} and len(self._zones) == 1:
            has_zone = True in self._zones
            return None if has_zone and "date" in kinds else pa.timestamp("us", "UTC" if has_zone else None)
        return None

    def _numeric(self) -> pa.DataType | None:
        if "number" in self._kinds:
            return pa.float64() if self._largest <= _FLOAT_INTEGER and self._is_exact_float else None
        if "decimal" not in self._kinds and self._largest < _INT64:
            return pa.int64()
        whole = max(self._whole_digits, len(str(self._largest)) if self._largest else 0)
        if whole <= _DECIMAL.precision - _DECIMAL.scale and self._decimals <= _DECIMAL.scale:
            return _DECIMAL
        return pa.decimal128(_MOST_DIGITS, self._decimals) if whole + self._decimals <= _MOST_DIGITS else None


def kind_of(kind: type) -> str:
    """Return the word for a Python type; what has none is text."""
    return next((word for word, known in _KINDS if issubclass(kind, known)), "text")


def to_array(values: Sequence[Any], field: pa.Field) -> pa.Array:
    """Return values as a column; a ValueError or TypeError where one of them does not fit the field."""
    kind = field.type
    if pa.types.is_string(kind):
        values = values if set(map(type, values)) <= {str, type(None)} else [as_plain_text(each) for each in values]
    elif pa.types.is_floating(kind):
        values = [None if each is None else float(each) for each in values]
    elif pa.types.is_timestamp(kind) and any(type(each) is datetime.date for each in values):
        values = [_at_midnight(each) for each in values]
    return pa.array(values, kind)


def _at_midnight(value: Any) -> Any:
    return datetime.datetime.combine(value, datetime.time()) if type(value) is datetime.date else value


def as_plain_text(value: Any) -> str | None:
    """Return one value as text: as `rendering.as_text` writes it, what is nested as JSON, bytes in base64."""
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
    "time": _time,
    "nested": _json,
    "binary": lambda value: base64.b64encode(value).decode(),
}
