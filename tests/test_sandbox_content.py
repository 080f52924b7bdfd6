from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.sandbox.differences import NEVER_FILLED
from connector.sandbox.document import api
from connector.sandbox.history.business import Business
from connector.sandbox.world.expansion import ON_REQUEST
from tests.small_business import BUSINESSES, DAY, KINDS, NOW, SMALL, Record, by_id, everything

SAMPLES = json.loads((Path(__file__).parent / "data" / "fixtures.json").read_text(encoding="utf-8"))["resources"]
LEFT_OUT = {  # sent only when expanded, for another type of object, or no longer at all
    "customer": {"discount"},
    "charge": {"refunds"},
    "invoice": {"subscription"},
    "payment_method": {"card"},
}

# shapes and references


@pytest.mark.parametrize("kind", KINDS)
def test_every_object_has_stripes_shape(kind: str) -> None:
    for record in everything(SMALL, kind):
        assert api.problems(record, kind) == []
        if kind == "event":
            payload = record["data"]["object"]
            assert api.problems(payload, payload["object"]) == []


def test_balance_and_account_have_stripes_shape() -> None:
    assert api.problems(SMALL.balance(), "balance") == []
    assert api.problems(SMALL.account(), "account") == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_field_of_stripes_sample_is_missing(kind: str) -> None:
    wanted = SAMPLES[kind].keys() - LEFT_OUT.get(kind, set())
    for record in everything(SMALL, kind):
        assert wanted <= record.keys()


PREFIXES = {
    "cus": "customer", "prod": "product", "price": "price", "sub": "subscription", "in": "invoice",
    "ii": "invoiceitem", "ch": "charge", "py": "charge", "pi": "payment_intent", "re": "refund", "pyr": "refund",
    "po": "payout", "txn": "balance_transaction", "du": "dispute", "cn": "credit_note", "pm": "payment_method",
    "plink": "payment_link",
}  # fmt: skip


