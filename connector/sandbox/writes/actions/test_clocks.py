"""Test clocks: customers with a time of their own, which somebody moves."""

from __future__ import annotations

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions.payments import not_taken
from connector.sandbox.writes.actions.periods import items_of, recurring, step
from connector.sandbox.writes.engine.handlers import handles, holds
from connector.sandbox.writes.engine.schedule import DAY, pass_test_time
from connector.sandbox.writes.engine.write import Write

_CLOCK = "test_helpers.test_clock"
_KEPT_DAYS = 30
_YEAR = {"interval": "year", "interval_count": 1}

holds(_CLOCK)


@handles("POST /v1/test_helpers/test_clocks")
def create(write: Write) -> Record:
    """Create a test clock that stands at some time."""
    not_taken(write, ("customer",))
    clock = write.blank(_CLOCK, id=write.new_id("clock_"), deletes_after=write.now + _KEPT_DAYS * DAY)
    clock.update(frozen_time=write.form["frozen_time"], name=write.form.get("name"), status="ready")
    write.put(_CLOCK, clock)
    write.emit(f"{_CLOCK}.created", clock)
    return clock


@handles("POST /v1/test_helpers/test_clocks/{test_clock}/advance")
def advance(write: Write) -> Record:
    """Move a test clock on: everything due for its customers by then happens before the answer."""
    clock = write.get(_CLOCK, write.ids["test_clock"])
    since, until = clock["frozen_time"], write.form["frozen_time"]
    _check(write, clock, until)
    clock.update(status="advancing", status_details={"advancing": {"target_frozen_time": until}})
    write.emit(f"{_CLOCK}.advancing", clock)
    pass_test_time(write.store, clock["id"], since, until)
    done = {**clock, "frozen_time": until, "status": "ready", "status_details": {"advancing": None}}
    write.put(_CLOCK, done)
    write.emit(f"{_CLOCK}.ready", done)
    return clock


@handles("DELETE /v1/test_helpers/test_clocks/{test_clock}")
def delete(write: Write) -> Record:
    """Delete a test clock, with its customers and their subscriptions."""
    clock = write.get(_CLOCK, write.ids["test_clock"])
    for kind in ("subscription", "customer"):
        for record in list(write.find(kind, "test_clock", clock["id"])):
            write.delete(kind, record["id"])
    gone = write.delete(_CLOCK, clock["id"])
    write.emit(f"{_CLOCK}.deleted", clock)
    return gone


def _check(write: Write, clock: Record, until: int) -> None:
    since = clock["frozen_time"]
    if until <= since:
        raise write.refuse("clock_backwards", "frozen_time")
    found = [record for record in write.find("subscription", "test_clock", clock["id"]) if items_of(record)]
    furthest = min((step(since, recurring(record), 2) for record in found), default=step(since, _YEAR, 2))
    if until > furthest:
        raise write.refuse("clock_too_far", "frozen_time")
