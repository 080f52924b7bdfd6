"""What the seeded business looks like to somebody who knows one: months differ, bills come on many days."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from connector.sandbox.history.business import Business
from tests.small_business import BUSINESSES, DAY, Record, everything

both = pytest.mark.parametrize("business", BUSINESSES, ids=["small", "other"])


def open_bills(business: Business, way: str) -> dict[str, list[Record]]:
    """The open bills of subscriptions that pay in a way, by subscription, newest first."""
    found: dict[str, list[Record]] = {}
    for invoice in reversed(everything(business, "invoice")):
        details = (invoice["parent"] or {}).get("subscription_details")
        if details and invoice["status"] == "open" and invoice["collection_method"] == way:
            found.setdefault(details["subscription"], []).append(invoice)
    return found


@both
def test_subscriptions_are_billed_on_many_days_of_the_month(business: Business) -> None:
    days = {
        datetime.fromtimestamp(subscription["billing_cycle_anchor"], UTC).day
        for subscription in everything(business, "subscription")
    }
    assert len(days) > 20


@both
def test_a_subscription_is_billed_on_the_day_on_which_it_began(business: Business) -> None:
    began = {each["id"]: each["billing_cycle_anchor"] for each in everything(business, "subscription")}
    bills = 0
    for invoice in everything(business, "invoice"):
        if invoice["billing_reason"] == "subscription_cycle":
            anchor = began[invoice["parent"]["subscription_details"]["subscription"]]
            assert [datetime.fromtimestamp(each, UTC).day for each in (invoice["created"], anchor)] == [
                datetime.fromtimestamp(anchor, UTC).day
            ] * 2
            bills += 1
    assert bills > 1000


@both
def test_months_bring_different_numbers_of_customers(business: Business) -> None:
    months = Counter(
        datetime.fromtimestamp(customer["created"], UTC).strftime("%Y-%m")
        for customer in everything(business, "customer")
    )
    whole = [months[month] for month in sorted(months)][:-1]
    assert len(set(whole)) > 3
    assert max(whole) > 1.3 * min(whole)


@both
def test_a_payment_that_failed_is_tried_again_until_it_is_given_up(business: Business) -> None:
    status = {each["id"]: each["status"] for each in everything(business, "subscription")}
    for subscription, bills in open_bills(business, "charge_automatically").items():
        assert len(bills) == 1
        if status[subscription] == "past_due":
            assert bills[0]["next_payment_attempt"] > business.now
            assert bills[0]["auto_advance"]


@both
def test_no_bill_that_was_sent_stays_open_for_ever(business: Business) -> None:
    for bills in open_bills(business, "send_invoice").values():
        assert bills[-1]["created"] > business.now - 65 * DAY


@both
def test_a_charge_says_of_its_payment_method_what_that_says_itself(business: Business) -> None:
    methods = {method["id"]: method for method in everything(business, "payment_method")}
    for charge in everything(business, "charge"):
        method = methods[charge["payment_method"]]
        assert charge["billing_details"] == method["billing_details"]
        details, own = charge["payment_method_details"][method["type"]], method[method["type"]]
        assert all(details[field] == own[field] for field in details.keys() & own.keys() & ALIKE)


ALIKE = {"brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet"}
"""Fields of a card or bank account that do not change with what is paid."""


@pytest.mark.parametrize(
    "field", ["authorization_code", "network_transaction_id", "wallet", "checks.address_postal_code_check"]
)
def test_charges_on_cards_say_what_people_ask_of_them(field: str) -> None:
    names, found = field.split("."), False
    for charge in everything(BUSINESSES[0], "charge"):
        value = charge["payment_method_details"].get("card")
        for name in names:
            value = value and value[name]
        found = found or value is not None
    assert found


@both
def test_most_refunds_get_there(business: Business) -> None:
    refunds = Counter(refund["status"] for refund in everything(business, "refund"))
    assert refunds["succeeded"] > 0.85 * refunds.total()
    assert refunds.keys() >= {"failed", "canceled"}


@both
def test_the_evidence_of_a_dispute_is_about_what_was_disputed(business: Business) -> None:
    answered = [each for each in everything(business, "dispute") if each["evidence_details"]["has_evidence"]]
    fraud = [dispute for dispute in answered if dispute["reason"] == "fraudulent"]
    assert fraud
    assert all(dispute["evidence"]["access_activity_log"] for dispute in fraud)
    assert all(dispute["evidence"]["customer_purchase_ip"] for dispute in answered)
