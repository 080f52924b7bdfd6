"""Billing meters, and summaries of their usage that agree with the meter events behind them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from connector.sandbox import Sandbox
from connector.sandbox.document import api
from tests.accounts import NOW

DAY = 86_400
MONTH = {"start_time": NOW // DAY * DAY - 30 * DAY, "end_time": NOW // DAY * DAY}
FORMULAS: dict[str, Callable[[list[float]], float]] = {"sum": sum, "count": len, "last": lambda values: values[-1]}


def ask(sandbox: Sandbox, path: str, **parameters: Any) -> httpx.Response:
    return httpx.get(f"{sandbox.url}{path}", params=parameters, auth=(sandbox.key, ""))


@pytest.fixture(scope="module")
def used(shared_sandbox: Sandbox) -> dict[tuple[str, str], dict[int, float]]:
    """Amounts by time, for each customer and event name, within the month."""
    found: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for event in shared_sandbox.truth("billing.meter_event"):
        if MONTH["start_time"] <= event["timestamp"] < MONTH["end_time"]:
            key = event["payload"]["stripe_customer_id"], event["event_name"]
            found[key][event["timestamp"]] = float(event["payload"]["value"])
    return found


@pytest.mark.parametrize("window", [None, "day", "hour"])
def test_summaries_are_what_the_meter_events_come_to(
    shared_sandbox: Sandbox, used: dict[tuple[str, str], dict[int, float]], window: str | None
) -> None:
    customer = next(iter(used))[0]
    grouping = {"value_grouping_window": window} if window else {}
    for meter in ask(shared_sandbox, "/v1/billing/meters").json()["data"]:
        path = f"/v1/billing/meters/{meter['id']}/event_summaries"
        answer = ask(shared_sandbox, path, customer=customer, limit=100, **MONTH, **grouping).json()
        events = used[customer, meter["event_name"]]
        assert sum(len(_within(events, summary)) for summary in answer["data"]) == len(events)
        formula = FORMULAS[meter["default_aggregation"]["formula"]]
        for summary in answer["data"]:
            assert api.problems(summary, "billing.meter_event_summary") == []
            assert summary["aggregated_value"] == formula(_within(events, summary))
        starts = [summary["start_time"] for summary in answer["data"]]
        assert starts == sorted(set(starts), reverse=True)


def _within(events: dict[int, float], summary: dict[str, Any]) -> list[float]:
    return [events[at] for at in sorted(events) if summary["start_time"] <= at < summary["end_time"]]


def test_most_customers_use_nothing(shared_sandbox: Sandbox, used: dict[tuple[str, str], dict[int, float]]) -> None:
    users = {customer for customer, _ in used}
    idle = [customer["id"] for customer in shared_sandbox.truth("customer") if customer["id"] not in users]
    assert 0 < len(users) < len(idle)
    meter = next(shared_sandbox.truth("billing.meter"))["id"]
    path = f"/v1/billing/meters/{meter}/event_summaries"
    assert ask(shared_sandbox, path, customer=idle[0], **MONTH).json()["data"] == []


def test_an_inactive_meter_counts_nothing_after_its_end(shared_sandbox: Sandbox) -> None:
    old = next(meter for meter in shared_sandbox.truth("billing.meter") if meter["status"] == "inactive")
    times = [
        event["timestamp"]
        for event in shared_sandbox.truth("billing.meter_event")
        if event["event_name"] == old["event_name"]
    ]
    assert times
    assert old["created"] <= min(times) <= max(times) < old["status_transitions"]["deactivated_at"]


@pytest.mark.parametrize(
    ("shift", "window", "param"),
    [({"start_time": 1}, None, "start_time"), ({"end_time": 60}, "hour", "end_time"), ({"end_time": 3600}, "day", "")],
)
def test_ends_that_are_not_aligned_are_refused(
    shared_sandbox: Sandbox, shift: dict[str, int], window: str | None, param: str
) -> None:
    meter = next(shared_sandbox.truth("billing.meter"))["id"]
    customer = next(shared_sandbox.truth("customer"))["id"]
    ends = {name: value + shift.get(name, 0) for name, value in MONTH.items()}
    asked = {**ends, "customer": customer} | ({"value_grouping_window": window} if window else {})
    answer = ask(shared_sandbox, f"/v1/billing/meters/{meter}/event_summaries", **asked)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == (param or "end_time")


def test_an_unknown_customer_is_refused_and_another_seed_has_other_meters(shared_sandbox: Sandbox) -> None:
    meter = next(shared_sandbox.truth("billing.meter"))["id"]
    answer = ask(shared_sandbox, f"/v1/billing/meters/{meter}/event_summaries", customer="cus_none", **MONTH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "resource_missing")
    with Sandbox(seed=8, now=NOW, rps=0) as other:
        assert ask(other, f"/v1/billing/meters/{meter}").status_code == 404
