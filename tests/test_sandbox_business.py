from __future__ import annotations

import json
import re
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.sandbox import api
from connector.sandbox.business import Business

Record = dict[str, Any]
NOW = 1_794_108_345  # 8 November 2026, in the middle of a month
DAY = 86_400
SMALL = Business(seed=1, size="small", now=NOW)
LARGE = Business(seed=1, size="1m", now=NOW)
KINDS = SMALL.kinds
SAMPLES = json.loads((Path(__file__).parent / "data" / "fixtures.json").read_text(encoding="utf-8"))["resources"]
LEFT_OUT = {  # sent only when expanded, or no longer at all
    "customer": {"discount"},
    "charge": {"refunds"},
    "invoice": {"subscription"},
    "subscription": set(),
}

_made: dict[str, list[Record]] = {}


def everything(kind: str) -> list[Record]:
    if kind not in _made:
        found = (SMALL.get(kind, number) for number in range(SMALL.end(kind)))
        _made[kind] = [record for record in found if record is not None]
    return _made[kind]


def by_id(kind: str) -> dict[str, Record]:
    return {record["id"]: record for record in everything(kind)}


def written(business: Business) -> Iterator[str]:
    for kind in KINDS:
        for number in range(business.end(kind)):
            yield json.dumps(business.get(kind, number))
    yield json.dumps([business.balance(), business.account()])


def turned(ident: str) -> str:
    """An id of the same form that nobody has."""
    return ident[:-4] + ident[-4:][::-1]


def containers(value: Any) -> Iterator[Any]:
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from containers(part)
    if isinstance(value, dict | list):
        yield value


# the same, again


def test_same_seed_gives_the_same_bytes() -> None:
    again = Business(seed=1, size="small", now=NOW)
    assert list(written(again)) == list(written(SMALL))


def test_another_seed_gives_another_business() -> None:
    other = Business(seed=2, size="small", now=NOW)
    assert not {record["id"] for record in everything("charge")} & {
        record["id"] for number in range(other.end("charge")) if (record := other.get("charge", number))
    }
    assert other.account()["id"] != SMALL.account()["id"]


@pytest.mark.parametrize("kind", KINDS)
def test_callers_may_change_what_they_get(kind: str) -> None:
    number = next(number for number in range(SMALL.end(kind)) if SMALL.get(kind, number))
    before = json.dumps(SMALL.get(kind, number))
    for container in containers(SMALL.get(kind, number)):
        container.clear()
    assert json.dumps(SMALL.get(kind, number)) == before


# numbers, ids and times


@given(kind=st.sampled_from(KINDS), place=st.floats(0, 1, exclude_max=True), large=st.booleans())
@settings(max_examples=400, deadline=None)
def test_numbers_follow_time_and_ids_lead_back(kind: str, place: float, large: bool) -> None:
    business = LARGE if large else SMALL
    end = business.end(kind)
    number = int(place * end)
    created = business.created(kind, number)
    assert created <= NOW
    assert number + 1 == end or created <= business.created(kind, number + 1)
    record = business.get(kind, number)
    if record is not None:
        assert business.number(kind, record["id"]) == number
        assert record.get("created", record.get("date", created)) == created


@pytest.mark.parametrize("kind", KINDS)
def test_every_id_is_its_own(kind: str) -> None:
    assert len(by_id(kind)) == len(everything(kind)) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_outside_have_no_object(kind: str) -> None:
    assert SMALL.get(kind, -1) is None
    assert SMALL.get(kind, SMALL.end(kind)) is None


