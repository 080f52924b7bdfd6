"""Money that goes back: refunds, disputes and credit notes."""

from __future__ import annotations

from enum import Enum, auto
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from connector.sandbox.history.story.calendar import DAY
from connector.sandbox.history.story.chance import Chance
from connector.sandbox.history.story.money import rounded
from connector.sandbox.history.story.payments import Payment
from connector.sandbox.history.story.series import REFUNDS, SALES

if TYPE_CHECKING:
    from connector.sandbox.history.story.story import Story

_REFUND_DAYS = (5, 12)
_FAILS_DAYS = 3
_DEBIT_SECONDS = 3 * DAY
_WITHDRAWN_SECONDS = 2 * DAY
STUCK_DAYS = 30
"""How long a refund waits for money in the balance before it fails."""

_DISPUTE_EVERY = 18  # slots
_DISPUTE_DAYS, _ANSWERED_DAYS, _CLOSED_DAYS = 10, 9, 30
_WEEK = 7 * DAY
_CREDIT_DAYS, _CREDIT_VOIDED_DAYS = 12, 5


class Way(Enum):
    """How a refund goes."""

    FULL = auto()
    PART = auto()
    TWICE = auto()
    FAILED = auto()
    STUCK = auto()
    WITHDRAWN = auto()


_SHARES = {Way.FULL: 17, Way.PART: 13, Way.TWICE: 6, Way.FAILED: 2, Way.STUCK: 1, Way.WITHDRAWN: 1}
_WAYS = [way for way, share in _SHARES.items() for _ in range(share)]


class Verdict(Enum):
    """How a dispute ends."""

    WON = auto()
    LOST = auto()
    ACCEPTED = auto()
    WARNING = auto()
    PREVENTED = auto()


_VERDICTS = (Verdict.LOST, Verdict.WON, Verdict.WARNING, Verdict.ACCEPTED, Verdict.LOST, Verdict.PREVENTED, Verdict.WON)


class Refund(NamedTuple):
    """A refund, and when it succeeds, fails or is withdrawn (None: never)."""

    number: int
    slot: int
    lane: int
    payment: Payment
    amount: int
    way: Way
    created: int
    succeeded: int | None
    ended: int | None  # failed or withdrawn

    @property
    def moves_money(self) -> bool:
        """Whether it ever leaves the balance."""
        return self.way not in (Way.STUCK, Way.WITHDRAWN)

    def status(self, instant: int) -> str:
        """Stripe's word for where it stands at that instant."""
        if self.ended is not None and self.ended <= instant:
            return "canceled" if self.way is Way.WITHDRAWN else "failed"
        return "succeeded" if self.succeeded is not None and self.succeeded <= instant else "pending"


class Dispute(NamedTuple):
    """A dispute, and when it is answered and closed."""

    slot: int
    payment: Payment
    amount: int
    verdict: Verdict
    created: int
    answered: int
    closed: int
    draw: int

    @property
    def moves_money(self) -> bool:
        """Whether the bank takes the amount at once; an inquiry is only a warning."""
        return self.verdict not in (Verdict.WARNING, Verdict.PREVENTED)

    def status(self, instant: int) -> str:
        """Stripe's word for where it stands at that instant."""
        if self.verdict is Verdict.PREVENTED:
            return "prevented"
        prefix = "warning_" if self.verdict is Verdict.WARNING else ""
        if instant >= self.closed:
            ends = {Verdict.WON: "won", Verdict.WARNING: "warning_closed"}
            return ends.get(self.verdict, "lost")
        if instant >= self.answered and self.verdict is not Verdict.ACCEPTED:
            return f"{prefix}under_review"
        return f"{prefix}needs_response"


class CreditNote(NamedTuple):
    """A credit note, by slot and lane of its invoice; with a refund it came after the payment."""

    slot: int
    invoice_slot: int
    lane: int
    amount: int
    refund: Refund | None
    voided: int | None
    created: int


