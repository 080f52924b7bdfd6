"""Stripe as flat, typed tables: extract what you need, to files, DataFrames and databases."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from connector.errors import (
    AuthenticationFailed,
    ConditionError,
    ConfigError,
    ConnectorError,
    ConnectorWarning,
    DataError,
    DateError,
    DefinitionError,
    MissingExtra,
    NoResponse,
    ObjectMissing,
    PermissionDenied,
    RateLimited,
    StripeError,
    StripeUnavailable,
    TargetError,
    UsageError,
)
from connector.rows.money import major, minor

if TYPE_CHECKING:
    from connector.load.loading import Loading, LoadReport
    from connector.request.send import RequestResult
    from connector.result import Report, Result
    from connector.stripe import Stripe
    from connector.sync.report import SyncReport

    __version__: str

__all__ = [
    "AuthenticationFailed", "ConditionError", "ConfigError", "ConnectorError", "ConnectorWarning", "DataError",
    "DateError", "DefinitionError", "LoadReport", "Loading", "MissingExtra", "NoResponse", "ObjectMissing",
    "PermissionDenied", "RateLimited", "Report", "RequestResult", "Result", "Stripe", "StripeError",
    "StripeUnavailable", "SyncReport", "TargetError", "UsageError", "major", "minor",
]  # fmt: skip

# Imported when they are first asked for, so that the command line starts at once.
_LATER = {
    "LoadReport": "connector.load.loading",
    "Loading": "connector.load.loading",
    "Report": "connector.result",
    "RequestResult": "connector.request.send",
    "Result": "connector.result",
    "Stripe": "connector.stripe",
    "SyncReport": "connector.sync.report",
}


def __getattr__(name: str) -> Any:
    """Import what is public and not here yet."""
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    if name == "__version__":
        from importlib import metadata

        return metadata.version("stripe-connector")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Offer what is public, not the modules that happen to be imported."""
    return [*__all__, "__doc__", "__version__"]
