"""An account on a sandbox, without the limits and without the many objects that would only make tests slow."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from connector import Stripe
from connector.api.client import Client
from connector.api.clock import LocalClock
from connector.sandbox import Sandbox

if TYPE_CHECKING:
    from connector.sandbox.world.store import Position

NOW = 1793534400  # 2026-11-01T12:00:00Z: the same business on every day
NEWEST = {"charge": 130, "event": 250, "invoice": 130, "payment_link": 20}
"""How many objects are enough for what a sync can do wrong: two pages, each with lists below it."""


def account(
    sandbox: Sandbox, key: str | None = None, total_seconds: float = 20, clock: LocalClock | None = None
) -> Stripe:
    """Return an account on a sandbox that has no limits; its retries wait by `clock`."""
    stripe = Stripe(
        key=key or sandbox.key,
        api_base=sandbox.url,
        max_rps=100_000,
        max_rps_per_endpoint=100_000,
        total_seconds=total_seconds,
    )
    if clock is not None:
        stripe._client = Client(stripe.connection, clock=clock)
    return stripe


def keep_the_newest(sandbox: Sandbox, more: Mapping[str, int] | None = None) -> Sandbox:
    """Delete all but the newest objects of what there is most of, and of `more` kinds, so that a sync is quick."""
    for kind, count in {**NEWEST, **(more or {})}.items():
        deleted, gone = _older(sandbox.options.seed, kind, count)
        layer = sandbox.store._layers[kind]
        layer.deleted |= deleted
        layer.gone |= gone
    return sandbox


@cache
def _older(seed: int, kind: str, newest: int) -> tuple[set[str], set[Position]]:
    """Return what a store remembers of objects that were deleted: to delete some thousands takes 0.1 s each time."""
    with Sandbox(seed=seed, rps=0, now=NOW) as sandbox:
        for name in _ids(seed, kind)[:-newest]:
            sandbox.delete(kind, name)
        layer = sandbox.store._layers[kind]
        return layer.deleted, layer.gone


@cache
def _ids(seed: int, kind: str) -> list[str]:
    """Return the ids of the objects that a business begins with, oldest first."""
    from connector.sandbox.history.business import business  # not needed by tests that need no sandbox

    begun = business(seed, "small", NOW)
    objects = (begun.get(kind, number) for number in range(begun.end(kind)))
    return [each["id"] for each in objects if each is not None]
