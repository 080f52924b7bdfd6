"""One-off sales: somebody comes to the counter, through a payment link or not, and buys, or does not."""

from __future__ import annotations

from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from connector.sandbox.history.story.calendar import DAY
from connector.sandbox.history.story.catalogue import Entry, Items, amount_of
from connector.sandbox.history.story.chance import Chance
from connector.sandbox.history.story.series import METHODS, SALES

if TYPE_CHECKING:
    from connector.sandbox.history.story.story import Story

_LOOKS_BACK = 8  # buyers with an account came at most so many slots ago
_HELD_DAYS = 7
_DEBITS = {"eur": "sepa_debit", "usd": "us_bank_account"}
_ABANDONED, _PLAIN = 1, 2  # the lanes of those who mostly leave, and of sales without a checkout page
_CHANGED_MIND = 2  # of sixteen who were to leave, so many pay


class Outcome(Enum):
    """How a sale ends."""

    PAID = auto()
    ABANDONED = auto()
    DECLINED = auto()
    CANCELED = auto()
    NEEDS_ACTION = auto()


_PLAIN_OUTCOMES = {
    12: Outcome.DECLINED, 13: Outcome.DECLINED, 14: Outcome.CANCELED, 15: Outcome.NEEDS_ACTION,
}  # fmt: skip


class Sale(NamedTuple):
    """Who wants what; `method` is the number of the payment method and `kind` its type.

    `shipping` are the ways in which it can be sent, `chosen` is the one that the buyer took.
    """

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
    shipping: tuple[Entry, ...] = ()
    chosen: Entry | None = None

    @property
    def subtotal(self) -> int:
        """What the goods cost, without sending them."""
        return self.amount - (amount_of(self.chosen, 1) if self.chosen is not None else 0)

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
        """Find the sale: there is always one, if only an attempt."""
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
        customer = self._buyer(slot, begun, draw)
        method, kind = self._method(slot, lane, customer, currency)
        amount = sum(amount_of(price, quantity) for price, quantity in items) or 500 * (1 + (draw >> 20) % 40)
        outcome = self._outcome(slot, lane, begun, draw)
        sale = Sale(slot, lane, items, link, amount, currency, customer, method, kind, outcome, begun, draw)
        return self._shipped(sale) if sale.has_session else sale

    def _shipped(self, sale: Sale) -> Sale:
        """The sale with what it costs to send the goods; who leaves has seen the first way only."""
        rates = self._story.catalogue.shipping_options(sale.items, sale.begun)
        if not rates:
            return sale
        chosen = rates[(sale.draw >> 44) % len(rates) if sale.outcome is Outcome.PAID else 0]
        return sale._replace(amount=sale.amount + amount_of(chosen, 1), shipping=tuple(rates), chosen=chosen)

    def _outcome(self, slot: int, lane: int, begun: int, draw: int) -> Outcome:
        chance = (draw >> 24) % 16
        if lane % 2 and begun > self._open_since:
            return Outcome.ABANDONED  # nobody has paid yet: whatever the day, some sessions are open
        if lane == _ABANDONED:
            return Outcome.PAID if chance < _CHANGED_MIND else Outcome.ABANDONED
        if lane == _PLAIN and not self._story.layout.is_authorized(slot, lane):
            return _PLAIN_OUTCOMES.get(chance, Outcome.PAID)
        if lane > _PLAIN and chance == 0:
            return Outcome.DECLINED
        return Outcome.PAID

    def _basket(self, lane: int, begun: int, draw: int) -> tuple[int | None, Items]:
        catalogue = self._story.catalogue
        links = catalogue.payment_links
        place = (draw >> 32) % (len(links) * 3 // 2)
        if lane != _PLAIN and place < len(links) and links[place].is_live(begun):
            return place, catalogue.link_items[place]
        items = catalogue.counter_items[(draw >> 40) % len(catalogue.counter_items)]
        return None, items if all(price.is_live(begun) for price, _ in items) else catalogue.counter_items[0]

    def _buyer(self, slot: int, begun: int, draw: int) -> int | None:
        people = self._story.people
        came = slot - (draw >> 8) % _LOOKS_BACK
        customer = people.owner(came) if came >= 0 and draw & 1 else None
        if customer is None or people.on_clock(customer) or self._story.calendar.comes(customer) >= begun:
            return None
        return customer

    def _method(self, slot: int, lane: int, customer: int | None, currency: str) -> tuple[int, str]:
        if customer is not None and lane <= _PLAIN:
            kind = self._story.methods.kind_of_customer(customer, self._story.people.market(customer))
            if kind in ("card", "link"):
                return self._story.methods.of_customer(customer), kind
        own = self._story.layout.payment_methods.number(slot, METHODS + lane)
        if lane > _PLAIN and currency in _DEBITS and self._chance(own) % 3 == 0:
            return own, _DEBITS[currency]
        return own, "card"