@given(kind=st.sampled_from(KINDS), text=st.text(max_size=80))
def test_invented_ids_have_no_number(kind: str, text: str) -> None:
    assert SMALL.number(kind, text) is None or text in by_id(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_ids_that_are_nearly_right_have_no_number(kind: str) -> None:
    ident = everything(kind)[0]["id"]
    other = everything("price" if kind != "price" else "product")[0]["id"]
    for wrong in (ident[:-1], ident + "0", ident.swapcase(), other, f" {ident}", ident[:-1] + "ä", turned(ident)):
        assert SMALL.number(kind, wrong) is None, wrong


@given(kind=st.sampled_from(KINDS), instant=st.integers(NOW - 800 * DAY, NOW + 40 * DAY))
@settings(max_examples=300, deadline=None)
def test_first_at_is_what_a_scan_finds(kind: str, instant: int) -> None:
    numbers = range(SMALL.end(kind))
    scanned = next((number for number in numbers if SMALL.created(kind, number) >= instant), len(numbers))
    assert SMALL.first_at(kind, instant) == scanned


FIELDS: dict[tuple[str, str], Callable[[Record], Any]] = {
    ("customer", "email"): lambda record: record["email"],
    ("customer", "test_clock"): lambda record: record["test_clock"],
    ("subscription", "customer"): lambda record: record["customer"],
    ("subscription", "test_clock"): lambda record: record["test_clock"],
    ("invoice", "customer"): lambda record: record["customer"],
    ("invoice", "subscription"): lambda record: (
        record["parent"] and record["parent"]["subscription_details"]["subscription"]
    ),
    ("invoiceitem", "customer"): lambda record: record["customer"],
    ("invoiceitem", "invoice"): lambda record: record["invoice"],
    ("charge", "customer"): lambda record: record["customer"],
    ("charge", "payment_intent"): lambda record: record["payment_intent"],
    ("payment_intent", "customer"): lambda record: record["customer"],
    ("refund", "charge"): lambda record: record["charge"],
    ("refund", "payment_intent"): lambda record: record["payment_intent"],
    ("dispute", "charge"): lambda record: record["charge"],
    ("dispute", "payment_intent"): lambda record: record["payment_intent"],
    ("credit_note", "customer"): lambda record: record["customer"],
    ("credit_note", "invoice"): lambda record: record["invoice"],
    ("payout", "destination"): lambda record: record["destination"],
    ("balance_transaction", "source"): lambda record: record["source"],
    ("payment_method", "customer"): lambda record: record["customer"],
    ("checkout.session", "customer"): lambda record: record["customer"],
    ("checkout.session", "payment_intent"): lambda record: record["payment_intent"],
    ("checkout.session", "subscription"): lambda record: record["subscription"],
}


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_filters_by_number_find_what_a_scan_finds(kind: str, field: str) -> None:
    scanned: defaultdict[str, set[int]] = defaultdict(set)
    for record in everything(kind):
        value = FIELDS[kind, field](record)
        if value is not None:
            scanned[value].add(SMALL.number(kind, record["id"]) or 0)
    assert scanned
    for value, numbers in scanned.items():
        found = list(SMALL.numbers(kind, field, value) or ())
        assert numbers <= set(found)
        assert found == sorted(set(found), reverse=True)
        assert set(found) <= set(range(SMALL.end(kind)))
    for unknown in ("", "nobody", "cus_ä", turned(value)):
        assert list(SMALL.numbers(kind, field, unknown) or ()) == []


def test_filters_that_need_a_scan_say_so() -> None:
    assert SMALL.numbers("charge", "transfer_group", "x") is None
    assert SMALL.numbers("event", "type", "charge.succeeded") is None


# amounts


def test_invoices_add_up() -> None:
    for invoice in everything("invoice"):
        lines = invoice["lines"]["data"]
        discounts = [part["amount"] for line in lines for part in line["discount_amounts"]]
        taxes = [part["amount"] for line in lines for part in line["taxes"]]
        assert invoice["subtotal"] == sum(line["amount"] for line in lines)
        assert sum(discounts) == sum(part["amount"] for part in invoice["total_discount_amounts"])
        assert sum(taxes) == sum(part["amount"] for part in invoice["total_taxes"])
        assert invoice["total"] == invoice["subtotal"] - sum(discounts) + sum(taxes) >= 0
        assert invoice["total_excluding_tax"] == invoice["total"] - sum(taxes)
        assert invoice["amount_due"] == invoice["total"] - invoice["pre_payment_credit_notes_amount"]
        assert invoice["amount_remaining"] == invoice["amount_due"] - invoice["amount_paid"]
        assert (invoice["status"] == "paid") == (invoice["status_transitions"]["paid_at"] is not None)
        assert invoice["status"] != "paid" or invoice["amount_remaining"] == 0


def test_paid_invoices_have_their_charge() -> None:
    charges = Counter(
        (charge["customer"], charge["created"], charge["amount"], charge["currency"])
        for charge in everything("charge")
        if charge["paid"]
    )
    for invoice in everything("invoice"):
        if invoice["status"] == "paid" and invoice["amount_paid"] and not invoice.get("amount_paid_off_stripe"):
            paid = invoice["status_transitions"]["paid_at"]
            assert charges[invoice["customer"], paid, invoice["amount_paid"], invoice["currency"]] >= 1


def test_credit_notes_add_up() -> None:
    credited: Counter[tuple[str, str]] = Counter()
    for note in everything("credit_note"):
        lines = note["lines"]["data"]
        taxes = sum(part["amount"] for line in lines for part in line["taxes"])
        assert note["total"] == sum(line["amount"] - line["discount_amount"] for line in lines) + taxes
        assert note["amount"] == note["total"] == note["pre_payment_amount"] + note["post_payment_amount"]
        if note["status"] == "issued":
            credited[note["invoice"], note["type"]] += note["amount"]
    for invoice in everything("invoice"):
        for kind in ("pre_payment", "post_payment"):
            assert invoice[f"{kind}_credit_notes_amount"] == credited[invoice["id"], kind]


def test_refunded_is_the_sum_of_the_refunds() -> None:
    refunded: Counter[str] = Counter()
    for refund in everything("refund"):
        if refund["status"] in ("succeeded", "pending"):
            refunded[refund["charge"]] += refund["amount"]
    for charge in everything("charge"):
        assert charge["amount_refunded"] == refunded[charge["id"]] <= charge["amount"]
        assert charge["refunded"] == (charge["amount_refunded"] == charge["amount"])


def test_payment_intents_have_what_their_charges_took() -> None:
    taken: Counter[str] = Counter()
    for charge in everything("charge"):
        if charge["status"] == "succeeded" and charge["captured"]:
            taken[charge["payment_intent"]] += charge["amount_captured"]
    for intent in everything("payment_intent"):
        assert intent["amount_received"] == taken[intent["id"]]
        assert (intent["status"] == "succeeded") == (intent["amount_received"] > 0)


def test_every_movement_has_its_transaction() -> None:
    sources = Counter(
        (transaction["source"], transaction["reporting_category"]) for transaction in everything("balance_transaction")
    )
    expected: Counter[tuple[str | None, str]] = Counter()
    for charge in everything("charge"):
        expected[charge["id"], "charge"] += charge["captured"]
    for refund in everything("refund"):
        expected[refund["id"], "refund"] += refund["balance_transaction"] is not None
        expected[refund["id"], "refund_failure"] += "failure_balance_transaction" in refund
    for dispute in everything("dispute"):
        expected[dispute["id"], "dispute"] += bool(dispute["balance_transactions"])
        expected[dispute["id"], "dispute_reversal"] += dispute["status"] == "won"
    for payout in everything("payout"):
        expected[payout["id"], "payout"] += 1
        expected[payout["id"], "payout_reversal"] += payout["failure_balance_transaction"] is not None
    expected[None, "fee"] = sources[None, "fee"]
    assert sources == +expected


def test_transactions_add_up() -> None:
    charges = {**by_id("charge"), **by_id("refund")}
    for transaction in everything("balance_transaction"):
        assert transaction["net"] == transaction["amount"] - transaction["fee"]
        assert transaction["fee"] == sum(part["amount"] for part in transaction["fee_details"])
        assert transaction["available_on"] >= transaction["created"]
        assert (transaction["status"] == "pending") == (transaction["available_on"] > NOW)
        source = charges.get(transaction["source"])
        if source is not None:
            exchanged = source["amount"] * (transaction["exchange_rate"] or 1)
            assert abs(abs(transaction["amount"]) - exchanged) <= 0.5001
            assert (transaction["exchange_rate"] is None) == (source["currency"] == transaction["currency"])


def test_payouts_are_their_transactions_and_the_balance_is_the_rest() -> None:
    left: Counter[tuple[str, str]] = Counter()
    for transaction in everything("balance_transaction"):
        left[transaction["currency"], transaction["status"]] += transaction["net"]
    swept: list[int] = []
    for payout in everything("payout"):
        numbers = list(SMALL.numbers("balance_transaction", "payout", payout["id"]) or ())
        found = [SMALL.get("balance_transaction", number) for number in numbers]
        assert bool(found) == payout["automatic"]
        if payout["automatic"]:
            assert payout["amount"] == sum(record["net"] for record in found if record)
            assert {record["currency"] for record in found if record} == {payout["currency"]}
        swept += numbers
    assert len(swept) == len(set(swept))
    balance = SMALL.balance()
    for status in ("available", "pending"):
        for part in balance[status]:
            assert part["amount"] == left[part["currency"], status]


def test_amounts_end_as_their_currency_demands() -> None:
    steps = {"kwd": 10, "isk": 100, "ugx": 100}
    for kind in ("charge", "invoice", "refund", "payment_intent", "credit_note", "invoiceitem"):
        for record in everything(kind):
            for field in ("amount", "total", "amount_due"):
                assert record.get(field, 0) % steps.get(record["currency"], 1) == 0, record["id"]


# shapes and references


@pytest.mark.parametrize("kind", KINDS)
def test_every_object_has_stripes_shape(kind: str) -> None:
    for record in everything(kind):
        assert api.problems(record, kind) == []
        if kind == "event":
            payload = record["data"]["object"]
            assert api.problems(payload, payload["object"]) == []


def test_balance_and_account_have_stripes_shape() -> None:
    assert api.problems(SMALL.balance(), "balance") == []
    assert api.problems(SMALL.account(), "account") == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_field_of_stripes_sample_is_missing(kind: str) -> None:
    wanted = SAMPLES[kind].keys() - LEFT_OUT.get(kind, set()) - {"card"}
    for record in everything(kind):
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


def test_what_objects_refer_to_exists() -> None:
    found = {pair for kind in KINDS for record in everything(kind) for pair in references(record)}
    assert {kind for kind, _ in found} == set(PREFIXES.values())
    assert [pair for pair in sorted(found) if pair[1] not in by_id(pair[0])] == []


def test_embedded_lists_are_complete() -> None:
    lists = {"invoice": "lines", "subscription": "items", "credit_note": "lines", "checkout.session": "line_items"}
    for kind, field in {**lists, "payment_link": "line_items"}.items():
        for record in everything(kind):
            embedded = record[field]
            assert embedded["object"] == "list"
            assert not embedded["has_more"]
            assert record["id"] in embedded["url"]
        assert max(len(record[field]["data"]) for record in everything(kind)) > 10 or kind == "credit_note"


# events


def cut(record: Record) -> Record:
    record = {key: value for key, value in record.items() if key != "line_items"}
    for key, value in record.items():
        if isinstance(value, dict) and value.get("object") == "list" and len(value["data"]) > 10:
            record[key] = {**value, "data": value["data"][:10], "has_more": True}
    return record


TOLD = {
    "subscription", "invoice", "charge", "payment_intent", "refund", "payout", "dispute", "credit_note", "product",
    "price", "payment_link", "checkout.session", "payment_method", "coupon",
}  # fmt: skip
"""Kinds of which an event tells every change (of a coupon only those that somebody made)."""


def test_the_last_event_of_an_object_shows_it_as_it_is() -> None:
    latest = {event["data"]["object"]["id"]: event["data"]["object"] for event in everything("event")}
    compared = Counter(
        snapshot["object"] for snapshot in latest.values() if snapshot["object"] in TOLD
        and cut(by_id(snapshot["object"])[snapshot["id"]]) == snapshot
    )  # fmt: skip
    expected = Counter(snapshot["object"] for snapshot in latest.values() if snapshot["object"] in TOLD)
    assert compared == expected


def test_updates_say_what_was_different() -> None:
    for event in everything("event"):
        previous = event["data"].get("previous_attributes")
        assert (previous is not None) == event["type"].endswith(".updated")
        for key, value in (previous or {}).items():
            assert value != event["data"]["object"].get(key)


def test_events_have_stripes_holes() -> None:
    types = {event["type"] for event in everything("event")}
    assert not types & {"payment_intent.updated", "invoiceitem.updated", "charge.created", "checkout.session.created"}
    assert not [name for name in types if name.startswith(("balance_transaction", "plan."))]
    for event in everything("event"):
        payload = event["data"]["object"]
        assert "line_items" not in payload
        assert all(len(part["data"]) <= 10 for part in payload.values() if isinstance(part, dict) and "data" in part)
        if event["type"] == "customer.subscription.deleted":
            assert payload["status"] == "canceled"


def test_events_reach_back_thirty_days() -> None:
    times = [event["created"] for event in everything("event")]
    assert times == sorted(times)
    assert times[0] < NOW - 30 * DAY
    created = {event["data"]["object"]["id"] for event in everything("event") if event["type"] == "customer.created"}
    assert created >= {record["id"] for record in everything("customer") if record["created"] > NOW - 30 * DAY}


# the uncomfortable parts


UNCOMFORTABLE: dict[str, tuple[str, Callable[[Record], Any], set[Any]]] = {
    "subscriptions in every state": (
        "subscription",
        lambda record: record["status"],
        {"active", "trialing", "past_due", "canceled", "incomplete_expired", "paused", "unpaid"},
    ),
    "invoices in every state": (
        "invoice",
        lambda record: (record["status"], record["collection_method"]),
        {
            *((status, "send_invoice") for status in ("draft", "open", "paid", "void", "uncollectible")),
            *((status, "charge_automatically") for status in ("draft", "open", "paid", "void", "uncollectible")),
        },
    ),
    "invoices around the cut at ten lines": ("invoice", lambda record: len(record["lines"]["data"]), {1, 10, 11, 35}),
    "currencies of every sort": (
        "charge",
        lambda record: record["currency"],
        {"usd", "eur", "gbp", "jpy", "kwd", "isk", "huf", "ugx"},
    ),
    "charges in every state": (
        "charge",
        lambda record: (record["status"], record["captured"], record["refunded"], record["disputed"]),
        {
            ("succeeded", True, False, False), ("succeeded", True, True, False), ("succeeded", True, False, True),
            ("succeeded", False, False, False), ("failed", False, False, False),
        },
    ),
    "declines of every sort": ("charge", lambda record: record["outcome"]["type"], {"authorized", "issuer_declined", "blocked"}),
    "ids of bank debits": ("charge", lambda record: record["id"][:3], {"ch_", "py_"}),
    "refunds in every state": ("refund", lambda record: record["status"], {"succeeded", "pending", "failed", "canceled"}),
    "disputes in many states": ("dispute", lambda record: record["status"], {"won", "lost", "needs_response", "warning_closed", "prevented"}),
    "payouts in every state": ("payout", lambda record: record["status"], {"paid", "in_transit", "pending", "failed", "canceled"}),
    "movements of every sort": (
        "balance_transaction",
        lambda record: record["type"],
        {"charge", "payment", "refund", "payment_refund", "refund_failure", "adjustment", "stripe_fee", "payout",
         "payout_failure", "payout_cancel"},
    ),
    "money not yet there": ("balance_transaction", lambda record: record["status"], {"available", "pending"}),
    "exchanged money": ("balance_transaction", lambda record: record["exchange_rate"] is None, {True, False}),
    "fees in two parts": ("balance_transaction", lambda record: len(record["fee_details"]), {0, 1, 2}),
    "credit notes of both sorts": (
        "credit_note",
        lambda record: (record["type"], record["status"]),
        {("post_payment", "issued"), ("pre_payment", "issued"), ("pre_payment", "void")},
    ),
    "items that wait for an invoice": ("invoiceitem", lambda record: record["invoice"] is None, {True, False}),
    "sessions in every state": ("checkout.session", lambda record: record["status"], {"complete", "expired", "open"}),
    "payment methods, attached or not": (
        "payment_method",
        lambda record: (record["type"], record["customer"] is None),
        {("card", True), ("card", False), ("sepa_debit", False), ("us_bank_account", False), ("link", False)},
    ),
    "active and inactive": ("payment_link", lambda record: record["active"], {True, False}),
    "prices without an amount": ("price", lambda record: (record["active"], record["unit_amount"] is None), {(True, True), (True, False), (False, False)}),
    "half cents": ("price", lambda record: record["unit_amount_decimal"], {"0.5", "149.5", "0.333333333333", None}),
    "test clocks": ("customer", lambda record: record["test_clock"] is None, {True, False}),
    "coupons of both sorts": ("coupon", lambda record: record["percent_off"], {12.5, None}),
}  # fmt: skip


@pytest.mark.parametrize("trouble", UNCOMFORTABLE)
def test_the_business_has(trouble: str) -> None:
    kind, look, wanted = UNCOMFORTABLE[trouble]
    assert wanted - {look(record) for record in everything(kind)} == set()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " ", "\t", "NULL", "00", "#", "'", "<", "🦄", "ע", "ش", "株"])
