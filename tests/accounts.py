"""An account on a sandbox, without the limits that would only make tests slow."""

from __future__ import annotations

from connector import Stripe
from connector.sandbox import Sandbox

NOW = 1793534400  # 2026-11-01T12:00:00Z: the same business on every day


def account(sandbox: Sandbox, key: str | None = None, total_seconds: float = 5) -> Stripe:
    """Return an account on a sandbox that has no limits."""
    return Stripe(
        key=key or sandbox.key,
        api_base=sandbox.url,
        max_rps=100_000,
        max_rps_per_endpoint=100_000,
        total_seconds=total_seconds,
    )
