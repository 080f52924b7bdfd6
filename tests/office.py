"""Somebody in a sandbox's office, who does at random whatever may be done there, and is refused the rest."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import islice
from typing import Any

from connector.sandbox.document.refusals import Refusal
from connector.sandbox.history.business import Business
from connector.sandbox.world.clock import Clock
from connector.sandbox.world.store import Store
from connector.sandbox.writes.actions.banks import decide
from connector.sandbox.writes.engine.schedule import pass_time
from connector.sandbox.writes.engine.write import Call, writing
from connector.sandbox.writes.served import HANDLERS, KINDS

NOW = 1_780_000_000
DAY = 86_400
NEWEST = 60
Record = dict[str, Any]
BUSINESS = Business(seed=5, size="small", now=NOW)


class StillClock(Clock):
    """Moves by hand alone, however long a test takes."""

    def now(self) -> int:
        return self.start + self._moved_seconds


class Office:
    """A store of its own, with customers, prices, and everything that happens kept in `told` and `done`."""

    def __init__(self, seed: int = 1, store: type[Store] = Store) -> None:
        self.clock = StillClock(NOW)
        self.store = store(BUSINESS, self.clock, KINDS, seed)
        self.chance = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.told: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
        self.store.listeners.append(self._hear)
        self.test_clock = self.call("POST /v1/test_helpers/test_clocks", {"frozen_time": NOW})["id"]
        self.customers = [
            self.customer("pm_card_visa"),
            self.customer("pm_card_chargeCustomerFail"),
            self.customer("pm_card_visa", test_clock=self.test_clock),
        ]
        product = self.call("POST /v1/products", {"name": "Plan"})["id"]
        asked = {"product": product, "currency": "usd", "unit_amount": 1_999, "recurring": {"interval": "month"}}
        self.price = self.call("POST /v1/prices", asked)["id"]
        self.coupon = self.call("POST /v1/coupons", {"percent_off": 15.5, "duration": "forever"})["id"]
        rate = {"display_name": "VAT", "percentage": 7.7, "inclusive": False}
        self.rate = self.call("POST /v1/tax_rates", rate)["id"]

    def call(self, name: str, form: Record | None = None, *ids: str) -> Record:
        """Make a call as the server would, once its parameters have been read."""
        names = [part[1:-1] for part in name.split("/") if part.startswith("{")]
        asked = Call(now=self.clock.now(), form=form or {}, ids=dict(zip(names, ids, strict=True)))
        self.begin(name)
        with writing(self.store, asked) as write:
            done = HANDLERS[name](write)
        self.done[name] += 1
        return done

    def begin(self, action: str) -> None:
        """Hear what is about to be done; for who keeps a record of it."""

    def bank(self, ident: str, outcome: str) -> Record:
        self.begin(f"bank: {ident.partition('_')[0]} {outcome}")
        done = decide(self.store, ident, outcome)
        self.done[f"{ident.partition('_')[0]} {outcome}"] += 1
        return done

    def wait(self, seconds: int) -> None:
        until = self.clock.now() + seconds
        pass_time(self.store, self.clock, until)
        self.clock.move_to(until)
        self.done["wait"] += 1

    def act(self, actions: list[Callable[[Office], Any]]) -> bool:
        """Try one of the actions; whether it took effect, be it as a card that is declined."""
        try:
            self.chance.choice(actions)(self)
        except Refusal as no:
            return no.leaves
        return True

    def one(self, kind: str, status: str | None = None) -> Record:
        """Pick one of the newest objects; there is always one, if only one that nobody knows."""
        positions = list(islice(self.store.walk(kind), NEWEST))
        self.chance.shuffle(positions)
        records = (self.store.at(kind, position) for position in positions)
        found = (record for record in records if record and (status is None or record.get("status") == status))
        return next(found, {"id": f"none_{kind}", "items": {"data": []}, "charge": "none", "invoice": "none"})

    def get(self, kind: str, ident: str) -> Record:
        """Return an object that is there."""
        record = self.store.get(kind, ident)
        assert record is not None
        return record

    def owner(self) -> str:
        return self.chance.choice(self.customers)

    def customer(self, method: str, **fields: Any) -> str:
        """Make a customer with a payment method that bills are paid with."""
        ident: str = self.call("POST /v1/customers", {"name": "Ada", **fields})["id"]
        card = self.call("POST /v1/payment_methods/{payment_method}/attach", {"customer": ident}, method)["id"]
        settled = {"invoice_settings": {"default_payment_method": card}}
        self.call("POST /v1/customers/{customer}", settled, ident)
        return ident

    def pay(self, method: str = "pm_card_visa", amount: int = 2_000, **form: Any) -> Record:
        """Make a payment at once."""
        usual = {"amount": amount, "currency": "usd", "payment_method": method, "confirm": True}
        return self.call("POST /v1/payment_intents", {**usual, **form})

    def debit(self, **form: Any) -> Record:
        """Make a payment by bank debit, which takes its time."""
        asked = {"type": "sepa_debit", "sepa_debit": {"iban": "DE89370400440532013000"}}
        method = self.call("POST /v1/payment_methods", asked)["id"]
        return self.pay(method, currency="eur", **form)

    def bill(self, amount: int = 1_000, **form: Any) -> Record:
        """Write an invoice by hand."""
        customer = form.pop("customer", self.customers[0])
        draft = self.call("POST /v1/invoices", {"customer": customer, **form})
        item = {"customer": customer, "amount": amount, "currency": "usd", "invoice": draft["id"]}
        self.call("POST /v1/invoiceitems", item)
        return draft

    def subscribe(self, customer: str | None = None, **form: Any) -> Record:
        asked = {"customer": customer or self.customers[0], "items": [{"price": self.price}], **form}
        return self.call("POST /v1/subscriptions", asked)

    def _hear(self, event: Record) -> None:
        about = event["data"]["object"]
        self.told[about["object"], about.get("id", "")].append(event)
