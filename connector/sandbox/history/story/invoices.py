"""What becomes of invoices: finalized, paid, failed, voided, given up, and when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from connector.sandbox.history.story.bills import Bill
from connector.sandbox.history.story.calendar import DAY
from connector.sandbox.history.story.chance import Chance
from connector.sandbox.history.story.contracts import STARTS_AFTER, Contract, Fate

if TYPE_CHECKING:
    from connector.sandbox.history.story.story import Story

INCOMPLETE_SECONDS = 23 * 3600
"""How long a first payment may take before the subscription expires."""

_DRAFT_DAYS = 25  # invoices by hand lie about so long, if they are not sent at once
_OFF_STRIPE_DAYS, _VOIDED_DAYS, _GIVEN_UP_DAYS = 10, 40, 60
GRACE_DAYS, SHORT_GRACE_DAYS = 30, 14
"""How long somebody has who is sent a bill; those written by hand may ask for the money sooner."""


class _End(Enum):
    """What becomes of an invoice that was sent."""

    PAID_BY_CARD = auto()
    PAID_ELSEWHERE = auto()
    VOIDED = auto()
    GIVEN_UP = auto()
    OPEN = auto()


_ENDS_BY_HAND = (
    _End.PAID_BY_CARD, _End.PAID_ELSEWHERE, _End.PAID_BY_CARD, _End.VOIDED,
    _End.PAID_BY_CARD, _End.GIVEN_UP, _End.PAID_BY_CARD, _End.OPEN,
)  # fmt: skip
_ENDS_OF_RENEWALS = (*(_End.PAID_ELSEWHERE,) * 7, _End.VOIDED, _End.GIVEN_UP, _End.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class Course:
    """The instants of an invoice's life; None where that never happens. `attempts` are charges."""

    finalized: int | None = None
    attempts: tuple[int, ...] = ()
    paid: int | None = None
    off_stripe: bool = False
    voided: int | None = None
    uncollectible: int | None = None
    due: int | None = None

    def is_late(self) -> bool:
        """Whether it is still open on the day when it should have been paid."""
        return self.due is not None and self.status(self.due) == "open"

    def status(self, instant: int) -> str:
        """Stripe's word for where the invoice stands at that instant."""
        if self.finalized is None or instant < self.finalized:
            return "draft"
        for word, reached in (("paid", self.paid), ("void", self.voided), ("uncollectible", self.uncollectible)):
            if reached is not None and reached <= instant:
                return word
        return "open"


class Invoice(NamedTuple):
    """An invoice: whose, over how much, and what becomes of it; `contract` is None where written by hand."""

    number: int
    slot: int
    lane: int
    customer: int
    contract: Contract | None
    currency: str
    total: int
    created: int
    course: Course


