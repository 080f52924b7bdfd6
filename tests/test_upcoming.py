"""What the next invoice of each subscription would be: tables that Stripe works out when asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import Stripe
from connector.errors import ConditionError, UsageError
from connector.sandbox import Sandbox
from tests.accounts import NOW, account

GOES_ON = {"active", "trialing", "past_due", "unpaid", "incomplete"}


@pytest.fixture(scope="module")
def small() -> Iterator[Sandbox]:
    with Sandbox(seed=7, rps=0, now=NOW, size="small") as sandbox:
        yield sandbox


@pytest.fixture
def shop(small: Sandbox) -> Iterator[Stripe]:
    with account(small) as stripe:
        yield stripe


def busy_customer(sandbox: Sandbox) -> tuple[str, set[str]]:
    """Return a customer with most subscriptions, and those of them that go on."""
    by_customer: dict[str, set[str]] = {}
    for each in sandbox.truth("subscription"):
        if not each.get("test_clock") and each["status"] in GOES_ON:
            by_customer.setdefault(each["customer"], set()).add(each["id"])
    return max(by_customer.items(), key=lambda item: len(item[1]))


def test_every_subscription_that_goes_on_has_one_upcoming_invoice_and_no_other_has(
    small: Sandbox, shop: Stripe
) -> None:
    result = shop.extract("upcoming_invoices")
    rows = result.to_arrow().to_pylist()
    listed = [each for each in small.truth("subscription") if not each.get("test_clock")]
    assert {row["subscription"] for row in rows} == {each["id"] for each in listed if each["status"] in GOES_ON}
    assert {row["billing_reason"] for row in rows} == {"upcoming"}
    assert {row["_extra"] for row in rows} == {None}
    assert result.report.notes == []
    assert result.report.requests == len(rows) + -(-len(listed) // 100)


def test_the_upcoming_lines_add_up_to_the_upcoming_invoices(shop: Stripe) -> None:
    totals = {row["subscription"]: row["subtotal"] for row in shop.extract("upcoming_invoices").to_arrow().to_pylist()}
    lines = shop.extract("upcoming_invoice_lines").to_arrow().to_pylist()
    summed = {name: sum(line["amount"] for line in lines if line["subscription"] == name) for name in totals}
    assert summed == totals


@pytest.mark.parametrize("table", ["upcoming_invoices", "upcoming_invoice_lines"])
def test_a_subscription_or_a_customer_is_asked_about_without_walking_all(
    table: str, small: Sandbox, shop: Stripe
) -> None:
    customer, subscriptions = busy_customer(small)
    of_customer = shop.extract(table, customer=customer)
    assert {row["subscription"] for row in of_customer.to_arrow().to_pylist()} == subscriptions
    assert of_customer.report.requests == 1 + len(subscriptions)
    one = min(subscriptions)
    of_one = shop.extract(table, subscription=one)
    assert {row["subscription"] for row in of_one.to_arrow().to_pylist()} == {one}
    assert of_one.report.requests == 1


def test_nothing_upcoming_is_no_row_and_no_error(small: Sandbox, shop: Stripe) -> None:
    ended = next(each["id"] for each in small.truth("subscription") if each["status"] == "canceled")
    result = shop.extract("upcoming_invoices", subscription=[ended, "sub_never"])
    assert result.to_arrow().num_rows == 0
    assert result.report.notes == ["upcoming_invoices: there is no sub_never (any more)."]


def test_lines_that_stripe_cuts_off_are_said_to_be(sandbox: Sandbox) -> None:
    with account(sandbox) as stripe:
        _, subscriptions = busy_customer(sandbox)
        subscription = next(each for each in sandbox.truth("subscription") if each["id"] in subscriptions)
        for _ in range(12):
            form = {"customer": subscription["customer"], "amount": 100, "currency": subscription["currency"]}
            stripe.request("POST", "/v1/invoiceitems", form=form, apply=True, allow=["money"])
        result = stripe.extract("upcoming_invoice_lines", subscription=subscription["id"])
        rows = result.to_arrow().num_rows
    assert result.report.notes == [
        f"upcoming_invoice_lines: only the first {rows} rows of {subscription['id']}; Stripe gives no more here."
    ]


def test_what_the_lines_do_not_show_takes_one_customer_only(shop: Stripe) -> None:
    with pytest.raises(ConditionError, match="only Stripe can decide customer"):
        shop.extract("upcoming_invoice_lines", {"customer": ["cus_1", "cus_2"]})


def test_sql_asks_for_the_customers_subscriptions_only(small: Sandbox, shop: Stripe) -> None:
    customer, subscriptions = busy_customer(small)
    query = shop.query(f"select subscription, total from upcoming_invoices where customer = '{customer}'")
    assert {row["subscription"] for row in query.to_arrow().to_pylist()} == subscriptions
    assert query.report.requests == 1 + len(subscriptions)
    explained = shop.query("select * from upcoming_invoices where customer = 'cus_1'").explain()
    assert "POST /v1/invoices/create_preview" in explained
    assert "each row of subscriptions with customer=cus_1" in explained


def test_rows_without_a_key_are_not_synced(shop: Stripe, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="upcoming_invoice_lines cannot be synced"):
        shop.sync(["subscriptions", "upcoming_invoice_lines"], to=f"duckdb:///{tmp_path}/shop.duckdb")


def test_a_second_sync_of_what_is_upcoming_changes_nothing(shop: Stripe, tmp_path: Path) -> None:
    target = f"duckdb:///{tmp_path}/shop.duckdb"
    shop.sync(["subscriptions", "upcoming_invoices"], to=target)
    again = next(
        run for run in shop.sync(["subscriptions", "upcoming_invoices"], to=target).runs if "upcoming" in run.endpoint
    )
    assert again.rows_read == again.unchanged > 100
