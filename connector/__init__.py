"""Stripe as flat, typed tables: extract what you need, to files, DataFrames and databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.errors import ConnectorError
from connector.rows.money import major, minor

if TYPE_CHECKING:
    from connector.stripe import Stripe

__all__ = ["ConnectorError", "Stripe", "major", "minor"]


def __getattr__(name: str) -> Any:
    """Import `Stripe` when it is first asked for, so that the command line starts at once."""
    if name == "Stripe":
        from connector.stripe import Stripe

        return Stripe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
