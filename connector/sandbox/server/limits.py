"""Rate limits as Stripe has them: a bucket for the account, and one for each call.

[docs 2026] An account may make 100 requests a second live and 25 in test mode; each call 25. [docs 2025] Searches
20. Real time counts here, not the sandbox's clock.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from connector.sandbox.document.api import Operation
from connector.sandbox.document.refusals import refusal

LIVE_PER_SECOND, TEST_PER_SECOND = 100, 25
CALL_PER_SECOND, SEARCH_PER_SECOND = 25, 20


@dataclass
class Bucket:
    """Holds up to one second's worth of requests and fills up again at `per_second`."""

    per_second: float
    tokens: float
    filled_at: float

    def ready(self, now: float) -> bool:
        """Fill up for the time that has passed; whether one request may go."""
        most = max(1.0, self.per_second)
        self.tokens = min(most, self.tokens + (now - self.filled_at) * self.per_second)
        self.filled_at = now
        return self.tokens >= 1


class Limits:
    """All buckets of a sandbox. `rps` replaces the account's limit; 0 switches every limit off."""

    def __init__(self, rps: float | None = None) -> None:
        self._rps = rps
        self._buckets: dict[tuple[bool, str], Bucket] = {}
        self._lock = threading.Lock()

    def take(self, livemode: bool, operation: Operation) -> None:
        """Count one request; Refusal with its reason when the account or the call has had too many."""
        if self._rps == 0:
            return
        account = self._rps or (LIVE_PER_SECOND if livemode else TEST_PER_SECOND)
        call = SEARCH_PER_SECOND if operation.searches else CALL_PER_SECOND
        now = time.monotonic()
        with self._lock:
            both = [self._bucket((livemode, ""), account, now), self._bucket((livemode, operation.name), call, now)]
            for bucket, reason in zip(both, ("rate_account", "rate_endpoint"), strict=True):
                if not bucket.ready(now):
                    raise refusal(reason)
            for bucket in both:
                bucket.tokens -= 1

    def _bucket(self, name: tuple[bool, str], per_second: float, now: float) -> Bucket:
        if name not in self._buckets:
            self._buckets[name] = Bucket(per_second, max(1.0, per_second), now)
        return self._buckets[name]
