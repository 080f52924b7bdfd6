"""What stands on an invoice: lines, discounts and taxes, and the items that were added to it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from connector.sandbox.history.story.catalogue import BAND_SIZE, Entry, amount_of, unit_decimal, unit_in_band
from connector.sandbox.history.story.chance import Chance
from connector.sandbox.history.story.contracts import Contract, discount_of, with_tax
from connector.sandbox.history.story.money import rounded, spread
from connector.sandbox.history.story.series import ITEMS

if TYPE_CHECKING:
    from connector.sandbox.history.story.story import Story

_BY_HAND = (1, 6, 11, 17, 28, 33)  # roles whose customer gets an invoice written by hand
_LOOSE = (8, 18, 29)  # roles whose customer has an item that no invoice has pulled in yet
_PRICED = {
    "usd": "onboarding-usd", "eur": "onboarding-eur", "jpy": "handbook-jpy", "kwd": "handbook-kwd",
    "gbp": "stickers-gbp",
}  # fmt: skip
_SCALE = {"kwd": 3, "isk": 100, "huf": 200, "ugx": 2000}


class Line(NamedTuple):
    """A line before discount and tax; `item` is its place among the subscription's items."""

    amount: int
    quantity: int | None
    description: str | None
    start: int
    end: int
    price: Entry | None = None
    unit: str | None = None
    item: int | None = None
    invoice_item: int | None = None
    proration: bool = False


class Bill(NamedTuple):
    """Lines, what is taken off and added to each, and how goods among them are sent."""

    currency: str
    lines: list[Line]
    discounts: list[int]
    taxes: list[int]
    rate: Entry | None = None

    @property
    def shipping(self) -> int:
        """What it costs to send the goods."""
        return 0 if self.rate is None else amount_of(self.rate, 1)

    @property
    def subtotal(self) -> int:
        """The sum of the lines."""
        return sum(line.amount for line in self.lines)

    @property
    def total(self) -> int:
        """Lines less discounts plus taxes, and shipping."""
        return self.subtotal - sum(self.discounts) + sum(self.taxes) + self.shipping


class Host(NamedTuple):
    """Who gets the items of a slot: an invoice, by slot and lane, or so far only a customer."""

    customer: int
    contract: Contract | None
    slot: int | None
    lane: int
    items: int


