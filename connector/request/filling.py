"""Values of a row in the place of {columns}, escaped for where they stand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

from connector.api.encoding import form_encode
from connector.api.records import path_part
from connector.errors import UsageError

PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_HOST = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]*", re.IGNORECASE)
_PIECE = re.compile(r'\\.|"|\{([^{}"]+)\}', re.DOTALL)
_ESCAPE_OF_PART = re.compile(r"\\[rnt@]")

Row = Mapping[str, object]


def filled(text: str, row: Row | None) -> str:
    """Return text with the row's values in it, as they are."""
    return text if row is None else PLACEHOLDER.sub(lambda match: value_of(match[1], row), text)


def filled_url(url: str, row: Row | None) -> str:
    """Return a URL with the row's values in it, escaped so that none of them can lead elsewhere."""
    if row is None:
        return url
    host = _HOST.match(url)
    if host and PLACEHOLDER.search(host[0]):
        raise UsageError("A placeholder cannot stand in the host of a URL: the key goes to hosts that are named.")
    path, mark, query = url.partition("?")
    path = PLACEHOLDER.sub(lambda match: path_part(value_of(match[1], row)), path)
    return path + mark + PLACEHOLDER.sub(lambda match: quote(value_of(match[1], row), safe=""), query)


def filled_body(text: str, content_type: str, row: Row) -> str:
    """Return a body with the row's values in it; only names of columns count, since JSON has braces of its own."""
    if content_type == "application/json" or text.lstrip()[:1] in ("{", "["):
        return _filled_json_text(text, row)
    is_form = content_type == "application/x-www-form-urlencoded"

    def put(match: re.Match[str]) -> str:
        if match[1] not in row:
            return match[0]
        value = value_of(match[1], row)
        return quote_plus(value) if is_form else value

    return PLACEHOLDER.sub(put, text)


def _filled_json_text(text: str, row: Row) -> str:
    """Return JSON with the row's values in it: inside quotes as text, elsewhere as a value of its own type."""
    is_inside = False

    def put(match: re.Match[str]) -> str:
        nonlocal is_inside
        if match[0] == '"':
            is_inside = not is_inside
        if match[1] is None or match[1] not in row:
            return match[0]
        if is_inside:
            return json.dumps(value_of(match[1], row), ensure_ascii=False)[1:-1]
        return _literal(match[1], row)

    return _PIECE.sub(put, text)


def _literal(name: str, row: Row) -> str:
    value = row[name]
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    text = value_of(name, row)
    is_number = not isinstance(value, str) or re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", text)
    return text if is_number or text in ("true", "false", "null") else json.dumps(text, ensure_ascii=False)


def filled_json(value: Any, row: Row) -> Any:
    """Return what becomes JSON with the row's values in its texts; a text that is one column keeps its type."""
    if isinstance(value, Mapping):
        return {key: filled_json(item, row) for key, item in value.items()}
    if isinstance(value, list):
        return [filled_json(item, row) for item in value]
    if not isinstance(value, str):
        return value
    whole = PLACEHOLDER.fullmatch(value)
    if whole and whole[1] in row:
        return row[whole[1]]
    return PLACEHOLDER.sub(lambda match: value_of(match[1], row) if match[1] in row else match[0], value)


def strings_in(value: Any) -> Iterator[str]:
    """Yield every text inside what becomes JSON."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from strings_in(item)


def escaped_part(text: str, row: Row) -> str:
    """Return a value of form data: only an @ that was typed names a file, never one that a row brings."""
    value = filled(text, row)
    if text.startswith("@"):
        return value
    if _ESCAPE_OF_PART.search(value) and value != text:
        raise UsageError("A value of the row has a backslash that form data would take for an escape.")
    return f"\\{value}" if value.startswith("@") else value


def value_of(name: str, row: Row) -> str:
    """Return a value of a row as Stripe writes it; without one, the request would be another."""
    value = row[name]
    if isinstance(value, list | dict):
        raise UsageError(f"{{{name}}} is not one value in this row, but a list or an object.")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # what pandas makes of an integer in a column with a gap
    text = "" if value is None else unquote_plus(form_encode({"_": value}).partition("=")[2])
    if not text:
        raise UsageError(f"{{{name}}} has no value in this row.")
    return text
