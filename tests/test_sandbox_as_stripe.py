"""Writes that Stripe answers in a way that is easily forgotten: what they leave behind, and what they tell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox_caller import Caller, calling


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with calling() as made:
        yield made


def subscriber(caller: Caller) -> dict[str, str]:
    """Return a form that subscribes a new customer, who pays, to a price by the month."""
    customer = caller.post("/v1/customers", {"name": "Ada"})["id"]
    card = caller.post("/v1/payment_methods/pm_card_visa/attach", {"customer": customer})["id"]
    price = {"product_data[name]": "Tea", "currency": "usd", "unit_amount": "900", "recurring[interval]": "month"}
    item = caller.post("/v1/prices", price)["id"]
    return {"customer": customer, "default_payment_method": card, "items[0][price]": item}


def test_a_partial_capture_gives_back_the_rest(caller: Caller) -> None:
    held = caller.pay(capture_method="manual", amount="2000")
    caller.post(f"/v1/payment_intents/{held['id']}/capture", {"amount_to_capture": "1500"})
    charge = caller.get(f"/v1/charges/{held['latest_charge']}")
    assert (charge["amount_captured"], charge["amount_refunded"], charge["refunded"]) == (1500, 500, False)
    refunds = caller.get("/v1/refunds", charge=charge["id"])["data"]
    assert [(refund["amount"], refund["balance_transaction"]) for refund in refunds] == [(500, None)]
    caller.post("/v1/refunds", {"charge": charge["id"]})
    assert caller.get(f"/v1/charges/{charge['id']}")["refunded"] is True


def test_what_a_bank_has_approved_has_a_code_and_what_is_held_a_time(caller: Caller) -> None:
    held = caller.pay(capture_method="manual", amount="2000")
    charge = caller.get(f"/v1/charges/{held['latest_charge']}")
    card = charge["payment_method_details"]["card"]
    assert charge["authorization_code"] == card["authorization_code"] is not None
    assert card["network_transaction_id"] is not None
    assert card["capture_before"] == charge["created"] + 7 * 86_400
    paid = caller.get(f"/v1/charges/{caller.pay()['latest_charge']}")
    assert paid["payment_method_details"]["card"].get("capture_before") is None


def test_what_an_amount_is_made_of_is_kept(caller: Caller) -> None:
    details = {"amount_details[shipping][amount]": "100", "amount_details[tax][total_tax_amount]": "80"}
    made = caller.post("/v1/payment_intents", {"amount": "1000", "currency": "usd", **details})["amount_details"]
    assert (made["shipping"]["amount"], made["tax"]["total_tax_amount"], made["tip"]) == (100, 80, {})


def test_a_card_that_was_set_up_is_shown_by_the_attempt(caller: Caller) -> None:
    intent = caller.post("/v1/setup_intents", {"payment_method": "pm_card_visa", "confirm": "true"})
    (attempt,) = caller.get("/v1/setup_attempts", setup_intent=intent["id"])["data"]
    card = attempt["payment_method_details"]["card"]
    assert (card["brand"], card["last4"], card["network"]) == ("visa", "4242", "visa")


def test_a_test_card_is_one_card_wherever_a_new_customer_names_it(caller: Caller) -> None:
    named = {"payment_method": "pm_card_visa", "invoice_settings[default_payment_method]": "pm_card_visa"}
    customer = caller.post("/v1/customers", named)
    (card,) = caller.get("/v1/payment_methods", customer=customer["id"])["data"]
    assert customer["invoice_settings"]["default_payment_method"] == card["id"]


def test_a_promotion_code_counts_its_uses_up_to_its_last(caller: Caller) -> None:
    coupon = caller.post("/v1/coupons", {"percent_off": "10", "duration": "forever"})["id"]
    promotion = {"promotion[type]": "coupon", "promotion[coupon]": coupon, "code": "ONCE", "max_redemptions": "1"}
    code = caller.post("/v1/promotion_codes", promotion)["id"]
    caller.post("/v1/subscriptions", subscriber(caller) | {"discounts[0][promotion_code]": code})
    used = caller.get(f"/v1/promotion_codes/{code}")
    assert (used["times_redeemed"], used["active"]) == (1, False)
    again = subscriber(caller) | {"discounts[0][promotion_code]": code}
    assert caller.refused("/v1/subscriptions", again)["param"] == "discounts[0][promotion_code]"
    assert caller.get(f"/v1/promotion_codes/{code}")["times_redeemed"] == 1


def test_a_discount_is_told_of_when_it_comes_and_goes(caller: Caller) -> None:
    coupon = caller.post("/v1/coupons", {"percent_off": "10", "duration": "forever"})["id"]
    made = caller.post("/v1/subscriptions", subscriber(caller) | {"discounts[0][coupon]": coupon})
    discount = made["discounts"][0]
    assert caller.events_of(discount) == ["customer.discount.created"]
    caller.post(f"/v1/subscriptions/{made['id']}", {"discounts": ""})
    assert caller.events_of(discount) == ["customer.discount.created", "customer.discount.deleted"]


def test_an_address_is_replaced_whole(caller: Caller) -> None:
    customer = caller.post("/v1/customers", {"address[city]": "Paris", "address[line1]": "1, rue X"})["id"]
    moved = caller.post(f"/v1/customers/{customer}", {"address[city]": "Lyon"})["address"]
    assert (moved["city"], moved["line1"]) == ("Lyon", None)


def test_a_balance_set_by_update_leaves_its_transaction(caller: Caller) -> None:
    customer = caller.post("/v1/customers", {"balance": "-500"})
    assert customer["balance"] == -500
    assert caller.post(f"/v1/customers/{customer['id']}", {"balance": "200"})["balance"] == 200
    moved = caller.get(f"/v1/customers/{customer['id']}/balance_transactions")["data"]
    assert [(each["type"], each["amount"], each["ending_balance"]) for each in moved] == [
        ("adjustment", 700, 200),
        ("initial", -500, -500),
    ]


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("chargeDeclined", "card_declined", "generic_decline"),
        ("chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ],
)
def test_a_declined_test_card_says_why(caller: Caller, card: str, code: str, decline_code: str) -> None:
    form = {"amount": "500", "currency": "usd", "payment_method": f"pm_card_visa_{card}", "confirm": "true"}
    error = caller.refused("/v1/payment_intents", form, status=402)
    assert (error["code"], error["decline_code"]) == (code, decline_code)


def test_ten_percent_of_several_lines_are_ten_percent_of_their_sum(caller: Caller) -> None:
    coupon = caller.post("/v1/coupons", {"percent_off": "10", "duration": "once"})["id"]
    customer = caller.post("/v1/customers")["id"]
    invoice = caller.post("/v1/invoices", {"customer": customer, "discounts[0][coupon]": coupon})["id"]
    for amount in ("1005", "1005", "1013"):
        item = {"customer": customer, "invoice": invoice, "amount": amount, "currency": "usd"}
        caller.post("/v1/invoiceitems", item)
    whole = caller.get(f"/v1/invoices/{invoice}")
    assert (whole["subtotal"], whole["total_discount_amounts"][0]["amount"]) == (3023, 302)
