"""A record that is not what it should be ends its own endpoint, and is named; the others are synced."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from connector import Stripe
from connector.errors import ConnectorError
from connector.sandbox import Sandbox
from connector.sync.reading import Reading
from tests.accounts import account
from tests.postgres_server import postgres_database, postgres_url
from tests.scripted_server import Answer, ScriptedServer
from tests.synced import Place, assert_equal_to_stripe, query, sandbox, shared_sandbox

__all__ = ["postgres_database", "postgres_url", "sandbox", "shared_sandbox"]

HEADERS = {"Request-Id": "req_1"}
NAMES = ["coupons", "invoices", "invoice_lines", "products"]


def statuses(place: Place) -> dict[str, str]:
    return {row["endpoint"]: row["status"] for row in query(place, "select endpoint, status from _sync_runs")}


@pytest.mark.parametrize("lines", [[], "text", 7, {"object": "list", "data": None}, {}])
def test_lines_that_are_no_list_end_the_lines_only(lines: object, sandbox: Sandbox, postgres_database: str) -> None:
    invoice = next(iter(sandbox.truth("invoice")))
    with account(sandbox) as stripe:
        client = stripe._api().client
        original = client.get

        def malformed(url: str, *arguments: Any, **named: Any) -> Any:
            response = original(url, *arguments, **named)
            if url != "/v1/invoices":
                return response
            content = json.loads(response.content)
            for each in content["data"]:
                if each["id"] == invoice["id"]:
                    each["lines"] = lines
            return dataclasses.replace(response, content=json.dumps(content).encode())

        client.get = malformed  # type: ignore[method-assign]
        report = stripe.sync(NAMES, to=postgres_database)
    failed = {run.endpoint: run.error or "" for run in report.failed}
    assert list(failed) == ["invoice_lines"]
    assert "should not happen" not in failed["invoice_lines"]
    assert "request req_" in failed["invoice_lines"]
    assert_equal_to_stripe(postgres_database, sandbox, ["coupons", "invoices", "products"])
    assert statuses(postgres_database)["_run"] == "failed"


@pytest.mark.parametrize("kind", [ZeroDivisionError, RecursionError, KeyError])
def test_an_error_that_nobody_foresaw_ends_its_endpoint_and_shows_no_value(
    kind: type[Exception], shared_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Reading.add

    def fail(reading: Reading, *arguments: Any) -> Any:
        if reading.task.name == "coupons":
            raise kind("a secret value")
        return add(reading, *arguments)

    monkeypatch.setattr(Reading, "add", fail)
    with account(shared_sandbox) as stripe:
        report = stripe.sync(["coupons", "products"], to=str(tmp_path / "s.duckdb"))
    (failed,) = report.failed
    assert failed.endpoint == "coupons"
    assert failed.error is not None
    assert re.search(rf"{kind.__name__} at test_sync_malformed.py:\d+, called from intake.py:\d+", failed.error)
    assert "request req_" in failed.error
    assert "secret" not in failed.error


@pytest.mark.parametrize("body", ["{}", "[]", "null", '{"id": 7}', b"\xff\xfe"])
def test_an_account_that_is_none_is_an_error_for_people(body: object, tmp_path: Path) -> None:
    with (
        ScriptedServer(Answer(headers=HEADERS, body=body)) as server,
        Stripe(key="sk_test_1", api_base=server.url) as stripe,
        pytest.raises(ConnectorError, match="req_1"),
    ):
        stripe.sync(["coupons"], to=str(tmp_path / "s.duckdb"))
    assert statuses(tmp_path / "s.duckdb") == {"_run": "failed"}


def test_what_is_on_test_clocks_is_told_where_there_are_any(
    shared_sandbox: Sandbox, sandbox: Sandbox, tmp_path: Path
) -> None:
    for clock in list(sandbox.truth("test_helpers.test_clock")):
        sandbox.delete("test_helpers.test_clock", clock["id"])
    for each, told in ((shared_sandbox, True), (sandbox, False)):
        with account(each) as stripe:
            notes = stripe.sync(["coupons", "customers"], to=str(tmp_path / f"{told}.duckdb")).notes
            assert any("on a test clock" in note for note in notes) == told
            assert not [
                note for note in stripe.sync(["coupons"], to=str(tmp_path / "c.duckdb")).notes if "clock" in note
            ]