class Invoices:
    """`invoices(slot, lane)`: the invoice in a lane of a slot, of a subscription or by hand."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._calendar, self._layout = story.calendar, story.layout
        self._chance = Chance(story.seed, "invoice")
        self._month = story.calendar.slots_per_month
        self._drafts_since = story.calendar.now - _DRAFT_DAYS * DAY

    def __call__(self, slot: int, lane: int) -> Invoice | None:
        """Find the invoice; None if there is none."""
        number = self._layout.invoices.number(slot, lane)
        if lane == self._layout.by_hand(slot):
            if not self._story.bills.is_by_hand(slot):
                return None
            customer = self._story.people.owner(slot)
            assert customer is not None
            bill = self._story.bills.by_hand(slot)
            created = self._layout.invoices.instant(slot, lane)
            return Invoice(number, slot, lane, customer, None, bill.currency, bill.total, created, self._by_hand(slot))
        contract = self._story.contracts.billed(slot - lane * self._month, lane)
        if contract is None:
            return None
        total = self._story.bills.due(contract, lane)
        created = self._layout.invoices.instant(slot, lane)
        course = self._of_contract(contract, slot, lane, total)
        return Invoice(number, slot, lane, contract.customer, contract, contract.currency, total, created, course)

    def bill(self, invoice: Invoice) -> Bill:
        """What stands on it."""
        if invoice.contract is None:
            return self._story.bills.by_hand(invoice.slot)
        return self._story.bills.of_contract(invoice.contract, invoice.lane)

    def credits(self, invoice: Invoice, instant: int, *, before_payment: bool) -> int:
        """What credit notes take off it, before or after it was paid."""
        return sum(
            note.amount
            for note in self._story.reversals.credit_notes_of(invoice.slot, invoice.lane)
            if note.created <= instant
            and (note.refund is None) == before_payment
            and (note.voided is None or note.voided > instant)
        )

    def issued(self, slot: int, instant: int) -> int:
        """How many invoices of what began in a slot had been finalized by an instant; drafts have no number."""
        if self._calendar.comes(slot) > instant:
            return 0
        if self._story.bills.is_by_hand(slot):
            return int(self._by_hand(slot).status(instant) != "draft")
        contract = self._story.contracts(slot)
        if contract is None:
            return 0
        last = min((self._calendar.slot_at(instant) - slot) // self._month, contract.stop - 1)
        billed = range(0, last + 1, contract.every)
        finalized = sum(not self._story.payments.is_draft(contract, slot + period * self._month) for period in billed)
        newest = slot + billed[-1] * self._month if billed else slot
        return finalized - self._is_fresh(contract, newest, billed[-1], instant) if billed else 0

    def _is_fresh(self, contract: Contract, slot: int, period: int, instant: int) -> bool:
        """Whether the bill of a period is in its first hour at an instant, and so a draft that is to be numbered."""
        if not period or self._story.payments.is_draft(contract, slot):
            return False
        return instant < self._finalized(slot, period)

    def _finalized(self, slot: int, period: int) -> int:
        """When the bill of a later period is finalized."""
        late = self._calendar.lateness(slot - period * self._month)
        return self._calendar.instant(slot) + late + self._calendar.finalized_after + period // 3

    def ending(self, slot: int) -> set[int]:
        """The slots whose invoices may end in this one without a charge."""
        days = (_OFF_STRIPE_DAYS, _VOIDED_DAYS, _GIVEN_UP_DAYS)
        found = {slot - self._calendar.days(count) for count in days} | {slot - self.gives_up_after}
        return found | set(self._calendar.slots_before(slot, INCOMPLETE_SECONDS + STARTS_AFTER))

    def is_paid_by_card(self, slot: int) -> bool:
        """Whether the invoice written by hand in a slot is paid through Stripe."""
        return not self._is_draft(slot) and self._end(slot) is _End.PAID_BY_CARD

    @property
    def gives_up_after(self) -> int:
        """After how many slots a failed payment is not tried again."""
        return self._story.payments.retries_after[-1]

    def has_credit(self, slot: int) -> bool:
        """Whether an open invoice written by hand is reduced by a credit note."""
        return not self._is_draft(slot) and self._end(slot) is _End.OPEN

    def _is_draft(self, slot: int) -> bool:
        return self._calendar.instant(slot) > self._drafts_since and self._chance(-slot) >> 8 & 1 == 1

    def _end(self, slot: int) -> _End:
        """What becomes of an invoice written by hand: in turn, so that there is some of each."""
        return _ENDS_BY_HAND[self._story.bills.by_hand_order(slot) % len(_ENDS_BY_HAND)]

    def _later(self, slot: int, days: int) -> int:
        return self._calendar.instant(slot + self._calendar.days(days)) + self._calendar.finalized_after + 20

    def _by_hand(self, slot: int) -> Course:
        if self._is_draft(slot):
            return Course()
        draw = self._chance(-slot)
        finalized = self._calendar.comes(slot) + self._calendar.finalized_after + 11
        due = finalized + (SHORT_GRACE_DAYS if draw >> 9 & 1 else GRACE_DAYS) * DAY
        attempts = tuple(self._story.payments.attempts(slot, self._layout.by_hand(slot)))
        end = self._end(slot)
        if end is _End.PAID_BY_CARD:
            return Course(finalized, attempts, self._layout.charges.created(attempts[0]), due=due)
        return self._unpaid(slot, finalized, due, end)

    def _unpaid(self, slot: int, finalized: int, due: int, end: _End) -> Course:
        """The course of an invoice that is not paid through Stripe."""
        if end is _End.PAID_ELSEWHERE:
            return Course(finalized, paid=self._later(slot, _OFF_STRIPE_DAYS), off_stripe=True, due=due)
        if end is _End.VOIDED:
            return Course(finalized, voided=self._later(slot, _VOIDED_DAYS), due=due)
        if end is _End.GIVEN_UP:
            return Course(finalized, uncollectible=self._later(slot, _GIVEN_UP_DAYS), due=due)
        return Course(finalized, due=due)

    def _of_contract(self, contract: Contract, slot: int, period: int, total: int) -> Course:
        if self._story.payments.is_draft(contract, slot):
            return Course()
        created = self._layout.invoices.instant(slot, period)
        finalized = self._finalized(slot, period) if period else created
        if total <= 0:
            return Course(finalized, paid=finalized)
        if contract.fate is Fate.BY_INVOICE:
            end = _ENDS_OF_RENEWALS[self._chance(created) % len(_ENDS_OF_RENEWALS)]
            return self._unpaid(slot, finalized, finalized + GRACE_DAYS * DAY, end)
        attempts = tuple(self._story.payments.attempts(slot, period))
        if contract.fate is Fate.INCOMPLETE:
            return Course(finalized, attempts, voided=created + INCOMPLETE_SECONDS)
        if period >= contract.fail:
            given_up = self._story.subscriptions.given_up(contract)
            return Course(finalized, attempts, uncollectible=given_up if contract.fate is Fate.FAILED else None)
        return Course(finalized, attempts, self._layout.charges.created(attempts[-1]))
