"""Attempts to take money: what each charge was for, and whether it went through."""

from __future__ import annotations

from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from connector.sandbox.history.story.calendar import DAY
from connector.sandbox.history.story.chance import Chance
from connector.sandbox.history.story.contracts import RETRY_DAYS, Contract, Fate
from connector.sandbox.history.story.sales import Outcome, Sale
from connector.sandbox.history.story.series import CAPTURED_AFTER, CHARGED_AFTER, RETRIES

if TYPE_CHECKING:
    from connector.sandbox.history.story.story import Story

_BY_HAND_DAYS = 7
_DEBIT_TAKES = DAY


class Failure(Enum):
    """Why there is no money: it will be tried again, or not."""

    FOR_NOW = auto()
    FOR_GOOD = auto()


_FAILURES = (None, Failure.FOR_NOW, Failure.FOR_GOOD)


class Payment(NamedTuple):
    """A charge, in `place` of `slot`; `method` and `kind` are number and type of the payment method.

    Its payment intent is in `lane` of a slot that may be an earlier one. It is for a period of a contract, or
    for a sale, or else for an invoice written by hand.
    """

    number: int
    slot: int
    place: int
    created: int
    amount: int
    currency: str
    customer: int | None
    method: int
    kind: str
    intent_slot: int
    lane: int
    contract: Contract | None
    sale: Sale | None
    failure: Failure | None
    captured: int | None
    settled: int | None  # when the money is certain, which takes bank debits a day

    @property
    def is_debit(self) -> bool:
        """Whether a bank account is debited; Stripe calls that a payment, not a charge."""
        return self.kind in ("sepa_debit", "us_bank_account")


class Failing(NamedTuple):
    """A renewal whose first payment fails, and at which attempt after it the money comes, unless it never does."""

    period: int
    retries: int
    is_final: bool = False


