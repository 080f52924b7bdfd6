"""A business that goes on while one looks: changes made by a seeded plan, through the same handlers as requests.

The n-th change depends on the seed, on n, and on what the sandbox holds. Some changes are silent: Stripe has no
event for them (a payment intent's metadata, an invoice item's description).
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from connector.sandbox.document import api, forms
from connector.sandbox.document.forms import Raw
from connector.sandbox.document.refusals import Refusal
from connector.sandbox.document.rules import Record
from connector.sandbox.world.store import Store
from connector.sandbox.writes.engine.write import Call, writing
from connector.sandbox.writes.served import HANDLERS

_TENTH = 10
_RECENT = 40
"""So many of the newest objects of a kind are at work."""

_TRIES = 100
"""So often is another change tried where what the sandbox holds does not fit one."""

_PARAMETERS = {
    "product": "id", "credit_note": "id", "subscription": "subscription_exposed_id", "payment_intent": "intent",
    "setup_intent": "intent", "checkout.session": "session",
}  # fmt: skip
"""Path parameters that are not called like their kind."""

_CARDS = {
    "pm_card_visa": 160,
    "pm_card_chargeDeclinedInsufficientFunds": 14,
    "pm_card_chargeDeclined": 12,
    "pm_card_chargeDeclinedExpiredCard": 3,
    "pm_card_createDispute": 1,
}
"""What people pay with, as often as they do."""

_NAMES = ("Ada", "Björn", "Chiara", "Dilek", "Émile", "Fatou", "Goran", "Hana", "Igor", "Jun")
_CURRENCIES = ("usd", "eur", "gbp")


class Situation:
    """What a change is made out of: its own die, and the objects there are."""

    def __init__(self, store: Store, seed: int, number: int) -> None:
        self.chance = random.Random(f"{seed} busy {number}")  # noqa: S311 - a plan, no secret
        self.number = number
        self._store = store

    def pick(self, kind: str, fits: Callable[[Record], bool] = lambda _: True) -> Record:
        """Return one of the newest objects that fit; LookupError where there is none."""
        found = [record for record in islice(self._store.records(kind), _RECENT) if fits(record)]
        return found[self.chance.randrange(len(found))] if found else _none(kind)

    def id(self, kind: str, **fields: object) -> str:
        """Return the id of one of the newest objects whose fields are these."""
        return str(self.pick(kind, lambda record: all(record.get(name) == fields[name] for name in fields))["id"])

    def word(self) -> str:
        """Return a word that changes with every change."""
        return f"busy {self.number}"


class Change(NamedTuple):
    """One thing that happens in a business: a call, how often it comes, the object in its path, and its form."""

    call: str
    weight: int
    on: Callable[[Situation], tuple[str, str]] | None
    form: Callable[[Situation], dict[str, Raw]]


def _none(kind: str) -> Record:
    raise LookupError(kind)


def _on(kind: str, **fields: object) -> Callable[[Situation], tuple[str, str]]:
    return lambda now: (_PARAMETERS.get(kind, kind), now.id(kind, **fields))


def _new_card(_: Situation) -> tuple[str, str]:
    return "payment_method", "pm_card_visa"


def _on_held_method(now: Situation) -> tuple[str, str]:
    return "payment_method", str(now.pick("payment_method", lambda each: each["customer"] is not None)["id"])


def _customer(now: Situation) -> dict[str, Raw]:
    name = now.chance.choice(_NAMES)
    return {"name": f"{name} {now.number}", "email": f"busy{now.number}@example.com", "metadata": {"plan": now.word()}}


def _sale(now: Situation) -> dict[str, Raw]:
    card = now.chance.choices(list(_CARDS), list(_CARDS.values()))[0]
    return {
        "amount": str(now.chance.randrange(100, 50_000)),
        "currency": now.chance.choice(_CURRENCIES),
        "customer": now.id("customer"),
        "payment_method": card,
        "confirm": "true",
    }


def _refund(now: Situation) -> dict[str, Raw]:
    charge = now.pick("charge", lambda each: each["status"] == "succeeded" and not each["refunded"])
    return {"charge": charge["id"], "amount": str(max(1, charge["amount"] // now.chance.randrange(1, 4)))}


def _item(now: Situation) -> dict[str, Raw]:
    amount = str(now.chance.randrange(500, 20_000))
    return {"customer": now.id("customer"), "amount": amount, "currency": "usd", "description": now.word()}


def _bill(now: Situation) -> dict[str, Raw]:
    """Bill a customer for what is waiting; to some it is sent, so that it stays open."""
    item = now.pick("invoiceitem", lambda each: each["invoice"] is None and each["amount"] > 0)
    sent = {"collection_method": "send_invoice", "days_until_due": "30"} if now.chance.randrange(3) else {}
    waiting = {"pending_invoice_items_behavior": "include", "currency": item["currency"]}
    return {"customer": item["customer"], **waiting, **sent}


def _note(now: Situation) -> dict[str, Raw]:
    return {"metadata": {"note": now.word()}}


def _price(now: Situation) -> dict[str, Raw]:
    amount = str(now.chance.randrange(500, 20_000))
    return {"product": now.id("product", active=True), "unit_amount": amount, "currency": "usd"}


def _wares(now: Situation) -> dict[str, Raw]:
    price = now.pick("price", lambda each: bool(each["active"] and each["unit_amount"] and not each["recurring"]))
    return {"line_items": {"0": {"price": price["id"], "quantity": str(now.chance.randrange(1, 4))}}}


def _session(now: Situation) -> dict[str, Raw]:
    return {"mode": "payment", "success_url": "https://example.com/thanks", **_wares(now)}


def _credit(now: Situation) -> dict[str, Raw]:
    """Take a tenth off an open invoice."""
    invoice = now.pick("invoice", lambda each: each["status"] == "open" and each["amount_remaining"] > _TENTH)
    return {"invoice": invoice["id"], "amount": str(invoice["amount_remaining"] // _TENTH), "memo": now.word()}


def _coupon(now: Situation) -> dict[str, Raw]:
    return {"percent_off": str(now.chance.randrange(5, 30)), "duration": "once", "name": now.word()}


def _setup(now: Situation) -> dict[str, Raw]:
    return {"customer": now.id("customer"), "payment_method": "pm_card_visa", "confirm": "true"}


def _evidence(now: Situation) -> dict[str, Raw]:
    return {"evidence": {"uncategorized_text": now.chance.choice(("winning_evidence", "losing_evidence"))}}


def _subscription(now: Situation) -> dict[str, Raw]:
    monthly = now.pick("price", lambda each: bool(each["active"] and each["recurring"] and each["currency"] == "usd"))
    customer = now.pick("customer", lambda each: each["currency"] in {None, "usd"})
    return {"customer": customer["id"], "items": {"0": {"price": monthly["id"]}}}


CHANGES: tuple[Change, ...] = (
    Change("POST /v1/customers", 8, None, _customer),
    Change("POST /v1/customers/{customer}", 10, _on("customer"), lambda now: {"name": now.word(), **_note(now)}),
    Change("DELETE /v1/customers/{customer}", 1, _on("customer"), lambda _: {}),
    Change("POST /v1/products", 2, None, lambda now: {"name": f"Product {now.number}"}),
    Change("POST /v1/products/{id}", 3, _on("product"), lambda now: {"description": now.word()}),
    Change("POST /v1/prices", 2, None, _price),
    Change("POST /v1/prices/{price}", 2, _on("price"), _note),
    Change("POST /v1/payment_intents", 20, None, _sale),
    Change("POST /v1/payment_intents/{intent}", 6, _on("payment_intent", status="succeeded"), _note),
    Change("POST /v1/charges/{charge}", 4, _on("charge"), lambda now: {"description": now.word()}),
    Change("POST /v1/refunds", 5, None, _refund),
    Change("POST /v1/refunds/{refund}", 2, _on("refund"), _note),
    Change("POST /v1/invoiceitems", 5, None, _item),
    Change("POST /v1/invoiceitems/{invoiceitem}", 3, _on("invoiceitem", invoice=None), _note),
    Change("DELETE /v1/invoiceitems/{invoiceitem}", 1, _on("invoiceitem", invoice=None), lambda _: {}),
    Change("POST /v1/invoices", 5, None, _bill),
    Change("POST /v1/invoices/{invoice}", 3, _on("invoice", status="draft"), _note),
    Change("DELETE /v1/invoices/{invoice}", 1, _on("invoice", status="draft"), lambda _: {}),
    Change("POST /v1/invoices/{invoice}/finalize", 4, _on("invoice", status="draft"), lambda _: {}),
    Change(
        "POST /v1/invoices/{invoice}/send",
        1,
        _on("invoice", status="open", collection_method="send_invoice"),
        lambda _: {},
    ),
    Change("POST /v1/invoices/{invoice}/pay", 3, _on("invoice", status="open"), lambda _: {}),
    Change("POST /v1/invoices/{invoice}/void", 1, _on("invoice", status="open"), lambda _: {}),
    Change("POST /v1/checkout/sessions", 3, None, _session),
    Change("POST /v1/credit_notes", 2, None, _credit),
    Change("POST /v1/coupons", 1, None, _coupon),
    Change("POST /v1/setup_intents", 2, None, _setup),
    Change("POST /v1/checkout/sessions/{session}/expire", 1, _on("checkout.session", status="open"), lambda _: {}),
    Change("POST /v1/payment_links", 1, None, _wares),
    Change("POST /v1/payment_links/{payment_link}", 1, _on("payment_link"), _note),
    Change(
        "POST /v1/payment_methods/{payment_method}/attach", 3, _new_card, lambda now: {"customer": now.id("customer")}
    ),
    Change("POST /v1/payment_methods/{payment_method}", 2, _on_held_method, _note),
    Change("POST /v1/payouts/{payout}", 1, _on("payout"), _note),
    Change("POST /v1/credit_notes/{id}", 1, _on("credit_note"), _note),
    Change("POST /v1/coupons/{coupon}", 1, _on("coupon"), lambda now: {"name": now.word()}),
    Change("POST /v1/setup_intents/{intent}", 1, _on("setup_intent", status="requires_payment_method"), _note),
    Change("POST /v1/disputes/{dispute}", 1, _on("dispute", status="needs_response"), _evidence),
    Change("POST /v1/subscriptions", 4, None, _subscription),
    Change("POST /v1/subscriptions/{subscription_exposed_id}", 3, _on("subscription", status="active"), _note),
    Change("DELETE /v1/subscriptions/{subscription_exposed_id}", 1, _on("subscription", status="active"), lambda _: {}),
)


class Busy:
    """Makes changes to a store: at once with `work`, or so many a second with `start`."""

    def __init__(self, store: Store, seed: int) -> None:
        self.done: Counter[str] = Counter()
        """The changes made so far, by call; refused ones do not count."""
        self._store = store
        self._seed = seed
        self._number = 0
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def work(self, changes: int) -> None:
        """Make so many changes, one after the other."""
        for _ in range(changes):
            any(self._step() for _ in range(_TRIES))

    def start(self, per_second: float) -> None:
        """Make changes in a thread of its own, until `close`."""
        self._thread = threading.Thread(target=self._run, args=(per_second,), name="sandbox-busy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, per_second: float) -> None:
        began, made = time.monotonic(), 0
        while not self._closing.wait(max(0.0, began + made / per_second - time.monotonic())):
            self.work(1)
            made += 1

    def _step(self) -> bool:
        """Try the next change of the plan; whether it took effect."""
        self._number += 1
        now = Situation(self._store, self._seed, self._number)
        served = [change for change in CHANGES if change.call in HANDLERS]
        change = now.chance.choices(served, [each.weight for each in served])[0]
        try:
            self._make(change, now)
        except LookupError:
            return False
        except Refusal as no:
            if not no.leaves:
                return False
        self.done[change.call] += 1
        return True

    def _make(self, change: Change, now: Situation) -> None:
        ids = dict([change.on(now)]) if change.on else {}
        method, _, path = change.call.partition(" ")
        operation = api.operation(method, path)
        assert operation is not None, change.call
        form = forms.read(change.form(now), {**operation.query, **operation.body}, operation.required)
        call = Call(now=self._store.clock.now(), form=form, ids=ids)
        with writing(self._store, call) as write:
            HANDLERS[change.call](write)