def references(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        found = re.fullmatch(r"([a-z]+)_[0-9A-Za-z]{14,24}", value)
        if found and found[1] in PREFIXES:
            yield PREFIXES[found[1]], value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from references(part)


@pytest.mark.parametrize("business", BUSINESSES, ids=["small", "other"])
def test_what_objects_refer_to_exists(business: Business) -> None:
    found = {pair for kind in KINDS for record in everything(business, kind) for pair in references(record)}
    assert {kind for kind, _ in found} == set(PREFIXES.values())
    assert [pair for pair in sorted(found) if pair[1] not in by_id(business, pair[0])] == []


def test_embedded_lists_are_complete() -> None:
    lists = {"invoice": "lines", "subscription": "items", "credit_note": "lines", "checkout.session": "line_items"}
    for kind, field in {**lists, "payment_link": "line_items"}.items():
        for record in everything(SMALL, kind):
            embedded = record[field]
            assert embedded["object"] == "list"
            assert not embedded["has_more"]
            assert record["id"] in embedded["url"]
        assert max(len(record[field]["data"]) for record in everything(SMALL, kind)) > 10 or kind == "credit_note"


def cut(record: Record) -> Record:
    hidden = ON_REQUEST.get(record["object"], ())
    record = {key: value for key, value in record.items() if key not in hidden}
    for key, value in record.items():
        if isinstance(value, dict) and value.get("object") == "list" and len(value["data"]) > 10:
            record[key] = {**value, "data": value["data"][:10], "has_more": True}
    return record


TOLD = {
    "subscription", "invoice", "charge", "payment_intent", "refund", "payout", "dispute", "credit_note", "product",
    "price", "payment_link", "checkout.session", "payment_method", "coupon",
}  # fmt: skip
"""Kinds of which an event tells every change (of a coupon only those that somebody made)."""


@pytest.mark.parametrize("business", BUSINESSES, ids=["small", "other"])
def test_the_last_event_of_an_object_shows_it_as_it_is(business: Business) -> None:
    latest = {event["data"]["object"]["id"]: event["data"]["object"] for event in everything(business, "event")}
    compared = Counter(
        snapshot["object"] for snapshot in latest.values() if snapshot["object"] in TOLD
        and cut(by_id(business, snapshot["object"])[snapshot["id"]]) == snapshot
    )  # fmt: skip
    expected = Counter(snapshot["object"] for snapshot in latest.values() if snapshot["object"] in TOLD)
    assert compared == expected


@pytest.mark.parametrize("business", BUSINESSES, ids=["small", "other"])
def test_updates_say_what_was_different(business: Business) -> None:
    for event in everything(business, "event"):
        previous = event["data"].get("previous_attributes")
        assert (previous is not None) == event["type"].endswith(".updated")
        for key, value in (previous or {}).items():
            assert value != event["data"]["object"].get(key)


def test_events_have_stripes_holes() -> None:
    types = {event["type"] for event in everything(SMALL, "event")}
    assert not types & {"payment_intent.updated", "invoiceitem.updated", "charge.created", "checkout.session.created"}
    assert not [name for name in types if name.startswith(("balance_transaction", "plan."))]
    for event in everything(SMALL, "event"):
        payload = event["data"]["object"]
        assert "line_items" not in payload
        assert all(len(part["data"]) <= 10 for part in payload.values() if isinstance(part, dict) and "data" in part)
        if event["type"] == "customer.subscription.deleted":
            assert payload["status"] == "canceled"


def test_events_reach_back_thirty_days() -> None:
    times = [event["created"] for event in everything(SMALL, "event")]
    assert times == sorted(times)
    assert times[0] < NOW - 30 * DAY
    created = {
        event["data"]["object"]["id"] for event in everything(SMALL, "event") if event["type"] == "customer.created"
    }
    assert created >= {record["id"] for record in everything(SMALL, "customer") if record["created"] > NOW - 30 * DAY}


# the uncomfortable parts


Look = Callable[[Record], Any]
MANUAL, AUTOMATIC = "send_invoice", "charge_automatically"
INVOICED = ("draft", "open", "paid", "void", "uncollectible")
SUBSCRIBED = {"active", "trialing", "past_due", "canceled", "incomplete_expired", "paused", "unpaid"}
MOVED = {"charge", "payment", "refund", "payment_refund", "refund_failure", "adjustment", "stripe_fee", "payout",
         "payout_failure", "payout_cancel"}  # fmt: skip
CHARGED = {  # status, captured, refunded, disputed
    ("succeeded", True, False, False), ("succeeded", True, True, False), ("succeeded", True, False, True),
    ("succeeded", False, False, False), ("failed", False, False, False),
}  # fmt: skip
CREDITED = {("post_payment", "issued"), ("pre_payment", "issued"), ("pre_payment", "void")}
PAID_WITH = {("card", True), ("card", False), ("sepa_debit", False), ("us_bank_account", False), ("link", False)}


def field(name: str) -> Look:
    return lambda record: record[name]


def fields(*names: str) -> Look:
    return lambda record: tuple(record[name] for name in names)


def missing(name: str) -> Look:
    return lambda record: record[name] is None


TROUBLES: dict[str, tuple[str, Look, set[Any]]] = {
    "subscriptions in every state": ("subscription", field("status"), SUBSCRIBED),
    "invoices to be paid": ("invoice", fields("status", "collection_method"), {(word, MANUAL) for word in INVOICED}),
    "invoices to be charged": (
        "invoice",
        fields("status", "collection_method"),
        {(word, AUTOMATIC) for word in INVOICED},
    ),
    "invoices around ten lines": ("invoice", lambda record: len(record["lines"]["data"]), {1, 10, 11, 12, 35}),
    "currencies": ("charge", field("currency"), {"usd", "eur", "gbp", "jpy", "kwd", "isk", "huf", "ugx"}),
    "charges in every state": ("charge", fields("status", "captured", "refunded", "disputed"), CHARGED),
    "declines": ("charge", lambda record: record["outcome"]["type"], {"authorized", "issuer_declined", "blocked"}),
    "ids of bank debits": ("charge", lambda record: record["id"][:3], {"ch_", "py_"}),
    "refunds in every state": ("refund", field("status"), {"succeeded", "pending", "failed", "canceled"}),
    "disputes": ("dispute", field("status"), {"won", "lost", "needs_response", "warning_closed", "prevented"}),
    "payouts in every state": ("payout", field("status"), {"paid", "in_transit", "pending", "failed", "canceled"}),
    "movements of every sort": ("balance_transaction", field("type"), MOVED),
    "money not yet there": ("balance_transaction", field("status"), {"available", "pending"}),
    "exchanged money": ("balance_transaction", missing("exchange_rate"), {True, False}),
    "fees in two parts": ("balance_transaction", lambda record: len(record["fee_details"]), {0, 1, 2}),
    "credit notes of both sorts": ("credit_note", fields("type", "status"), CREDITED),
    "items that wait for an invoice": ("invoiceitem", missing("invoice"), {True, False}),
    "sessions in every state": ("checkout.session", field("status"), {"complete", "expired", "open"}),
    "payment methods": ("payment_method", lambda record: (record["type"], record["customer"] is None), PAID_WITH),
    "closed payment links": ("payment_link", field("active"), {True, False}),
    "archived prices": ("price", field("active"), {True, False}),
    "prices without an amount": ("price", missing("unit_amount"), {True, False}),
    "half cents": ("price", field("unit_amount_decimal"), {"0.5", "149.5", "0.333333333333", None}),
    "test clocks": ("customer", missing("test_clock"), {True, False}),
    "coupons of both sorts": ("coupon", field("percent_off"), {12.5, None}),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_business_has(trouble: str) -> None:
    kind, look, wanted = TROUBLES[trouble]
    assert wanted - {look(record) for record in everything(SMALL, kind)} == set()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " ", "\t", "NULL", "00", "#", "'", "<", "🦄", "ע", "ش", "株"])
