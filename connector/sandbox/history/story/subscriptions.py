"""Where subscriptions stand at an instant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.history.story.contracts import NEVER, STARTS_AFTER, Contract, Fate
from connector.sandbox.history.story.invoices import INCOMPLETE_SECONDS

if TYPE_CHECKING:
    from connector.sandbox.history.story.story import Story

_NOTICE_DAYS = 7
_WARNING_DAYS = 3


class Subscriptions:
    """Periods, ends and statuses of contracts."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._calendar, self._layout = story.calendar, story.layout
        self._month = story.calendar.slots_per_month
        self.half_month = self._month // 2
        self.notice = story.calendar.days(_NOTICE_DAYS)  # slots between a cancellation and its effect
        self.warning = story.calendar.days(_WARNING_DAYS)  # slots between a warning and a trial's end

    def starts(self, contract: Contract, period: int) -> int:
        """The second at which a period begins."""
        begins = self._calendar.instant(contract.number + period * self._month)
        return begins + self._calendar.lateness(contract.number) + STARTS_AFTER

    def period(self, contract: Contract, instant: int) -> int:
        """The last period that had been billed by then; 0 at the beginning."""
        slot = self._calendar.slot_at(instant)
        period = min((slot - contract.number) // self._month, contract.stop - 1)
        period -= period % contract.every
        billed = contract.number + period * self._month
        if period > 0 and self._layout.invoices.instant(billed, period) > instant:
            period -= contract.every
        return max(period, 0)

    def ended(self, contract: Contract) -> int | None:
        """When it is canceled, if it ever is."""
        if contract.fate is Fate.CANCELED:
            return self.starts(contract, contract.stop)
        return self.given_up(contract) if contract.fate is Fate.FAILED else None

    def noticed(self, contract: Contract) -> int | None:
        """When somebody asked to cancel it at the end of the period; None where it was canceled at once."""
        if contract.fate is not Fate.CANCELED or contract.number % 3 == 0:
            return None
        return self._calendar.instant(contract.number + contract.stop * self._month - self.notice) + 26

    def given_up(self, contract: Contract) -> int | None:
        """When a payment that failed for good is not tried any more."""
        if contract.fate not in (Fate.FAILED, Fate.UNPAID):
            return None
        failed = contract.number + contract.fail * self._month
        return (
            self._calendar.instant(failed + self._story.invoices.gives_up_after) + self._calendar.finalized_after + 20
        )

    def upgraded(self, contract: Contract) -> int | None:
        """When its plan is changed, in the middle of a period."""
        if contract.upgrade == NEVER:
            return None
        return self._calendar.instant(contract.number + contract.upgrade * self._month - self.half_month) + 25

    def on_hold(self, contract: Contract) -> int | None:
        """When its invoices begin to stay drafts."""
        if contract.fate is not Fate.DRAFTS:
            return None
        return max(self.starts(contract, 0), self._calendar.instant(self._story.contracts.drafts_since) + 3)

    def status(self, contract: Contract, instant: int) -> str:
        """Stripe's word for where the subscription stands."""
        if contract.fate is Fate.INCOMPLETE:
            expired = instant >= self.starts(contract, 0) + INCOMPLETE_SECONDS
            return "incomplete_expired" if expired else "incomplete"
        ended = self.ended(contract)
        if ended is not None and ended <= instant:
            return "canceled"
        if contract.trial:
            if instant < self.starts(contract, 1):
                return "trialing"
            if contract.fate is Fate.PAUSED:
                return "paused"
        if contract.fate is Fate.BY_INVOICE:
            return self._sent(contract, instant)
        return self._paying(contract, instant)

    def _sent(self, contract: Contract, instant: int) -> str:
        """Past due from when a bill is late until a later one has been paid."""
        for period in range(self.period(contract, instant), -1, -1):
            invoice = self._story.invoices(contract.number + period * self._month, period)
            course = invoice.course if invoice is not None else None
            if course is not None and course.paid is not None and course.paid <= instant:
                return "active"
            if course is not None and course.due is not None and course.due <= instant and course.is_late():
                return "past_due"
        return "active"

    def _paying(self, contract: Contract, instant: int) -> str:
        charges = self._layout.charges
        if contract.fail != NEVER:
            given_up = self.given_up(contract)
            if given_up is not None and given_up <= instant:
                return "unpaid"
            failed = contract.number + contract.fail * self._month
            if charges.instant(failed, contract.fail) <= instant:
                return "past_due"
        period = self.period(contract, instant)
        slot = contract.number + period * self._month
        failing = self._story.payments.failing(slot)
        if failing is not None and failing.period == period and self._story.contracts.billed(contract.number, period):
            first, *_, last = self._story.payments.attempts(slot, period)
            if charges.created(first) <= instant < charges.created(last):
                return "past_due"
        return "active"
