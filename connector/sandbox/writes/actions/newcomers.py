"""Customers who come by themselves as time passes: most subscribe, the others buy once, and not every card pays.

How many come differs from month to month, by the seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from connector.sandbox.document.refusals import Refusal
from connector.sandbox.document.rules import Record
from connector.sandbox.world.store import Store
from connector.sandbox.writes.engine.handlers import HANDLERS, holds
from connector.sandbox.writes.engine.schedule import DAY, Due, due
from connector.sandbox.writes.engine.write import Write

_KIND = "newcomer"
_A_MONTH = range(5, 18)
_MONTH = 31 * DAY
_SUBSCRIBES = 0.7
_HAS_ANOTHER_CARD = 0.75
_CARDS = {
    "visa": 50, "mastercard": 25, "visa_debit": 10, "amex": 5, "chargeDeclinedInsufficientFunds": 5,
    "chargeDeclined": 4, "chargeDeclinedExpiredCard": 1,
}  # fmt: skip
"""What people pay with at first, as often as they do."""

_FIRST_NAMES = ("Agnes", "Bilal", "Clara", "Dario", "Eun-ji", "Farah", "Gustav", "Helena", "Ibrahim", "Jana")
_LAST_NAMES = ("Andersson", "Bianchi", "Castillo", "Demir", "Eriksen", "Fischer", "Gómez", "Hoffmann", "Ito", "Jansen")

holds(_KIND)


def _expected(store: Store) -> Record:
    """Return the note of when the next customer comes."""
    return {"id": _KIND, "at": _next(store.seed, store.clock.start)}


@due(_KIND, first=_expected)
def _falls_due(noted: Record) -> Iterator[Due]:
    """Say when the next customer comes."""
    yield noted["at"], _come


def _come(write: Write, noted: Record) -> None:
    """Let a customer sign up, and pay for something if a card of theirs does."""
    chance = _chance(write.store.seed, "newcomer", noted["at"])
    write.put(_KIND, {**noted, "at": _next(write.store.seed, noted["at"])})
    first_name, last_name = chance.choice(_FIRST_NAMES), chance.choice(_LAST_NAMES)
    email = f"{first_name.lower()}.{chance.randrange(10_000)}@example.com"
    customer = _call(write, "POST /v1/customers", {"name": f"{first_name} {last_name}", "email": email})["id"]
    pay = _subscribe if chance.random() < _SUBSCRIBES else _buy
    card = chance.choices(list(_CARDS), list(_CARDS.values()))[0]
    try:
        pay(write, chance, customer, f"pm_card_{card}")
    except Refusal:
        if chance.random() < _HAS_ANOTHER_CARD:
            with suppress(Refusal):
                pay(write, chance, customer, "pm_card_visa")


def _subscribe(write: Write, chance: random.Random, customer: str, card: str) -> None:
    attach = "POST /v1/payment_methods/{payment_method}/attach"
    method = _call(write, attach, {"customer": customer}, payment_method=card)["id"]
    settled = {"invoice_settings": {"default_payment_method": method}}
    _call(write, "POST /v1/customers/{customer}", settled, customer=customer)
    prices = [price["id"] for price in write.store.records("price") if _is_plain(price)]
    _call(write, "POST /v1/subscriptions", {"customer": customer, "items": [{"price": chance.choice(prices)}]})


def _buy(write: Write, chance: random.Random, customer: str, card: str) -> None:
    asked = {"amount": chance.randrange(500, 20_000), "currency": chance.choice(("usd", "eur", "gbp"))}
    _call(write, "POST /v1/payment_intents", {**asked, "customer": customer, "payment_method": card, "confirm": True})


def _is_plain(price: Record) -> bool:
    """Whether a price is one that people subscribe to by themselves."""
    recurring = price["recurring"] or {}
    return bool(price["active"] and price["unit_amount"] and recurring.get("usage_type") == "licensed")


def _call(write: Write, name: str, form: dict[str, Any], **ids: str) -> Record:
    """Make a call within this write."""
    write.form, write.ids = form, ids
    return HANDLERS[name](write)


def _next(seed: int, since: int) -> int:
    """Return when the first customer comes after an instant."""
    month = since
    while True:
        came = [instant for instant in _instants(seed, datetime.fromtimestamp(month, UTC)) if instant > since]
        if came:
            return min(came)
        month = int(datetime.fromtimestamp(month, UTC).replace(day=1).timestamp()) + _MONTH


def _instants(seed: int, month: datetime) -> Iterator[int]:
    """Yield when customers come in a month; what falls beyond its end is left out."""
    begins = datetime(month.year, month.month, 1, tzinfo=UTC)
    chance = _chance(seed, "month", int(begins.timestamp()))
    for _ in range(chance.choice(_A_MONTH)):
        instant = int(begins.timestamp()) + chance.randrange(_MONTH)
        if datetime.fromtimestamp(instant, UTC).month == month.month:
            yield instant


def _chance(seed: int, what: str, instant: int) -> random.Random:
    return random.Random(f"{seed} {what} {instant}")  # noqa: S311 - a plan, no secret
