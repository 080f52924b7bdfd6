"""The sandbox's own paths, which Stripe does not have: the whole truth, what was asked so far, and the clock.

GET /_truth           every kind and how many objects of it there are
GET /_truth/charge    every charge, whole, one a line
GET /_stats           calls by name and status, 429s, the most at once, bytes, effects by idempotency key
POST /_clock          {"advance_seconds": 86400} moves the clock on; what falls due on the way happens
POST /_bank/po_123    {"outcome": "failed"} lets a bank do what only a bank can
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from connector.sandbox.document import api
from connector.sandbox.document.refusals import refusal
from connector.sandbox.document.rules import Record
from connector.sandbox.history.meters import events
from connector.sandbox.server.messages import Request, Response, pretty
from connector.sandbox.server.stats import Stats
from connector.sandbox.world.store import Store
from connector.sandbox.writes.actions.balances import balance
from connector.sandbox.writes.actions.banks import decide
from connector.sandbox.writes.engine.schedule import pass_time

_FURTHEST_SECONDS = 731 * 86_400
"""Two years; more at once, such as a time in milliseconds, would keep everybody waiting."""

CHILDREN: dict[str, tuple[tuple[str, str], ...]] = {
    "credit_note_line_item": (("credit_note", "lines"),),
    "item": (("payment_link", "line_items"), ("checkout.session", "line_items")),
    "line_item": (("invoice", "lines"),),
    "subscription_item": (("subscription", "items"),),
}
"""Kinds that live in parents: the parent's kind, and its field with the list."""

_encode = msgspec.json.Encoder().encode


def truth(store: Store, kind: str) -> Iterator[Record]:
    """Yield every object of `kind` as it is, whole, newest first; children carry their parent's id as `_parent`.

    KeyError where the sandbox has no such kind.
    """
    if kind in CHILDREN:
        return _children(store, kind)
    if kind == "account":
        return iter([store.own_account()])
    if kind == "balance":
        return iter([balance(store)])
    if kind == "billing.meter_event":
        return events(store)
    if kind not in store.kinds:
        raise KeyError(kind)
    return store.records(kind)


def _children(store: Store, kind: str) -> Iterator[Record]:
    for parent, field in CHILDREN[kind]:
        for record in store.records(parent):
            for child in (record.get(field) or {"data": ()})["data"]:
                yield {**child, "_parent": record["id"]}


def advance(store: Store, seconds: int) -> int:
    """Move the store's clock on, let everything happen that falls due on the way, and return the new present."""
    if not 0 <= seconds <= _FURTHEST_SECONDS:
        raise refusal("bad_clock", furthest=_FURTHEST_SECONDS)
    until = store.clock.now() + seconds
    pass_time(store, store.clock, until)
    store.clock.move_to(until)
    return store.clock.now()


def _seconds(body: bytes) -> int:
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, int]).get("advance_seconds", -1)
    except msgspec.DecodeError:
        return -1


def _outcome(body: bytes) -> str:
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, str])["outcome"]
    except (msgspec.DecodeError, KeyError):
        raise refusal("bad_bank") from None


class Admin:
    """Answers the paths that begin with an underscore; no key is asked for."""

    def __init__(self, store: Store, stats: Stats) -> None:
        self._store = store
        self._stats = stats

    def respond(self, request: Request) -> Response:
        """Return the answer; Refusal for a path that is not there."""
        words = request.path.strip("/").split("/")
        if (request.method, words) == ("POST", ["_clock"]):
            return Response(200, pretty({"now": advance(self._store, _seconds(request.body))}))
        if request.method == "POST" and words[0] == "_bank" and len(words) == 2:  # noqa: PLR2004 - the path and an id
            return Response(200, pretty(decide(self._store, words[1], _outcome(request.body))))
        if request.method != "GET" or words[0] not in {"_truth", "_stats"}:
            raise refusal("unknown_path", method=request.method, path=request.path)
        if words == ["_stats"]:
            return Response(200, pretty(self._stats.totals()))
        if words == ["_truth"]:
            held = self._store.kinds & set(api.schemas())  # the others are notes
            kinds = sorted({*held, *CHILDREN, "account", "balance", "billing.meter_event"})
            return Response(200, pretty({kind: sum(1 for _ in truth(self._store, kind)) for kind in kinds}))
        return self._lines(".".join(words[1:]), request)

    def _lines(self, kind: str, request: Request) -> Response:
        try:
            found = truth(self._store, kind)
        except KeyError:
            raise refusal("unknown_path", method=request.method, path=request.path) from None
        lines = (_encode(record) + b"\n" for record in found)
        return Response(200, lines, {"Content-Type": "application/x-ndjson"})
