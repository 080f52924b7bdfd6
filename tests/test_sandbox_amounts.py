from __future__ import annotations

from collections import Counter

import pytest

from connector.sandbox.history.business import Business
from tests.small_business import BUSINESSES, by_id, everything

pytestmark = pytest.mark.parametrize("business", BUSINESSES, ids=["small", "other"])


def test_invoices_add_up(business: Business) -> None:
    for invoice in everything(business, "invoice"):
        lines = invoice["lines"]["data"]
        discounts = [part["amount"] for line in lines for part in line["discount_amounts"]]
        taxes = [part["amount"] for line in lines for part in line["taxes"]]
        assert invoice["subtotal"] == sum(line["amount"] for line in lines)
        assert sum(discounts) == sum(part["amount"] for part in invoice["total_discount_amounts"])
        assert sum(taxes) == sum(part["amount"] for part in invoice["total_taxes"])
        assert invoice["total"] == invoice["subtotal"] - sum(discounts) + sum(taxes) + invoice["amount_shipping"] >= 0
        assert invoice["total_excluding_tax"] == invoice["total"] - sum(taxes)
        assert invoice["amount_due"] == invoice["total"] - invoice["pre_payment_credit_notes_amount"]
        assert invoice["amount_remaining"] == invoice["amount_due"] - invoice["amount_paid"]
        assert (invoice["status"] == "paid") == (invoice["status_transitions"]["paid_at"] is not None)
        assert invoice["status"] != "paid" or invoice["amount_remaining"] == 0


def test_paid_invoices_have_their_charge(business: Business) -> None:
    charges = Counter(
        (charge["customer"], charge["created"], charge["amount"], charge["currency"])
        for charge in everything(business, "charge")
        if charge["paid"]
    )
    for invoice in everything(business, "invoice"):
        if invoice["status"] == "paid" and invoice["amount_paid"] and not invoice.get("amount_paid_off_stripe"):
            paid = invoice["status_transitions"]["paid_at"]
            assert charges[invoice["customer"], paid, invoice["amount_paid"], invoice["currency"]] >= 1


def test_credit_notes_add_up(business: Business) -> None:
    credited: Counter[tuple[str, str]] = Counter()
    for note in everything(business, "credit_note"):
        lines = note["lines"]["data"]
        taxes = sum(part["amount"] for line in lines for part in line["taxes"])
        assert note["total"] == sum(line["amount"] - line["discount_amount"] for line in lines) + taxes
        assert note["amount"] == note["total"] == note["pre_payment_amount"] + note["post_payment_amount"]
        if note["status"] == "issued":
            credited[note["invoice"], note["type"]] += note["amount"]
    for invoice in everything(business, "invoice"):
        for kind in ("pre_payment", "post_payment"):
            assert invoice[f"{kind}_credit_notes_amount"] == credited[invoice["id"], kind]


def test_refunded_is_the_sum_of_the_refunds(business: Business) -> None:
    refunded: Counter[str] = Counter()
    for refund in everything(business, "refund"):
        if refund["status"] in ("succeeded", "pending"):
            refunded[refund["charge"]] += refund["amount"]
    for charge in everything(business, "charge"):
        assert charge["amount_refunded"] == refunded[charge["id"]] <= charge["amount"]
        assert charge["refunded"] == (charge["amount_refunded"] == charge["amount"])


def test_payment_intents_have_what_their_charges_took(business: Business) -> None:
    taken: Counter[str] = Counter()
    for charge in everything(business, "charge"):
        if charge["status"] == "succeeded" and charge["captured"]:
            taken[charge["payment_intent"]] += charge["amount_captured"]
    for intent in everything(business, "payment_intent"):
        assert intent["amount_received"] == taken[intent["id"]]
        assert (intent["status"] == "succeeded") == (intent["amount_received"] > 0)


def test_every_movement_has_its_transaction(business: Business) -> None:
    sources = Counter(
        (transaction["source"], transaction["reporting_category"])
        for transaction in everything(business, "balance_transaction")
    )
    expected: Counter[tuple[str | None, str]] = Counter()
    for charge in everything(business, "charge"):
        expected[charge["id"], "charge"] += charge["captured"]
    for refund in everything(business, "refund"):
        expected[refund["id"], "refund"] += refund["balance_transaction"] is not None
        expected[refund["id"], "refund_failure"] += "failure_balance_transaction" in refund
    for dispute in everything(business, "dispute"):
        expected[dispute["id"], "dispute"] += bool(dispute["balance_transactions"])
        expected[dispute["id"], "dispute_reversal"] += dispute["status"] == "won"
    for payout in everything(business, "payout"):
        expected[payout["id"], "payout"] += 1
        expected[payout["id"], "payout_reversal"] += payout["failure_balance_transaction"] is not None
    expected[None, "fee"] = sources[None, "fee"]
    assert sources == +expected


