"""What happened in the sandbox's business: who bought what, when, and what came of it; no JSON yet.

Everything is a function of the seed and a number; nothing is stored. `Story` holds the parts, and they find
each other through it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connector.sandbox.history.story.balance import Balance
from connector.sandbox.history.story.bills import Bills
from connector.sandbox.history.story.calendar import Calendar
from connector.sandbox.history.story.catalogue import Catalogue
from connector.sandbox.history.story.contracts import Contracts
from connector.sandbox.history.story.invoices import Invoices
from connector.sandbox.history.story.methods import Methods
from connector.sandbox.history.story.payments import Payments
from connector.sandbox.history.story.people import People
from connector.sandbox.history.story.reversals import Reversals
from connector.sandbox.history.story.sales import Sales
from connector.sandbox.history.story.series import Layout
from connector.sandbox.history.story.subscriptions import Subscriptions


@dataclass(frozen=True)
class Size:
    """How busy the business is; a payout sweeps whole slots, and they divide a month."""

    slots_per_month: int
    slots_per_payout: int


SIZES = {"small": Size(12, 3), "1m": Size(1008, 36)}
"""A shop with weekly payouts, and one a hundred times as busy with daily ones."""


_MOST_DAYS = 20  # with more payouts a month it is paid daily


class Story:
    """The whole of it, for one seed, size and present."""

    def __init__(self, *, seed: int, size: Size, now: int) -> None:
        self.seed = seed
        self.calendar = Calendar(seed, now, size.slots_per_month)
        self.layout = Layout(seed, self.calendar, size.slots_per_payout)
        days = self.calendar.days_of_month(size.slots_per_payout)
        self.payout_schedule = _schedule(days)
        """When the account pays out, in Stripe's words."""
        self.catalogue = Catalogue(self.calendar)
        self.people = People(seed, self.calendar)
        self.methods = Methods(self)
        self.contracts = Contracts(self)
        self.bills = Bills(self)
        self.sales = Sales(self)
        self.payments = Payments(self)
        self.invoices = Invoices(self)
        self.subscriptions = Subscriptions(self)
        self.reversals = Reversals(self)
        self.balance = Balance(self)


def _schedule(days: list[int]) -> dict[str, Any]:
    """Return how an account says on which days of a month it is paid out."""
    if len(days) > _MOST_DAYS:
        return {"delay_days": 2, "interval": "daily"}
    return {"delay_days": 2, "interval": "monthly", "monthly_anchor": days[0], "monthly_payout_days": days}
