"""The types of Postgres beside Arrow's: what a new column has, what an old one takes, what holds more than another."""

from __future__ import annotations

import re

import pyarrow as pa

from connector.rows.render import is_json
from connector.rows.types import arrow_field

_TEXT = "text"
_TYPES = {
    pa.string(): _TEXT,
    pa.large_string(): _TEXT,
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float32(): "real",
    pa.float64(): "double precision",
    pa.bool_(): "boolean",
    pa.timestamp("us", "UTC"): "timestamp with time zone",
    pa.timestamp("us"): "timestamp without time zone",
    pa.date32(): "date",
}
_FIELDS = {name: kind for kind, name in _TYPES.items()} | {_TEXT: pa.string()}
_LIMITED = re.compile(r"(?P<kind>character varying|character|bpchar|numeric)\((?P<limits>\d+(?:,\d+)?)\)")
_TIME = re.compile(r"(?P<kind>timestamp)\(\d\)(?P<zone> with(?:out)? time zone)")
_ARROW_DIGITS = 76
_WIDER = {
    "smallint": ("integer", "bigint", "real", "double precision"),
    "integer": ("bigint", "double precision"),
    "real": ("double precision",),
    "date": ("timestamp with time zone", "timestamp without time zone"),
    "jsonb": ("json",),
}
_WHOLE_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}
# Without an equality of their own, or with one that compares areas, lengths or folded letters.
_COMPARED_AS_TEXT = {"json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle", "citext"}


def type_of(field: pa.Field) -> str:
    """Return the type for an Arrow field, as format_type spells it."""
    if is_json(field):
        return "jsonb"
    if pa.types.is_decimal(field.type):
        return f"numeric({field.type.precision},{field.type.scale})"
    return _TYPES[field.type]


def field_of(name: str, kind: str) -> pa.Field | None:
    """Return the Arrow field whose values a column takes; None where Postgres itself should read a text."""
    if kind in ("json", "jsonb"):
        return arrow_field(name, "json")
    if found := _numeric(kind):
        digits, scale = found
        make = pa.decimal128 if digits <= pa.decimal128(38).precision else pa.decimal256
        return pa.field(name, make(digits, scale)) if scale <= digits <= _ARROW_DIGITS else None
    if kind == "bytea":
        return pa.field(name, pa.binary())
    if _is_text(kind):
        return pa.field(name, pa.string())
    kind = _TIME.sub(r"\g<kind>\g<zone>", kind)
    return pa.field(name, _FIELDS[kind]) if kind in _FIELDS else None


def can_widen(old: str, new: str) -> bool:
    """Say whether every value of one type is a value of the other."""
    if old == "bytea":
        return False
    if new == _TEXT or new in _WIDER.get(old, ()):
        return True
    if old in _WHOLE_DIGITS or _numeric(old):
        return _is_wider_number(old, new)
    before, after = _LIMITED.fullmatch(old), _LIMITED.fullmatch(new)
    if not before or before["kind"] != "character varying":
        return False
    return new == before["kind"] or bool(
        after and after["kind"] == before["kind"] and int(after["limits"]) >= int(before["limits"])
    )


def compared(expression: str, kind: str) -> str:
    """Return what tells whether a value of this type has changed: every letter counts, whatever a collation says."""
    if kind.partition("[")[0] in _COMPARED_AS_TEXT:
        return f'{expression}::text COLLATE "C"'
    return f'{expression} COLLATE "C"' if kind == _TEXT or kind.startswith("character varying") else expression


def _is_wider_number(old: str, new: str) -> bool:
    if new == "numeric":
        return True
    digits, scale = _numeric(old) or (_WHOLE_DIGITS[old], 0)
    after = _numeric(new)
    return after is not None and after[1] >= scale and after[0] - after[1] >= digits - scale


def _numeric(kind: str) -> tuple[int, int] | None:
    """Return digits and scale of numeric(12,2); None for other types, also for a numeric without limits."""
    found = _LIMITED.fullmatch(kind)
    if not found or found["kind"] != "numeric":
        return None
    digits, _, scale = found["limits"].partition(",")
    return int(digits), int(scale or 0)


def _is_text(kind: str) -> bool:
    limited = _LIMITED.fullmatch(kind)
    return kind in ("character varying", "bpchar") or bool(limited and limited["kind"] != "numeric")
