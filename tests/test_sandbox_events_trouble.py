"""The list of events tells late, twice and in any order within a second, where it is asked to."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from connector.sandbox import Sandbox, SandboxError
from connector.sandbox.world.clock import Clock
from tests.office import StillClock
from tests.serving import NOW

MADE = 24


def listed(sandbox: Sandbox, path: str = "/v1/events", **query: Any) -> list[dict[str, Any]]:
    answer = httpx.get(f"{sandbox.url}{path}", params={"limit": 100, **query}, auth=(sandbox.key, ""), timeout=60)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def new_customers(sandbox: Sandbox) -> list[str]:
    """Create some customers within a second or two; return their ids, oldest first."""
    with httpx.Client(base_url=sandbox.url, auth=(sandbox.key, ""), timeout=60) as client:
        return [client.post("/v1/customers", data={"name": str(number)}).json()["id"] for number in range(MADE)]


def told(sandbox: Sandbox, customers: list[str]) -> list[str]:
    """Return of which customers the list tells, oldest first."""
    about = [event["data"]["object"]["id"] for event in listed(sandbox, type="customer.created")]
    return [customer for customer in reversed(about) if customer in customers]


def test_without_trouble_every_event_is_listed_at_once_once_and_in_order() -> None:
    with Sandbox(now=NOW, rps=0) as sandbox:
        made = new_customers(sandbox)
        assert told(sandbox, made) == made


def test_a_late_event_is_seen_when_its_time_has_come_with_the_time_at_which_it_arose() -> None:
    with Sandbox(now=NOW, rps=0, event_trouble="late:3600=0.5") as sandbox:
        made = new_customers(sandbox)
        seen = told(sandbox, made)
        assert 4 <= len(seen) <= MADE - 4
        late = next(e for e in sandbox.truth("event") if e["data"]["object"]["id"] in set(made) - set(seen))
        path = f"{sandbox.url}/v1/events/{late['id']}"
        assert httpx.get(path, auth=(sandbox.key, "")).status_code == 404
        assert late["id"] not in {event["id"] for event in listed(sandbox, "/v2/core/events")}
        sandbox.advance(3601)
        assert told(sandbox, made) == made
        assert httpx.get(path, auth=(sandbox.key, "")).json()["created"] == late["created"] < NOW + 3600
        assert late["id"] in {event["id"] for event in listed(sandbox, "/v2/core/events")}


def test_a_change_told_twice_is_two_events_with_one_snapshot() -> None:
    with Sandbox(now=NOW, rps=0, event_trouble="duplicate=0.5") as sandbox:
        made = new_customers(sandbox)
        events = [e for e in listed(sandbox, type="customer.created") if e["data"]["object"]["id"] in made]
    assert MADE + 4 <= len(events) <= 2 * MADE - 4
    assert len({event["id"] for event in events}) == len(events)
    for customer in made:
        snapshots = [event["data"] for event in events if event["data"]["object"]["id"] == customer]
        assert snapshots in ([snapshots[0]], [snapshots[0]] * 2)


def test_disorder_stays_within_the_second_and_loses_nothing_between_pages() -> None:
    with Sandbox(now=NOW, rps=0, event_trouble="disorder=1") as sandbox:
        made = new_customers(sandbox)
        events = listed(sandbox, type="customer.created")
        assert sorted(told(sandbox, made)) == sorted(made)
        assert told(sandbox, made) != made
        times = [event["created"] for event in events]
        assert times == sorted(times, reverse=True)
        paged = listed(sandbox, type="customer.created", limit=5)
        while len(paged) < MADE:
            paged += listed(sandbox, type="customer.created", limit=5, starting_after=paged[-1]["id"])
        assert [event["id"] for event in paged[:MADE]] == [event["id"] for event in events[:MADE]]


def test_the_seed_says_which_events_are_in_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "now", StillClock.now)  # a slow machine would let the business itself go on
    orders = []
    for _ in range(2):
        with Sandbox(now=NOW, rps=0, event_trouble="late:60=0.2,duplicate=0.2,disorder=0.5") as sandbox:
            sandbox.work(40)
            sandbox.advance(60)
            orders.append([(event["id"], event["type"]) for event in listed(sandbox)])
    assert orders[0] == orders[1]


def test_a_connected_account_tells_with_the_same_trouble() -> None:
    with Sandbox(now=NOW, rps=0, event_trouble="duplicate=1") as sandbox:
        headers = {"Stripe-Account": sandbox.accounts[0]}
        with httpx.Client(base_url=sandbox.url, auth=(sandbox.key, ""), headers=headers, timeout=60) as client:
            made = client.post("/v1/customers", data={"name": "Ada"}).json()["id"]
            events = client.get("/v1/events", params={"type": "customer.created"}).json()["data"]
        assert [event["data"]["object"]["id"] for event in events][:2] == [made, made]


def test_a_trouble_that_nobody_knows_is_refused() -> None:
    with pytest.raises(SandboxError, match=r'event trouble "lost=0\.1".*late, duplicate, disorder'):
        Sandbox(event_trouble="lost=0.1")
