"""Stripe's search language, as far as people use it: `field:'value'`, `~`, `<`, `>`, metadata, `-`, AND, OR."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from connector.sandbox.document.refusals import refusal
from connector.sandbox.document.rules import Record, values_at
from connector.sandbox.reads.lists import Page, cut_of
from connector.sandbox.world.store import Position, Store, Stretch

FIELDS: dict[str, dict[str, str]] = {
    "charge": {
        **{name: name for name in ("amount", "created", "currency", "customer", "disputed", "refunded", "status")},
        "billing_details.address.postal_code": "billing_details.address.postal_code",
        "payment_method_details.card.brand": "payment_method_details.card.brand",
        "payment_method_details.card.last4": "payment_method_details.card.last4",
        "payment_method_details.card.exp_month": "payment_method_details.card.exp_month",
        "payment_method_details.card.exp_year": "payment_method_details.card.exp_year",
        "payment_method_details.card.fingerprint": "payment_method_details.card.fingerprint",
    },
    "customer": {name: name for name in ("created", "email", "name", "phone")},
    "invoice": {
        **{name: name for name in ("created", "currency", "customer", "number", "receipt_number", "status", "total")},
        "subscription": "parent.subscription_details.subscription",
    },
    "payment_intent": {name: name for name in ("amount", "created", "currency", "customer", "status")},
    "price": {name: name for name in ("active", "currency", "lookup_key", "product", "type")},
    "product": {name: name for name in ("active", "description", "name", "shippable", "url")},
    "subscription": {name: name for name in ("canceled_at", "created", "status")},
}
"""What each search looks at, besides metadata: name in the query → path in the object [docs]."""

_CLAUSE = re.compile(
    r"""\s*(?P<not>-)?(?P<field>[a-z_0-9.]+)(?:\[(?P<q>['"])(?P<key>(?:(?!(?P=q)).)*)(?P=q)\])?\s*
        (?P<operator>:|~|>=|<=|>|<)\s*
        (?:'(?P<single>(?:\\.|[^'\\])*)'|"(?P<double>(?:\\.|[^"\\])*)"|(?P<word>[A-Za-z0-9._-]+))\s*""",
    re.VERBOSE | re.DOTALL,
)  # no two ways to match the same letters, so that no query takes long
_SHORTEST_SUBSTRING = 3
_JOIN = re.compile(r"(AND|OR)\b", re.IGNORECASE)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ":": lambda a, b: a == b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


@dataclass(frozen=True)
class Clause:
    """One comparison of a query."""

    path: str
    key: str | None
    operator: str
    value: str
    negated: bool

    def matches(self, record: Record) -> bool:
        """Whether the record passes the comparison."""
        return self._passes(record) != self.negated

    def _passes(self, record: Record) -> bool:
        if self.key is not None:
            values = [record.get("metadata", {}).get(self.key)]
        else:
            values = list(values_at(record, self.path)) or [None]
        return any(_compare(value, self.operator, self.value) for value in values)


def search(store: Store, kind: str, parameters: Mapping[str, Any]) -> tuple[Page, str | None]:
    """Return one page of what the query finds, newest first, and the token of the next page or None."""
    clauses, joined = parse(parameters["query"], kind)
    limit = cut_of(parameters).limit
    below = _position(parameters["page"]) if "page" in parameters else None
    stretch = Stretch(below=below, until=_known_until(store))
    found: list[tuple[Position, Record]] = []
    for position in store.walk(kind, stretch):
        record = store.at(kind, position)
        if record is not None and joined(clause.matches(record) for clause in clauses):
            found.append((position, record))
            if len(found) > limit:
                return Page([record for _, record in found[:limit]], True), _token(found[limit - 1][0])
    return Page([record for _, record in found], False), None


def count(store: Store, kind: str, query: str) -> int:
    """Return how many objects the query finds."""
    clauses, joined = parse(query, kind)
    known = store.records(kind, Stretch(until=_known_until(store)))
    return sum(1 for record in known if joined(clause.matches(record) for clause in clauses))


def _known_until(store: Store) -> int | None:
    """Return the instant from which on what was created is not found yet, where search is to lag."""
    return store.clock.now() - store.search_lag_seconds if store.search_lag_seconds else None


def parse(query: str, kind: str) -> tuple[list[Clause], Callable[..., bool]]:
    """Return the clauses of a query and how they join: `all` for AND, `any` for OR."""
    clauses: list[Clause] = []
    words: set[str] = set()
    at = 0
    while True:
        found = _CLAUSE.match(query, at)
        if found is None:
            raise refusal("bad_query", "query", why=f"a clause like field:'value' is expected at {query[at:]!r}")
        clauses.append(_clause(found, kind))
        if found.end() == len(query):
            break
        word = _JOIN.match(query, found.end())
        words.add(word[1].upper() if word else "AND")
        at = word.end() if word else found.end()
    if words == {"AND", "OR"}:
        raise refusal("bad_query", "query", why="AND and OR cannot stand in one query")
    return clauses, any if words == {"OR"} else all


def _clause(found: re.Match[str], kind: str) -> Clause:
    name, key = found["field"], found["key"]
    if (name == "metadata") != (key is not None) or (key is None and name not in FIELDS[kind]):
        raise refusal("bad_search_field", "query", name=name, kind=kind)
    text = found["single"] if found["single"] is not None else found["double"]
    value = found["word"] if text is None else re.sub(r"\\(.)", r"\1", text)
    path = name if key is not None else FIELDS[kind][name]
    if found["operator"] == "~" and len(value) < _SHORTEST_SUBSTRING:
        raise refusal("short_substring", "query")
    return Clause(path, key, found["operator"], value, found["not"] is not None)


def _compare(value: Any, operator: str, wanted: str) -> bool:
    if value is None or isinstance(value, bool):
        return operator == ":" and {None: "null", True: "true", False: "false"}[value] == wanted.lower()
    if operator == "~":
        return wanted.lower() in str(value).lower()
    if isinstance(value, int | float):
        return _is_number(wanted) and _COMPARE[operator](value, float(wanted))
    return operator == ":" and str(value).lower() == wanted.lower()


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) is not None


def _token(position: Position) -> str:
    return base64.urlsafe_b64encode("/".join(map(str, position)).encode()).decode()


def _position(token: str) -> Position:
    try:
        kind, first, second = map(int, base64.urlsafe_b64decode(token).decode().split("/"))
    except ValueError:
        raise refusal("bad_page", "page", value=token) from None
    return kind, first, second
