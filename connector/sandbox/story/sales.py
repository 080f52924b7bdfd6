"""One-off sales: somebody comes to the counter, through a payment link or not, and buys, or does not."""

from __future__ import annotations

from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from connector.sandbox.story.calendar import DAY
from connector.sandbox.story.catalogue import Items, amount_of
from connector.sandbox.story.chance import Chance
from connector.sandbox.story.series import SALES

if TYPE_CHECKING:
    from connector.sandbox.story import Story

_LOOKS_BACK = 8  # buyers with an account came at most so many slots ago
_HELD_DAYS = 7
_DEBITS = {"eur": "sepa_debit", "usd": "us_bank_account"}
_FIRST, _ABANDONED, _PLAIN = 0, 1, 2


class Outcome(Enum):
    """How a sale ends."""

    PAID = auto()
    ABANDONED = auto()
    DECLINED = auto()
    CANCELED = auto()
    NEEDS_ACTION = auto()


class Sale(NamedTuple):
    """Who wants what; `method` is the number of the payment method and `kind` its type."""

    number: int
    slot: int
    lane: int
    items: Items
    link: int | None
    amount: int
    currency: str
    customer: int | None
    method: int
    kind: str
    outcome: Outcome
    begun: int
    draw: int

    @property
    def has_session(self) -> bool:
        """Whether the sale went over the checkout page."""
        return self.outcome in (Outcome.PAID, Outcome.ABANDONED) and self.lane != _PLAIN

    @property
    def is_debit(self) -> bool:
        """Whether a bank pays, which takes a day."""
        return self.kind in _DEBITS.values()


class Sales:
    """`sales(slot, lane)`: each slot has the same few chances to sell."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._chance = Chance(story.seed, "sale")
        self._open_since = story.calendar.now - story.calendar.expired_after
        self._held_since = story.calendar.now - _HELD_DAYS * DAY
        self._known = lru_cache(maxsize=4096)(self._make)

    def __call__(self, slot: int, lane: int) -> Sale:
        return self._known(slot, lane)

    def is_held(self, sale: Sale) -> bool:
        """Whether its money is still only authorized, which banks allow for a week."""
        return self._story.layout.is_authorized(sale.slot, sale.lane) and sale.begun > self._held_since

    def of_customer(self, customer: int) -> list[Sale]:
        """The sales to a customer, newest first."""
        slots = {slot + later for slot in self._story.people.slots(customer) for later in range(_LOOKS_BACK)}
        found = (self(slot, lane) for slot in sorted(slots, reverse=True) for lane in reversed(range(SALES)))
        return [sale for sale in found if sale.customer == customer]

    def _make(self, slot: int, lane: int) -> Sale:
        draw = self._chance(slot * SALES + lane)
        begun = self._story.calendar.instant(slot) + self._story.layout.sale_offset(slot, lane)
        link, items = self._basket(lane, begun, draw)
        currency: str = items[0][0].line["currency"]
        customer = self._buyer(slot, draw)
        method, kind = self._method(slot, lane, customer, currency)
        amount = sum(amount_of(price, quantity) for price, quantity in items) or 500 * (1 + (draw >> 20) % 40)
        outcome = self._outcome(slot, lane, begun, draw)
        return Sale(
            slot * SALES + lane, slot, lane, items, link, amount, currency, customer, method, kind, outcome, begun, draw
        )  # fmt: skip

    def _outcome(self, slot: int, lane: int, begun: int, draw: int) -> Outcome:
        chance = (draw >> 24) % 16
        if lane % 2 and begun > self._open_since:
            return Outcome.ABANDONED  # nobody has paid yet: whatever the day, some sessions are open
        if lane == _ABANDONED:
            return Outcome.PAID if chance < 2 else Outcome.ABANDONED
        if lane == _PLAIN and not self._story.layout.is_authorized(slot, lane):
            rare = {12: Outcome.DECLINED, 13: Outcome.DECLINED, 14: Outcome.CANCELED, 15: Outcome.NEEDS_ACTION}
            return rare.get(chance, Outcome.PAID)
        if lane > _PLAIN and chance == 0:
            return Outcome.DECLINED
        return Outcome.PAID

    def _basket(self, lane: int, begun: int, draw: int) -> tuple[int | None, Items]:
        catalogue = self._story.catalogue
        links = catalogue.payment_links
        place = (draw >> 32) % (len(links) * 3 // 2)
        if (
            lane != _PLAIN
            and place < len(links)
            and links[place].created <= begun
            and not links[place].was_changed(begun)
        ):
            return place, catalogue.link_items[place]
        items = catalogue.counter_items[(draw >> 40) % len(catalogue.counter_items)]
        on_sale = all(price.created <= begun and not price.was_changed(begun) for price, _ in items)
        return None, items if on_sale else catalogue.counter_items[0]

    def _buyer(self, slot: int, draw: int) -> int | None:
        people = self._story.people
        came = slot - (draw >> 8) % _LOOKS_BACK
        customer = people.owner(came) if came >= 0 and draw & 1 else None
        return None if customer is None or people.on_clock(customer) else customer

    def _method(self, slot: int, lane: int, customer: int | None, currency: str) -> tuple[int, str]:
        if customer is not None and lane <= _PLAIN:
            kind = self._story.methods.kind_of_customer(customer, self._story.people.market(customer))
            if kind in ("card", "link"):
                return self._story.methods.of_customer(customer), kind
        own = self._story.layout.payment_methods.number(slot, 2 + lane)
        if lane > _PLAIN and currency in _DEBITS and self._chance(own) % 3 == 0:
            return own, _DEBITS[currency]
        return own, "card"
