"""Lists: which objects a call asks for, and one page of them, newest first.

One engine for all lists. The filters are the query parameters that the OpenAPI document gives the call; what
departs from "parameter equals field" stands in `rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

from connector.sandbox.document.refusals import refusal
from connector.sandbox.document.rules import DEFAULTS, FILTERS, MOST_VALUES, Default, Record, is_equality, matches
from connector.sandbox.world.store import Position, Store, Stretch

PAGING = frozenset({"limit", "starting_after", "ending_before", "expand"})
DEFAULT_LIMIT, MOST = 10, 100

PAYOUT_CONTENT = "payout_content"
"""The kind of the notes that say what a payout of the running sandbox is made of: not an object of Stripe's."""

Condition = Callable[[Position, Record], bool]


@dataclass(frozen=True)
class Cut:
    """Which part of a list a page is: `limit` objects older than `after`, or newer than `before`."""

    limit: int
    after: str | None
    before: str | None


@dataclass(frozen=True)
class Page:
    """One page: its records in list order, and whether more follow in the direction of travel."""

    records: list[Record]
    has_more: bool


def cut_of(parameters: Mapping[str, Any]) -> Cut:
    """Read the paging parameters; Refusal for a limit out of bounds or two cursors at once."""
    limit = parameters.get("limit", DEFAULT_LIMIT)
    if limit < 1:
        raise refusal("too_small", "limit", bound=1, value=limit)
    if limit > MOST:
        raise refusal("too_large", "limit", bound=MOST, value=limit)
    after, before = parameters.get("starting_after"), parameters.get("ending_before")
    if after is not None and before is not None:
        raise refusal("exclusive", "ending_before", first="ending_before", second="starting_after")
    return Cut(limit, after, before)


def page(store: Store, kind: str, path: str, parameters: Mapping[str, Any]) -> Page:
    """Return the page of the list of `kind` at `path` that `parameters` ask for."""
    cut = cut_of(parameters)
    wanted = {name: value for name, value in parameters.items() if name not in PAGING}
    _check(store, kind, wanted, cut)
    conditions = list(_conditions(store, kind, path, wanted))
    stretch = _between(store, kind, cut, _narrowed(store, kind, wanted))
    found = _matching(store, kind, store.walk(kind, stretch, newest_first=cut.before is None), conditions)
    records = list(islice(found, cut.limit + 1))
    has_more = len(records) > cut.limit
    del records[cut.limit :]
    return Page(records if cut.before is None else records[::-1], has_more)


def part(records: list[Record], kind: str, parameters: Mapping[str, Any]) -> Page:
    """Return the page of a list that is at hand whole, such as the lines of an invoice."""
    cut = cut_of(parameters)
    places = {record["id"]: place for place, record in enumerate(records)}
    first, last = 0, len(records)
    if cut.after is not None:
        first = _place(places, kind, "starting_after", cut.after) + 1
    if cut.before is not None:
        last = _place(places, kind, "ending_before", cut.before)
        return Page(records[max(0, last - cut.limit) : last], last > cut.limit)
    return Page(records[first : first + cut.limit], last > first + cut.limit)


def _place(places: Mapping[str, int], kind: str, param: str, cursor: str) -> int:
    if cursor not in places:
        raise refusal("missing_reference", param, kind=kind, id=cursor)
    return places[cursor]


def _check(store: Store, kind: str, wanted: Mapping[str, Any], cut: Cut) -> None:
    for name, value in wanted.items():
        bound = MOST_VALUES.get((kind, name))
        if bound is not None and len(value) > bound:
            raise refusal("too_many", name, bound=bound)
        if name in store.kinds and store.position(name, value) is None and not store.was_deleted(name, value):
            raise refusal("missing_reference", name, kind=name, id=value)
    for first, second in _exclusive(kind, cut):
        if first in wanted and (second in wanted or second in _cursors(cut)):
            raise refusal("exclusive", first, first=first, second=second)


