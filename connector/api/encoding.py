"""Parameters as Stripe's form encoding: `a[b]=1`, `items[0][price]=price_1`, true and false in lower case.

The same bytes as Stripe's own Python library sends, except where that library would send Python's spelling
of a value: booleans and instants inside lists, decimals with an exponent.
"""

from __future__ import annotations

import calendar
import datetime
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from urllib.parse import urlencode

from connector.errors import UsageError


def form_encode(parameters: Mapping[str, object]) -> str:
    """Return `parameters` as a query string or form body.

    None is left out, "" sends an empty value (Stripe unsets the field), an empty list or mapping sends nothing.
    """
    try:
        encoded = urlencode(list(_pairs(parameters)))
    except UnicodeEncodeError:
        raise UsageError("A parameter holds half of a surrogate pair, which is no text that can be sent.") from None
    return encoded.replace("%5B", "[").replace("%5D", "]")


def _pairs(parameters: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in parameters.items():
        yield from _pairs_of(name, value)


def _pairs_of(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _pairs_of(f"{name}[{key}]", item)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            if item is None:
                raise UsageError(f"{name}[{number}] is null: a list that is sent to Stripe cannot have gaps.")
            yield from _pairs_of(f"{name}[{number}]", item)
    elif value is not None:
        yield name, _text(name, value)


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise UsageError(f"{name} is not a finite number, so Stripe cannot take it.")
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, datetime.datetime):
        return _unix_seconds(name, value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise UsageError(f"{name} is a {type(value).__name__}, which cannot be sent to Stripe.")


def _unix_seconds(name: str, instant: datetime.datetime) -> str:
    if instant.utcoffset() is None:
        raise UsageError(f"{name} is a time without a time zone; give it one, such as UTC.")
    return str(calendar.timegm(instant.utctimetuple()))
