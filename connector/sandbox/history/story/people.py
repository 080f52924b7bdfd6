"""The customers: where they live, what they are called, and how to write to them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

from connector.sandbox.history.story.calendar import Calendar
from connector.sandbox.history.story.chance import Chance

CYCLE = 40
"""After so many slots the roles of customers and subscriptions come round again."""

ENTERPRISE_ROLE = 19
_CLOCK_ROLES = (4, 16)
_RETURNING = 8  # every eighth slot brings no new customer, but the one before once more
_REVERSE_CHARGE = ("de", "fr", "nl")
_AWKWARD, _AWKWARD_PLACE = 3, 2  # one customer in six slots has a name that breaks something
_NO_MAIL = (23, 5)  # one in 23 customers has no address, the sixth to begin with
_SIGNS_UP_AGAIN = (37, 9)
_MAIL_NUMBER = re.compile(r"\.(\d{1,9})@")


@dataclass(frozen=True)
class Market:
    """A place to live: currency, country, tax and what addresses look like there."""

    key: str
    currency: str
    country: str
    phone: str
    locale: str
    tax_permyriad: int
    cities: list[tuple[str, str | None, str | None]]
    street: str


class People:
    """A customer's number is the slot in which they came; most slots bring one."""

    def __init__(self, seed: int, calendar: Calendar) -> None:
        self._lists = json.loads(files(__package__).joinpath("people.json").read_text(encoding="utf-8"))
        self._calendar = calendar
        self.draw = lru_cache(maxsize=1024)(Chance(seed, "person").__call__)
        """The customer's own 64 bits."""
        self._shift = Chance(seed, "roles")(0) % CYCLE
        self._slack = Chance(seed, "slack")
        self._first_names: list[str] = self._lists["first_names"]
        self._last_names: list[str] = self._lists["last_names"]
        self._awkward: list[dict[str, Any]] = self._lists["awkward_customers"]
        self.descriptions: list[str] = self._lists["descriptions"]
        self.item_descriptions: list[str] = self._lists["item_descriptions"]
        self.metadata: list[dict[str, str]] = self._lists["metadata"]

    @cached_property
    def markets(self) -> dict[str, Market]:
        """The places that customers come from, by key."""
        return {key: Market(key, **market) for key, market in self._lists["markets"].items()}

    @cached_property
    def _market_cycle(self) -> list[Market]:
        return [self.markets[key] for key in self._lists["market_cycle"]]

    def role(self, slot: int) -> int:
        """What a slot is for, 0 to 39: who comes and what becomes of them."""
        return (slot + self._shift) % CYCLE

    def round(self, slot: int) -> int:
        """How often the roles have come round."""
        return (slot + self._shift) // CYCLE

    def owner(self, slot: int) -> int | None:
        """The customer that a slot belongs to: the one who comes in it, or the last one, who comes back."""
        if not self._is_quiet(slot):
            return slot
        return slot - 1 if slot else None

    def _is_quiet(self, slot: int) -> bool:
        """Whether nobody new comes: in every eighth slot, and in some months in others too, never two in a row."""
        place = (slot + self._shift) % _RETURNING
        if place == _RETURNING - 1:
            return True
        if place % 2 == 0 or self.role(slot) == ENTERPRISE_ROLE:  # which is billed in a currency of its own
            return False
        slack = self._slack(-1 - self._calendar.month(slot)) % 4  # how slack the month is, in quarters
        return self._slack(slot) % 4 < slack

    def comes(self, slot: int) -> bool:
        """Whether a slot brings a new customer, and has begun."""
        return self.owner(slot) == slot and 0 <= slot < self._calendar.slots

    def slots(self, customer: int) -> Iterator[int]:
        """The slots that belong to a customer, newest first."""
        if self.owner(customer + 1) == customer:
            yield customer + 1
        yield customer

    def on_clock(self, customer: int) -> bool:
        """Whether the customer lives on a test clock."""
        return self.role(customer) in _CLOCK_ROLES and self.round(customer) % 4 == 1

    def market(self, customer: int) -> Market:
        """Where a customer lives."""
        if self.role(customer) == ENTERPRISE_ROLE:
            return self.markets["us"]
        cycle = self._market_cycle
        return cycle[(customer * 11 + customer // 32 * 5 + self._shift) % len(cycle)]

    def reverses_charge(self, customer: int) -> bool:
        """Whether the customer settles the tax themselves, as a few companies in the EU do."""
        return (self.draw(customer) >> 40) % 6 == 0 and self.market(customer).key in _REVERSE_CHARGE

    def is_business(self, customer: int) -> bool:
        """Whether the customer is a business, with a name as such and a number at the tax office."""
        return self.reverses_charge(customer) or (self.draw(customer) >> 56) % 7 == 0

    def tax_permyriad(self, customer: int) -> int:
        """The tax added to the customer's bills, in hundredths of a percent."""
        return 0 if self.reverses_charge(customer) else self.market(customer).tax_permyriad

    def awkward(self, customer: int) -> dict[str, Any]:
        """What is odd about a customer: name, description, metadata; mostly nothing."""
        place, rest = divmod(customer + self._shift, 2 * _AWKWARD)  # in even slots somebody always comes
        return self._awkward[place % len(self._awkward)] if rest == _AWKWARD_PLACE else {}

    def some_name(self, draw: int) -> str:
        """A name out of 64 bits."""
        first, last = self._first_names, self._last_names
        return f"{first[draw % len(first)]} {last[(draw >> 8) % len(last)]}"

    def name(self, customer: int) -> str | None:
        """The customer's name; some are empty or missing."""
        odd = self.awkward(customer)
        if "name" in odd:
            name: str | None = odd["name"]
            return name
        return self.some_name(self.draw(customer))

    def email(self, customer: int) -> str | None:
        """The customer's address; it holds a number, so that the customer can be found by it."""
        if is_one_in(_NO_MAIL, customer):
            return None
        if is_one_in(_SIGNS_UP_AGAIN, customer) and self.comes(customer - 1):
            return self.email(customer - 1)
        draw = self.draw(customer) >> 16
        boxes, domains = self._lists["mailboxes"], self._lists["domains"]
        return f"{boxes[draw % len(boxes)]}.{customer}@{domains[(draw >> 8) % len(domains)]}"

    def with_email(self, email: str) -> Iterator[int]:
        """The customers who may have this address, highest first."""
        found = _MAIL_NUMBER.search(email)
        if found is not None:
            first = int(found[1])
            yield from (customer for customer in (first + 1, first) if self.email(customer) == email)

    def phone(self, customer: int) -> str | None:
        """The customer's phone number, with a plus; a third has none."""
        draw = self.draw(customer) >> 24
        return f"{self.market(customer).phone}{draw % 90 + 10}" if draw % 3 else None

    def address(self, customer: int, *, moved: bool = False) -> dict[str, str | None] | None:
        """Where the customer lives, before or after they moved; a sixth do not say."""
        draw = self.draw(customer) >> 32
        if draw % 6 == 0:
            return None
        return _written(self.market(customer), draw, moved=moved)

    def somewhere(self, currency: str, draw: int) -> dict[str, str | None]:
        """An address out of 64 bits, of somebody who pays in a currency."""
        return _written(self._market_of(currency, draw), draw >> 16)

    def some_phone(self, currency: str, draw: int) -> str:
        """A phone number at that address."""
        return f"{self._market_of(currency, draw).phone}{(draw >> 24) % 90 + 10}"

    def _market_of(self, currency: str, draw: int) -> Market:
        near = [market for market in self.markets.values() if market.currency == currency]
        return near[draw % len(near)]


def _written(market: Market, draw: int, *, moved: bool = False) -> dict[str, str | None]:
    city, postal_code, state = market.cities[(draw + moved) % len(market.cities)]
    return {
        "city": city,
        "country": market.country,
        "line1": market.street.format(n=draw % 97 + 1 + 100 * moved),
        "line2": 'c/o "Hinterhaus", 2. OG' if draw % 11 == 1 else None,
        "postal_code": postal_code,
        "state": state,
    }


def is_one_in(rule: tuple[int, int], customer: int) -> bool:
    """Whether a customer falls under a rule: one in so many, beginning with which."""
    every, first = rule
    return customer % every == first
