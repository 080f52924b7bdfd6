"""What moves the balance, and the payouts that sweep it to the bank."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from connector.sandbox.history.story import money
from connector.sandbox.history.story.calendar import DAY
from connector.sandbox.history.story.chance import Chance
from connector.sandbox.history.story.payments import Payment
from connector.sandbox.history.story.reversals import Dispute, Refund, Verdict
from connector.sandbox.history.story.series import CURRENCIES, REFUNDS, Movement

if TYPE_CHECKING:
    from connector.sandbox.history.story.story import Story

_AVAILABLE_DAYS = 2
_DISPUTE_FEE = {"usd": 1500, "eur": 2000}
_SENT_AFTER = {"usd": 3, "eur": 1}  # thirds of the time between two payouts
_ARRIVES_AFTER = 4
_FAILS, _CANCELED, _OUT_OF = 11, 20, 29  # of so many payouts one fails and one is canceled


class Posting(NamedTuple):
    """A balance transaction. `rate` is in millionths; `cause` is what it is about, if anything."""

    number: int
    movement: Movement
    amount: int
    fee: int
    currency: str
    rate: int | None
    created: int
    available: int
    cause: Payment | Refund | Dispute | Payout | None

    @property
    def net(self) -> int:
        """What reaches the balance."""
        return self.amount - self.fee


class Payout(NamedTuple):
    """A transfer to the bank. Its `fate` is paid, failed or canceled, and shows at `ended`."""

    number: int
    slot: int
    lane: int
    amount: int
    created: int
    sent: int
    ended: int
    fate: str

    @property
    def currency(self) -> str:
        """Also tells the bank account."""
        return CURRENCIES[self.lane]

    def status(self, instant: int) -> str:
        """Stripe's word for where it stands at that instant."""
        if instant >= self.ended:
            return self.fate
        return "pending" if instant < self.sent or self.fate == "canceled" else "in_transit"


