"""Every status that Stripe's objects can have is reached in the sandbox, or said not to be, and why."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from connector.sandbox import Sandbox, SandboxError
from connector.sandbox.document import api
from connector.sandbox.document.refusals import Refusal
from connector.sandbox.world.statuses import STATUSES
from tests.office import DAY, NOW, Office, Record
from tests.stripe_documents import calls, needs_documents

REACHED = [(each.kind, each.status) for each in STATUSES if each.is_reached]

Way = Callable[[Office], str]
"""What is done; it returns the id of the object that has the status then."""


def _invoice(office: Office, verb: str | None = None, **form: Any) -> str:
    ident = str(office.bill()["id"])
    if verb:
        office.call("POST /v1/invoices/{invoice}/finalize", {}, ident)
        office.call(f"POST /v1/invoices/{{invoice}}/{verb}", form, ident)
    return ident


def _finalized(office: Office) -> str:
    return str(office.call("POST /v1/invoices/{invoice}/finalize", {}, _invoice(office))["id"])


def _payment(office: Office, verb: str | None = None, **form: Any) -> str:
    invoice = _invoice(office, verb, **form) if verb else _finalized(office)
    found = (payment for payment in office.store.records("invoice_payment") if payment["invoice"] == invoice)
    return str(next(found)["id"])


def _intent(office: Office, verb: str | None = None, **form: Any) -> str:
    ident = str(office.call("POST /v1/payment_intents", {"amount": 900, "currency": "usd", **form})["id"])
    if verb:
        office.call(f"POST /v1/payment_intents/{{intent}}/{verb}", {}, ident)
    return ident


def _setup(office: Office, verb: str | None = None, **form: Any) -> str:
    ident = str(office.call("POST /v1/setup_intents", form)["id"])
    if verb:
        office.call(f"POST /v1/setup_intents/{{intent}}/{verb}", {}, ident)
    return ident


def _declined(office: Office) -> str:
    with suppress(Refusal):
        office.pay("pm_card_chargeDeclined")
    return str(office.one("charge", "failed")["id"])


def _refund(office: Office, method: str = "pm_card_visa", **form: Any) -> str:
    intent = office.pay(method)
    return str(office.call("POST /v1/refunds", {"payment_intent": intent["id"], **form})["id"])


def _canceled_refund(office: Office) -> str:
    ident = _refund(office, instructions_email="payer@example.com")
    office.call("POST /v1/refunds/{refund}/cancel", {}, ident)
    return ident


def _failed_refund(office: Office) -> str:
    ident = _refund(office, "pm_card_refundFail")
    office.wait(DAY)
    return ident


def _dispute(office: Office, evidence: str | None = None, method: str = "pm_card_createDispute") -> str:
    charge = office.pay(method)["latest_charge"]
    found = (dispute for dispute in office.store.records("dispute") if dispute["charge"] == charge)
    ident = str(next(found)["id"])
    if evidence:
        office.call("POST /v1/disputes/{dispute}", {"evidence": {"uncategorized_text": evidence}}, ident)
    return ident


def _inquiry(office: Office, evidence: str | None = None) -> str:
    return _dispute(office, evidence, "pm_card_createDisputeInquiry")


def _closed(office: Office) -> str:
    return str(office.call("POST /v1/disputes/{dispute}/close", {}, _inquiry(office))["id"])


def _prevented(office: Office) -> str:
    return str(office.bank(office.pay()["latest_charge"], "prevented")["id"])


def _payout(office: Office, days: int = 0) -> str:
    ident = str(office.call("POST /v1/payouts", {"amount": 100, "currency": "usd"})["id"])
    office.wait(days * DAY)
    return ident


def _canceled_payout(office: Office) -> str:
    return str(office.call("POST /v1/payouts/{payout}/cancel", {}, _payout(office))["id"])


def _subscription(office: Office, days: float = 0, customer: int = 0, **form: Any) -> str:
    ident = str(office.subscribe(office.customers[customer], **form)["id"])
    office.wait(int(days * DAY))
    return ident


def _paused(office: Office) -> str:
    return str(office.call("POST /v1/subscriptions/{subscription}/pause", {}, _subscription(office))["id"])


def _past_due(office: Office) -> str:
    return _subscription(office, 32, customer=1, trial_period_days=31)


def _canceled(office: Office) -> str:
    ident = _subscription(office)
    return str(office.call("DELETE /v1/subscriptions/{subscription_exposed_id}", {}, ident)["id"])


def _note(office: Office) -> str:
    return str(office.call("POST /v1/credit_notes", {"invoice": _finalized(office), "amount": 100})["id"])


def _void_note(office: Office) -> str:
    return str(office.call("POST /v1/credit_notes/{id}/void", {}, _note(office))["id"])


def _moved(office: Office, method: str) -> str:
    charge = office.store.get("charge", office.pay(method)["latest_charge"])
    assert charge is not None
    return str(charge["balance_transaction"])


def _session(office: Office, verb: str | None = None) -> str:
    data = {"currency": "usd", "unit_amount": 700, "product_data": {"name": "Hat"}}
    form = {"mode": "payment", "success_url": "https://example.com"}
    items = [{"price_data": data, "quantity": 1}]
    ident = str(office.call("POST /v1/checkout/sessions", {**form, "line_items": items})["id"])
    if verb:
        office.call(f"POST /v1/checkout/sessions/{{session}}/{verb}", {}, ident)
    return ident


def _seeded(kind: str, status: str) -> Way:
    def found(office: Office) -> str:
        return next(str(record["id"]) for record in office.store.records(kind) if record["status"] == status)

    return found


WAYS: dict[tuple[str, str], Way] = {
    ("invoice", "draft"): _invoice,
    ("invoice", "open"): _finalized,
    ("invoice", "paid"): lambda office: _invoice(office, "pay"),
    ("invoice", "uncollectible"): lambda office: _invoice(office, "mark_uncollectible"),
    ("invoice", "void"): lambda office: _invoice(office, "void"),
    ("invoice_payment", "open"): _payment,
    ("invoice_payment", "paid"): lambda office: _payment(office, "pay"),
    ("invoice_payment", "canceled"): lambda office: _payment(office, "pay", paid_out_of_band=True),
    ("payment_intent", "requires_payment_method"): _intent,
    ("payment_intent", "requires_confirmation"): lambda office: _intent(office, payment_method="pm_card_visa"),
    ("payment_intent", "requires_action"): lambda office: office.pay("pm_card_authenticationRequired")["id"],
    ("payment_intent", "processing"): lambda office: office.debit()["id"],
    ("payment_intent", "requires_capture"): lambda office: office.pay(capture_method="manual")["id"],
    ("payment_intent", "canceled"): lambda office: _intent(office, "cancel"),
    ("payment_intent", "succeeded"): lambda office: office.pay()["id"],
    ("setup_intent", "requires_payment_method"): _setup,
    ("setup_intent", "requires_confirmation"): lambda office: _setup(office, payment_method="pm_card_visa"),
    ("setup_intent", "requires_action"): lambda office: _setup(
        office, payment_method="pm_card_authenticationRequiredOnSetup", confirm=True
    ),
    ("setup_intent", "canceled"): lambda office: _setup(office, "cancel"),
    ("setup_intent", "succeeded"): lambda office: _setup(office, payment_method="pm_card_visa", confirm=True),
    ("charge", "succeeded"): lambda office: office.pay()["latest_charge"],
    ("charge", "pending"): lambda office: office.debit()["latest_charge"],
    ("charge", "failed"): _declined,
    ("refund", "succeeded"): _refund,
    ("refund", "pending"): lambda office: _refund(office, "pm_card_pendingRefund"),
    ("refund", "requires_action"): lambda office: _refund(office, instructions_email="payer@example.com"),
    ("refund", "canceled"): _canceled_refund,
    ("refund", "failed"): _failed_refund,
    ("dispute", "needs_response"): _dispute,
    ("dispute", "under_review"): lambda office: _dispute(office, "A signed order"),
    ("dispute", "won"): lambda office: _dispute(office, "winning_evidence"),
    ("dispute", "lost"): lambda office: _dispute(office, "losing_evidence"),
    ("dispute", "warning_needs_response"): _inquiry,
    ("dispute", "warning_under_review"): lambda office: _inquiry(office, "A signed order"),
    ("dispute", "warning_closed"): _closed,
    ("dispute", "prevented"): _prevented,
    ("payout", "pending"): _payout,
    ("payout", "in_transit"): lambda office: _payout(office, 1),
    ("payout", "paid"): lambda office: _payout(office, 2),
    ("payout", "canceled"): _canceled_payout,
    ("payout", "failed"): lambda office: office.bank(_payout(office, 1), "failed")["id"],
    ("subscription", "incomplete"): lambda office: _subscription(office, payment_behavior="default_incomplete"),
    ("subscription", "incomplete_expired"): lambda office: _subscription(
        office, 1, payment_behavior="default_incomplete"
    ),
    ("subscription", "trialing"): lambda office: _subscription(office, trial_period_days=7),
    ("subscription", "active"): _subscription,
    ("subscription", "past_due"): _past_due,
    ("subscription", "canceled"): _canceled,
    ("subscription", "paused"): _paused,
    ("subscription", "unpaid"): _seeded("subscription", "unpaid"),
    ("credit_note", "issued"): _note,
    ("credit_note", "void"): _void_note,
    ("balance_transaction", "pending"): lambda office: _moved(office, "pm_card_visa"),
    ("balance_transaction", "available"): lambda office: _moved(office, "pm_card_bypassPending"),
    ("checkout.session", "open"): _session,
    ("checkout.session", "expired"): lambda office: _session(office, "expire"),
    ("checkout.session", "complete"): _seeded("checkout.session", "complete"),
}


@pytest.mark.parametrize(("kind", "status"), REACHED)
def test_every_status_is_reached(kind: str, status: str) -> None:
    office = Office()
    record = office.store.get(kind, WAYS[kind, status](office))
    assert record is not None
    assert record["status"] == status
    if record["created"] >= NOW:
        assert api.problems(record, kind) == []


@needs_documents
def test_the_statuses_are_those_of_the_document() -> None:
    schemas = calls()["components"]["schemas"]
    for kind in {each.kind for each in STATUSES}:
        prose = schemas[kind]["properties"]["status"]["description"]
        listed = re.findall(r"`([a-z_]+)`", prose.partition("For `")[0])
        assert {each.status for each in STATUSES if each.kind == kind} == set(listed), kind


def test_a_dispute_that_nobody_answers_is_lost_and_an_inquiry_is_closed() -> None:
    office = Office()
    disputed, asked = _dispute(office), _inquiry(office)
    office.wait(12 * DAY)
    found = _get(office, "dispute", disputed)
    assert (found["status"], found["evidence_details"]["past_due"]) == ("lost", True)
    assert _get(office, "dispute", asked)["status"] == "warning_needs_response"
    office.wait(109 * DAY)
    assert _get(office, "dispute", asked)["status"] == "warning_closed"


@pytest.mark.parametrize("escalate", ["bank", "evidence"])
def test_an_inquiry_that_escalates_takes_the_money(escalate: str) -> None:
    office = Office()
    ident = _inquiry(office, "escalate_inquiry_evidence" if escalate == "evidence" else None)
    if escalate == "bank":
        office.bank(ident, "needs_response")
    dispute = _get(office, "dispute", ident)
    assert (dispute["status"], dispute["is_charge_refundable"]) == ("needs_response", False)
    assert [moved["amount"] for moved in dispute["balance_transactions"]] == [-2_000]
    told = [event["type"] for event in office.told["dispute", ident]]
    assert told[-1] == "charge.dispute.funds_withdrawn"


def test_a_debit_that_the_bank_turns_down_leaves_the_intent_open() -> None:
    office = Office()
    intent = office.debit()
    charge = office.bank(intent["latest_charge"], "failed")
    assert (charge["status"], charge["balance_transaction"]) == ("failed", None)
    after = _get(office, "payment_intent", intent["id"])
    assert (after["status"], after["last_payment_error"]["charge"]) == ("requires_payment_method", charge["id"])
    office.wait(2 * DAY)
    assert _get(office, "payment_intent", intent["id"])["status"] == "requires_payment_method"


def test_a_payout_that_fails_comes_back() -> None:
    office = Office()
    ident = _payout(office, 3)
    assert _get(office, "payout", ident)["status"] == "paid"
    failed = office.bank(ident, "failed")
    assert (failed["status"], failed["failure_code"]) == ("failed", "account_closed")
    back = _get(office, "balance_transaction", failed["failure_balance_transaction"])
    assert (back["type"], back["net"]) == ("payout_failure", failed["amount"])
    with pytest.raises(Refusal, match="sent back"):
        office.bank(ident, "failed")


def test_a_bank_is_asked_by_a_path_of_the_sandboxs_own() -> None:
    with Sandbox(seed=7, rps=0, now=NOW) as sandbox, httpx.Client(base_url=sandbox.url) as client:
        payout = next(payout for payout in sandbox.truth("payout") if payout["status"] == "paid")
        answer = client.post(f"/_bank/{payout['id']}", json={"outcome": "failed"})
        assert (answer.status_code, answer.json()["status"]) == (200, "failed")
        answer = client.post(f"/_bank/{payout['id']}", json={"outcome": "won"})
        assert (answer.status_code, "possible: failed" in answer.text) == (400, True)
        assert client.post(f"/_bank/{payout['id']}", content=b"won").status_code == 400
        with pytest.raises(SandboxError, match="No bank makes won of cus_1"):
            sandbox.bank("cus_1", "won")


def _get(office: Office, kind: str, ident: str) -> Record:
    record = office.store.get(kind, ident)
    assert record is not None
    return record
