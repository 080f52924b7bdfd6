"""A local Stripe to try things on: seeded data of a small business, served over HTTP as Stripe serves it.

    with Sandbox(seed=1) as sandbox:
        stripe.StripeClient(sandbox.key, base_addresses={"api": sandbox.url})

It knows Stripe's API from Stripe's OpenAPI document and nothing of the connector that it helps to test.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

from connector.sandbox.admin import truth
from connector.sandbox.clock import Clock
from connector.sandbox.faults import Planned
from connector.sandbox.options import LIVE_KEY, SECRET_KEY, Options, SandboxError
from connector.sandbox.stats import Logged

__all__ = ["Logged", "Options", "Planned", "Sandbox", "SandboxError", "serve_forever"]


class Sandbox:
    """A running sandbox, as a context manager; settings are those of `Options`."""

    key = SECRET_KEY
    live_key = LIVE_KEY

    def __init__(self, options: Options | None = None, **settings: Any) -> None:
        from connector.sandbox.business import Business
        from connector.sandbox.server import Server
        from connector.sandbox.service import Service
        from connector.sandbox.store import Store

        self.options = replace(options or Options(), **settings)
        self.clock = Clock(self.options.now)
        business = Business(seed=self.options.seed, size=self.options.size, now=self.clock.start)
        self.store = Store(business, self.clock)
        self.service = Service(self.store, self.options, self.clock)
        try:
            self._server = Server(self.service, self.options.host, self.options.port)
        except OSError as error:
            raise SandboxError(f"port {self.options.port} cannot be used: {error.strerror}") from error

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        """Where it listens, e.g. "http://127.0.0.1:12111"."""
        return f"http://127.0.0.1:{self._server.port}"

    def truth(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield every object of `kind` as it is, whole, newest first; children with their parent's id."""
        return truth(self.store, kind)

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
