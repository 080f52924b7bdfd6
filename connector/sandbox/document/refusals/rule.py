"""One way to say no: the row of a table."""

from __future__ import annotations

from dataclasses import dataclass

NO_RETRY = (("Stripe-Should-Retry", "false"),)
"""Headers of an answer that another try would not change."""


@dataclass(frozen=True)
class Rule:
    """One row: the answer's status, message with {words} to fill in, code, type, headers, and its basis.

    `type` is "" for calls of v2 that are refused for a parameter: they have a code in its place.
    """

    status: int
    message: str
    code: str | None = None
    type: str = "invalid_request_error"
    headers: tuple[tuple[str, str], ...] = ()
    basis: str = "known"
