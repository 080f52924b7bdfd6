"""What was asked of the sandbox: counts for `/_stats`, and the last thousand requests."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from connector.sandbox.server.keys import masked
from connector.sandbox.server.messages import Request, Response

_KEPT = 1000
_HEADERS = ("stripe-version", "stripe-account", "idempotency-key", "user-agent")


@dataclass(frozen=True)
class Logged:
    """One request that was answered. `status` is 0 where the connection was dropped; keys are masked."""

    method: str
    path: str
    query: str
    status: int
    headers: dict[str, str]


class Stats:
    """Counts calls by name and status, bytes, 429s by reason, and how many ran at once."""

    def __init__(self) -> None:
        self.requests: deque[Logged] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        self._calls: Counter[tuple[str, int]] = Counter()
        self._limited: Counter[str] = Counter()
        self._effects: Counter[str] = Counter()
        self._bytes = 0
        self._running = 0
        self._most = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count a call as running while the block lasts."""
        with self._lock:
            self._running += 1
            self._most = max(self._most, self._running)
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def note(self, name: str, request: Request, response: Response) -> None:
        """Count an answered call."""
        headers = {name: request.headers[name] for name in _HEADERS if name in request.headers}
        if "authorization" in request.headers:
            headers["authorization"] = masked(request.headers["authorization"].rpartition(" ")[2])
        with self._lock:
            self.requests.append(Logged(request.method, request.path, request.query, response.status, headers))
            self._calls[name, response.status] += 1
            self._bytes += len(response.body) if isinstance(response.body, bytes) else 0
            if response.status == 429:  # noqa: PLR2004 - the status itself
                self._limited[response.headers.get("Stripe-Rate-Limited-Reason", "")] += 1

    def acted(self, key: str | None) -> None:
        """Count that a write took effect; `key` is its idempotency key."""
        with self._lock:
            self._effects[key or ""] += 1

    def totals(self) -> dict[str, Any]:
        """Return the counts so far."""
        with self._lock:
            calls: dict[str, dict[str, int]] = {}
            for (name, status), count in sorted(self._calls.items()):
                calls.setdefault(name, {})[str(status or "dropped")] = count
            return {
                "calls": calls,
                "requests": sum(self._calls.values()),
                "rate_limited": dict(self._limited),
                "effects": dict(self._effects),
                "most_at_once": self._most,
                "bytes": self._bytes,
            }