def test_transactions_add_up(business: Business) -> None:
    charges = {**by_id(business, "charge"), **by_id(business, "refund")}
    for transaction in everything(business, "balance_transaction"):
        assert transaction["net"] == transaction["amount"] - transaction["fee"]
        assert transaction["fee"] == sum(part["amount"] for part in transaction["fee_details"])
        assert transaction["available_on"] >= transaction["created"]
        assert (transaction["status"] == "pending") == (transaction["available_on"] > business.now)
        source = charges.get(transaction["source"])
        if source is not None:
            exchanged = source["amount"] * (transaction["exchange_rate"] or 1)
            assert abs(abs(transaction["amount"]) - exchanged) <= 0.5001
            assert (transaction["exchange_rate"] is None) == (source["currency"] == transaction["currency"])


def test_payouts_are_their_transactions_and_the_balance_is_the_rest(business: Business) -> None:
    left: Counter[tuple[str, str]] = Counter()
    for transaction in everything(business, "balance_transaction"):
        left[transaction["currency"], transaction["status"]] += transaction["net"]
    swept: list[int] = []
    for payout in everything(business, "payout"):
        numbers = list(business.numbers("balance_transaction", "payout", payout["id"]) or ())
        found = [business.get("balance_transaction", number) for number in numbers]
        assert bool(found) == payout["automatic"]
        if payout["automatic"]:
            assert sum(record["net"] for record in found if record) == 0, "its own transaction is one of them"
            assert {record["currency"] for record in found if record} == {payout["currency"]}
        swept += numbers
    assert len(swept) == len(set(swept))
    balance = business.balance()
    for status in ("available", "pending"):
        for part in balance[status]:
            assert part["amount"] == left[part["currency"], status]


def test_amounts_end_as_their_currency_demands(business: Business) -> None:
    steps = {"kwd": 10, "isk": 100, "ugx": 100}
    for kind in ("charge", "invoice", "refund", "payment_intent", "credit_note", "invoiceitem"):
        for record in everything(business, kind):
            for field in ("amount", "total", "amount_due"):
                assert record.get(field, 0) % steps.get(record["currency"], 1) == 0, record["id"]


def test_baskets_add_up(business: Business) -> None:
    for session in everything(business, "checkout.session"):
        lines = session["line_items"]["data"]
        details = session["total_details"]
        assert session["amount_subtotal"] == sum(line["amount_subtotal"] for line in lines)
        assert session["amount_total"] == sum(line["amount_total"] for line in lines) + details["amount_shipping"]
        assert details["amount_discount"] == sum(line["amount_discount"] for line in lines)
        assert details["amount_tax"] == sum(line["amount_tax"] for line in lines)
        assert {line["currency"] for line in lines} == {session["currency"]}
    charges = {charge["payment_intent"]: charge["amount"] for charge in everything(business, "charge")}
    for session in everything(business, "checkout.session"):
        if session["payment_intent"]:
            assert charges[session["payment_intent"]] == session["amount_total"]


def test_who_buys_goods_says_where_they_go_and_pays_for_it(business: Business) -> None:
    rates, intents = by_id(business, "shipping_rate"), by_id(business, "payment_intent")
    shipped = [session for session in everything(business, "checkout.session") if session["shipping_options"]]
    assert {session["status"] for session in shipped} >= {"complete", "expired"}
    for session in shipped:
        offered = {option["shipping_rate"]: option["shipping_amount"] for option in session["shipping_options"]}
        cost = session["shipping_cost"]
        assert offered[cost["shipping_rate"]] == cost["amount_total"] == session["total_details"]["amount_shipping"]
        for name, amount in offered.items():
            assert rates[name]["fixed_amount"] == {"amount": amount, "currency": session["currency"]}
        if session["status"] == "complete":
            goes = session["collected_information"]["shipping_details"]
            assert goes["address"]["country"] in session["shipping_address_collection"]["allowed_countries"]
            told = intents[session["payment_intent"]]["shipping"]
            assert {name: told[name] for name in goes} == goes
            assert session["customer_details"]["phone"]
    assert any(invoice["shipping_cost"] for invoice in everything(business, "invoice"))


def test_what_a_page_asks_for_is_answered_when_it_is_complete(business: Business) -> None:
    links = by_id(business, "payment_link")
    for session in everything(business, "checkout.session"):
        done = session["status"] == "complete"
        for field in session["custom_fields"]:
            assert (field[field["type"]]["value"] is not None) == done or field["optional"]
        assert (session["consent"] is not None) == (done and session["consent_collection"] is not None)
        if session["payment_link"]:
            asked = [field["key"] for field in links[session["payment_link"]]["custom_fields"]]
            assert [field["key"] for field in session["custom_fields"]] == asked


def test_no_two_invoices_have_the_same_number(business: Business) -> None:
    numbers = [invoice["number"] for invoice in everything(business, "invoice") if invoice["number"]]
    assert len(numbers) == len(set(numbers))
    assert {invoice["status"] for invoice in everything(business, "invoice") if not invoice["number"]} == {"draft"}