def test_names_and_descriptions_begin_with(start: str) -> None:
    texts = [record[field] or "" for record in everything("customer") for field in ("name", "description")]
    assert any(text.startswith(start) for text in texts)


@pytest.mark.parametrize("inside", [",", '"', "\n", "\r\n", "\\", ";", "|", "%s", "\u202e", "\u2028"])
def test_names_and_descriptions_hold(inside: str) -> None:
    texts = [record[field] or "" for record in everything("customer") for field in ("name", "description")]
    assert any(inside in text for text in texts)


def test_customers_are_as_people_are() -> None:
    customers = everything("customer")
    emails = Counter(record["email"] for record in customers)
    assert emails[None] > 1
    assert max(count for email, count in emails.items() if email) == 2
    assert any(email and email.lower() != email for email in emails)
    assert {"", None} <= {record["name"] for record in customers}
    assert any(record["address"] and (record["address"]["postal_code"] or "").startswith("0") for record in customers)
    assert any((record["phone"] or "").startswith("+") for record in customers)
    assert any("." in key or " " in key for record in customers for key in record["metadata"])


def test_the_small_business_is_small() -> None:
    counts = {kind: len(everything(kind)) for kind in KINDS}
    assert 230 <= counts["customer"] <= 270
    assert 140 <= counts["subscription"] <= 180
    assert 1300 <= counts["invoice"] <= 1700
    assert sum(len(record["lines"]["data"]) > 10 for record in everything("invoice")) >= 12
    assert (
        0.15
        <= sum(record["status"] == "canceled" for record in everything("subscription")) / counts["subscription"]
        <= 0.25
    )


# any day, any seed; a million


@given(seed=st.integers(0, 2**63), now=st.integers(1_400_000_000, 2_000_000_000))
@settings(max_examples=12, deadline=None)
def test_any_day_will_do(seed: int, now: int) -> None:
    business = Business(seed=seed, size="small", now=now)
    for kind in KINDS:
        numbers = range(business.end(kind))
        for number in (*numbers[:20], *numbers[-40:]):
            record = business.get(kind, number)
            assert business.created(kind, number) <= now
            assert record is None or api.problems(record, kind) == []


def test_a_million_objects_cost_no_memory() -> None:
    tracemalloc.start()
    try:
        business = Business(seed=3, size="1m", now=NOW)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
        made = 0
        for kind in ("customer", "invoice", "charge", "payment_intent", "balance_transaction"):
            end = business.end(kind)
            made += sum(business.get(kind, number) is not None for number in range(end - 6_000, end))
        assert made > 10_000
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_a_million_is_about_a_million() -> None:
    used = 0.0
    for kind in KINDS:
        end = LARGE.end(kind)
        numbers = range(0, end, max(1, end // 211))
        used += end * sum(LARGE.get(kind, number) is not None for number in numbers) / len(numbers)
    assert 700_000 < used < 1_300_000
