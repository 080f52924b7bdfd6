"""Payment methods: which kind a customer pays with, and what is printed on the card."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from connector.sandbox.history.story.chance import Chance
from connector.sandbox.history.story.contracts import Fate
from connector.sandbox.history.story.people import Market

if TYPE_CHECKING:
    from connector.sandbox.history.story.story import Story

_DETACHED_AFTER_DAYS = 20


class Card(NamedTuple):
    """What a card shows."""

    brand: str
    last4: str
    network: str
    country: str
    funding: str
    exp_month: int
    exp_year: int


_PRINTED = (
    ("visa", "4242", "visa", "US", "credit"),
    ("visa", "4242", "visa", "US", "credit"),
    ("visa", "0005", "visa", "US", "debit"),
    ("mastercard", "4444", "mastercard", "US", "credit"),
    ("mastercard", "4444", "mastercard", "US", "credit"),
    ("mastercard", "8210", "mastercard", "DE", "debit"),
    ("amex", "0005", "amex", "US", "credit"),
    ("visa", "0000", "cartes_bancaires", "FR", "debit"),
    ("discover", "1117", "discover", "US", "credit"),
    ("jcb", "0505", "jcb", "JP", "credit"),
    ("unionpay", "0005", "unionpay", "CN", "unknown"),
    ("diners", "0004", "diners", "US", "prepaid"),
)
_CARDS = [Card(*printed, month, year) for printed in _PRINTED for month in range(1, 13) for year in range(2024, 2033)]


class Methods:
    """Two lanes of a slot hold the methods of its customer, the others those of guests at the counter."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._chance = Chance(story.seed, "method")

    def of_customer(self, customer: int) -> int:
        """The number of the method that a customer pays with."""
        return self._story.layout.payment_methods.number(customer, 0)

    def kind_of_customer(self, customer: int, market: Market) -> str:
        """Its type, which depends on where the customer lives."""
        draw = self._story.people.draw(customer) >> 48
        if market.currency == "eur" and draw % 4 == 0:
            return "sepa_debit"
        if market.currency == "usd" and draw % 8 == 0:
            return "us_bank_account"
        return "link" if draw % 11 == 1 else "card"

    def is_default(self, customer: int) -> bool:
        """Whether the customer's bills are paid with it by default; a trial may be paused for want of one."""
        if not self._story.people.draw(customer) >> 50 & 1:
            return False
        contracts = map(self._story.contracts, self._story.people.slots(customer))
        return not any(contract is not None and contract.fate is Fate.PAUSED for contract in contracts)

    def has_second(self, customer: int) -> bool:
        """Whether the customer has added a second card."""
        return (self._story.people.draw(customer) >> 44) % 4 == 0

    def detached(self, customer: int) -> int | None:
        """When the second card is taken away again, if it is."""
        if (self._story.people.draw(customer) >> 42) % 2:
            return None
        calendar = self._story.calendar
        return calendar.instant(customer + calendar.days(_DETACHED_AFTER_DAYS)) + 70

    def detaching(self, slot: int) -> int:
        """The customer whose second card may be taken away in a slot."""
        return slot - self._story.calendar.days(_DETACHED_AFTER_DAYS)

    def card(self, number: int) -> Card:
        """What is printed on it."""
        return _CARDS[self._chance(number) % len(_CARDS)]
