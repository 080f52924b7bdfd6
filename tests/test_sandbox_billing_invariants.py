"""After many random actions on bills, what has to hold holds: totals, balances, credit, snapshots, shapes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.sandbox import api
from connector.sandbox.business import Business
from connector.sandbox.clock import Clock
from connector.sandbox.present import snapshot
from connector.sandbox.refusals import Refusal
from connector.sandbox.store import Store, Stretch
from connector.sandbox.writes.core import Asked, writing
from connector.sandbox.writes.hands import HANDLERS, KINDS
from connector.sandbox.writes.time import pass_time

NOW = 1_780_000_000
DAY = 86_400
Record = dict[str, Any]
TOLD = ("invoice", "subscription", "credit_note")


class Office:
    """Somebody who does what may be done, at random, and is refused the rest."""

    def __init__(self, seed: int) -> None:
        self.store = Store(Business(seed=5, size="small", now=NOW), Clock(NOW), KINDS, seed)
        self.now = NOW
        self.chance = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.customers = [self._customer(method) for method in ("pm_card_visa", "pm_card_chargeCustomerFail")]
        product = self.call("POST /v1/products", {"name": "Plan"})["id"]
        asked = {"product": product, "currency": "usd", "unit_amount": 1_999, "recurring": {"interval": "month"}}
        self.price = self.call("POST /v1/prices", asked)["id"]
        self.coupon = self.call("POST /v1/coupons", {"percent_off": 15.5, "duration": "forever"})["id"]
        rate = {"display_name": "VAT", "percentage": 7.7, "inclusive": False}
        self.rate = self.call("POST /v1/tax_rates", rate)["id"]

    def call(self, name: str, form: Record | None = None, *ids: str) -> Record:
        names = [part[1:-1] for part in name.split("/") if part.startswith("{")]
        asked = Asked(now=self.now, form=form or {}, ids=dict(zip(names, ids, strict=True)))
        with writing(self.store, asked) as write:
            done = HANDLERS[name](write)
        self.done[name] += 1
        return done

    def work(self, times: int) -> None:
        for _ in range(times):
            with suppress(Refusal):
                self.chance.choice(ACTIONS)(self)
        self.now += 40 * DAY
        pass_time(self.store, self.store.clock, self.now)

    def ours(self, kind: str) -> list[Record]:
        mine = set(self.customers)
        return [record for record in self.store.records(kind, Stretch(since=NOW)) if record.get("customer") in mine]

    def one(self, kind: str) -> Record:
        found = self.ours(kind)
        return self.chance.choice(found) if found else {"id": "none_1", "invoice": "none", "items": {"data": []}}

    def amount(self) -> int:
        return self.chance.choice((1, 99, 1_000, 12_345, -400))

    def _customer(self, method: str) -> str:
        ident: str = self.call("POST /v1/customers", {"name": "Ada"})["id"]
        card = self.call("POST /v1/payment_methods/{payment_method}/attach", {"customer": ident}, method)["id"]
        settled = {"invoice_settings": {"default_payment_method": card}}
        self.call("POST /v1/customers/{customer}", settled, ident)
        return ident

    def customer(self) -> str:
        return self.chance.choice(self.customers)


def _on_invoice(verb: str) -> Callable[[Office], Any]:
    return lambda office: office.call(f"POST /v1/invoices/{{invoice}}/{verb}", {}, office.one("invoice")["id"])


def _draft(office: Office) -> None:
    asked = {"customer": office.customer(), "pending_invoice_items_behavior": "include", "auto_advance": True}
    office.call("POST /v1/invoices", {**asked, "default_tax_rates": [office.rate]})


def _item(office: Office) -> None:
    item = {"customer": office.customer(), "amount": office.amount(), "currency": "usd"}
    if office.chance.random() < 0.6:
        invoice = office.one("invoice")
        item.update(customer=invoice.get("customer", item["customer"]), invoice=invoice["id"])
    office.call("POST /v1/invoiceitems", item)


def _discount(office: Office) -> None:
    discounts = office.chance.choice(("", [{"coupon": office.coupon}]))
    office.call("POST /v1/invoices/{invoice}", {"discounts": discounts}, office.one("invoice")["id"])


def _note(office: Office) -> None:
    invoice, amount = office.one("invoice"), office.chance.choice((1, 500, 1_000))
    split: Record = {"out_of_band_amount": amount} if invoice.get("status") == "paid" else {}
    office.call("POST /v1/credit_notes", {"invoice": invoice["id"], "amount": amount, **split})


def _subscribe(office: Office) -> None:
    items = [{"price": office.price, "quantity": office.chance.randint(1, 3)}]
    office.call("POST /v1/subscriptions", {"customer": office.customer(), "items": items})


def _upgrade(office: Office) -> None:
    subscription = office.one("subscription")
    items = [{"id": item["id"], "quantity": office.chance.randint(1, 9)} for item in subscription["items"]["data"]]
    behavior = office.chance.choice(("create_prorations", "always_invoice", "none"))
    asked = {"items": items, "proration_behavior": behavior}
    office.call("POST /v1/subscriptions/{subscription_exposed_id}", asked, subscription["id"])


def _cancel(office: Office) -> None:
    asked = {"invoice_now": True, "prorate": True}
    office.call("DELETE /v1/subscriptions/{subscription_exposed_id}", asked, office.one("subscription")["id"])


def _void_note(office: Office) -> None:
    office.call("POST /v1/credit_notes/{id}/void", {}, office.one("credit_note")["id"])


ACTIONS: list[Callable[[Office], Any]] = [
    _draft, _item, _item, _item, _discount, _note, _subscribe, _upgrade, _cancel, _void_note,
    *(_on_invoice(verb) for verb in ("finalize", "finalize", "pay", "pay", "void", "mark_uncollectible")),
    lambda office: office.call("DELETE /v1/invoiceitems/{invoiceitem}", {}, office.one("invoiceitem")["id"]),
    lambda office: office.call("DELETE /v1/invoices/{invoice}", {}, office.one("invoice")["id"]),
]  # fmt: skip


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1_000))
def test_what_has_to_hold_holds_after_random_actions(seed: int) -> None:
    office = Office(seed)
    office.work(300)
    assert len(office.done) > 10
    notes, items = office.ours("credit_note"), office.ours("invoiceitem")
    for invoice in office.ours("invoice"):
        _check_invoice(office, invoice, notes, items)
    for customer in office.customers:
        record = office.store.get("customer", customer)
        assert record is not None
        moved = [move for move in office.ours("customer_balance_transaction") if move["customer"] == customer]
        assert record["balance"] == sum(move["amount"] for move in moved)
    _check_snapshots(office)


def _check_invoice(office: Office, invoice: Record, notes: list[Record], items: list[Record]) -> None:
    assert api.problems(invoice, "invoice") == []
    lines = invoice["lines"]["data"]
    taken = sum(part["amount"] for line in lines for part in line["discount_amounts"])
    taxes = sum(tax["amount"] for line in lines for tax in line["taxes"])
    assert invoice["total"] == sum(line["amount"] for line in lines) - taken + taxes
    for kind in ("pre_payment", "post_payment"):
        about = [note for note in notes if note["invoice"] == invoice["id"] and note["status"] == "issued"]
        assert invoice[f"{kind}_credit_notes_amount"] == sum(note[f"{kind}_amount"] for note in about)
    if invoice["status"] == "paid":
        assert invoice["amount_remaining"] == 0
        intents = [part["amount_paid"] for part in office.store.records("invoice_payment")
                   if part["invoice"] == invoice["id"]]  # fmt: skip
        assert invoice["amount_paid"] == sum(intents) + invoice.get("amount_paid_off_stripe", 0)
    pulled = {line["parent"]["invoice_item_details"]["invoice_item"] for line in lines
             if line["parent"]["invoice_item_details"]}  # fmt: skip
    assert pulled == {item["id"] for item in items if item["invoice"] == invoice["id"]}


def _check_snapshots(office: Office) -> None:
    """The last event about an object shows it as it is."""
    office.store.clock.start = office.now  # events are kept for thirty days only
    seen = set()
    for event in office.store.records("event"):
        shown = event["data"]["object"]
        if shown.get("object") in TOLD and shown.get("customer") in office.customers and shown["id"] not in seen:
            seen.add(shown["id"])
            now = office.store.get(shown["object"], shown["id"])
            if now is not None:
                snapshot(now)
                assert shown == now, event["type"]
    assert seen
