"""What an object shows of the fields that a row sends: equal, different, or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

EQUAL, DIFFERENT, NOT_SHOWN = "equal", "different", "not shown"
_CLEARED: tuple[Any, ...] = (None, "", {}, [])
Record = Mapping[str, Any]


def differing(form: Mapping[str, Any], record: Record) -> dict[str, Any]:
    """Return the part of a form that an object does not show as it is: what an update has to send.

    A map, as metadata, is merged by Stripe key by key, so only the keys that differ are left; any other field that
    differs anywhere is sent as the row has it.
    """
    left: dict[str, Any] = {}
    for name, value in form.items():
        shown = record.get(name)
        if name == "metadata" and isinstance(value, Mapping) and isinstance(shown, Mapping):
            if keys := {key: part for key, part in value.items() if not _is_same(part, shown.get(key))}:
                left[name] = keys
        elif name not in record or compare(value, shown) != EQUAL:
            left[name] = value
    return left


def compared(form: Mapping[str, Any], record: Record) -> str:
    """Return how an object stands to a whole form: not shown where it does not show some of it and differs nowhere."""
    found = {
        compare(value, record[name], is_map=name == "metadata") if name in record else NOT_SHOWN
        for name, value in form.items()
    }
    return next((standing for standing in (DIFFERENT, NOT_SHOWN) if standing in found), EQUAL)


def compare(sent: Any, shown: Any, *, is_map: bool = False) -> str:
    """Return how a value that is sent stands to the one that an object shows."""
    if isinstance(sent, Mapping):
        return _compare_objects(sent, shown, is_map=is_map)
    if isinstance(sent, list):
        return _compare_lists(sent, shown)
    if isinstance(shown, Mapping):  # an object that could have been asked for by its id
        return compare(sent, shown["id"]) if "id" in shown else (DIFFERENT if sent or shown else EQUAL)
    return EQUAL if _is_same(sent, shown) else DIFFERENT


def merged(record: Record, form: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object as it looks after a form was sent: what the next row for it is compared with."""
    after = dict(record)
    for name, value in form.items():
        inner = after.get(name)
        is_inside = isinstance(value, Mapping) and isinstance(inner, Mapping)
        after[name] = merged(inner or {}, value) if is_inside else value
    return after


def matches(done: Mapping[str, Any], record: Record) -> bool:
    """Whether an object looks as it does when an action is done."""
    return bool(done) and all(compare(value, record.get(name)) == EQUAL for name, value in done.items())


def _compare_objects(sent: Mapping[str, Any], shown: Any, *, is_map: bool) -> str:
    if shown is None:
        return EQUAL if all(part in _CLEARED for part in sent.values()) else DIFFERENT
    if not isinstance(shown, Mapping):
        return DIFFERENT
    found = {compare(value, shown.get(key)) if key in shown or is_map else NOT_SHOWN for key, value in sent.items()}
    return next((standing for standing in (DIFFERENT, NOT_SHOWN) if standing in found), EQUAL)


def _compare_lists(sent: list[Any], shown: Any) -> str:
    shown = shown.get("data") if isinstance(shown, Mapping) else shown
    if not isinstance(shown, list):
        return EQUAL if not sent and shown is None else DIFFERENT
    if len(sent) != len(shown):
        return DIFFERENT
    found = {compare(one, other) for one, other in zip(sent, shown, strict=True)}
    return next((standing for standing in (DIFFERENT, NOT_SHOWN) if standing in found), EQUAL)


def _is_same(sent: Any, shown: Any) -> bool:
    if sent in _CLEARED:
        return shown in _CLEARED
    if isinstance(sent, bool) or isinstance(shown, bool):
        return str(sent).lower() == str(shown).lower()
    if isinstance(sent, int | float | Decimal):
        with contextlib.suppress(InvalidOperation, TypeError, ValueError):
            return Decimal(str(sent)) == Decimal(str(shown))
    return str(sent) == str(shown)
