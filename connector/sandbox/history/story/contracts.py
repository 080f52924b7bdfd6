"""Subscriptions: which plan a customer takes, for how long, and what comes in between."""

from __future__ import annotations

from collections import Counter
from enum import Enum, auto
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from connector.sandbox.history.story.calendar import DAY
from connector.sandbox.history.story.catalogue import Entry, Items, amount_of
from connector.sandbox.history.story.chance import Chance
from connector.sandbox.history.story.money import rounded
from connector.sandbox.history.story.people import CYCLE, ENTERPRISE_ROLE, Market

if TYPE_CHECKING:
    from connector.sandbox.history.story.story import Story

NEVER = 10**6
"""A period that no subscription reaches."""

STARTS_AFTER = 4  # seconds into its slot
_MANY_ITEMS = (
    "team-usd", "storage-usd", "sso-usd", "audit-usd", "backup-usd", "support-usd", "region-usd", "minutes-usd",
    "starter-usd", "starter-usd-old", "api-usd", "scale-usd",
)  # fmt: skip
_QUANTITIES = {"storage-usd": 37, "minutes-usd": 30_000, "team-usd": 25}
_YEARLY = ("usd", "eur")
_LARGE = (  # an enterprise's items and, beside a line for each other item, the lines of its graduated price
    (_MANY_ITEMS, 24),
    (("team-usd", "scale-usd"), 9),
    (("team-usd", "scale-usd"), 10),
    (_MANY_ITEMS, 1),
    (("team-usd", "scale-usd"), 26),
)


class Fate(Enum):
    """What becomes of a subscription."""

    ACTIVE = auto()
    YEARLY = auto()
    TRIAL = auto()
    CANCELED = auto()
    ENTERPRISE = auto()
    BY_INVOICE = auto()
    PAST_DUE = auto()
    UNPAID = auto()
    FAILED = auto()
    INCOMPLETE = auto()
    PAUSED = auto()
    DRAFTS = auto()


_ROLES = {
    0: Fate.ACTIVE, 2: Fate.TRIAL, 3: Fate.CANCELED, 5: Fate.YEARLY, 7: Fate.ACTIVE, 9: Fate.CANCELED,
    12: Fate.TRIAL, 13: Fate.PAST_DUE, 15: Fate.CANCELED, 16: Fate.ACTIVE, ENTERPRISE_ROLE: Fate.ENTERPRISE,
    21: Fate.BY_INVOICE, 22: Fate.TRIAL, 23: Fate.ACTIVE, 25: Fate.FAILED, 27: Fate.CANCELED, 30: Fate.UNPAID,
    31: Fate.YEARLY, 32: Fate.TRIAL, 35: Fate.INCOMPLETE, 36: Fate.PAUSED, 38: Fate.DRAFTS, 39: Fate.CANCELED,
}  # fmt: skip
"""Fates by role; the other roles have no subscription. They stand apart so that any month has some of each."""

_LONGEST_BY_FATE = {Fate.CANCELED: 14, Fate.FAILED: 6, Fate.INCOMPLETE: 1, Fate.PAUSED: 1}
_LONGEST = [_LONGEST_BY_FATE.get(_ROLES[role], NEVER) if role in _ROLES else 0 for role in range(CYCLE)]
_LOYAL = (Fate.ACTIVE, Fate.TRIAL, Fate.CANCELED)  # those with coupons, upgrades and usage
_FAILING = (Fate.UNPAID, Fate.FAILED)
_FAILS_WITHIN = 4  # periods
RETRY_DAYS = (3, 8, 15)
"""How many days after a renewal has failed its money is sought again."""


class Contract(NamedTuple):
    """A subscription's terms. Periods are counted from 0; a period is a month, also for yearly plans."""

    number: int
    customer: int
    method: int
    kind: str  # of the payment method
    market: Market
    fate: Fate
    items: Items
    upgraded_items: Items
    upgrade: int  # the period whose bill shows it
    bands: int  # lines of the graduated price
    every: int  # months between two bills
    stop: int  # the first period that is not billed
    fail: int  # the first period whose payment fails for good
    coupon: Entry | None
    discounted: int  # so many periods
    tax_permyriad: int
    dues: tuple[int, int, int]  # without usage: with discount, without it, after the upgrade
    usage: Entry | None  # what is billed by use

    @property
    def trial(self) -> bool:
        """Whether the first month is free."""
        return self.fate is Fate.TRIAL or self.fate is Fate.PAUSED

    @property
    def currency(self) -> str:
        """The currency of every bill."""
        return self.market.currency

    def billed(self, period: int) -> bool:
        """Whether a period opens with an invoice."""
        return period < self.stop and period % self.every == 0

    def items_in(self, period: int) -> Items:
        """Prices and quantities in a period."""
        return self.upgraded_items if period >= self.upgrade else self.items


