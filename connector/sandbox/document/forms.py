"""Form encoding, as Stripe reads it in queries and bodies: brackets into nesting, text into typed values.

`created[gte]=5&expand[]=data.customer` becomes `{"created": {"gte": 5}, "expand": ["data.customer"]}`, or a
Refusal that names the parameter at fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from connector.sandbox.document.api import Shape
from connector.sandbox.document.refusals import Refusal, refusal
from connector.sandbox.document.values import checked, currency

METADATA_KEYS = 50
_DEEPEST = 20  # levels of brackets; Stripe has no parameter of more than ten
_METADATA_KEY = 40
_METADATA_VALUE = 500
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?")
_KEYS = re.compile(r"\[([^\]]*)\]")
Raw = str | dict[str, "Raw"]


@dataclass(frozen=True)
class Clearing:
    """A parameter that an empty string clears though its schema does not say so; `call` None means every call."""

    call: str | None
    parameter: str
    basis: str


CLEARED = (
    Clearing(None, "description", "docs"),
    Clearing(None, "metadata", "docs"),
    Clearing("POST /v1/customers", "email", "known"),
    Clearing("POST /v1/customers", "name", "known"),
    Clearing("POST /v1/customers", "phone", "known"),
    Clearing("POST /v1/customers/{customer}", "email", "known"),
    Clearing("POST /v1/customers/{customer}", "name", "known"),
    Clearing("POST /v1/customers/{customer}", "phone", "known"),
    Clearing("POST /v1/payment_intents/{intent}", "payment_method", "spec"),
    Clearing("POST /v1/setup_intents/{intent}", "payment_method", "spec"),
)
"""What clears beyond the marks in the document; its prose says those of intents."""


def decode(text: str) -> dict[str, Raw]:
    """Return form-encoded `text` as nested dicts; the elements of arrays stand under "0", "1" and so on.

    Refusal for a key that is nested deeper than any of Stripe's.
    """
    return nested(parse_qsl(text, keep_blank_values=True))


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Raw]:
    """Return names with brackets and their values as nested dicts."""
    tree: dict[str, Raw] = {}
    for key, value in pairs:
        head, _, rest = key.partition("[")
        if rest.count("[") >= _DEEPEST:
            raise refusal("too_nested", head, bound=_DEEPEST)
        _put(tree, [head, *_KEYS.findall("[" + rest)], value)
    return tree


def _put(tree: dict[str, Raw], keys: list[str], value: str) -> None:
    key, rest = keys[0], keys[1:]
    if key == "":
        key = _element(tree, rest)
    if not rest:
        tree[key] = value
        return
    below = tree.get(key)
    if not isinstance(below, dict):
        below = tree[key] = {}
    _put(below, rest, value)


def _element(tree: dict[str, Raw], rest: list[str]) -> str:
    """Return the place of `[]`: the last element while it lacks the key that follows, else a new one."""
    last = tree.get(str(len(tree) - 1))
    if rest and rest[0] and isinstance(last, dict) and rest[0] not in last:
        return str(len(tree) - 1)
    return str(len(tree))


def only_clears(value: Any) -> bool:
    """Whether a parameter holds nothing but empty strings, which clear."""
    return all(map(only_clears, value.values())) if isinstance(value, Mapping) else bool(value == "")


def read(raw: Mapping[str, Raw], shapes: Mapping[str, Shape], required: Collection[str]) -> dict[str, Any]:
    """Return the parameters in `raw` as typed values; Refusal for one unknown, missing or of a wrong type."""
    for name in raw:
        if name not in shapes:
            gone = name == "payment_method_types" and f"excluded_{name}" in shapes
            raise refusal("method_types_gone" if gone else "unknown_parameter", name)
    for name in sorted(required):
        if name not in raw:
            raise refusal("required", name)
    return {name: _value(value, shapes[name], name) for name, value in raw.items()}


def _value(raw: Raw, shape: Shape, name: str) -> Any:
    if isinstance(raw, str):
        return _scalar(raw, shape, name)
    if "array" in shape.types and all(key.isdecimal() for key in raw):
        return _array(raw, shape, name)
    if "object" not in shape.types:
        raise refusal("not_array" if "array" in shape.types else "not_string", name, value=raw)
    return _object(raw, shape, name)


def _object(raw: dict[str, Raw], shape: Shape, name: str) -> dict[str, Any]:
    if not shape.fields and shape.values is not None:
        inner = shape.values
        if name.endswith(("metadata", "metadata]")):
            _check_metadata(raw, name)
        if name.endswith(("currency_options", "currency_options]")):
            raw = {currency(key, name): value for key, value in raw.items()}
        return {key: "" if value == "" else _value(value, inner, f"{name}[{key}]") for key, value in raw.items()}
    for key in raw:
        if key not in shape.fields:
            raise refusal("unknown_parameter", f"{name}[{key}]")
    for key in sorted(shape.required):
        if key not in raw:
            raise refusal("required", f"{name}[{key}]")
    return {key: _value(value, shape.fields[key], f"{name}[{key}]") for key, value in raw.items()}


def _check_metadata(raw: dict[str, Raw], name: str) -> None:
    """Refuse too many keys, and a key or a value that is too long; a key that is to go counts for nothing."""
    kept = [value for value in raw.values() if value != ""]
    if len(kept) > METADATA_KEYS:
        raise refusal("metadata_keys", name, bound=METADATA_KEYS)
    for key, value in raw.items():
        if len(key) > _METADATA_KEY:
            raise refusal("metadata_key", name, bound=_METADATA_KEY, length=len(key))
        if isinstance(value, str) and len(value) > _METADATA_VALUE:
            raise refusal("metadata_value", f"{name}[{key}]", bound=_METADATA_VALUE, length=len(value))


def _array(raw: dict[str, Raw], shape: Shape, name: str) -> list[Any]:
    items = shape.items
    if items is None:
        return list(raw.values())
    return [_value(raw[key], items, f"{name}[{key}]") for key in sorted(raw, key=int)]


def _scalar(raw: str, shape: Shape, name: str) -> Any:
    if raw == "":
        if not shape.clearable:
            raise refusal("empty", name)
        return ""
    wanted = [kind for kind in _SCALARS if kind in shape.types and not _only_clears(kind, shape)]
    for kind in wanted:
        try:
            return checked(_SCALARS[kind](raw, shape, name), name)
        except Refusal:
            if kind == wanted[-1]:
                raise
    raise refusal("not_array" if "array" in shape.types else "not_object", name)


def _only_clears(kind: str, shape: Shape) -> bool:
    return kind == "string" and shape.closed and shape.choices == ("",)


def _integer(raw: str, _shape: Shape, name: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", raw):
        raise refusal("not_integer", name, value=raw)
    return int(raw)


def _number(raw: str, _shape: Shape, name: str) -> float:
    if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,30})?", raw):
        raise refusal("not_number", name, value=raw)
    return float(raw)


def _boolean(raw: str, _shape: Shape, name: str) -> bool:
    if raw not in {"true", "false"}:
        raise refusal("not_boolean", name, value=raw)
    return raw == "true"


def _string(raw: str, shape: Shape, name: str) -> str:
    if shape.longest is not None and len(raw) > shape.longest:
        raise refusal("too_long", name, bound=shape.longest, length=len(raw))
    choices = [choice for choice in shape.choices if choice != ""]
    if choices and raw not in choices:
        raise refusal("not_choice", name, choices=_either(choices))
    if name.endswith(("_decimal", "_decimal]")) and not _DECIMAL.fullmatch(raw):
        raise refusal("not_number", name, value=raw)
    return raw


def _either(choices: list[Any]) -> str:
    *most, last = map(str, choices)
    return f"{', '.join(most)}{',' if len(most) > 1 else ''} or {last}" if most else last


_SCALARS: dict[str, Callable[[str, Shape, str], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "string": _string,
}
