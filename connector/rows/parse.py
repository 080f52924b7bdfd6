"""Text brought to other types, whole columns at a time: what each type may look like, and nothing else.

Every function raises a ValueError where some value is not written as its type is, or would be rounded.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from connector.rows.render import TEXT, as_text, glue

_FLOAT_DIGITS = 17  # a text with no more digits than that names one float and is not rounded but read
_LAST_YEAR = 9999
_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"  # Python knows no year 0
DATE = f"{_YEAR}-[0-9]{{2}}-[0-9]{{2}}"
_CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_ZONE = "(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
TIME = f"{DATE}[T ]{_CLOCK}{_ZONE}?"
_DIGITS = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_EXPONENT = "(?:[eE][+-]?[0-9]+)?"
_HEX = r"\\x"  # before bytes in the way of Postgres; no base64 begins so
_BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"


def looks(text: pa.Array, pattern: str) -> bool:
    """Say whether all values match the whole pattern."""
    return bool(pc.all(pc.match_substring_regex(text, f"^(?:{pattern})$"), min_count=0).as_py())


def without_empty(text: pa.Array) -> pa.Array:
    """Return the texts with null in the place of empty ones."""
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)


def parsed(text: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return texts as values of a type; empty ones as null."""
    text = without_empty(text)
    for is_kind, pattern, parse in _PARSERS:
        if is_kind(kind):
            if not looks(text, pattern):
                raise ValueError("not written as this type is")
            return parse(text, kind)
    raise ValueError("no such conversion")


def _without_plus(text: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(text, r"^\+", "")


def _parse_integer(text: pa.Array, kind: pa.DataType) -> pa.Array:
    return pc.replace_substring_regex(_without_plus(text), r"\.0*$", "").cast(kind)


def parse_number(text: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return texts as floats; long ones only if a float says exactly the same."""
    text = _without_plus(text)
    numbers = text.cast(pa.float64())
    if pc.any(pc.and_(pc.is_inf(numbers), pc.match_substring_regex(text, "[0-9]")), min_count=0).as_py():
        raise ValueError("too large")
    is_long = pc.fill_null(pc.greater(pc.utf8_length(text), _FLOAT_DIGITS), False)
    for long, number in zip(text.filter(is_long), numbers.filter(is_long), strict=True):
        _refuse_rounded(long.as_py(), number.as_py())
    return narrowed(numbers, kind)


def _refuse_rounded(text: str, number: float) -> None:
    if Decimal(text) not in (Decimal(repr(number)), Decimal(number)):
        raise ValueError("it would be rounded")


def narrowed(numbers: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return floats in fewer bits, where the shortest text of each says the same."""
    if numbers.type == kind:
        return numbers
    narrow = numbers.cast(kind)
    again = as_text(narrow).cast(pa.float64())
    same = pc.or_(pc.equal(again, numbers), pc.and_(pc.is_nan(again), pc.is_nan(numbers)))
    if not pc.all(same, min_count=0).as_py():
        raise ValueError("it would be rounded")
    return narrow


def _parse_decimal(text: pa.Array, kind: pa.DataType) -> pa.Array:
    return _without_plus(text).cast(kind)


def _parse_boolean(text: pa.Array, _kind: pa.DataType) -> pa.Array:
    return pc.equal(pc.ascii_lower(text), "true")


def _parse_timestamp(text: pa.Array, kind: pa.DataType) -> pa.Array:
    has_zone = pc.match_substring_regex(text, f":.*{_ZONE}$")
    if not pc.any(has_zone, min_count=0).as_py():
        clock = text.cast(pa.timestamp("us"))
    else:
        if not pc.all(has_zone).as_py():
            in_utc = glue(pc.replace_substring_regex(text.cast(TEXT), f"^({DATE})$", r"\1T00:00"), "Z")
            text = pc.if_else(has_zone, text.cast(TEXT), in_utc)
        clock = text.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    years = pc.min_max(pc.year(clock)).as_py()
    if years["min"] is not None and (years["min"] < 1 or years["max"] > _LAST_YEAR):
        raise ValueError("out of range, by its zone")
    return clock.cast(kind)


def _parse_binary(text: pa.Array, kind: pa.DataType) -> pa.Array:
    return pa.array([None if each is None else _bytes(each) for each in text.to_pylist()], kind)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:]) if text.startswith("\\x") else base64.b64decode(text)


_PARSERS: tuple[tuple[Callable[[pa.DataType], bool], str, Callable[[pa.Array, pa.DataType], pa.Array]], ...] = (
    (pa.types.is_integer, r"[+-]?[0-9]+(?:\.0*)?", _parse_integer),
    (pa.types.is_floating, f"[+-]?{_DIGITS}{_EXPONENT}|nan|-?inf", parse_number),
    (pa.types.is_decimal, f"[+-]?{_DIGITS}{_EXPONENT}", _parse_decimal),
    (pa.types.is_boolean, "(?i:true|false)", _parse_boolean),
    (pa.types.is_date, DATE, lambda text, kind: text.cast(kind)),
    (pa.types.is_timestamp, f"{TIME}|{DATE}", _parse_timestamp),
    (pa.types.is_binary, f"{_HEX}(?:[0-9a-fA-F]{{2}})*|{_BASE64}", _parse_binary),
)
