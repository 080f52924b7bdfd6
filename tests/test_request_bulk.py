"""A write for each row of a source: values escaped for where they stand, planned first, at most once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from connector import Stripe
from connector.errors import UsageError
from connector.request.filling import escaped_part, filled_body, filled_json
from connector.sandbox import Sandbox
from tests.command_line import Run
from tests.writing import a_sandbox, an_account

FORM, JSON = "application/x-www-form-urlencoded", "application/json"


sandbox = pytest.fixture(scope="module")(a_sandbox)
stripe = pytest.fixture(an_account)


@pytest.mark.parametrize(
    ("text", "kind", "filled"),
    [
        ("name={name}&x=1", FORM, "name=a%26b%3D%22%7D&x=1"),
        ('{"name": "{name}", "n": {number}}', JSON, '{"name": "a&b=\\"}", "n": 12}'),
        ('{"name": {name}, "old": {nothing}}', JSON, '{"name": "a&b=\\"}", "old": null}'),
        ('{"quote": "\\"{name}"}', JSON, '{"quote": "\\"a&b=\\"}"}'),
        ('{"kept": "{other}"}', JSON, '{"kept": "{other}"}'),
        ("plain {name}", "text/plain", 'plain a&b="}'),
    ],
)
def test_values_are_escaped_for_where_they_stand(text: str, kind: str, filled: str) -> None:
    assert filled_body(text, kind, {"name": 'a&b="}', "number": 12, "nothing": None}) == filled


def test_json_keeps_the_type_of_a_value_that_stands_alone() -> None:
    row = {"amount": 12, "name": "Ann"}
    assert filled_json({"amount": "{amount}", "text": "for {name}"}, row) == {"amount": 12, "text": "for Ann"}


def test_a_row_cannot_name_a_file_to_send() -> None:
    assert escaped_part("{value}", {"value": "@/etc/passwd"}) == "\\@/etc/passwd"
    assert escaped_part("@{value}", {"value": "receipt.pdf"}) == "@receipt.pdf"
    with pytest.raises(UsageError, match="backslash"):
        escaped_part("{value}", {"value": "a\\nb"})


def test_a_write_for_each_row_is_planned_and_sent_once(stripe: Stripe, sandbox: Sandbox) -> None:
    rows = pd.DataFrame({"mail": ["a&b@bulk.example", "c@bulk.example"], "team": ["blue=1", "red"]})
    request: dict[str, Any] = {"form": ["email={mail}", "metadata[team]={team}"], "source": rows}
    plan = stripe.request("POST", "customers", **request)
    assert "to send              2" in plan.plan
    assert "Not sent. What sends it: --apply" in plan.plan
    outcomes = stripe.request("POST", "customers", **request, apply=True).to_arrow().to_pylist()
    assert [each["status"] for each in outcomes] == ["sent", "sent"]
    made = {each["email"]: each["metadata"] for each in sandbox.truth("customer") if "@bulk." in str(each["email"])}
    assert made == {"a&b@bulk.example": {"team": "blue=1"}, "c@bulk.example": {"team": "red"}}
    again = stripe.request("POST", "customers", **request)
    assert "done before          2" in again.plan


def test_what_a_row_needs_has_to_be_allowed(stripe: Stripe) -> None:
    rows = pd.DataFrame({"id": ["in_1"]})
    with pytest.raises(UsageError, match="--allow money"):
        stripe.request("POST", "/v1/invoices/{id}/pay", source=rows, apply=True)
    with pytest.raises(UsageError, match="--allow delete"):
        stripe.request("DELETE", "/v1/customers/{id}", source=rows, apply=True)


def test_one_key_for_all_rows_is_refused(stripe: Stripe) -> None:
    with pytest.raises(UsageError, match="One idempotency key for all rows"):
        stripe.request("POST", "/v1/customers/{id}", source=pd.DataFrame({"id": ["a"]}), idempotency_key="k")


@pytest.mark.usefixtures("no_rate_limits")
def test_the_command_deletes_by_rows(connector: Run, sandbox: Sandbox) -> None:
    ids = [each["id"] for each in sandbox.truth("customer") if not each.get("test_clock")][:2]
    Path("ids.csv").write_text("id\n" + "".join(f"{each}\n" for each in [*ids, "cus_none"]))
    where = {"STRIPE_API_KEY": sandbox.key, "STRIPE_API_BASE": sandbox.url}
    code, out, error = connector(
        "request", "DELETE", "/v1/customers/{id}", "--from", "ids.csv", "--apply", "--allow", "delete", **where
    )
    assert code == 1
    assert out.count(",sent,") == 2
    assert out.count(",failed,") == 1
    assert "2 sent, 1 failed" in error
    assert not {*ids} & {each["id"] for each in sandbox.truth("customer")}
