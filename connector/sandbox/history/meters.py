"""Billing meters, the usage that they count, and its summaries: a function of seed, meter and customer.

One customer in five uses anything, and then once a day per meter, at some minute of that day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from connector.sandbox.document.refusals import refusal
from connector.sandbox.history.story.chance import Chance
from connector.sandbox.history.story.ids import Ids

if TYPE_CHECKING:
    from connector.sandbox.world.store import Store

Record = dict[str, Any]

MINUTE, HOUR, DAY = 60, 3600, 86_400
SECONDS = {"minute": MINUTE, "hour": HOUR, "day": DAY}
"""What the ends of the time asked for must be whole multiples of, with and without `value_grouping_window`."""

_ONE_IN = 5  # so many customers have no usage for each that has
_BEFORE_PRICES_DAYS = 30  # the first meter was there before the prices that go by it
_SPACING_DAYS = 40  # between the days on which two meters were made


class _Plan(NamedTuple):
    event_name: str
    display_name: str
    formula: str
    window: str | None
    ended_after_days: int | None = None


_PLANS = (
    _Plan("api_requests", "API requests", "sum", None),
    _Plan("storage_gigabytes", "Storage in gigabytes", "last", "day"),
    _Plan("messages_sent", "Messages sent", "count", "hour"),
    _Plan("exports_run", "Exports (old)", "sum", None, ended_after_days=200),
)


def meter_of_prices(seed: int) -> str:
    """Return the id of the meter that the business's metered prices go by."""
    return _ids(seed)(0)


def _ids(seed: int) -> Ids:
    return Ids(seed, "billing.meter", "mtr_test_61S")


class Usage(NamedTuple):
    """One meter event: when, how much, and the identifier that tells it from others."""

    instant: int
    value: float
    identifier: str


class Meters:
    """The seeded meters, numbered from 0, oldest first, as the other kinds of objects are."""

    def __init__(self, seed: int, start: int) -> None:
        self._ids = _ids(seed)
        self._start = start - _BEFORE_PRICES_DAYS * DAY
        self.numbering = self
        self.end = len(_PLANS)

    def created(self, number: int) -> int:
        """When the meter was made."""
        return self._start + number * _SPACING_DAYS * DAY

    def first_at(self, instant: int) -> int:
        """The lowest number made at `instant` or later."""
        return next((number for number in range(self.end) if self.created(number) >= instant), self.end)

    def number(self, text: str) -> int | None:
        """The number of the meter with this id, if it was made here."""
        found = self._ids.number(text)
        return found if found is not None and found < self.end else None

    def numbers(self, _field: str, _value: str) -> Iterable[int] | None:
        """There are so few that a scan is as good."""
        return None

    def at(self, number: int, _instant: int) -> Record | None:
        """The meter, as it is today."""
        plan, created = _PLANS[number], self.created(number)
        ended = None if plan.ended_after_days is None else created + plan.ended_after_days * DAY
        return {
            "id": self._ids(number),
            "object": "billing.meter",
            "created": created,
            "customer_mapping": {"event_payload_key": "stripe_customer_id", "type": "by_id"},
            "default_aggregation": {"formula": plan.formula},
            "display_name": plan.display_name,
            "event_name": plan.event_name,
            "event_time_window": plan.window,
            "livemode": False,
            "status": "active" if ended is None else "inactive",
            "status_transitions": {"deactivated_at": ended},
            "updated": created if ended is None else ended,
            "value_settings": {"event_payload_key": "value"},
        }


def usage(meter: Record, customer: Record, since: int, until: int) -> Iterator[Usage]:
    """Yield what a customer used of a seeded meter in `since ≤ t < until`, oldest first."""
    chance = Chance(0, f"usage {meter['id']} {customer['id']}")
    if Chance(0, f"uses {customer['id']}")(0) % _ONE_IN:
        return
    first = max(since, meter["created"], customer["created"])
    last = min(until, meter["status_transitions"]["deactivated_at"] or until)
    for day in range(first // DAY, -(-last // DAY)):
        draw = chance(day)
        instant = day * DAY + draw % (DAY // MINUTE) * MINUTE
        if first <= instant < last:
            yield Usage(instant, 1 + (draw >> 20) % 4000 / 4, f"use-{draw:016x}")


def events(store: Store) -> Iterator[Record]:
    """Yield every meter event up to now, meter by meter."""
    for meter in store.records("billing.meter"):
        for customer in store.records("customer"):
            yield from _events(meter, customer, (0, store.clock.now()))


def summaries(store: Store, meter: Record, parameters: Mapping[str, Any]) -> list[Record]:
    """Return the summaries that a call asks for, newest first; none where the customer used nothing."""
    span = _span(parameters)
    customer = store.get("customer", parameters["customer"])
    if customer is None and not store.was_deleted("customer", parameters["customer"]):
        raise refusal("missing_reference", "customer", kind="customer", id=parameters["customer"])
    if customer is None:
        return []
    found = _events(meter, customer, (span.since, min(span.until, store.clock.now())))
    return [_summary(meter, customer["id"], ends, values) for ends, values in _windows(found, meter, span)][::-1]


class _Span(NamedTuple):
    """The time that summaries are asked for, `since ≤ t < until`, in windows of so many seconds."""

    since: int
    until: int
    window: int

    def ends(self, instant: int) -> tuple[int, int]:
        start = self.since + (instant - self.since) // self.window * self.window
        return start, start + self.window


def _span(parameters: Mapping[str, Any]) -> _Span:
    grouping = parameters.get("value_grouping_window", "minute")
    for name in ("start_time", "end_time"):
        if parameters[name] % SECONDS[grouping]:
            raise refusal("not_aligned", name, window=grouping)
    since, until = parameters["start_time"], parameters["end_time"]
    return _Span(since, until, max(1, until - since) if grouping == "minute" else SECONDS[grouping])


def _events(meter: Record, customer: Record, ends: tuple[int, int]) -> Iterator[Record]:
    for used in usage(meter, customer, *ends):
        yield _event(meter, customer, used)


def _event(meter: Record, customer: Record, used: Usage) -> Record:
    return {
        "object": "billing.meter_event",
        "created": used.instant,
        "event_name": meter["event_name"],
        "identifier": used.identifier,
        "livemode": False,
        "payload": {
            meter["customer_mapping"]["event_payload_key"]: customer["id"],
            meter["value_settings"]["event_payload_key"]: f"{used.value:g}",
        },
        "timestamp": used.instant,
    }


def _windows(found: Iterable[Record], meter: Record, span: _Span) -> Iterator[tuple[tuple[int, int], list[float]]]:
    """Yield the windows in which there was usage, oldest first, and the amounts in each, in order of time."""
    key = meter["value_settings"]["event_payload_key"]
    used = sorted((event["timestamp"], float(event["payload"].get(key, 1))) for event in found)
    for ends, group in groupby(used, lambda each: span.ends(each[0])):
        yield ends, [amount for _, amount in group]


def _summary(meter: Record, customer: str, ends: tuple[int, int], values: list[float]) -> Record:
    value = {"sum": sum(values), "count": len(values), "last": values[-1]}[meter["default_aggregation"]["formula"]]
    digest = hashlib.blake2b(f"{meter['id']} {customer} {ends}".encode(), digest_size=16).hexdigest()
    return {
        "id": f"mtrusg_test_{digest}",
        "object": "billing.meter_event_summary",
        "aggregated_value": int(value) if value == int(value) else value,
        "end_time": ends[1],
        "livemode": False,
        "meter": meter["id"],
        "start_time": ends[0],
    }
