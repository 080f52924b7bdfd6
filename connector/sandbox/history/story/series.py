"""Where everything stands: the lanes of each kind of object, and the second of a slot at which it happens.

This is the only place that knows the layout. A lane is one thing that may happen in a slot; within a kind a
higher number is never earlier, so that lists by time and lists by number are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from connector.sandbox.history.story.calendar import Calendar, Series
from connector.sandbox.history.story.chance import Chance
from connector.sandbox.history.story.contracts import STARTS_AFTER

SALES = 4
"""One-off sales per slot."""

RETRIES = 3
"""How often a failed renewal is tried again at most."""

METHODS = 2
"""Payment methods of a customer."""

REFUNDS = 2
"""Refunds per slot."""

ITEMS = 3
"""Invoice items per slot."""

CURRENCIES = ("usd", "eur")
"""The currencies of the two bank accounts; each has a payout of its own."""


class Movement(Enum):
    """What moves the balance."""

    PAYOUT = auto()
    RETURNED_PAYOUT = auto()
    FEE = auto()
    CHARGE = auto()
    REFUND = auto()
    FAILED_REFUND = auto()
    DISPUTE = auto()
    REINSTATED = auto()


# kind, lane within the kind, seconds; charges stand between the two, those of sales behind the second
_EARLY = [
    (Movement.PAYOUT, 0, 0),
    (Movement.PAYOUT, 1, 0),
    (Movement.RETURNED_PAYOUT, 0, 1),
    (Movement.RETURNED_PAYOUT, 1, 1),
    (Movement.FEE, 0, 2),
]
_LATE = [
    (Movement.REFUND, 0, 30),
    (Movement.REFUND, 1, 31),
    (Movement.FAILED_REFUND, 0, 40),
    (Movement.FAILED_REFUND, 1, 41),
    (Movement.DISPUTE, 0, 50),
    (Movement.REINSTATED, 0, 60),
]
_EARLY_LANES = {(movement, lane): place for place, (movement, lane, _) in enumerate(_EARLY)}
_LATE_LANES = {(movement, lane): place for place, (movement, lane, _) in enumerate(_LATE)}

PAID_AFTER = 90
"""Seconds that a buyer spends on the checkout page."""

CHARGED_AFTER = PAID_AFTER - 1
"""Seconds from the beginning of a sale to its charge."""

CAPTURED_AFTER = 60
"""Seconds after which an authorized sale is captured."""

_AUTHORIZED = 2  # the lane of sales that are authorized first, in every other slot
_SPARE = 500  # seconds of a slot in which no sale begins


class Layout:
    """The series of every kind that has slots.

    Invoices of subscriptions stand in the lane of their period: lane 5 of a slot belongs to the subscription
    that began five months before. Their payments keep that lane; behind them come the lane of the invoice
    that somebody wrote by hand (`by_hand`), those of second attempts (`retry`) and those of sales (`sale`).
    """

    def __init__(self, seed: int, calendar: Calendar, payout_every: int) -> None:
        self._calendar = calendar
        self._moment = Chance(seed, "moment")
        late = self._late = calendar.finalized_after
        self.payout_every = payout_every
        self.customers = Series(calendar, 1, self._coming(0))
        self.payment_methods = Series(calendar, METHODS + SALES, self._method_offset)
        self.subscriptions = Series(calendar, 1, self._coming(STARTS_AFTER))
        self.setup_intents = Series(calendar, 1, self._coming(2))  # with the second card of its customer
        self.invoices = Series(calendar, 2, self._invoice_offset, monthly=True)
        self.invoice_items = Series(calendar, ITEMS, lambda slot, lane: calendar.lateness(slot) + 15 + lane)
        self.payment_intents = Series(calendar, 2 + SALES, self._intent_offset, monthly=True)
        self.charges = Series(calendar, 2 + RETRIES + SALES, self._charge_offset, monthly=True)
        self.refunds = Series(calendar, REFUNDS, lambda _, lane: late + 30 + lane)
        self.credit_notes = Series(calendar, 1, _constant(late + 33))
        self.disputes = Series(calendar, 1, _constant(late + 50))
        self.payouts = Series(calendar, len(CURRENCIES), _constant(0), every=payout_every)
        self.sessions = Series(calendar, 1 + SALES, self._session_offset)
        self.transactions = Series(
            calendar, len(_EARLY + _LATE) + 2 + RETRIES + SALES, self._transaction_offset, monthly=True
        )

    def by_hand(self, slot: int) -> int:
        """The lane of the invoice written by hand, and of its payment."""
        return self._calendar.month(slot) + 1

    def retry(self, slot: int) -> int:
        """The lane, among charges, of the first of a slot's second attempts."""
        return self._calendar.month(slot) + 2

    def intent_of_sale(self, slot: int) -> int:
        """The lane, among payment intents, of a slot's first sale."""
        return self._calendar.month(slot) + 2

    def charge_of_sale(self, slot: int) -> int:
        """The lane, among charges, of a slot's first sale."""
        return self._calendar.month(slot) + 2 + RETRIES

    def movement(self, slot: int, lane: int) -> tuple[Movement, int]:
        """What a lane among balance transactions is for, and the lane of that within its kind."""
        if lane < len(_EARLY):
            return _EARLY[lane][:2]
        lane -= len(_EARLY)
        sales = self.charge_of_sale(slot)
        if lane < sales:
            return Movement.CHARGE, lane
        if lane < sales + len(_LATE):
            return _LATE[lane - sales][:2]
        return Movement.CHARGE, lane - len(_LATE)

    def transaction(self, slot: int, movement: Movement, lane: int = 0) -> int:
        """The number of the balance transaction of a movement."""
        sales = self.charge_of_sale(slot)
        if movement is Movement.CHARGE:
            skipped = len(_EARLY) if lane < sales else len(_EARLY) + len(_LATE)
            return self.transactions.number(slot, skipped + lane)
        early = _EARLY_LANES.get((movement, lane))
        if early is not None:
            return self.transactions.number(slot, early)
        return self.transactions.number(slot, len(_EARLY) + sales + _LATE_LANES[movement, lane])

    def sale_offset(self, slot: int, sale: int) -> int:
        """When, in seconds from the slot's beginning, a buyer comes to the counter."""
        share = (self._calendar.room(slot) - self._late - _SPARE) // SALES
        return self._late + 100 + share * sale + self._moment(slot * SALES + sale) % (share // 2)

    def is_authorized(self, slot: int, sale: int) -> bool:
        """Whether the sale is one whose money is first authorized and captured a minute later."""
        return sale == _AUTHORIZED and slot % 2 == 1

    def _coming(self, seconds: int) -> Callable[[int, int], int]:
        """The offset of what comes so many seconds after a slot brings what it brings."""
        return lambda slot, _lane: self._calendar.lateness(slot) + seconds

    def _lateness(self, slot: int, lane: int) -> int:
        """By how much all bills of the subscription come late whose period stands in a lane of a slot."""
        began = slot - lane * self._calendar.slots_per_month if lane < self.by_hand(slot) else slot
        return self._calendar.lateness(began)

    def _method_offset(self, slot: int, lane: int) -> int:
        if lane < METHODS:
            return self._calendar.lateness(slot) + 1 + lane
        return self.sale_offset(slot, lane - METHODS) + PAID_AFTER - 2

    def _invoice_offset(self, slot: int, lane: int) -> int:
        return self._lateness(slot, lane) + (STARTS_AFTER + lane // 3 if lane < self.by_hand(slot) else 20)

    def _intent_offset(self, slot: int, lane: int) -> int:
        sale = lane - self.intent_of_sale(slot)
        if sale >= 0:
            return self.sale_offset(slot, sale) + PAID_AFTER - 2
        return self._lateness(slot, lane) + (self._late + lane // 3 if lane else STARTS_AFTER + 1)

    def _charge_offset(self, slot: int, lane: int) -> int:
        if lane == 0:
            return self._lateness(slot, lane) + STARTS_AFTER + 2
        retry = lane - self.retry(slot)
        if retry < 0:
            late = self._lateness(slot, lane) if lane < self.by_hand(slot) else 0
            return late + self._late + 1 + lane // 3
        return self._late + 15 + retry if retry < RETRIES else self.sale_offset(slot, retry - RETRIES) + CHARGED_AFTER

    def _session_offset(self, slot: int, lane: int) -> int:
        return self.sale_offset(slot, lane - 1) if lane else self._calendar.lateness(slot) + STARTS_AFTER - 2

    def _transaction_offset(self, slot: int, lane: int) -> int:
        if lane < len(_EARLY):
            return _EARLY[lane][2]
        movement, place = self.movement(slot, lane)
        if movement is not Movement.CHARGE:
            return self._late + _LATE[_LATE_LANES[movement, place]][2]
        captured = self.is_authorized(slot, place - self.charge_of_sale(slot))
        return self._charge_offset(slot, place) + CAPTURED_AFTER * captured


def _constant(seconds: int) -> Callable[[int, int], int]:
    return lambda _slot, _lane: seconds