def _exclusive(kind: str, cut: Cut) -> Iterator[tuple[str, str]]:
    """Yield the pairs of parameters that cannot be sent together [spec]."""
    if kind == "event":
        yield "type", "types"
    if kind == "product":
        yield from (("ids", cursor) for cursor in _cursors(cut))


def _cursors(cut: Cut) -> list[str]:
    sent = {"starting_after": cut.after, "ending_before": cut.before}
    return [name for name, value in sent.items() if value is not None]


def _conditions(store: Store, kind: str, path: str, wanted: Mapping[str, Any]) -> Iterator[Condition]:
    for name, value in wanted.items():
        if (kind, name) == ("balance_transaction", "payout"):
            yield _settled_in(store, value)
        else:
            yield _passes(kind, name, value)
    if kind == "event":
        yield lambda _, event: store.telling.is_seen(event["id"])
    for default in DEFAULTS:
        if default.path == path and not wanted.keys() & set(default.unless):
            yield _keeps(default)


def _keeps(default: Default) -> Condition:
    return lambda _, record: default.keeps(record)


def _passes(kind: str, name: str, value: Any) -> Condition:
    special = FILTERS.get((kind, name))
    if special is not None:
        return lambda _, record: special.passes(record, value)
    return lambda _, record: matches(record.get(name), value)


def _settled_in(store: Store, payout: str) -> Condition:
    """Return whether a balance transaction was paid out by `payout`: the object itself does not say."""
    record = store.get("payout", payout)
    if record is not None and not record["automatic"]:
        raise refusal("manual_payout", "payout")
    content = _content(store, payout)
    if content is not None:
        transactions = frozenset(content["transactions"])
        return lambda _, record: record["id"] in transactions
    numbers = frozenset(store.business.numbers("balance_transaction", "payout", payout) or ())
    return lambda position, _: position[0] == 0 and position[1] in numbers


def _content(store: Store, payout: str) -> Record | None:
    return store.get(PAYOUT_CONTENT, payout) if PAYOUT_CONTENT in store.kinds else None


def _narrowed(store: Store, kind: str, wanted: Mapping[str, Any]) -> Stretch:
    """Return the stretch that the filters leave, as far as it can be told without looking at objects."""
    content = _content(store, wanted["payout"]) if kind == "balance_transaction" and "payout" in wanted else None
    indexed = wanted.items() if content is None else ()  # the business knows nothing of this payout
    pairs = chain.from_iterable(_parts(name, value) for name, value in indexed)
    near = ((name, value) for name, value in pairs if isinstance(value, str) and is_equality(kind, name))
    known = (pair for pair in near if store.indexed(kind, *pair) is not None)
    created = wanted.get("created", {})
    if isinstance(created, int):
        created = {"gte": created, "lte": created}
    since = max(created.get("gte", 0), created.get("gt", -1) + 1, content["since"] if content else 0)
    until = [bound for bound in (created.get("lt"), _next(created.get("lte"))) if bound is not None]
    return Stretch(since=since, until=min(until, default=None), near=next(known, None))


def _parts(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    """Return a filter, or those that it consists of: payment[type] is payment.type."""
    return [(f"{name}.{key}", part) for key, part in value.items()] if isinstance(value, dict) else [(name, value)]


def _next(instant: int | None) -> int | None:
    return None if instant is None else instant + 1


def _between(store: Store, kind: str, cut: Cut, stretch: Stretch) -> Stretch:
    if cut.after is not None:
        return replace(stretch, below=_cursor(store, kind, "starting_after", cut.after))
    if cut.before is not None:
        return replace(stretch, above=_cursor(store, kind, "ending_before", cut.before))
    return stretch


def _cursor(store: Store, kind: str, param: str, id: str) -> Position:  # noqa: A002 - Stripe's word for it
    position = store.position(kind, id)
    if position is None:
        raise refusal("missing_reference", param, kind=kind, id=id)
    return position


def _matching(store: Store, kind: str, positions: Iterator[Position], conditions: list[Condition]) -> Iterator[Record]:
    for position in positions:
        record = store.at(kind, position)
        if record is not None and all(condition(position, record) for condition in conditions):
            yield record
