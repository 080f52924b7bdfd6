"""What the business sells: products, prices, coupons and payment links, read from catalogue.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from typing import Any

from connector.sandbox.history.story.calendar import DAY, Calendar
from connector.sandbox.history.story.money import rounded

_SET_UP_DAYS = 20  # the shelves were filled before the first customer came
_SET_UP_SECONDS = 37


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the catalogue: its place in it, when it came, when it changed, and the line itself."""

    number: int
    created: int
    changed: int | None
    line: dict[str, Any]
    unit: tuple[int, int]  # what one costs in minor units, as a fraction; 0 for tiers and free amounts

    def was_changed(self, instant: int) -> bool:
        """Whether its one change (archived, closed, renamed) had happened by then."""
        return self.changed is not None and self.changed <= instant

    def is_live(self, instant: int) -> bool:
        """Whether a price or link is on sale; these change only by leaving the shop."""
        return self.created <= instant and not self.was_changed(instant)


BAND_SIZE, TIERS = 100, 30
"""Units in a tier of the graduated price, and how many tiers it has."""


def unit_in_band(band: int) -> int:
    """What a unit costs in a tier: the more, the cheaper."""
    return 50 - band


Items = tuple[tuple[Entry, int], ...]
"""What is sold together: prices with their quantities."""


class Catalogue:
    """Products, prices, coupons and payment links, each oldest first, prices also by key."""

    def __init__(self, calendar: Calendar) -> None:
        lines = json.loads(files(__package__).joinpath("catalogue.json").read_text(encoding="utf-8"))
        self._calendar = calendar
        self.products = self._entries(lines["products"])
        self.prices = self._entries(lines["prices"])
        self.coupons = self._entries(lines["coupons"])
        self.promotion_codes = self._entries(lines["promotion_codes"])
        self.payment_links = self._entries(lines["payment_links"])
        self.shipping_rates = self._entries(lines["shipping_rates"])
        self.product = {entry.line["key"]: entry for entry in self.products}
        self.price = {entry.line["key"]: entry for entry in self.prices}
        self.coupon = {entry.line["id"]: entry for entry in self.coupons}
        self.link_items = [self._items(entry.line["items"]) for entry in self.payment_links]
        self.counter_items = [self._items(sale) for sale in lines["counter_sales"]]

    def _entries(self, lines: list[dict[str, Any]]) -> list[Entry]:
        dated = sorted(((self._created(place, line), place, line) for place, line in enumerate(lines)))
        return [
            Entry(number, created, self._changed(line), line, _ratio(unit_decimal(line)))
            for number, (created, _, line) in enumerate(dated)
        ]

    def _created(self, place: int, line: dict[str, Any]) -> int:
        day: int = line.get("created_day", -_SET_UP_DAYS)
        return self._calendar.start + day * DAY + place * _SET_UP_SECONDS

    def _changed(self, line: dict[str, Any]) -> int | None:
        for word in ("archived", "closed", "renamed"):
            if f"{word}_day" in line:
                return self._calendar.start + int(line[f"{word}_day"]) * DAY + DAY // 2
            if f"{word}_days_ago" in line:
                # Counted from a whole week, so that two runs with some hours between them see the same change.
                return self._calendar.now // (7 * DAY) * 7 * DAY - int(line[f"{word}_days_ago"]) * DAY
        return None

    def ships(self, items: Items) -> bool:
        """Whether something of a basket is sent by mail."""
        return any(self.product[price.line["product"]].line.get("shippable") for price, _ in items)

    def shipping_options(self, items: Items, instant: int) -> list[Entry]:
        """How a basket can be sent, as rates that were offered at an instant; none where there are no goods in it."""
        if not self.ships(items):
            return []
        currency = items[0][0].line["currency"]
        return [rate for rate in self.shipping_rates if rate.line["currency"] == currency and rate.is_live(instant)]

    def _items(self, pairs: list[tuple[str, int]]) -> Items:
        return tuple((self.price[key], quantity) for key, quantity in pairs)


def unit_decimal(line: dict[str, Any]) -> str | None:
    """The price of one unit as Stripe writes it; None for tiers and amounts that buyers choose."""
    if "unit_amount" in line:
        return str(line["unit_amount"])
    decimal: str | None = line.get("unit_amount_decimal")
    return decimal


def amount_of(price: Entry, quantity: int) -> int:
    """What so many units cost; nothing, where that depends on tiers or on the buyer."""
    packages = price.line.get("transform_quantity")
    if packages is not None:
        quantity = -(-quantity // packages["divide_by"])
    numerator, denominator = price.unit
    if denominator == 1:
        return numerator * quantity
    return rounded(numerator * quantity, denominator, price.line["currency"])


def _ratio(decimal: str | None) -> tuple[int, int]:
    return Fraction(decimal or "0").as_integer_ratio()
