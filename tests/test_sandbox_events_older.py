"""Events of an older API version: which there are, that their shape is the older one, and that nothing else changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.sandbox import Sandbox, SandboxError
from connector.sandbox.document import api
from connector.sandbox.document.event_versions import LEFT_OUT, VERSION
from tests.accounts import NOW
from tests.stripe_documents import FOLDER, document, needs_documents

SAMPLE = json.loads((Path(__file__).parent / "data" / "invoice_2023.json").read_text(encoding="utf-8"))
NOT_IN_THE_SAMPLE = {"effective_at", "subscription_details"}  # which is of February, the version of August


@pytest.fixture(scope="module")
def older_sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, rps=0, now=NOW, older_events=0.4) as running:
        yield running


def read(sandbox: Sandbox, path: str, **query: Any) -> Any:
    return httpx.get(f"{sandbox.url}{path}", params=query, auth=(sandbox.key, "")).json()


def snapshots(sandbox: Sandbox, version: str) -> Iterator[dict[str, Any]]:
    return (event["data"]["object"] for event in sandbox.truth("event") if event["api_version"] == version)


def test_a_share_of_the_events_is_older_and_every_way_of_reading_agrees(older_sandbox: Sandbox) -> None:
    page = read(older_sandbox, "/v1/events", limit=100)["data"]
    assert 25 < sum(event["api_version"] == VERSION for event in page) < 55
    for event in page[:20]:
        assert read(older_sandbox, f"/v1/events/{event['id']}") == event
    truth = {event["id"]: event["api_version"] for event in older_sandbox.truth("event")}
    assert all(truth[event["id"]] == event["api_version"] for event in page)
    assert set(truth.values()) == {VERSION, api.version()}


def test_only_the_snapshot_and_the_version_of_an_event_are_older(older_sandbox: Sandbox, sandbox: Sandbox) -> None:
    newest = {event["id"]: event for event in sandbox.truth("event")}
    for event in older_sandbox.truth("event"):
        same = newest[event["id"]]
        if event["api_version"] != VERSION:
            assert event == same
            continue
        assert {**event, "api_version": "", "data": {}} == {**same, "api_version": "", "data": {}}
        assert event["data"]["object"]["id"] == same["data"]["object"]["id"]
        assert event["data"].keys() == same["data"].keys()


def test_the_object_itself_is_read_in_the_newest_version(older_sandbox: Sandbox) -> None:
    snapshot = next(each for each in snapshots(older_sandbox, VERSION) if each["object"] == "invoice")
    assert {"subscription", "paid", "tax"} <= snapshot.keys()
    assert api.problems(snapshot, "invoice") != []
    assert api.problems(read(older_sandbox, f"/v1/invoices/{snapshot['id']}"), "invoice") == []


def test_an_older_invoice_has_the_fields_of_stripes_own_sample(older_sandbox: Sandbox) -> None:
    invoices = [each for each in snapshots(older_sandbox, VERSION) if each["object"] == "invoice"]
    assert len(invoices) > 50
    missing = {name.partition(".")[2] for name in LEFT_OUT if name.startswith("invoice.")}
    assert {name for each in invoices for name in each} - NOT_IN_THE_SAMPLE == SAMPLE.keys() - missing
    [line] = SAMPLE["lines"]["data"]
    lines = {name for each in invoices for item in each["lines"]["data"] for name in item}
    assert lines - line.keys() <= {"subscription_item"}
    assert {each["subscription"] for each in invoices} - {None}
    for each in invoices:
        assert each["paid"] == (each["status"] == "paid")
        assert (each["tax"] or 0) == sum(tax["amount"] for tax in each["total_tax_amounts"])


def test_what_changed_is_told_in_the_older_shape_too(older_sandbox: Sandbox) -> None:
    events = [each for each in older_sandbox.truth("event") if each["api_version"] == VERSION]
    paid = [each for each in events if each["type"] == "invoice.updated" and each["data"]["object"]["paid"]]
    assert paid
    assert any(each["data"]["previous_attributes"].get("paid") is False for each in paid)
    for each in events:
        assert (each["data"].get("previous_attributes") or {}).keys() <= each["data"]["object"].keys()


def test_what_is_written_is_told_in_the_older_version_as_well() -> None:
    with Sandbox(seed=7, rps=0, now=NOW, older_events=1) as sandbox:
        httpx.post(f"{sandbox.url}/v1/products", data={"name": "Lamp"}, auth=(sandbox.key, ""))
        [event] = read(sandbox, "/v1/events", limit=1)["data"]
    assert (event["type"], event["api_version"]) == ("product.created", VERSION)
    assert "features" in event["data"]["object"]
    assert "marketing_features" not in event["data"]["object"]


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(SandboxError, match="from 0 to 1"):
        Sandbox(older_events=7)


@needs_documents
def test_no_older_snapshot_has_a_field_that_the_older_document_lacks_nor_lacks_one_that_it_requires() -> None:
    with Sandbox(seed=7, rps=0, now=NOW, older_events=1) as sandbox:
        found = {problem for each in snapshots(sandbox, VERSION) for problem in departures(each)}
        kinds = {each["object"] for each in snapshots(sandbox, VERSION)}
    assert len(kinds) > 10
    assert found == set()


@cache
def old_schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = document(FOLDER / "spec3.published-2023-08-16.json.gz")["components"]["schemas"]
    return schemas


def departures(value: Any) -> Iterator[str]:
    """Say which objects inside `value` have top-level fields other than the older document's."""
    if isinstance(value, list):
        for item in value:
            yield from departures(item)
    elif isinstance(value, dict):
        kind = value.get("object")
        schema = old_schemas().get(str(kind))
        if schema is not None and kind != "list":
            later = value.keys() - schema["properties"].keys() - ({"plan"} if kind == "subscription_item" else set())
            yield from (f"{kind}.{name}: later" for name in later)  # the plan of an item was there, undocumented
            missing = set(schema["required"]) - value.keys()
            yield from (f"{kind}.{name}: missing" for name in missing if f"{kind}.{name}" not in LEFT_OUT)
        for item in value.values():
            yield from departures(item)