class Balance:
    """Postings by number, payouts by slot, and what is left when they have gone."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._calendar, self._layout = story.calendar, story.layout
        self._chance = Chance(story.seed, "fee")
        # two slots at least: a sale late in a slot must not be available before it was made
        self._available_after = max(2, story.calendar.days(_AVAILABLE_DAYS))
        self._sums = lru_cache(maxsize=4096)(self._sum)

    def posting(self, number: int) -> Posting | None:
        """The balance transaction with that number."""
        slot, lane = self._layout.transactions.place(number)
        movement, place = self._layout.movement(slot, lane)
        if movement is Movement.CHARGE:
            payment = self._story.payments(self._layout.charges.number(slot, place))
            return self.of_payment(payment) if payment is not None else None
        if movement is Movement.FEE:
            return self._monthly_fee(number, slot)
        if movement in (Movement.PAYOUT, Movement.RETURNED_PAYOUT):
            return self._of_payout(number, slot, movement, place)
        if movement in (Movement.REFUND, Movement.FAILED_REFUND):
            return self._of_refund(number, slot, movement, place)
        return self._of_dispute(number, slot, movement)

    def of_payment(self, payment: Payment) -> Posting | None:
        """The balance transaction of a payment; None while no money was taken."""
        if payment.captured is None:
            return None
        slot = payment.slot
        month = slot // self._calendar.slots_per_month
        rate = money.rate(payment.currency, month)
        currency = money.settled_in(payment.currency)
        amount = money.settled(payment.amount, payment.currency, month)
        fee = money.fee(amount, currency, exchanged=rate is not None, debit=payment.is_debit)
        available = self._calendar.instant(slot + self._available_after)
        number = self._layout.transaction(slot, Movement.CHARGE, payment.place)
        return Posting(
            number, Movement.CHARGE, amount, fee, currency, rate, payment.captured, available - available % DAY, payment
        )

    def payout(self, slot: int, lane: int) -> Payout | None:
        """The payout that sweeps the balance of a currency in that slot; None if there is nothing to sweep."""
        if slot < 0 or slot % self._layout.payout_every:
            return None
        amount = self._sums(slot)[CURRENCIES[lane]]
        if amount == 0:
            return None
        number = self._layout.payouts.number(slot, lane)
        fate = _fate(number)
        begins = self._calendar.instant(slot)
        arrives = self._calendar.instant(slot + self.arrives_after)
        ended = arrives - arrives % DAY
        if fate != "paid":
            ended = self._calendar.instant(slot + self.returned_after) + 1
        sent = self._calendar.instant(slot + _SENT_AFTER[CURRENCIES[lane]] * self._layout.payout_every // 3)
        return Payout(number, slot, lane, amount, begins, min(sent, ended), ended, fate)

    def swept(self, payout: Payout) -> Iterator[int]:
        """The numbers of the balance transactions that make up a payout, highest first."""
        found = [posting for posting in self._before(payout.slot) if posting.currency == payout.currency]
        yield from sorted((posting.number for posting in found), reverse=True)

    def left(self) -> Iterator[Posting]:
        """The postings that no payout has swept by now."""
        now = self._calendar.now
        last = self._calendar.slot_at(now)
        last -= last % self._layout.payout_every
        for slot in range(last - self._available_after, last + self._layout.payout_every):
            kinds = (self._charges(slot), self._others(slot) if slot >= last else ())
            yield from (posting for kind in kinds for posting in kind if posting.created <= now)

    @property
    def arrives_after(self) -> int:
        """After how many slots a payout is at the bank."""
        return _ARRIVES_AFTER * self._layout.payout_every // 3

    @property
    def returned_after(self) -> int:
        """After how many slots a payout that did not arrive comes back."""
        return self._story.payments.retries_after[0]

    def _sum(self, slot: int) -> Counter[str]:
        sums: Counter[str] = Counter()
        for posting in self._before(slot):
            sums[posting.currency] += posting.net
        return sums

    def _before(self, slot: int) -> Iterator[Posting]:
        """What became available since the payout before the one in `slot`, payouts themselves left out."""
        every, wait = self._layout.payout_every, self._available_after
        for paid in range(max(0, slot - every - wait), slot - wait):
            yield from self._charges(paid)
        for other in range(max(0, slot - every), slot):
            yield from self._others(other)

    def _charges(self, slot: int) -> Iterator[Posting]:
        if slot < 0:
            return
        charges = self._layout.charges
        for number in charges.numbers(slot):
            payment = self._story.payments(number)
            posting = self.of_payment(payment) if payment is not None else None
            if posting is not None:
                yield posting

    def _others(self, slot: int) -> Iterator[Posting]:
        lanes = [(Movement.RETURNED_PAYOUT, lane) for lane in range(len(CURRENCIES))]
        lanes += [(Movement.FEE, 0), (Movement.DISPUTE, 0), (Movement.REINSTATED, 0)]
        lanes += [(kind, lane) for kind in (Movement.REFUND, Movement.FAILED_REFUND) for lane in range(REFUNDS)]
        for movement, lane in lanes:
            posting = self.posting(self._layout.transaction(slot, movement, lane))
            if posting is not None:
                yield posting

    def _monthly_fee(self, number: int, slot: int) -> Posting | None:
        if slot % self._calendar.slots_per_month or slot == 0:
            return None
        created = self._layout.transactions.created(number)
        return Posting(
            number, Movement.FEE, -(1000 + self._chance(slot) % 9000), 0, "usd", None, created, created, None
        )  # fmt: skip

    def _of_payout(self, number: int, slot: int, movement: Movement, lane: int) -> Posting | None:
        returned = movement is Movement.RETURNED_PAYOUT
        origin = slot - self.returned_after * returned
        if returned and _fate(self._layout.payouts.number(max(origin, 0), lane)) == "paid":
            return None  # before its amount is asked for: that would go back through all payouts there were
        payout = self.payout(origin, lane)
        if payout is None:
            return None
        created = self._layout.transactions.created(number)
        amount = payout.amount if returned else -payout.amount
        return Posting(number, movement, amount, 0, payout.currency, None, created, created, payout)

    def _of_refund(self, number: int, slot: int, movement: Movement, lane: int) -> Posting | None:
        failed = movement is Movement.FAILED_REFUND
        origin = slot - self._story.reversals.fails_after * failed
        refund = self._story.reversals.refund(origin, lane)
        if refund is None or not refund.moves_money or (failed and refund.status(refund.ended or 0) != "failed"):
            return None
        return self._back(number, movement, origin, refund)

    def _of_dispute(self, number: int, slot: int, movement: Movement) -> Posting | None:
        won = movement is Movement.REINSTATED
        origin = slot - self._story.reversals.closed_after * won
        dispute = self._story.reversals.dispute(origin)
        if dispute is None or not dispute.moves_money or (won and dispute.verdict is not Verdict.WON):
            return None
        return self._back(number, movement, origin, dispute)

    def _back(self, number: int, movement: Movement, origin: int, cause: Refund | Dispute) -> Posting:
        """A posting that takes money back, or gives back what was taken back, at the rate of that time."""
        month, presented = self._calendar.month(origin), cause.payment.currency
        currency = money.settled_in(presented)
        amount = money.settled(cause.amount, presented, month)
        if movement not in (Movement.FAILED_REFUND, Movement.REINSTATED):
            amount = -amount
        fee = _DISPUTE_FEE[currency] if movement is Movement.DISPUTE else 0
        created = self._layout.transactions.created(number)
        rate = money.rate(presented, month)
        return Posting(number, movement, amount, fee, currency, rate, created, created, cause)


def _fate(number: int) -> str:
    return {_FAILS: "failed", _CANCELED: "canceled"}.get(number % _OUT_OF, "paid")