class Payments:
    """`payments(number)`: the facts of the charge with that number, or None if there is none."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._calendar, self._layout = story.calendar, story.layout
        self._contracts, self._bills = story.contracts, story.bills
        self._month = story.calendar.slots_per_month
        self._failures = Chance(story.seed, "failure")
        self.retries_after = [story.calendar.days(count) for count in RETRY_DAYS]  # slots
        self.by_hand_after = story.calendar.days(_BY_HAND_DAYS)  # slots
        self.failing = lru_cache(maxsize=4096)(self._find_failing)

    def __call__(self, number: int) -> Payment | None:
        """Find the charge; None if there is none."""
        slot, lane = self._layout.charges.place(number)
        if lane <= slot // self._month:
            return self._renewal(number, slot, lane)
        sale = lane - self._layout.charge_of_sale(slot)
        if sale >= 0:
            return self._of_sale(number, lane, self._story.sales(slot, sale))
        retry = lane - self._layout.retry(slot)
        if retry >= 0:
            return self._again(number, slot, lane, retry + 1)
        return self._by_hand(number, slot, lane)

    def attempts(self, slot: int, lane: int) -> list[int]:
        """The charges that an invoice's payment intent has or will have, oldest first."""
        charges = self._layout.charges
        if lane == self._layout.by_hand(slot):
            paid = slot + self.by_hand_after
            return [charges.number(paid, self._layout.by_hand(paid))]
        numbers = [charges.number(slot, lane)]
        failing = self.failing(slot)
        if failing is not None and failing.period == lane:
            for retry in range(failing.retries):
                later = slot + self.retries_after[retry]
                numbers.append(charges.number(later, self._layout.retry(later) + retry))
        return numbers

    def is_draft(self, contract: Contract, slot: int) -> bool:
        """Whether the invoice of that slot stays a draft: collection is paused, or the subscription is unpaid."""
        if contract.fate is Fate.UNPAID:
            return slot > contract.number + contract.fail * self._month
        return contract.fate is Fate.DRAFTS and slot >= self._contracts.drafts_since

    def _find_failing(self, slot: int) -> Failing | None:
        draw = self._failures(slot)
        if slot < self._month:
            return None
        final = self._final(slot)
        if final is not None:
            return Failing(final, RETRIES, is_final=True)
        if draw % 4 == 0:
            return None
        period = 1 + (draw >> 8) % self._calendar.month(slot)
        contract = self._contracts(slot - period * self._month)
        if contract is None or contract.fate is Fate.BY_INVOICE or self.is_draft(contract, slot):
            return None
        if not contract.billed(period) or period >= contract.fail:
            return None
        return Failing(period, 1 + (draw >> 16) % RETRIES)

    def _final(self, slot: int) -> int | None:
        """The period of a renewal in that slot whose money never comes, if there is one."""
        for period in range(1, slot // self._month + 1):
            contract = self._contracts(slot - period * self._month)
            if contract is not None and contract.fail == period:
                return period
        return None

    def _renewal(self, number: int, slot: int, period: int) -> Payment | None:
        contract = self._contracts.billed(slot - period * self._month, period)
        if contract is None or contract.fate is Fate.BY_INVOICE or self.is_draft(contract, slot):
            return None
        failing = self.failing(slot)
        final = period >= contract.fail
        failed = final or (failing is not None and failing.period == period)
        return self._of_contract((number, slot, period), contract, period, _FAILURES[failed + final])

    def _again(self, number: int, slot: int, lane: int, retry: int) -> Payment | None:
        origin = slot - self.retries_after[retry - 1]
        failing = self.failing(origin)
        if failing is None or retry > failing.retries:
            return None
        contract = self._contracts(origin - failing.period * self._month)
        assert contract is not None
        last = Failure.FOR_GOOD if failing.is_final else None
        failure = Failure.FOR_NOW if retry < failing.retries else last
        return self._of_contract((number, slot, lane), contract, failing.period, failure)

    def _of_contract(
        self, place: tuple[int, int, int], contract: Contract, period: int, failure: Failure | None
    ) -> Payment | None:
        amount = self._bills.due(contract, period)
        if amount <= 0:
            return None
        created = self._layout.charges.instant(place[1], place[2])
        taken = created if failure is None else None
        return Payment(
            *place, created, amount, contract.market.currency, contract.customer, contract.method, contract.kind,
            contract.number + period * self._month, period, contract, None, failure, taken, taken,
        )  # fmt: skip

    def _by_hand(self, number: int, slot: int, lane: int) -> Payment | None:
        sent = slot - self.by_hand_after
        if sent < 0 or not self._bills.is_by_hand(sent) or not self._story.invoices.is_paid_by_card(sent):
            return None
        bill = self._bills.by_hand(sent)
        customer = self._story.people.owner(sent)
        assert customer is not None
        kind = self._story.methods.kind_of_customer(customer, self._story.people.market(customer))
        created = self._layout.charges.instant(slot, lane)
        return Payment(
            number, slot, lane, created, bill.total, bill.currency, customer,
            self._story.methods.of_customer(customer), kind, sent, self._layout.by_hand(sent), None, None, None,
            created, created,
        )  # fmt: skip

    def _of_sale(self, number: int, place: int, sale: Sale) -> Payment | None:
        if sale.outcome not in (Outcome.PAID, Outcome.DECLINED):
            return None
        created = sale.begun + CHARGED_AFTER
        failure = Failure.FOR_GOOD if sale.outcome is Outcome.DECLINED else None
        captured = None if failure or self._story.sales.is_held(sale) else created
        if captured is not None and self._layout.is_authorized(sale.slot, sale.lane):
            captured += CAPTURED_AFTER
        settled = None if failure else created + (_DEBIT_TAKES if sale.is_debit else 0)
        lane = self._layout.intent_of_sale(sale.slot) + sale.lane
        return Payment(
            number, sale.slot, place, created, sale.amount, sale.currency, sale.customer, sale.method, sale.kind,
            sale.slot, lane, None, sale, failure, captured, settled,
        )  # fmt: skip
