"""A running sandbox: the store, the server before it, and what its users may do with both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

from connector.sandbox.options import LIVE_KEY, SECRET_KEY, Options, Planned, SandboxError
from connector.sandbox.server.stats import Logged
from connector.sandbox.world.clock import Clock


class Sandbox:
    """A running sandbox, as a context manager; settings are those of `Options`."""

    key = SECRET_KEY
    live_key = LIVE_KEY

    def __init__(self, options: Options | None = None, **settings: Any) -> None:
        from connector.sandbox.history.business import business
        from connector.sandbox.server.delivery import Delivery
        from connector.sandbox.server.server import Server
        from connector.sandbox.server.service import Service
        from connector.sandbox.world.store import Store
        from connector.sandbox.world.troubles import troubles
        from connector.sandbox.writes.busy import Busy
        from connector.sandbox.writes.served import KINDS

        self.options = replace(options or Options(), **settings)
        self.clock = Clock(self.options.now)
        generated = business(self.options.seed, self.options.size, self.clock.start)
        self.store = Store(generated, self.clock, KINDS, self.options.seed)
        self.store.search_lag_seconds = self.options.search_lag_seconds
        self.store.older_events = self.options.older_events
        self.store.telling.troubles = troubles(self.options.event_trouble, "event")
        self._busy = Busy(self.store, self.options.seed)
        self.webhooks = Delivery(self.store, self.options.seed, self.options.webhook_trouble)
        if self.options.webhook is not None:
            self.webhook(self.options.webhook)
        self.service = Service(self.store, self.options, self.clock)
        try:
            self._server = Server(self.service, self.options.host, self.options.port)
        except OSError as error:
            raise SandboxError(f"port {self.options.port} cannot be used: {error.strerror}") from error

    def __enter__(self) -> Self:
        self._server.start()
        if self.options.busy:
            self.busy(self.options.busy)
        return self

    def __exit__(self, *_: object) -> None:
        self._busy.close()
        self.webhooks.close()
        self._server.stop()

    @property
    def url(self) -> str:
        """Where it listens, e.g. "http://127.0.0.1:12111"."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def accounts(self) -> tuple[str, ...]:
        """Ids of the connected accounts, for `Stripe-Account`."""
        return self.service.accounts.connected

    @property
    def account(self) -> str:
        """The id of the account that the sandbox's keys open; `accounts` are those connected to it."""
        return self.service.accounts.own

    def truth(self, kind: str, account: str | None = None, livemode: bool = False) -> Iterator[dict[str, Any]]:
        """Yield every object of `kind` as it is, whole, newest first; children with their parent's id.

        Those of the sandbox's own account in test mode, unless told otherwise.
        """
        from connector.sandbox.server.admin import truth

        accounts = self.service.accounts
        store = accounts.find(account or accounts.own, livemode)
        if store is None:
            raise SandboxError(f"there is no account {account}; connected are {', '.join(accounts.connected)}")
        return truth(store, kind)

    def stats(self) -> dict[str, Any]:
        """Return what `/_stats` says: calls by name and status, 429s, the most at once, bytes."""
        return self.service.stats.totals()

    @property
    def requests(self) -> Sequence[Logged]:
        """The last thousand requests, oldest first."""
        return list(self.service.stats.requests)

    def put(self, kind: str, record: dict[str, Any]) -> None:
        """Change the object with this id, or add it after all others."""
        self.store.put(kind, record)

    def delete(self, kind: str, id: str) -> bool:  # noqa: A002 - Stripe's word for it
        """Delete an object, silently as lists do; False when there is none."""
        return self.store.delete(kind, id)

    def advance(self, seconds: int) -> int:
        """Move the clock on; what falls due on the way happens. Return the new present in unix seconds."""
        from connector.sandbox.document.refusals import Refusal
        from connector.sandbox.server.admin import advance

        try:
            return advance(self.store, seconds)
        except Refusal as no:
            raise SandboxError(f"the clock cannot be moved by {seconds} seconds: {no.message}") from no

    def bank(self, id: str, outcome: str) -> dict[str, Any]:  # noqa: A002 - Stripe's word for it
        """Let a bank fail a payout or a debit, dispute a charge or decide a dispute; return what comes of it.

        Outcomes: of a payout or a pending debit "failed"; of a charge "needs_response", "warning_needs_response"
        and "prevented"; of a dispute "won", "lost", "warning_closed" and "needs_response" (an inquiry escalates).
        """
        from connector.sandbox.document.refusals import Refusal
        from connector.sandbox.writes.actions.banks import decide

        try:
            return decide(self.store, id, outcome)
        except Refusal as no:
            raise SandboxError(no.message) from no

    def busy(self, per_second: float) -> None:
        """Make so many realistic changes a second from now on, by a plan that the seed repeats."""
        self._busy.start(per_second)

    def work(self, changes: int) -> dict[str, int]:
        """Make so many realistic changes at once; return how many of each call were made so far."""
        self._busy.work(changes)
        return dict(self._busy.done)

    def webhook(self, url: str, events: Sequence[str] = ("*",)) -> str:
        """Send events to `url` from now on; return the secret that they are signed with."""
        from connector.sandbox.document.refusals import Refusal
        from connector.sandbox.writes.actions.webhooks import add_endpoint

        try:
            return add_endpoint(self.store, url, events)
        except Refusal as no:
            raise SandboxError(f'webhook "{url}": {no.message}') from no

    def fail(self, fault: str, on: str | None = None, nth: int = 1, times: int = 1) -> None:
        """Let the `nth` request from now that fits `on` ("GET /v1/customers"; None: any) go wrong."""
        self.service.plan.add(Planned(fault, on, nth, times))


def serve_forever(options: Options, announce: Callable[[Sandbox], None]) -> None:
    """Run a sandbox until Ctrl-C; `announce` is called once it answers."""
    with Sandbox(options) as sandbox:
        announce(sandbox)
        try:
            while True:
                time.sleep(3600)  # unlike waiting for a lock, this ends at once on Ctrl-C, on Windows too
        except KeyboardInterrupt:
            return