class Reversals:
    """What goes back, by the slot in which it does."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._calendar, self._layout = story.calendar, story.layout
        self._refunds = Chance(story.seed, "refund")
        self._disputes = Chance(story.seed, "dispute")
        days = story.calendar.days
        self._refund_after = tuple(days(count) for count in _REFUND_DAYS)
        self.fails_after = days(_FAILS_DAYS)
        self._dispute_after, self._answered_after = days(_DISPUTE_DAYS), days(_ANSWERED_DAYS)
        self.closed_after = days(_CLOSED_DAYS)
        self._credit_after, self._voided_after = days(_CREDIT_DAYS), days(_CREDIT_VOIDED_DAYS)
        # counted from a whole week, so that there is a new one and two runs with some hours between them see the same
        self._newest_disputed = story.calendar.slot_at(story.calendar.now // _WEEK * _WEEK) - self._dispute_after
        self._newest_refunded = story.calendar.slot_at(story.calendar.now // _WEEK * _WEEK) - self._refund_after[0]
        self._refunded = lru_cache(maxsize=4096)(self._plan_refund)
        self._disputed = lru_cache(maxsize=4096)(self._plan_dispute)

    def refund(self, slot: int, lane: int) -> Refund | None:
        """The refund in a lane of a slot."""
        origin = slot - self._refund_after[lane]
        plan = self._refunded(origin) if origin >= 0 else None
        if plan is None:
            return None
        payment, way, percent = plan
        if lane and way is not Way.TWICE:
            return None
        amount = payment.amount
        if way in (Way.PART, Way.TWICE):
            amount = rounded(amount * (percent - 5 * lane), 100, payment.currency) or (0 if lane else amount)
        if amount == 0:
            return None
        number = self._layout.refunds.number(slot, lane)
        created = self._layout.refunds.created(number)
        succeeded, ended = self._outcome(way, (slot, lane), created, payment.is_debit)
        return Refund(number, slot, lane, payment, amount, way, created, succeeded, ended)

    def refunds_of(self, payment: Payment) -> list[Refund]:
        """The refunds of a payment, oldest first, also those to come."""
        plan = self._refunded(payment.slot)
        if plan is None or plan[0].number != payment.number:
            return []
        found = (self.refund(payment.slot + self._refund_after[place], place) for place in range(REFUNDS))
        return [refund for refund in found if refund is not None]

    def refunded(self, payment: Payment, instant: int) -> int:
        """What has gone back, or is about to, at that instant."""
        plan = self._refunded(payment.slot)
        if plan is None or plan[0].number != payment.number:
            return 0  # as for most: without a generator
        return sum(
            refund.amount
            for refund in self.refunds_of(payment)
            if refund.created <= instant and refund.status(instant) in ("succeeded", "pending")
        )

    def dispute(self, slot: int) -> Dispute | None:
        """The dispute that comes up in a slot."""
        origin = slot - self._dispute_after
        payment = self._disputed(origin) if origin >= 0 else None
        if payment is None:
            return None
        draw = self._disputes(origin)
        verdict = _VERDICTS[(self._newest_disputed - origin) // _DISPUTE_EVERY % len(_VERDICTS)]
        part = rounded(payment.amount, 2, payment.currency) if draw >> 8 & 7 == 0 else payment.amount
        number = self._layout.disputes.number(slot, 0)
        late = self._calendar.finalized_after + 60  # when the balance transaction of a dispute that was won is made
        return Dispute(
            slot=slot,
            payment=payment,
            amount=part or payment.amount,
            verdict=verdict,
            created=self._layout.disputes.created(number),
            answered=self._calendar.instant(slot + self._answered_after) + late,
            closed=self._calendar.instant(slot + self.closed_after) + late,
            draw=draw,
        )

    def dispute_of(self, payment: Payment) -> Dispute | None:
        """The dispute of a payment, also one to come."""
        disputed = self._disputed(payment.slot)
        if disputed is None or disputed.number != payment.number:
            return None
        return self.dispute(payment.slot + self._dispute_after)

    def answering(self, slot: int) -> Dispute | None:
        """The dispute that is answered in a slot."""
        return self.dispute(slot - self._answered_after)

    def credit_note(self, slot: int) -> CreditNote | None:
        """The credit note that is issued in a slot."""
        refund = self.refund(slot, 0)
        if refund is not None and refund.way in (Way.FULL, Way.PART) and refund.payment.sale is None:
            payment, created = refund.payment, self._layout.credit_notes.instant(slot, 0)
            return CreditNote(slot, payment.intent_slot, payment.lane, refund.amount, refund, None, created)
        origin = slot - self._credit_after
        if origin < 0 or not self._story.bills.is_by_hand(origin) or not self._story.invoices.has_credit(origin):
            return None
        bill = self._story.bills.by_hand(origin)
        amount = rounded(bill.total, 5, bill.currency)
        voided = None
        if self._story.people.round(origin) % 2:
            voided = self._layout.credit_notes.instant(slot + self._voided_after, 0)
        created = self._layout.credit_notes.instant(slot, 0)
        return CreditNote(slot, origin, self._layout.by_hand(origin), amount, None, voided, created)

    def voiding(self, slot: int) -> CreditNote | None:
        """The credit note that is voided in a slot."""
        note = self.credit_note(slot - self._voided_after)
        return note if note is not None and note.voided is not None else None

    def credit_notes_of(self, slot: int, lane: int) -> list[CreditNote]:
        """The credit notes of an invoice, oldest first, also those to come."""
        by_hand = lane == self._layout.by_hand(slot)
        charged = slot + self._story.payments.by_hand_after * by_hand
        plan = self._refunded(charged)
        refunded = plan is not None and (plan[0].intent_slot, plan[0].lane) == (slot, lane)
        slots = {charged + self._refund_after[0]} if refunded else set()
        if by_hand:
            slots.add(slot + self._credit_after)
        notes = (self.credit_note(issued) for issued in sorted(slots))
        return [note for note in notes if note is not None and (note.invoice_slot, note.lane) == (slot, lane)]

    def _outcome(self, way: Way, place: tuple[int, int], created: int, is_debit: bool) -> tuple[int | None, int | None]:
        if way is Way.STUCK:
            return None, created + STUCK_DAYS * DAY
        succeeded = created + _DEBIT_SECONDS * is_debit
        if way is Way.WITHDRAWN:
            return None, succeeded + _WITHDRAWN_SECONDS
        if way is Way.FAILED:
            slot, lane = place
            failed = slot + self.fails_after
            return succeeded, self._calendar.instant(failed) + self._calendar.finalized_after + 40 + lane
        return succeeded, None

    def _plan_refund(self, slot: int) -> tuple[Payment, Way, int] | None:
        """What is refunded of the charges of a slot, and how."""
        payment, draw = self._refundable(slot), self._refunds(slot)
        if payment is None:
            return None
        way = Way.STUCK if slot == self._stuck else _WAYS[(draw >> 16) % len(_WAYS)]
        return payment, way, 10 + (draw >> 24) % 36

    @cached_property
    def _stuck(self) -> int:
        """The slot whose charge was the last to be refunded some days ago, so that one refund is always waiting."""
        slots = range(self._newest_refunded, -1, -1)
        return next((slot for slot in slots if self._refundable(slot) is not None), -1)

    def _refundable(self, slot: int) -> Payment | None:
        """The charge of a slot of which something is refunded: at most one of them."""
        draw = self._refunds(slot)
        if draw & 1:
            lane = self._layout.charge_of_sale(slot) + (draw >> 4) % SALES
        else:
            lane = (draw >> 4) % self._layout.retry(slot)
        payment = self._story.payments(self._layout.charges.number(slot, lane))
        if payment is None or payment.captured is None:
            return None
        disputed = self._disputed(slot)
        if disputed is not None and disputed.number == payment.number:
            return None
        return payment

    def _plan_dispute(self, slot: int) -> Payment | None:
        """What is disputed of the charges of a slot: every so many slots one that a card has paid."""
        if (self._newest_disputed - slot) % _DISPUTE_EVERY:
            return None
        sales = self._layout.charge_of_sale(slot)
        renewal = self._disputes(slot) % self._layout.by_hand(slot)
        for lane in (renewal, sales, sales + 2, sales + 3):
            payment = self._story.payments(self._layout.charges.number(slot, lane))
            if payment is not None and payment.captured is not None and not payment.is_debit:
                return payment
        return None
