"""After a thousand random actions on everything at once, what has to hold holds: money, totals, snapshots, shapes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from connector.sandbox.document import api
from connector.sandbox.reads.lists import page
from connector.sandbox.world.expansion import snapshot
from connector.sandbox.world.store import Stretch
from connector.sandbox.writes.actions.balances import balance
from tests.office import DAY, NOW, Office, Record

ACTIONS = 1_000
SEEDS, THOROUGH_SEEDS = 1, 40
NEW = Stretch(since=NOW)
TOLD = (
    "invoice", "subscription", "credit_note", "charge", "refund", "dispute", "payout", "customer", "setup_intent",
)  # fmt: skip
"""Kinds of which Stripe tells every change, so that the last event shows the object as it is."""

MOVED = {
    "won": ["dispute", "dispute_reversal"], "needs_response": ["dispute"], "under_review": ["dispute"],
    "lost": ["dispute"],
}  # fmt: skip
"""What moves in the balance, by the status of a dispute."""

Action = Callable[[Office], Any]
CARDS = (
    "pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined", "pm_card_refundFail", "pm_card_pendingRefund",
    "pm_card_bypassPending", "pm_card_createDispute", "pm_card_createDisputeInquiry", "pm_card_authenticationRequired",
)  # fmt: skip


def _on(name: str, kind: str, status: str | None = None, **form: Any) -> Action:
    return lambda office: office.call(name, dict(form), office.one(kind, status)["id"])


def _bank(kind: str, *outcomes: str, status: str | None = None) -> Action:
    return lambda office: office.bank(office.one(kind, status)["id"], office.chance.choice(outcomes))


def _pay(office: Office) -> None:
    amount = office.chance.randint(100, 20_000)
    currency = office.chance.choice(("usd", "eur", "gbp", "chf", "jpy"))
    manner = office.chance.choice(("automatic_async", "automatic_async", "manual"))
    office.pay(office.chance.choice(CARDS), amount, currency=currency, capture_method=manner)


def _charge(office: Office) -> None:
    source = office.chance.choice(("tok_visa", "tok_chargeDeclined"))
    captures = office.chance.random() < 0.6
    office.call("POST /v1/charges", {"amount": 1_500, "currency": "usd", "source": source, "capture": captures})


def _refund(office: Office) -> None:
    form: Record = {"charge": office.one("charge")["id"], "amount": office.chance.randint(1, 3_000)}
    if office.chance.random() < 0.2:
        form["instructions_email"] = "payer@example.com"
    office.call("POST /v1/refunds", form)


def _payout(office: Office) -> None:
    currency = office.chance.choice(("usd", "eur"))
    office.call("POST /v1/payouts", {"amount": office.chance.randint(1, 20_000), "currency": currency})


def _evidence(office: Office) -> None:
    texts = ("winning_evidence", "losing_evidence", "escalate_inquiry_evidence", "We have a signed order")
    form = {"evidence": {"uncategorized_text": office.chance.choice(texts)}}
    office.call("POST /v1/disputes/{dispute}", form, office.one("dispute")["id"])


def _draft(office: Office) -> None:
    asked = {"customer": office.owner(), "pending_invoice_items_behavior": "include", "auto_advance": True}
    office.call("POST /v1/invoices", {**asked, "default_tax_rates": [office.rate]})


def _item(office: Office) -> None:
    amount = office.chance.choice((1, 99, 1_000, 12_345, -400))
    item: Record = {"customer": office.owner(), "amount": amount, "currency": "usd"}
    if office.chance.random() < 0.6:
        invoice = office.one("invoice", "draft")
        item.update(customer=invoice.get("customer", item["customer"]), invoice=invoice["id"])
    office.call("POST /v1/invoiceitems", item)


def _discount(office: Office) -> None:
    discounts = office.chance.choice(("", [{"coupon": office.coupon}]))
    office.call("POST /v1/invoices/{invoice}", {"discounts": discounts}, office.one("invoice", "draft")["id"])


def _note(office: Office) -> None:
    invoice, amount = office.one("invoice"), office.chance.choice((1, 500, 1_000))
    ways = ("out_of_band_amount", "credit_amount", "refund_amount")
    split: Record = {office.chance.choice(ways): amount} if invoice.get("status") == "paid" else {}
    office.call("POST /v1/credit_notes", {"invoice": invoice["id"], "amount": amount, **split})


def _subscribe(office: Office) -> None:
    trial = {"trial_period_days": 7} if office.chance.random() < 0.3 else {}
    items = [{"price": office.price, "quantity": office.chance.randint(1, 3)}]
    office.subscribe(office.owner(), items=items, **trial)


def _upgrade(office: Office) -> None:
    subscription = office.one("subscription", "active")
    items = [{"id": item["id"], "quantity": office.chance.randint(1, 9)} for item in subscription["items"]["data"]]
    behavior = office.chance.choice(("create_prorations", "always_invoice", "none"))
    asked = {"items": items, "proration_behavior": behavior}
    office.call("POST /v1/subscriptions/{subscription_exposed_id}", asked, subscription["id"])


def _cancel(office: Office) -> None:
    asked = {"invoice_now": True, "prorate": True}
    office.call("DELETE /v1/subscriptions/{subscription_exposed_id}", asked, office.one("subscription")["id"])


def _confirm(office: Office) -> None:
    method = office.chance.choice(({}, {"payment_method": "pm_card_visa"}))
    status = office.chance.choice(("requires_payment_method", "requires_action"))
    office.call("POST /v1/payment_intents/{intent}/confirm", dict(method), office.one("payment_intent", status)["id"])


def _set_up(office: Office) -> None:
    method = office.chance.choice(("pm_card_visa", "pm_card_chargeDeclined"))
    form = {"customer": office.owner(), "payment_method": method, "confirm": True}
    office.call("POST /v1/setup_intents", form)


def _wait(office: Office) -> None:
    if office.chance.random() < 0.5:  # looking for what falls due takes longer than anything else
        office.wait(office.chance.choice((3_700, DAY, 3 * DAY, 9 * DAY)))


def _wait_on_test_clock(office: Office) -> None:
    clock = office.store.get("test_helpers.test_clock", office.test_clock)
    assert clock is not None
    until = clock["frozen_time"] + office.chance.choice((3_700, 10 * DAY))
    office.call("POST /v1/test_helpers/test_clocks/{test_clock}/advance", {"frozen_time": until}, office.test_clock)


LEGAL: list[Action] = [
    _pay, _pay, _pay, _pay, _charge, _refund, _refund, _refund, _payout, _evidence, _draft, _draft, _item, _item,
    _item, _discount, _note, _subscribe, _upgrade, _cancel, _confirm, _set_up, _wait, _wait_on_test_clock,
    lambda office: office.debit(amount=office.chance.randint(100, 9_000)),
    *(
        _on(f"POST /v1/invoices/{{invoice}}/{verb}", "invoice", status)
        for verb, status in (
            ("finalize", "draft"), ("finalize", "draft"), ("pay", "draft"), ("pay", "open"), ("pay", "uncollectible"),
            ("void", "open"), ("mark_uncollectible", "open"),
        )
    ),
    _on("POST /v1/invoices/{invoice}/pay", "invoice", "open", paid_out_of_band=True),
    _on("POST /v1/invoices/{invoice}/pay", "invoice", "open", payment_method="pm_card_visa"),
    _on("DELETE /v1/invoices/{invoice}", "invoice", "draft"),
    _on("DELETE /v1/invoiceitems/{invoiceitem}", "invoiceitem"),
    _on("POST /v1/credit_notes/{id}/void", "credit_note", "issued"),
    _on("POST /v1/subscriptions/{subscription}/pause", "subscription"),
    _on("POST /v1/subscriptions/{subscription}/resume", "subscription", "paused"),
    _on("POST /v1/payment_intents/{intent}/capture", "payment_intent", "requires_capture"),
    _on("POST /v1/payment_intents/{intent}/capture", "payment_intent", "requires_capture", amount_to_capture=60),
    _on("POST /v1/payment_intents/{intent}/cancel", "payment_intent"),
    _on("POST /v1/charges/{charge}/capture", "charge"),
    _on("POST /v1/refunds/{refund}/cancel", "refund", "requires_action"),
    _on("POST /v1/test_helpers/refunds/{refund}/expire", "refund", "requires_action"),
    _on("POST /v1/payouts/{payout}/cancel", "payout", "pending"),
    _on("POST /v1/payouts/{payout}/reverse", "payout"),
    _on("POST /v1/disputes/{dispute}/close", "dispute"),
    _bank("payout", "failed"),
    _bank("charge", "failed", status="pending"),
    _bank("charge", "needs_response", "warning_needs_response", "prevented"),
    _bank("dispute", "won", "lost", "warning_closed", "needs_response"),
]  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(THOROUGH_SEEDS if metafunc.config.getoption("--thorough") else SEEDS))


def test_what_has_to_hold_holds_after_a_thousand_random_actions(seed: int) -> None:
    office = Office(seed)
    work(office, ACTIONS)
    assert len(office.done) > 40, office.done
    for check in CHECKS:
        check(office)


def work(office: Office, times: int) -> None:
    """Take so many actions that are legal; what is told on the way must be as it is."""
    done = 0
    while done < times:
        heard = {about: len(events) for about, events in office.told.items()}
        done += office.act(LEGAL)
        check_snapshots(office, [about for about, events in office.told.items() if len(events) > heard.get(about, 0)])
        if done % 100 == 0:
            check_sum(office)


def check_sum(office: Office) -> None:
    """The balance has moved by what the new transactions say."""
    moved: Counter[str] = Counter()
    for transaction in office.store.records("balance_transaction", NEW):
        moved[transaction["currency"]] += transaction["net"]
    before, now = (_sums(record) for record in (office.store.business.balance(), balance(office.store)))
    for currency in before | now:
        assert now[currency] - before[currency] == moved[currency]


def _sums(record: Record) -> Counter[str]:
    sums: Counter[str] = Counter()
    for part in (*record["available"], *record["pending"]):
        sums[part["currency"]] += part["amount"]
    return sums


def check_balance(office: Office) -> None:
    left: Counter[tuple[str, str]] = Counter()
    for transaction in office.store.records("balance_transaction"):
        left[transaction["currency"], transaction["status"]] += transaction["net"]
    now = balance(office.store)
    for status in ("available", "pending"):
        found = {part["currency"]: part["amount"] for part in now[status]}
        assert found == {currency: left[currency, status] for currency in found}


def check_payouts(office: Office) -> None:
    """A payout is its transactions; each transaction is in one payout at most."""
    seen: set[str] = set()
    automatic = [payout for payout in office.store.records("payout", NEW) if payout["automatic"]]
    assert automatic
    for payout in automatic:
        found = transactions_of(office, payout["id"])
        assert payout["balance_transaction"] in {transaction["id"] for transaction in found}
        assert sum(transaction["net"] for transaction in found) == 0
        assert {transaction["currency"] for transaction in found} == {payout["currency"]}
        assert seen.isdisjoint(transaction["id"] for transaction in found)
        seen |= {transaction["id"] for transaction in found}
    for payout in office.store.records("payout"):
        came_back = payout["status"] in ("failed", "canceled")
        assert came_back == (payout["failure_balance_transaction"] is not None)


def check_swept(office: Office) -> None:
    """At midnight of a payout day nothing is left of what was available then; a test clock may be ahead of it."""
    days = office.store.business.account()["settings"]["payouts"]["schedule"]["monthly_payout_days"]
    office.wait(DAY)
    while datetime.fromtimestamp(office.clock.now(), UTC).day not in days:
        office.wait(DAY)
    midnight = office.clock.now() // DAY * DAY
    left: Counter[str] = Counter()
    for transaction in office.store.records("balance_transaction", NEW):
        if transaction["status"] == "available" and transaction["available_on"] > midnight:
            left[transaction["currency"]] += transaction["net"]
    for part in balance(office.store)["available"]:
        assert part["amount"] == left[part["currency"]]


def transactions_of(office: Office, payout: str) -> list[Record]:
    asked: Record = {"payout": payout, "limit": 100}
    found: list[Record] = []
    while True:
        part = page(office.store, "balance_transaction", "/v1/balance_transactions", asked)
        found += part.records
        if not part.has_more:
            return found
        asked["starting_after"] = found[-1]["id"]


def check_payments(office: Office) -> None:
    """What was refunded is the sum of the refunds, what an intent received is what its charge took."""
    refunded: Counter[str] = Counter()
    for refund in office.store.records("refund"):
        if refund["status"] not in ("failed", "canceled"):
            refunded[refund["charge"]] += refund["amount"]
    charges = {charge["id"]: charge for charge in office.store.records("charge")}
    for charge in charges.values():
        assert charge["amount_refunded"] == refunded[charge["id"]] <= charge["amount"]
        assert charge["refunded"] == (0 < charge["amount_refunded"] == (charge["amount_captured"] or charge["amount"]))
    for intent in office.store.records("payment_intent"):
        taken = charges[intent["latest_charge"]] if intent["latest_charge"] else None
        if intent["status"] == "succeeded":
            assert taken is not None
            assert intent["amount_received"] == taken["amount_captured"] > 0
        else:
            assert intent["amount_received"] == 0
    for dispute in office.store.records("dispute", NEW):
        words = [transaction["reporting_category"] for transaction in dispute["balance_transactions"]]
        assert words == MOVED.get(dispute["status"], [])
        assert charges[dispute["charge"]]["disputed"]


def check_invoices(office: Office) -> None:
    notes, payments = by_invoice(office, "credit_note"), by_invoice(office, "invoice_payment")
    items = by_invoice(office, "invoiceitem")
    for invoice in office.store.records("invoice"):
        lines = invoice["lines"]["data"]
        taken = sum(part["amount"] for line in lines for part in line["discount_amounts"])
        taxes = sum(tax["amount"] for line in lines for tax in line["taxes"])
        assert invoice["total"] == sum(line["amount"] for line in lines) - taken + taxes + invoice["amount_shipping"]
        issued = [note for note in notes[invoice["id"]] if note["status"] == "issued"]
        for kind in ("pre_payment", "post_payment"):
            assert invoice[f"{kind}_credit_notes_amount"] == sum(note[f"{kind}_amount"] for note in issued)
        check_paid(office, invoice, payments[invoice["id"]])
        details = [line["parent"]["invoice_item_details"] for line in lines]
        pulled = {part["invoice_item"] for part in details if part}
        assert pulled == {item["id"] for item in items[invoice["id"]]}


def check_paid(office: Office, invoice: Record, payments: list[Record]) -> None:
    """An invoice is paid by the payments that say so, and asks for what is left."""
    paid = sum(payment["amount_paid"] for payment in payments if payment["status"] == "paid")
    assert invoice["amount_paid"] == paid + invoice.get("amount_paid_off_stripe", 0)
    for payment in payments:
        intent = office.store.get("payment_intent", payment["payment"]["payment_intent"])
        assert intent is not None
        assert (intent["status"] == "succeeded") == (payment["status"] == "paid")
        assert (intent["status"] == "canceled") == (payment["status"] == "canceled")
        assert intent["amount"] == payment["amount_requested"]
        if payment["status"] == "open":
            assert payment["amount_requested"] == invoice["amount_remaining"]
            assert invoice["status"] in ("open", "uncollectible")
    assert invoice["status"] != "paid" or invoice["amount_remaining"] == 0


def by_invoice(office: Office, kind: str) -> defaultdict[str, list[Record]]:
    found: defaultdict[str, list[Record]] = defaultdict(list)
    for record in office.store.records(kind):
        if record["invoice"]:
            found[record["invoice"]].append(record)
    return found


def check_customers(office: Office) -> None:
    """A customer's balance is what its transactions say."""
    moved: Counter[str] = Counter()
    for move in office.store.records("customer_balance_transaction"):
        moved[move["customer"]] += move["amount"]
    for customer in office.store.records("customer", NEW):
        assert customer["balance"] == moved[customer["id"]]


