"""Time passes in a sandbox as it does elsewhere: the same things happen, however often somebody looks."""

from __future__ import annotations

from collections import Counter

import pytest

from connector.sandbox.history.business import Business
from connector.sandbox.world.store import Stretch
from tests.every_action import upload
from tests.office import BUSINESS, DAY, NOW, Office, Record
from tests.small_business import everything

LATER, PAST = Stretch(since=NOW + 1), Stretch(until=NOW)
KINDS = (
    "customer",
    "invoice",
    "subscription",
    "charge",
    "payment_intent",
    "payout",
    "balance_transaction",
    "dispute",
    "refund",
)


def after(office: Office, days: int, steps: int) -> dict[str, list[tuple[tuple[str, object], ...]]]:
    """What there is after so many days, but for ids: those of the same second may be given in another order."""
    office.subscribe()
    office.subscribe(office.customers[1], trial_period_days=10)
    office.pay("pm_card_createDispute")
    for _ in range(steps):
        office.wait(days * DAY // steps)
    return {kind: sorted(map(_said, office.store.records(kind))) for kind in KINDS}


def _said(record: Record) -> tuple[tuple[str, object], ...]:
    plain = {name: value for name, value in record.items() if isinstance(value, int) or name == "status"}
    return tuple(sorted(plain.items()))


def test_it_does_not_matter_in_how_many_steps_time_passes() -> None:
    at_once, step_by_step = after(Office(), 40, 1), after(Office(), 40, 20)
    for kind in KINDS:
        assert at_once[kind] == step_by_step[kind], kind


def test_what_was_changed_by_hand_falls_due_too() -> None:
    office = Office()
    office.wait(DAY)
    found = next(record for record in office.store.records("subscription") if record["status"] == "canceled")
    found.update(status="active", cancel_at=office.clock.now() + DAY // 2)
    office.store.put("subscription", found)
    office.wait(DAY)
    ended = office.store.get("subscription", found["id"])
    assert ended is not None
    assert (ended["status"], ended["ended_at"]) == ("canceled", found["cancel_at"])


@pytest.mark.parametrize("is_new", [True, False])
def test_an_object_is_found_by_what_it_has_now(is_new: bool) -> None:
    office = Office()
    charge = next(office.store.records("charge"))
    first, second = office.customers[:2]
    if is_new:
        charge["id"] = "ch_new"
    for owner in (first, second, first):
        office.store.put("charge", {**charge, "customer": owner})
        near = office.store.records("charge", Stretch(near=("customer", owner)))
        assert [found["id"] for found in near if found["customer"] == owner] == [charge["id"]]
    other = office.store.records("charge", Stretch(near=("customer", second)))
    assert [found["id"] for found in other if found["customer"] == second] == []


def test_links_coupons_and_codes_end_when_their_time_is_over() -> None:
    office = Office()
    ends = NOW + 3 * DAY
    coupon = office.call("POST /v1/coupons", {"percent_off": 5, "duration": "once", "redeem_by": ends})["id"]
    promotion = {"type": "coupon", "coupon": office.coupon}
    code = office.call("POST /v1/promotion_codes", {"promotion": promotion, "code": "SOON", "expires_at": ends})["id"]
    link = office.call("POST /v1/file_links", {"file": upload(office), "expires_at": ends})["id"]
    office.wait(3 * DAY - 1)
    assert office.get("coupon", coupon)["valid"]
    office.wait(1)
    assert not office.get("coupon", coupon)["valid"]
    assert not office.get("promotion_code", code)["active"]
    assert office.get("file_link", link)["expired"]


@pytest.fixture(scope="module")
def four_months_later() -> Office:
    office = Office()
    office.wait(120 * DAY)
    return office


def test_a_refund_that_waits_for_money_fails_in_the_end(four_months_later: Office) -> None:
    office = four_months_later
    waiting = [record for record in everything(BUSINESS, "refund") if record["status"] == "pending"]
    assert waiting
    assert not [record for record in office.store.records("refund", PAST) if record["status"] == "pending"]
    for refund in (office.get("refund", record["id"]) for record in waiting):
        assert (refund["status"], refund["failure_reason"]) == ("failed", "insufficient_funds")
        words = [event["type"] for event in office.told["refund", refund["id"]]]
        assert words == ["refund.failed", "refund.updated", "charge.refund.updated"]
        assert office.get("charge", refund["charge"])["amount_refunded"] == 0


def test_a_refund_that_waits_for_its_payer_tells_how_long_and_fails_then() -> None:
    office = Office()
    intent = office.pay("pm_card_visa", 1_000)
    form = {"payment_intent": intent["id"], "instructions_email": "payer@example.com"}
    refund = office.call("POST /v1/refunds", form)
    shown = refund["next_action"]["display_details"]
    assert shown["email_sent"]["email_sent_to"] == refund["instructions_email"] == "payer@example.com"
    office.wait(shown["expires_at"] - NOW - 1)
    assert office.get("refund", refund["id"])["status"] == "requires_action"
    office.wait(1)
    failed = office.get("refund", refund["id"])
    assert (failed["status"], failed["failure_reason"], failed.get("next_action")) == ("failed", "unknown", None)


@pytest.mark.parametrize("seed", range(3))
def test_one_refund_of_the_seed_is_waiting_for_money(seed: int) -> None:
    business = Business(seed=seed, size="small", now=NOW)
    waiting = [record for record in everything(business, "refund") if record["status"] == "pending"]
    assert "insufficient_funds" in {record["pending_reason"] for record in waiting}
    assert all(NOW - record["created"] < 30 * DAY for record in waiting)


def test_customers_come_in_passing_time_and_not_as_many_each_month(four_months_later: Office) -> None:
    office = four_months_later
    came = [record for record in office.store.records("customer", LATER) if office.told["customer", record["id"]]]
    assert len(came) == len(list(office.store.records("customer", LATER)))
    months = Counter((record["created"] - NOW) // (30 * DAY) for record in came)
    assert (len(months), len(set(months.values())) > 1) == (4, True)
    new = {record["id"] for record in came}
    charges = [record for record in office.store.records("charge", LATER) if record["customer"] in new]
    assert {record["status"] for record in charges} == {"succeeded", "failed"}
    assert {record["customer"] for record in office.store.records("subscription", LATER)} & new


def test_disputes_come_in_passing_time_and_are_few(four_months_later: Office) -> None:
    office = four_months_later
    disputes = list(office.store.records("dispute", LATER))
    paid = [record for record in office.store.records("charge", LATER) if record["paid"]]
    assert 0 < len(disputes) < 0.008 * len(paid)
    for dispute in disputes:
        assert office.told["dispute", dispute["id"]][0]["type"] == "charge.dispute.created"
        assert office.get("charge", dispute["charge"])["disputed"]
