"""Every error that the connector raises on purpose.

ConnectorError                 something could not be done; one line says what, where, what next (exit 1)
├── UsageError                 the request itself cannot be understood (exit 2)
│   ├── ConfigError            a config, a connection or an environment variable
│   ├── DefinitionError        a file in endpoints/
│   ├── DateError              a date token
│   └── ConditionError         a condition: unknown column, operator that does not fit, wrong value
├── StripeError                Stripe answered with an error: status, type, code, param, request id
│   ├── AuthenticationFailed   401: the key is wrong, expired or missing
│   ├── PermissionDenied       403: the key may not do this
│   ├── ObjectMissing          404: no such object, or not in this account and mode
│   ├── RateLimited            429, still after all attempts
│   └── StripeUnavailable      5xx, still after all attempts
├── NoResponse                 no response at all; after a write the outcome is unknown
├── DataError                  a response that cannot be read as what it should be
├── TargetError                the place to write to refused
└── MissingExtra               an optional library is not installed

ConnectorWarning               what is worth telling of rows that were read all the same
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from connector.installation import install
from connector.masking import masked


class ConnectorError(Exception):
    """Base of all errors meant for people; `str(error)` is the whole message, never holding a secret.

    `outcome_unknown` is True where a write may have happened all the same; sent again with the same
    `idempotency_key`, where there is one, it cannot happen twice.
    """

    exit_code = 1
    outcome_unknown: bool = False
    idempotency_key: str | None = None

    def __init__(self, message: str = "") -> None:
        super().__init__(masked(message))


class ConnectorWarning(UserWarning):
    """What is worth telling of rows that were read all the same; reports hold it as notes."""

    def __init__(self, message: str = "") -> None:
        super().__init__(masked(message))


class UsageError(ConnectorError):
    """The request cannot be understood; nothing was done."""

    exit_code = 2


class ConfigError(UsageError):
    """A config file, a connection or an environment variable is missing or wrong."""


class DefinitionError(UsageError):
    """A file in endpoints/ says something that a definition cannot say."""


class DateError(UsageError):
    """A date token that the grammar does not know."""


class ConditionError(UsageError):
    """A condition on a column that does not exist, or with an operator or value that does not fit it."""


class StripeError(ConnectorError):
    """Stripe's own error: `status`, `type`, `code`, `param`, `request_id` as Stripe gave them, else None."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        body: dict[str, object] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        fields = body or {}
        self.status = status
        self.request_id = request_id
        self.type = _text(fields.get("type"))
        self.code = _text(fields.get("code"))
        self.param = _text(fields.get("param"))
        self.decline_code = _text(fields.get("decline_code"))
        self.reason = _text(fields.get("message"))


class AuthenticationFailed(StripeError):
    """Stripe does not know the key (401)."""


class PermissionDenied(StripeError):
    """The key is known and may not do this (403)."""


class ObjectMissing(StripeError):
    """There is no such object in this account and mode (404)."""


class RateLimited(StripeError):
    """Stripe still answered 429 when all attempts and the time limit were used up."""


class StripeUnavailable(StripeError):
    """Stripe still answered 5xx when all attempts and the time limit were used up."""


class NoResponse(ConnectorError):
    """No response came back; `outcome_unknown` is True where a write may have happened all the same."""

    def __init__(self, message: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


class DataError(ConnectorError):
    """A response or a file that cannot be read as what it should be."""


class TargetError(ConnectorError):
    """The place to write to refused: not writable, full, locked, or its limits are exceeded."""


class MissingExtra(ConnectorError):
    """An optional library is not installed; the message names the line that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs a library that is not installed: {install(extra)}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean a, b?" for the known words nearest to `word`, or "" when none is near."""
    near = difflib.get_close_matches(word.lower(), list(known), n=3, cutoff=0.6)
    return f" Did you mean {', '.join(near)}?" if near else ""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