class Contracts:
    """`contracts(slot)`: the subscription that began in a slot, or None."""

    def __init__(self, story: Story) -> None:
        self._calendar, self._people = story.calendar, story.people
        self._catalogue, self._methods = story.catalogue, story.methods
        self._chance = Chance(story.seed, "contract")
        self._known = cache(self._make)  # at most one per slot: some megabytes for a million objects
        self._redemptions = lru_cache(maxsize=4)(self._count_redemptions)
        self._late_prices = story.calendar.start + 365 * DAY
        # relative to now, so that the newest invoices of some are drafts whatever the day
        self.drafts_since = story.calendar.slots - story.calendar.days(70)

    def __call__(self, slot: int) -> Contract | None:
        """Find the subscription; None if there is none."""
        return self._known(slot) if self._people.role(slot) in _ROLES else None

    def billed(self, slot: int, period: int) -> Contract | None:
        """The subscription that began in a slot, if it has a bill in that period."""
        if period >= _LONGEST[self._people.role(slot)]:
            return None  # without making the contract: lists ask for every period of every slot
        contract = self._known(slot)
        return contract if contract is not None and contract.billed(period) else None

    def redeemed(self, coupon: Entry, instant: int) -> int:
        """How many subscriptions had used a coupon by then; this makes every subscription once."""
        return self._redemptions(self._begun(instant))[coupon.number]

    def code_of(self, contract: Contract) -> Entry | None:
        """The promotion code by which a subscription came to its coupon: every second one of those that could."""
        if contract.coupon is None or contract.number % 2:
            return None
        started = self._calendar.instant(contract.number)
        fitting = (
            code for code in self._catalogue.promotion_codes if code.line["coupon"] == contract.coupon.line["id"]
        )
        return next((code for code in fitting if code.created <= started), None)

    def redeemed_by_code(self, code: Entry, instant: int) -> int:
        """How many subscriptions had used a promotion code by then."""
        return self._redemptions(self._begun(instant))[code.line["code"]]

    def _begun(self, instant: int) -> int:
        return min(self._calendar.slots, self._calendar.begun(instant))

    def _count_redemptions(self, slots: int) -> Counter[int | str]:
        """Count coupons by number and promotion codes by their letters."""
        counts: Counter[int | str] = Counter()
        for contract in filter(None, map(self, range(slots))):
            code = self.code_of(contract)
            counts.update([contract.coupon.number] if contract.coupon else [])
            counts.update([code.line["code"]] if code else [])
        return counts

    def _make(self, slot: int) -> Contract | None:
        customer = self._people.owner(slot)
        if customer is None or not 0 <= slot < self._calendar.slots:
            return None
        draw = self._chance(slot)
        market = self._people.market(customer)
        fate = _ROLES[self._people.role(slot)]
        if fate is Fate.YEARLY and market.currency not in _YEARLY:
            fate = Fate.ACTIVE
        items, bands = self._items(slot, fate, market.currency, draw)
        fail = self._failing(slot, fate, draw)
        stop = _stop(fate, fail, draw)
        upgraded, upgrade, coupon, discounted = items, NEVER, None, 0
        if fate in _LOYAL:
            upgraded, upgrade = self._upgrade(items, stop, draw)
            if upgrade == NEVER:
                coupon, discounted = self._coupon(slot, items, draw)
        tax = self._people.tax_permyriad(customer) if market.tax_permyriad else 0
        return Contract(
            slot,
            customer,
            self._methods.of_customer(customer),
            self._methods.kind_of_customer(customer, market),
            market,
            fate,
            items,
            upgraded,
            upgrade,
            bands,
            12 if fate is Fate.YEARLY else 1,
            stop,
            fail,
            coupon,
            discounted,
            tax,
            _dues(items, upgraded, coupon, tax),
            _usage(items) if len(items) > 1 else None,
        )

    def _failing(self, slot: int, fate: Fate, draw: int) -> int:
        """The period whose payment fails for good; in a slot that of one subscription, which is tried again."""
        if fate is Fate.INCOMPLETE:
            return 0
        if fate is Fate.PAST_DUE:
            newest = self._newest_failing(slot)
            return newest if newest != NEVER and self._is_free(slot, newest) else NEVER
        if fate not in _FAILING:
            return NEVER
        first = (draw >> 36) % _FAILS_WITHIN
        periods = [1 + (first + later) % _FAILS_WITHIN for later in range(_FAILS_WITHIN)]
        return next((period for period in periods if self._is_free(slot, period)), periods[0])

    def _is_free(self, slot: int, period: int) -> bool:
        """Whether no older subscription fails in the slot in which this one's period begins."""
        month = self._calendar.slots_per_month
        for between in range(1, slot // month + 1):
            older = self(slot - between * month)
            if older is not None and older.fail == period + between:
                return False
        return True

    def _newest_failing(self, slot: int) -> int:
        """The newest period of a subscription, if its money would still be sought; one that was paid long ago was."""
        month = self._calendar.slots_per_month
        period, since = divmod(self._calendar.slots - 1 - slot, month)
        return period if period and since < self._calendar.days(RETRY_DAYS[-1]) else NEVER

    def _items(self, slot: int, fate: Fate, currency: str, draw: int) -> tuple[Items, int]:
        price = self._catalogue.price
        if fate is Fate.ENTERPRISE:
            keys, bands = _LARGE[self._people.round(slot) % len(_LARGE)]
            return tuple((price[key], _QUANTITIES.get(key, 1)) for key in keys), bands
        if fate is Fate.YEARLY:
            return ((price[f"team-{currency}-year"], 1 + draw % 5),), 0
        seats = 1 + (draw >> 8) % 12
        plan = (price[f"starter-{currency}"], 1)
        if (draw & 3) == 0 and f"team-{currency}" in price:
            plan = (price[f"team-{currency}"], seats)
        elif currency == "usd" and self._calendar.instant(slot) < self._late_prices:
            plan = (price["starter-usd-old"], 1)
        usage = price.get(f"api-{currency}")
        if usage is not None and fate in _LOYAL and (draw >> 16) % 4 == 0:
            return (plan, (usage, 1)), 0
        return (plan,), 0

    def _upgrade(self, items: Items, stop: int, draw: int) -> tuple[Items, int]:
        plan = items[0][0].line
        period = 2 + (draw >> 24) % 4
        if (draw >> 20) % 4 != 1 or plan["product"] != "starter" or len(items) > 1 or period >= stop:
            return items, NEVER
        better = self._catalogue.price.get(f"team-{plan['currency']}")
        return (items, NEVER) if better is None else (((better, 1 + (draw >> 8) % 4),), period)

    def _coupon(self, slot: int, items: Items, draw: int) -> tuple[Entry | None, int]:
        if (draw >> 28) % 3:
            return None, 0
        currency = items[0][0].line["currency"]
        started = self._calendar.instant(slot)
        fitting = [
            coupon
            for coupon in self._catalogue.coupons
            if coupon.line.get("currency", currency) == currency
            and coupon.created <= started < self._calendar.start + coupon.line.get("redeem_by_day", NEVER) * DAY
        ]
        coupon = fitting[(draw >> 40) % len(fitting)]
        months = {"once": 1, "forever": NEVER}
        return coupon, coupon.line.get("duration_in_months") or months[coupon.line["duration"]]


def discount_of(coupon: Entry, amount: int, currency: str) -> int:
    """What a coupon takes off an amount."""
    if "percent_off" in coupon.line:
        return rounded(amount * round(coupon.line["percent_off"] * 100), 10_000, currency)
    return min(amount, int(coupon.line["amount_off"]))


def _dues(items: Items, upgraded: Items, coupon: Entry | None, tax_permyriad: int) -> tuple[int, int, int]:
    """What the licensed items come to. Only a plan of one such item has tax, a coupon or an upgrade."""
    amount = reduced = sum(amount_of(*item) for item in items if "usage_type" not in item[0].line)
    upgraded_amount = amount if upgraded is items else amount_of(*upgraded[0])
    currency = items[0][0].line["currency"]
    if coupon is not None:
        reduced -= discount_of(coupon, amount, currency)
    if tax_permyriad == 0:
        return reduced, amount, upgraded_amount
    return (
        with_tax(reduced, tax_permyriad, currency),
        with_tax(amount, tax_permyriad, currency),
        with_tax(upgraded_amount, tax_permyriad, currency),
    )


def _usage(items: Items) -> Entry | None:
    metered = (price for price, _ in items if "metered" in price.line.values() and "tiers_mode" not in price.line)
    return next(metered, None)


def with_tax(net: int, tax_permyriad: int, currency: str) -> int:
    """An amount and the tax on it."""
    return net + rounded(net * tax_permyriad, 10_000, currency)


def _stop(fate: Fate, fail: int, draw: int) -> int:
    if fate is Fate.CANCELED:
        return 2 + (draw >> 32) % 12
    if fate is Fate.FAILED:
        return fail + 1
    return 1 if fate in (Fate.INCOMPLETE, Fate.PAUSED) else NEVER
