"""Where lists depart from the rule that a query parameter equals the field of the same name.

Two tables: what a filter looks at, and what a list leaves out unless asked. Each row has its basis, in the
words of `refusals`. Everything else about lists follows from the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

Record = dict[str, Any]
_RANGE = {"gt", "gte", "lt", "lte"}


def values_at(record: Any, path: str) -> Iterator[Any]:
    """Yield what stands at a dotted path, once for every element of the arrays and lists on the way."""
    name, _, rest = path.partition(".")
    if isinstance(record, list):
        for item in record:
            yield from values_at(item, path)
    elif isinstance(record, dict) and name in record:
        if rest:
            yield from values_at(record[name], rest)
        else:
            yield record[name]


def matches(value: Any, wanted: Any) -> bool:
    """Whether a field's value passes a filter: a range, one of several, fields of an object, or equality."""
    if isinstance(wanted, dict):
        if wanted.keys() <= _RANGE:
            return isinstance(value, int) and in_range(value, wanted)
        return isinstance(value, dict) and all(matches(value.get(key), part) for key, part in wanted.items())
    if isinstance(wanted, list):
        return value in wanted
    return bool(value == wanted)


def in_range(value: int, bounds: dict[str, int]) -> bool:
    """Whether `value` lies within the bounds gt, gte, lt, lte."""
    return bounds.get("gte", value) <= value <= bounds.get("lte", value) and bounds.get(
        "gt", value - 1
    ) < value < bounds.get("lt", value + 1)


@dataclass(frozen=True)
class Filter:
    """What a filter looks at: whether a record passes the value that was asked for.

    `equality` says that it passes where a field, at `path`, equals the value, so that an index may serve it.
    """

    passes: Callable[[Record, Any], bool]
    says: str
    basis: str
    equality: bool = False
    path: str | None = None


def _at(path: str, basis: str) -> Filter:
    return Filter(
        lambda record, wanted: any(matches(value, wanted) for value in values_at(record, path)),
        f"looks at {path}",
        basis,
        equality=True,
        path=path,
    )


def _edge(choose: Callable[[Iterator[int]], int], path: str, basis: str) -> Filter:
    def passes(record: Record, wanted: Any) -> bool:
        values = [value for value in values_at(record, path) if value is not None]
        return bool(values) and matches(choose(iter(values)), wanted)

    return Filter(passes, f"looks at the {choose.__name__}imum of {path}", basis)


def _status(record: Record, wanted: str) -> bool:
    groups = {"all": None, "ended": {"canceled", "incomplete_expired"}}
    group = groups.get(wanted, {wanted})
    return group is None or record["status"] in group


FILTERS: dict[tuple[str, str], Filter] = {
    ("invoiceitem", "created"): _at("date", "docs"),
    ("invoiceitem", "pending"): Filter(
        lambda record, wanted: (record["invoice"] is None) == wanted, "true: belongs to no invoice yet", "spec"
    ),
    ("invoice", "subscription"): _at("parent.subscription_details.subscription", "docs"),
    ("subscription", "price"): _at("items.data.price.id", "spec"),
    ("subscription", "plan"): _at("items.data.plan.id", "spec"),
    ("subscription", "current_period_start"): _edge(max, "items.data.current_period_start", "spec"),
    ("subscription", "current_period_end"): _edge(min, "items.data.current_period_end", "spec"),
    ("subscription", "status"): Filter(_status, "all: every one; ended: canceled or incomplete_expired", "spec"),
    ("product", "ids"): _at("id", "spec"),
    ("price", "lookup_keys"): _at("lookup_key", "spec"),
    ("shipping_rate", "currency"): _at("fixed_amount.currency", "spec"),
    ("event", "types"): _at("type", "spec"),
    ("event", "type"): Filter(
        lambda record, wanted: fnmatchcase(record["type"], wanted.replace("[", "[[]")),
        "a name, or a group with *",
        "spec",
    ),
    ("event", "delivery_success"): Filter(
        lambda record, wanted: (record["pending_webhooks"] == 0) == wanted, "true: no webhook is pending", "spec"
    ),
}


def indexed_path(kind: str, name: str) -> str | None:
    """Return the dotted path whose value equals what the filter `name` asks for; None where it asks otherwise."""
    special = FILTERS.get((kind, name))
    return name if special is None else special.path


def is_equality(kind: str, name: str) -> bool:
    """Whether the filter `name` passes objects by one field being equal."""
    special = FILTERS.get((kind, name))
    return special is None or special.equality


@dataclass(frozen=True)
class Default:
    """What the list at `path` keeps while none of the parameters `unless` is sent."""

    path: str
    unless: tuple[str, ...]
    keeps: Callable[[Record], bool]
    says: str
    basis: str


DEFAULTS: tuple[Default, ...] = (
    Default(
        "/v1/subscriptions",
        ("status",),
        lambda record: record["status"] != "canceled",
        "canceled subscriptions are left out",
        "spec",
    ),
    Default(
        "/v1/subscriptions",
        ("test_clock", "customer"),
        lambda record: record.get("test_clock") is None,
        "subscriptions on a test clock are left out",
        "spec",
    ),
    Default(
        "/v1/customers",
        ("test_clock",),
        lambda record: record.get("test_clock") is None,
        "customers on a test clock are left out",
        "spec",
    ),
    Default(
        "/v1/prices",
        ("active",),
        lambda record: bool(record["active"]),
        "inactive prices are left out",
        "spec",
    ),
    Default(
        "/v1/payment_methods",
        ("type",),
        lambda record: record["type"] != "custom",
        "custom payment methods are left out",
        "spec",
    ),
)

MOST_VALUES = {("event", "types"): 20, ("price", "lookup_keys"): 10}
"""How many values an array filter takes at most [spec]."""
