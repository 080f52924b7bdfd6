"""Cells → values of a parameter's type: what text means, and what is refused."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from connector.dates import Calendar, resolve
from connector.definitions.actions import Parameter
from connector.errors import DateError, did_you_mean

_WORDS = {
    "true": True, "yes": True, "y": True, "t": True, "1": True, "on": True,
    "false": False, "no": False, "n": False, "f": False, "0": False, "off": False,
}  # fmt: skip
_RELATIVE = re.compile(r"\s*[a-z]", re.IGNORECASE)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class BadValueError(ValueError):
    """A cell that its parameter cannot take; the message does not repeat the value."""


@dataclass(frozen=True)
class Value:
    """What is sent, and what the row is known by: a relative date is known by its words, whenever it is read."""

    sent: Any
    known_by: Any


def is_empty(cell: object) -> bool:
    """Whether a cell holds nothing."""
    return cell is None or (isinstance(cell, str) and not cell.strip()) or cell != cell  # noqa: PLR0124 - NaN


def value_of(parameter: Parameter, cell: object, calendar: Calendar) -> Value:
    """Return what a cell means to a parameter; a BadValueError where it means nothing."""
    if parameter.many:
        listed = _json(cell, list, 'a JSON array, as ["a", "b"]')
        values = [_converted(parameter, item, calendar) for item in listed]
        return Value([value.sent for value in values], [value.known_by for value in values])
    return _converted(parameter, cell, calendar)


def _converted(parameter: Parameter, cell: object, calendar: Calendar) -> Value:
    words = (*parameter.enum, *parameter.values)
    if isinstance(cell, str) and cell.strip() in words:
        return Value(cell.strip(), cell.strip())
    if parameter.enum and parameter.type == "text":
        near = did_you_mean(str(cell), parameter.enum) or f" It takes {', '.join(parameter.enum)}."
        raise BadValueError(f"this is none of the words that it takes.{near}")
    if parameter.type == "timestamp":
        return _timestamp(cell, calendar)
    sent = _CONVERTERS[parameter.type](cell)
    return Value(sent, format(sent, "f") if isinstance(sent, Decimal) else sent)


def _timestamp(cell: object, calendar: Calendar) -> Value:
    if isinstance(cell, datetime.datetime):
        instant = cell if cell.tzinfo else cell.replace(tzinfo=datetime.UTC)
        seconds = (instant - _EPOCH) // datetime.timedelta(seconds=1)
        return Value(seconds, seconds)
    token = cell.isoformat() if isinstance(cell, datetime.date) else plain_text(cell)
    try:
        seconds = resolve(token, calendar).first
    except DateError:
        raise BadValueError("this is no date: write 2026-01-31, Unix seconds, or words as monthstart-1d.") from None
    return Value(seconds, token.strip().lower() if _RELATIVE.match(token) else seconds)


def plain_text(cell: object) -> str:
    """Return a cell as text: a whole number without a fraction, as pandas makes one in a column with a gap."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, Decimal):
        return format(cell.normalize() if cell == cell.to_integral_value() else cell, "f")
    if isinstance(cell, datetime.date):
        return cell.isoformat()
    if isinstance(cell, list | Mapping):
        raise BadValueError("this is a list or an object, and it takes one value.")
    return str(cell)


def _boolean(cell: object) -> bool:
    if isinstance(cell, bool):
        return cell
    value = _WORDS.get(plain_text(cell).strip().lower())
    if value is None:
        raise BadValueError("this is neither true nor false.")
    return value


def _decimal(cell: object) -> Decimal:
    with contextlib.suppress(InvalidOperation):
        number = Decimal(plain_text(cell).strip())
        if number.is_finite():
            return number
    raise BadValueError("this is no number; numbers are written as digits and a point.")


def _integer(cell: object) -> int:
    number = _decimal(cell)
    if number != number.to_integral_value():
        raise BadValueError("this is no whole number; amounts are in the smallest unit, as 1250 for 12.50.")
    return int(number)


def _map(cell: object) -> dict[str, Any]:
    content = _json(cell, dict, 'a JSON object, as {"team": "blue"}')
    return {str(key): "" if item is None else _text(item) for key, item in content.items()}


def _text(cell: object) -> str:
    return plain_text(cell)


def _object(cell: object) -> dict[str, Any]:
    content = _json(cell, dict, 'a JSON object, as {"line1": "…"}')
    return {key: item for key, item in content.items() if item is not None}


def _text_or_object(cell: object) -> Any:
    is_json = isinstance(cell, Mapping) or (isinstance(cell, str) and cell.lstrip().startswith("{"))
    return _object(cell) if is_json else _text(cell)


def _file(_cell: object) -> Any:
    raise BadValueError("files are sent by `connector request POST /v1/files --multipart`.")


def _json(cell: object, kind: type, what: str) -> Any:
    content: object = cell
    if isinstance(cell, str):
        try:
            content = msgspec.json.decode(cell)
        except msgspec.DecodeError:
            raise BadValueError(f"this is not {what}.") from None
    if not isinstance(content, kind):
        raise BadValueError(f"this is not {what}.")
    return content


_CONVERTERS: Mapping[str, Callable[[object], Any]] = {
    "text": _text,
    "integer": _integer,
    "number": _decimal,
    "decimal": _decimal,
    "boolean": _boolean,
    "object": _object,
    "map": _map,
    "json": _text_or_object,
    "file": _file,
}
