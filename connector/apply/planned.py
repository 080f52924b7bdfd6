"""A plan that can be sent: what a write gives back, in Python and on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from connector.api.account import Api
from connector.api.identity import identify
from connector.apply.gates import explained, missing, permission
from connector.apply.ledger import Ledger
from connector.apply.plan import Plan
from connector.apply.report import ApplyReport
from connector.apply.run import Applying, ApplyWatch, Run
from connector.errors import UsageError
from connector.rows.streams import Source


class Planned:
    """A plan, to look at and to send: it shows itself, `.save(file)` keeps it, `.apply()` sends it."""

    def __init__(self, api: Api, ledger: Ledger, plan: Plan, source: Source | None = None) -> None:
        self.plan = plan
        self.source = source
        self._api = api
        self._ledger = ledger

    def lines(self) -> list[str]:
        """Return the plan in sentences, with what would send it."""
        return self.plan.lines(missing=self.plan.flags(self._api.client.connection.livemode))

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"

    def save(self, path: str | Path) -> None:
        """Keep what is to be sent in a file, for `connector apply`; its owner alone may read it."""
        self.plan.save(path)

    def check(self, *, allow: Iterable[str] = (), allow_live: bool = False) -> None:
        """Raise a UsageError where it may not be sent: it has not been allowed, or is another account's."""
        wanted = self.plan.flags(self._api.client.connection.livemode)
        lacking = missing(wanted, permission(apply=True, allow=allow, live=allow_live))
        if lacking and self.plan.effects:
            raise UsageError(f"{self.plan.name} was not sent: it needs {' '.join(lacking)} too{explained(lacking)}.")
        own = identify(self._api.client)
        if (own.account, own.livemode) != (self.plan.account, self.plan.livemode):
            raise UsageError(
                f"This plan was made for {self.plan.account} in {_mode(self.plan.livemode)} mode; the key opens "
                f"{own.account} in {_mode(own.livemode)} mode. Nothing was sent."
            )

    def apply(
        self,
        *,
        allow: Iterable[str] = (),
        allow_live: bool = False,
        max_errors: int | None = None,
        resend: bool = False,
        watch: ApplyWatch | None = None,
    ) -> ApplyReport:
        """Send it, and return what became of each row.

        What moves money needs allow=["money"], what destroys allow=["delete"], a live key allow_live=True.
        """
        self.check(allow=allow, allow_live=allow_live)
        applying = Applying(max_errors, resend, again=self.plan.is_again)
        with self._ledger:
            return Run(self._api, self._ledger, self.plan, applying, watch).run()


def _mode(livemode: bool) -> str:
    return "live" if livemode else "test"
