"""Payments in the sandbox: intents, charges, refunds, disputes, payouts, sessions and links, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox_caller import DAY, Caller, calling


@pytest.fixture
def caller() -> Iterator[Caller]:
    with calling() as made:
        yield made


def test_a_payment_makes_a_charge_and_its_balance_transaction(caller: Caller) -> None:
    intent = caller.pay(description="A lamp", **{"metadata[order]": "17"})
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 2000)
    charge = caller.get(f"/v1/charges/{intent['latest_charge']}", **{"expand[]": "balance_transaction"})
    assert charge["payment_intent"] == intent["id"]
    assert (charge["description"], charge["metadata"]) == ("A lamp", {"order": "17"})
    transaction = charge["balance_transaction"]
    assert (transaction["net"], transaction["fee"]) == (2000 - 88, 88)
    assert sum(part["amount"] for part in transaction["fee_details"]) == transaction["fee"]
    assert (transaction["status"], transaction["source"]) == ("pending", charge["id"])
    assert caller.events_of(intent["id"]) == ["payment_intent.created", "payment_intent.succeeded"]
    assert caller.events_of(charge["id"]) == ["charge.succeeded"]


@pytest.mark.parametrize(
    ("method", "code", "reason"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_radarBlock", "card_declined", "fraudulent"),
    ],
)
def test_a_declined_card_is_refused_but_leaves_its_trace(
    caller: Caller, method: str, code: str, reason: str | None
) -> None:
    form = {"amount": "2000", "currency": "usd", "payment_method": method, "confirm": "true"}
    error = caller.refused("/v1/payment_intents", form, status=402)
    assert (error["type"], error["code"], error.get("decline_code")) == ("card_error", code, reason)
    intent = caller.get(f"/v1/payment_intents/{error['payment_intent']['id']}")
    assert intent == error["payment_intent"]
    assert (intent["status"], intent["latest_charge"]) == ("requires_payment_method", error["charge"])
    charge = caller.get(f"/v1/charges/{error['charge']}")
    assert (charge["status"], charge["paid"], charge["balance_transaction"]) == ("failed", False, None)
    assert caller.events_of(intent["id"]) == ["payment_intent.created", "payment_intent.payment_failed"]
    again = caller.post(f"/v1/payment_intents/{intent['id']}/confirm", {"payment_method": "pm_card_visa"})
    assert (again["status"], again["last_payment_error"]) == ("succeeded", None)


def test_an_intent_goes_through_its_states_and_no_other_way(caller: Caller) -> None:
    intent = caller.post("/v1/payment_intents", {"amount": "900", "currency": "eur"})
    path = f"/v1/payment_intents/{intent['id']}"
    assert intent["status"] == "requires_payment_method"
    assert "missing a payment method" in caller.refused(f"{path}/confirm")["message"]
    assert caller.post(path, {"payment_method": "pm_card_visa"})["status"] == "requires_confirmation"
    assert "capture" in caller.refused(f"{path}/capture")["message"]
    assert caller.post(f"{path}/confirm")["status"] == "succeeded"
    for refused in ("confirm", "capture", "cancel"):
        assert "status of succeeded" in caller.refused(f"{path}/{refused}")["message"]
    assert caller.refused(path, {"amount": "1000"})["type"] == "invalid_request_error"
    assert caller.post(path, {"metadata[a]": "b"})["metadata"] == {"a": "b"}
    assert caller.events_of(intent["id"]) == ["payment_intent.created", "payment_intent.succeeded"]


def test_held_money_is_captured_in_part(caller: Caller) -> None:
    intent = caller.pay(capture_method="manual")
    assert (intent["status"], intent["amount_capturable"], intent["amount_received"]) == ("requires_capture", 2000, 0)
    path = f"/v1/payment_intents/{intent['id']}/capture"
    assert "2000" in caller.refused(path, {"amount_to_capture": "2001"})["message"]
    captured = caller.post(path, {"amount_to_capture": "1200"})
    assert (captured["status"], captured["amount_received"], captured["amount_capturable"]) == ("succeeded", 1200, 0)
    charge = caller.get(f"/v1/charges/{captured['latest_charge']}")
    assert (charge["amount"], charge["amount_captured"]) == (2000, 1200)
    refund = caller.post("/v1/refunds", {"payment_intent": intent["id"]})
    assert refund["amount"] == 1200


def test_held_money_is_released_by_canceling_or_after_a_week(caller: Caller) -> None:
    canceled, forgotten = (caller.pay(capture_method="manual") for _ in range(2))
    path = f"/v1/payment_intents/{canceled['id']}"
    assert caller.post(f"{path}/cancel", {"cancellation_reason": "duplicate"})["cancellation_reason"] == "duplicate"
    assert caller.get(f"/v1/charges/{canceled['latest_charge']}")["refunded"] is True
    assert "canceled" in caller.refused(path, {"description": "too late"})["message"]
    caller.sandbox.advance(8 * DAY)
    late = caller.get(f"/v1/payment_intents/{forgotten['id']}")
    assert (late["status"], late["canceled_at"]) == ("canceled", forgotten["created"] + 7 * DAY)


def test_a_card_that_needs_consent_waits_for_it(caller: Caller) -> None:
    intent = caller.pay("pm_card_threeDSecure2Required")
    assert intent["status"] == "requires_action"
    assert caller.post(f"/v1/payment_intents/{intent['id']}/confirm")["status"] == "succeeded"
    form = {"amount": "2000", "currency": "usd", "payment_method": "pm_card_authenticationRequired"}
    error = caller.refused("/v1/payment_intents", form | {"confirm": "true", "off_session": "true"}, status=402)
    assert error["code"] == "authentication_required"


def test_a_bank_debit_is_processing_for_a_day(caller: Caller) -> None:
    methods = (method for method in caller.sandbox.truth("payment_method") if method["customer"])
    method = next(method for method in methods if method["type"] == "sepa_debit")
    intent = caller.pay(method["id"], currency="eur", customer=method["customer"])
    assert intent["status"] == "processing"
    assert intent["latest_charge"].startswith("py_")
    caller.sandbox.advance(2 * DAY)
    assert caller.get(f"/v1/payment_intents/{intent['id']}")["status"] == "succeeded"
    assert caller.events_of(intent["latest_charge"]) == ["charge.pending", "charge.succeeded"]


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"amount": "2000", "currency": "xxx"}, "currency"),
        ({"amount": "100000000", "currency": "usd"}, "amount"),
        ({"amount": "0", "currency": "usd"}, "amount"),
        ({"amount": "2000", "currency": "usd", "customer": "cus_none"}, "customer"),
        ({"amount": "2000", "currency": "usd", "payment_method": "pm_none"}, "payment_method"),
        ({"amount": "2000", "currency": "usd", "off_session": "true"}, "off_session"),
    ],
)
def test_what_cannot_be_charged_is_refused_and_leaves_nothing(caller: Caller, form: dict[str, str], param: str) -> None:
    before = [intent["id"] for intent in caller.get("/v1/payment_intents")["data"]]
    assert caller.refused("/v1/payment_intents", form)["param"] == param
    assert [intent["id"] for intent in caller.get("/v1/payment_intents")["data"]] == before


def test_a_parameter_that_is_not_acted_on_is_not_left_out_silently(caller: Caller) -> None:
    form = {"amount": "2000", "currency": "usd", "application_fee_amount": "10"}
    assert "application_fee_amount" in caller.refused("/v1/payment_intents", form, status=501)["message"]


def test_a_payment_method_of_another_customer_is_refused(caller: Caller) -> None:
    methods = (method for method in caller.sandbox.truth("payment_method") if method["customer"])
    method = next(methods)
    other = next(customer for customer in caller.sandbox.truth("customer") if customer["id"] != method["customer"])
    form = {"amount": "2000", "currency": "usd", "payment_method": method["id"]}
    assert caller.refused("/v1/payment_intents", form)["param"] == "payment_method"
    assert caller.refused("/v1/payment_intents", form | {"customer": other["id"]})["param"] == "payment_method"


def test_old_charges_take_tokens_and_are_captured_later(caller: Caller) -> None:
    form = {"amount": "3000", "currency": "usd", "source": "tok_visa", "capture": "false", "metadata[a]": "b"}
    charge = caller.post("/v1/charges", form)
    assert (charge["captured"], charge["payment_intent"], charge["metadata"]) == (False, None, {"a": "b"})
    captured = caller.post(f"/v1/charges/{charge['id']}/capture", {"amount": "1000"})
    assert (captured["amount_captured"], captured["captured"]) == (1000, True)
    assert "captured" in caller.refused(f"/v1/charges/{charge['id']}/capture")["message"]
    error = caller.refused("/v1/charges", form | {"source": "tok_chargeDeclined"}, status=402)
    assert caller.get(f"/v1/charges/{error['charge']}")["status"] == "failed"
    changed = caller.post(f"/v1/charges/{charge['id']}", {"fraud_details[user_report]": "safe", "description": "x"})
    assert (changed["fraud_details"], changed["description"]) == ({"user_report": "safe"}, "x")


def test_refunds_never_exceed_their_charge(caller: Caller) -> None:
    intent = caller.pay()
    part = caller.post("/v1/refunds", {"charge": intent["latest_charge"], "amount": "500", "reason": "duplicate"})
    assert (part["status"], part["reason"]) == ("succeeded", "duplicate")
    assert "1500" in caller.refused("/v1/refunds", {"payment_intent": intent["id"], "amount": "1501"})["message"]
    rest = caller.post("/v1/refunds", {"payment_intent": intent["id"]})
    charge = caller.get(f"/v1/charges/{intent['latest_charge']}")
    assert (rest["amount"], charge["amount_refunded"], charge["refunded"]) == (1500, 2000, True)
    assert "already been refunded" in caller.refused("/v1/refunds", {"charge": charge["id"]})["message"]
    assert caller.refused("/v1/refunds")["code"] == "parameter_missing"
    assert caller.events_of(rest["id"]) == ["refund.created"]


def test_a_refund_can_be_pending_fail_or_wait_for_the_payer(caller: Caller) -> None:
    slow, lost, waiting = (
        caller.post("/v1/refunds", {"payment_intent": caller.pay(method)["id"], **form})
        for method, form in [
            ("pm_card_pendingRefund", {}),
            ("pm_card_refundFail", {}),
            ("pm_card_visa", {"instructions_email": "payer@example.com"}),
        ]
    )
    assert [refund["status"] for refund in (slow, lost, waiting)] == ["pending", "succeeded", "requires_action"]
    assert caller.post(f"/v1/refunds/{waiting['id']}/cancel")["status"] == "canceled"
    assert caller.get(f"/v1/charges/{waiting['charge']}")["amount_refunded"] == 0
    assert "succeeded" in caller.refused(f"/v1/refunds/{lost['id']}/cancel")["message"]
    caller.sandbox.advance(4 * DAY)
    assert caller.get(f"/v1/refunds/{slow['id']}")["status"] == "succeeded"
    failed = caller.get(f"/v1/refunds/{lost['id']}")
    assert (failed["status"], failed["failure_reason"]) == ("failed", "expired_or_canceled_card")
    assert "refund.failed" in caller.events_of(lost["id"])
    assert caller.get(f"/v1/charges/{lost['charge']}")["amount_refunded"] == 0


@pytest.mark.parametrize(("text", "status"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
def test_a_dispute_is_won_or_lost_by_its_evidence(caller: Caller, text: str, status: str) -> None:
    intent = caller.pay("pm_card_createDispute")
    dispute = caller.get("/v1/disputes", payment_intent=intent["id"])["data"][0]
    assert (dispute["status"], dispute["amount"]) == ("needs_response", 2000)
    assert "charged back" in caller.refused("/v1/refunds", {"payment_intent": intent["id"]})["message"]
    path = f"/v1/disputes/{dispute['id']}"
    staged = caller.post(path, {"evidence[customer_name]": "Ada", "submit": "false"})
    assert (staged["status"], staged["evidence_details"]["has_evidence"]) == ("needs_response", True)
    ended = caller.post(path, {"evidence[uncategorized_text]": text})
    assert ended["status"] == status
    assert sum(part["amount"] for part in ended["balance_transactions"]) == (0 if status == "won" else -2000)
    assert caller.refused(f"{path}/close")["type"] == "invalid_request_error"


def test_an_inquiry_takes_no_money_and_can_be_refunded(caller: Caller) -> None:
    intent = caller.pay("pm_card_createDisputeInquiry")
    dispute = caller.get("/v1/disputes", charge=intent["latest_charge"])["data"][0]
    assert (dispute["status"], dispute["balance_transactions"]) == ("warning_needs_response", [])
    assert caller.post("/v1/refunds", {"payment_intent": intent["id"]})["status"] == "succeeded"
    assert caller.post(f"/v1/disputes/{dispute['id']}/close")["status"] == "warning_closed"


def test_a_session_sells_prices_and_expires(caller: Caller) -> None:
    price = one_time_price(caller)
    form = {"line_items[0][price]": price["id"], "line_items[0][quantity]": "3", "success_url": "https://example.com"}
    session = caller.post("/v1/checkout/sessions", form | {"mode": "payment", "client_reference_id": "cart-1"})
    assert (session["status"], session["amount_total"]) == ("open", 3 * price["unit_amount"])
    assert session["url"]
    assert "line_items" not in session
    lines = caller.get(f"/v1/checkout/sessions/{session['id']}/line_items")["data"]
    assert [(line["price"]["id"], line["quantity"]) for line in lines] == [(price["id"], 3)]
    left = caller.post("/v1/checkout/sessions", form | {"mode": "payment"})
    path = f"/v1/checkout/sessions/{session['id']}"
    assert caller.post(path, {"metadata[a]": "b"})["metadata"] == {"a": "b"}
    assert caller.post(f"{path}/expire")["status"] == "expired"
    assert "expired" in caller.refused(f"{path}/expire")["message"]
    caller.sandbox.advance(2 * DAY)
    assert caller.get(f"/v1/checkout/sessions/{left['id']}")["status"] == "expired"
    assert caller.events_of(left["id"]) == ["checkout.session.expired"]
    assert caller.refused("/v1/checkout/sessions", {"mode": "payment"})["code"] == "parameter_missing"


def test_a_session_sells_what_is_only_described(caller: Caller) -> None:
    item = "line_items[0][price_data]"
    form = {f"{item}[currency]": "usd", f"{item}[unit_amount]": "700", f"{item}[product_data][name]": "Hat"}
    session = caller.post("/v1/checkout/sessions", form | {"mode": "payment", "line_items[0][quantity]": "2"})
    assert session["amount_total"] == 1400


def test_a_link_is_made_and_closed(caller: Caller) -> None:
    price = one_time_price(caller)
    form = {"line_items[0][price]": price["id"], "line_items[0][quantity]": "1", "metadata[a]": "b"}
    link = caller.post("/v1/payment_links", form)
    assert (link["active"], link["metadata"], link["currency"]) == (True, {"a": "b"}, price["currency"])
    closed = caller.post(f"/v1/payment_links/{link['id']}", {"active": "false"})
    assert closed["active"] is False
    assert caller.events_of(link["id"]) == ["payment_link.created", "payment_link.updated"]


def test_a_setup_attaches_its_payment_method(caller: Caller) -> None:
    customer = caller.get("/v1/customers")["data"][0]["id"]
    form = {"customer": customer, "payment_method": "pm_card_visa", "confirm": "true"}
    intent = caller.post("/v1/setup_intents", form)
    assert intent["status"] == "succeeded"
    assert caller.get(f"/v1/payment_methods/{intent['payment_method']}")["customer"] == customer
    assert "succeeded" in caller.refused(f"/v1/setup_intents/{intent['id']}/cancel")["message"]
    error = caller.refused("/v1/setup_intents", form | {"payment_method": "pm_card_chargeDeclined"}, status=402)
    assert error["code"] == "card_declined"
    failed = caller.get("/v1/setup_intents")["data"][0]
    assert (failed["status"], failed["last_setup_error"]["code"]) == ("requires_payment_method", "card_declined")
    assert caller.events_of(failed["id"]) == ["setup_intent.created", "setup_intent.setup_failed"]
    waits = caller.post("/v1/setup_intents", form | {"payment_method": "pm_card_authenticationRequiredOnSetup"})
    assert waits["status"] == "requires_action"
    assert caller.post(f"/v1/setup_intents/{waits['id']}/confirm")["status"] == "succeeded"


def one_time_price(caller: Caller) -> dict[str, Any]:
    prices = (price for price in caller.sandbox.truth("price") if price["active"] and price["unit_amount"])
    return next(price for price in prices if price["type"] == "one_time" and not price["transform_quantity"])