class Bills:
    """The bills of subscriptions and of invoices written by hand."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._calendar, self._layout = story.calendar, story.layout
        self._chance = Chance(story.seed, "items")
        self._usage = Chance(story.seed, "usage")
        self._month = story.calendar.slots_per_month
        self._half = self._month // 2  # items are added and plans changed in the middle of a period
        self.host = lru_cache(maxsize=4096)(self._find_host)

    def is_by_hand(self, slot: int) -> bool:
        """Whether somebody writes an invoice in that slot."""
        return self._story.people.role(slot) in _BY_HAND and slot > 0

    def by_hand_order(self, slot: int) -> int:
        """How many invoices had been written by hand before that of a slot."""
        people = self._story.people
        return people.round(slot) * len(_BY_HAND) + _BY_HAND.index(people.role(slot))

    def due(self, contract: Contract, period: int) -> int:
        """The total of a bill, without making the bill where it is a usual one: charges ask for it often."""
        host = self.host(contract.number + period * self._month - self._half)
        if period == contract.upgrade or (host is not None and host.lane == period and host.contract is contract):
            return self.of_contract(contract, period).total
        if period == 0 and contract.trial:
            return 0
        due = contract.dues[2 if period >= contract.upgrade else period >= contract.discounted]
        if period == 0:
            return due
        if contract.usage is not None:
            due = self._with_usage(contract, contract.usage, period)
        return due + BAND_SIZE * sum(unit_in_band(band) for band in range(contract.bands))

    def _with_usage(self, contract: Contract, usage: Entry, period: int) -> int:
        """The total of a bill for what is licensed and for what was used."""
        licensed = [amount_of(*item) for item in contract.items if "usage_type" not in item[0].line]
        amounts, taken = [*licensed, amount_of(usage, self._used(contract, period))], 0
        if contract.coupon is not None and period < contract.discounted:
            taken = discount_of(contract.coupon, sum(amounts), contract.currency)
        nets = [amount - share for amount, share in zip(amounts, spread(taken, amounts), strict=True)]
        return sum(with_tax(net, contract.tax_permyriad, contract.currency) for net in nets)

    def _used(self, contract: Contract, period: int) -> int:
        """How much was used in the period before; nothing before the first."""
        return self._usage(contract.number * 64 + period) % 20_000 if period else 0

    def of_contract(self, contract: Contract, period: int) -> Bill:
        """The bill with which a period opens."""
        slot = contract.number + period * self._month
        start = self._story.subscriptions.starts(contract, period)
        end = self._story.subscriptions.starts(contract, period + contract.every)
        if contract.trial and period == 0:
            price, quantity = contract.items[0]
            text = f"Trial period for {self._product(price)}"
            lines = [Line(0, quantity, text, start, end, price, "0", 0)]
        else:
            lines = [*self._changes(contract, period, start), *self._usual(contract, period, start, end)]
            lines += self._added(slot - self._half, contract, period)
        coupon = contract.coupon if period < contract.discounted else None
        return _bill(contract.currency, lines, coupon, contract.tax_permyriad)

    def by_hand(self, slot: int) -> Bill:
        """The bill that somebody writes in a slot; its lines are invoice items of the same slot."""
        customer = self._story.people.owner(slot)
        assert customer is not None
        host = self.host(slot)
        assert host is not None
        lines = [self.item(slot, lane) for lane in range(host.items)]
        tax = self._story.people.tax_permyriad(customer)
        goods = tuple((line.price, line.quantity or 1) for line in lines if line.price is not None)
        rates = self._story.catalogue.shipping_options(goods, self._calendar.instant(slot))
        bill = _bill(self._story.people.market(customer).currency, lines, None, tax)
        return bill._replace(rate=rates[0]) if rates else bill

    def item(self, slot: int, lane: int) -> Line:
        """The invoice item in a lane of a slot, as the line that it becomes."""
        number = self._layout.invoice_items.number(slot, lane)
        created = self._layout.invoice_items.created(number)
        host = self.host(slot)
        assert host is not None
        draw = self._chance(number)
        currency = host.contract.currency if host.contract else self._market_currency(host.customer)
        texts = self._story.people.item_descriptions
        text = texts[draw % len(texts)]
        if host.contract is None and draw >> 8 & 1 and currency in _PRICED:
            price = self._story.catalogue.price[_PRICED[currency]]
            quantity = 1 + (draw >> 16) % 3
            amount = amount_of(price, quantity)
            return Line(amount, quantity, text, created, created, price, unit_decimal(price.line), None, number)
        amount = rounded((100 + (draw >> 16) % 4900) * _SCALE.get(currency, 1), 1, currency)
        if host.contract is not None and (draw >> 32) % 8 == 0:
            amount = -rounded(amount, 20, currency)  # a small credit
        return Line(amount, 1, text, created, created, None, None, None, number)

    def _market_currency(self, customer: int) -> str:
        return self._story.people.market(customer).currency

    def _find_host(self, slot: int) -> Host | None:
        customer = self._story.people.owner(slot)
        if slot < 1 or customer is None:
            return None
        draw = self._chance(-slot)
        if self.is_by_hand(slot):
            return Host(customer, None, slot, self._layout.by_hand(slot), 1 + draw % ITEMS)
        ahead = slot + self._half
        period = 1 + draw % max(1, self._calendar.month(ahead))
        contract = self._story.contracts(ahead - period * self._month)
        if contract is not None and contract.billed(period) and draw >> 16 & 1:
            return Host(contract.customer, contract, ahead, period, 1 + (draw >> 24) % ITEMS)
        if self._story.people.role(slot) in _LOOSE:
            return Host(customer, None, None, 0, 1)
        return None

    def _added(self, slot: int, contract: Contract, period: int) -> list[Line]:
        host = self.host(slot)
        if host is None or host.contract is not contract or host.lane != period:
            return []
        return [self.item(slot, lane) for lane in range(host.items)]

    def _changes(self, contract: Contract, period: int, start: int) -> list[Line]:
        """The two lines of an upgrade in the middle of the period before."""
        if period != contract.upgrade:
            return []
        changed = self._calendar.instant(contract.number + period * self._month - self._half) + 25
        (old, seats), (new, new_seats) = contract.items[0], contract.upgraded_items[0]
        currency = contract.currency
        return [
            Line(
                -rounded(amount_of(old, seats), 2, currency), seats, f"Unused time on {seats} × {self._product(old)}",
                changed, start, old, None, 0, None, True,
            ),
            Line(
                rounded(amount_of(new, new_seats), 2, currency), new_seats,
                f"Remaining time on {new_seats} × {self._product(new)}", changed, start, new, None, 0, None, True,
            ),
        ]  # fmt: skip

    def _product(self, price: Entry) -> str:
        """What the product of a price is called."""
        return str(self._story.catalogue.product[price.line["product"]].line["name"])

    def _line(self, price: Entry, quantity: int, ends: tuple[int, int], place: int) -> Line:
        text, unit = f"{quantity} × {self._product(price)}", unit_decimal(price.line)
        return Line(amount_of(price, quantity), quantity, text, *ends, price, unit, place)

    def _usual(self, contract: Contract, period: int, start: int, end: int) -> list[Line]:
        lines = []
        for place, (price, quantity) in enumerate(contract.items_in(period)):
            if "tiers_mode" in price.line:
                lines += _bands(contract.bands if period else 0, price, (start, end, place))
            elif price.line.get("usage_type") == "metered":
                lines.append(self._line(price, self._used(contract, period), (start, end), place))
            else:
                lines.append(self._line(price, quantity, (start, end), place))
        return lines


def _bands(count: int, price: Entry, where: tuple[int, int, int]) -> list[Line]:
    """A line for each tier that was reached."""
    start, end, place = where
    return [
        Line(
            BAND_SIZE * unit, BAND_SIZE, f"{BAND_SIZE} × Scale (Tier {band + 1} at {unit}¢)",
            start, end, price, str(unit), place,
        )
        for band, unit in ((band, unit_in_band(band)) for band in range(count))
    ]  # fmt: skip


def _bill(currency: str, lines: list[Line], coupon: Entry | None, tax_permyriad: int) -> Bill:
    amounts = [max(0, line.amount) for line in lines]
    taken = discount_of(coupon, sum(amounts), currency) if coupon is not None else 0
    discounts = spread(taken, amounts)
    taxes = [
        rounded((line.amount - share) * tax_permyriad, 10_000, currency)
        for line, share in zip(lines, discounts, strict=True)
    ]
    return Bill(currency, lines, discounts, taxes)