def check_shapes(office: Office) -> None:
    for kind in (*TOLD, "payment_intent", "invoice_payment", "balance_transaction", "invoiceitem"):
        for record in office.store.records(kind, NEW):
            assert api.problems(record, kind) == []


def check_snapshots(office: Office, about: list[tuple[str, str]]) -> None:
    """The last event about an object shows it as it is."""
    for kind, ident in about:
        now = office.store.get(kind, ident) if kind in TOLD else None
        if now is not None:
            snapshot(now)
            event = office.told[kind, ident][-1]
            assert event["data"]["object"] == now, event["type"]


def check_history(office: Office) -> None:
    """What an event says was there before, an earlier event has shown, or the object was so in the beginning."""
    for (kind, ident), events in office.told.items():
        if kind not in TOLD:
            continue
        began = [_told(each) for each in _in_the_beginning(office, kind, ident)]
        shown = [_told(event["data"]["object"]) for event in events]
        for place, event in enumerate(events):
            if place and "previous_attributes" in event["data"]:
                before = _told(_merged(event["data"]["object"], event["data"]["previous_attributes"]))
                assert before in began + shown[:place], event["type"]


def _in_the_beginning(office: Office, kind: str, ident: str) -> Iterator[Record]:
    """Yield a generated object as an event would have shown it."""
    number = office.store.business.number(kind, ident)
    record = None if number is None else office.store.business.get(kind, number)
    if record is not None:
        snapshot(record)
        yield record


def _merged(record: Any, previous: Any) -> Any:
    if not isinstance(record, dict) or not isinstance(previous, dict):
        return previous
    return {**record, **{name: _merged(record.get(name), value) for name, value in previous.items()}}


def _told(record: Any) -> Any:
    """Leave out what is null, which an event says of a field that was not there at all too."""
    if not isinstance(record, dict):
        return record
    return dict(_pairs(record))


def _pairs(record: Record) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if value is not None:
            yield name, _told(value)


CHECKS = (
    check_swept, check_balance, check_payouts, check_payments, check_invoices, check_customers, check_shapes,
    check_history,
)  # fmt: skip
"""What has to hold in the end."""