def test_names_and_descriptions_begin_with(start: str) -> None:
    texts = [record[field] or "" for record in everything(SMALL, "customer") for field in ("name", "description")]
    assert any(text.startswith(start) for text in texts)


@pytest.mark.parametrize("inside", [",", '"', "\n", "\r\n", "\\", ";", "|", "%s", "\u202e", "\u2028"])
def test_names_and_descriptions_hold(inside: str) -> None:
    texts = [record[field] or "" for record in everything(SMALL, "customer") for field in ("name", "description")]
    assert any(inside in text for text in texts)


def test_customers_are_as_people_are() -> None:
    customers = everything(SMALL, "customer")
    emails = Counter(record["email"] for record in customers)
    assert emails[None] > 1
    assert max(count for email, count in emails.items() if email) == 2
    assert any(email and email.lower() != email for email in emails)
    assert {"", None} <= {record["name"] for record in customers}
    assert any(record["address"] and (record["address"]["postal_code"] or "").startswith("0") for record in customers)
    assert any((record["phone"] or "").startswith("+") for record in customers)
    assert any("." in key or " " in key for record in customers for key in record["metadata"])


def test_the_small_business_is_small() -> None:
    counts = {kind: len(everything(SMALL, kind)) for kind in KINDS}
    assert 200 <= counts["customer"] <= 250
    assert 140 <= counts["subscription"] <= 180
    assert 1300 <= counts["invoice"] <= 1700
    assert sum(len(record["lines"]["data"]) > 10 for record in everything(SMALL, "invoice")) >= 12
    assert (
        0.15
        <= sum(record["status"] == "canceled" for record in everything(SMALL, "subscription")) / counts["subscription"]
        <= 0.25
    )


def test_every_field_of_a_payment_intent_is_filled_somewhere_or_said_not_to_be() -> None:
    intents = everything(SMALL, "payment_intent")
    empty = {name for name in api.schema("payment_intent").fields if not any(intent.get(name) for intent in intents)}
    empty.remove("livemode")  # it is always false in test mode
    assert empty == set(NEVER_FILLED)
