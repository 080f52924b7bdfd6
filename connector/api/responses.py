"""What comes back from a request: a response, or the failure to get one, and the errors that both become."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from connector.errors import (
    AuthenticationFailed,
    DataError,
    NoResponse,
    ObjectMissing,
    PermissionDenied,
    RateLimited,
    StripeError,
    StripeUnavailable,
)

TOO_MANY_REQUESTS = 429
_LONGEST_REASON = 1_000  # in characters: what somebody reads of a server's own words

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.LocalProtocolError)
_NEXT_STEPS = {
    401: "Check STRIPE_API_KEY, or the key of the connection.",
    403: "Grant the restricted key the permission that Stripe names, in the Dashboard under Developers, API keys.",
    404: "Check the id, the account, and whether the key is of the right mode (test or live).",
    429: "Other programs may be using the account's limit: lower max_rps of the connection.",
}


@dataclass(frozen=True)
class Response:
    """What a server sent back. `sent_at` is when the request was sent, in whole seconds of Stripe's clock."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    sent_at: int
    label: str

    @property
    def request_id(self) -> str | None:
        """Stripe's name for the request, as its support and the Dashboard's logs know it."""
        return self.headers.get("Request-Id")

    @property
    def name(self) -> str:
        """What it is called in errors: "The response to GET /v1/charges (200, request req_1)"."""
        request = f", request {self.request_id}" if self.request_id else ""
        return f"The response to {self.label} ({self.status}{request})"

    def json(self) -> Any:
        """Return the content parsed; a DataError when it is not JSON."""
        try:
            return msgspec.json.decode(self.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(f"{self.name} is not JSON: {error}.") from None

    def error_fields(self, hide: Callable[[str], str]) -> dict[str, object]:
        """Return the `error` object of the content, keys masked by `hide`; empty where there is none."""
        try:
            body = msgspec.json.decode(hide(self.content.decode("utf-8", "replace")))
        except (msgspec.DecodeError, RecursionError):
            return {}
        error = body.get("error") if isinstance(body, dict) else None
        return error if isinstance(error, dict) else {}


@dataclass(frozen=True)
class Failure:
    """An attempt without a response: why, whether Stripe may have got the request, whether to give up at once.

    `is_refused` where nothing listens at the address, or not yet.
    """

    reason: str
    was_sent: bool = True
    is_final: bool = False
    is_refused: bool = False


@dataclass(frozen=True)
class Attempts:
    """All attempts of one request, as far as an error tells of them."""

    label: str
    base: str
    to_stripe: bool
    count: int
    seconds: float
    outcome_unknown: bool
    idempotency_key: str | None
    hide: Callable[[str], str] = field(repr=False)

    @property
    def spent(self) -> str:
        """The attempts and the time that they took, as " after 5 attempts in 42 s"; "" for one attempt."""
        return f" after {self.count} attempts in {self.seconds:.0f} s" if self.count > 1 else ""

    @property
    def doubt(self) -> str:
        """What to do when nobody knows whether a write happened; "" when it is known."""
        if not self.outcome_unknown:
            return ""
        if self.idempotency_key is None:
            return " Whether it took effect is unknown: look at the object before you send it again."
        return (
            " Whether it took effect is unknown: send it again with the idempotency key "
            f"{self.idempotency_key}, which cannot make it happen twice."
        )


def failure_of(error: httpx.RequestError) -> Failure:
    """Return why there was no response, in words for people."""
    was_sent = not isinstance(error, _NEVER_SENT)
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure(f"its certificate is not trusted ({cause.verify_message})", was_sent=False, is_final=True)
        if isinstance(cause, socket.gaierror):
            return Failure("the name of the host was not found", was_sent)
        if isinstance(cause, ConnectionRefusedError):
            return Failure("connection refused", was_sent, is_refused=True)
    return Failure(_reason(error), was_sent)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason(error: httpx.RequestError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection within the time allowed"
    if isinstance(error, httpx.TimeoutException):
        return "no whole response came within the time allowed"
    if isinstance(error, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError | httpx.DecodingError):
        return "the connection broke before the response was whole"
    return str(error) or type(error).__name__


def no_response(failure: Failure, attempts: Attempts) -> NoResponse:
    """Return the error for a request that got no response."""
    message = f"No response from {attempts.base} to {attempts.label}{attempts.spent}: {failure.reason}."
    advice = attempts.doubt or f" Check the network{', and api_base of the connection' if attempts.to_stripe else ''}."
    error = NoResponse(attempts.hide(message + advice), outcome_unknown=attempts.outcome_unknown)
    error.idempotency_key = attempts.idempotency_key
    return error


def refusal(response: Response, attempts: Attempts) -> StripeError:
    """Return the error for a response that is not a success."""
    fields = response.error_fields(attempts.hide)
    message = f"{_head(response, attempts)}: {_explanation(response, attempts, fields)}"
    if attempts.to_stripe and response.status in _NEXT_STEPS:
        message += f" {_NEXT_STEPS[response.status]}"
    error = _class_for(response.status)(
        attempts.hide(message + attempts.doubt),
        status=response.status,
        body=fields,
        request_id=response.request_id and attempts.hide(response.request_id),
    )
    error.outcome_unknown = attempts.outcome_unknown
    error.idempotency_key = attempts.idempotency_key
    return error


def _class_for(status: int) -> type[StripeError]:
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return StripeUnavailable
    typed = {401: AuthenticationFailed, 403: PermissionDenied, 404: ObjectMissing, 429: RateLimited}
    return typed.get(status, StripeError)


def _head(response: Response, attempts: Attempts) -> str:
    who = "Stripe" if attempts.to_stripe else attempts.base
    did = "could not answer" if response.status >= httpx.codes.INTERNAL_SERVER_ERROR else "refused"
    request = f", request {response.request_id}" if response.request_id else ""
    return f"{who} {did} {response.label} ({response.status}{request}){attempts.spent}"


def _redirect_host(response: Response) -> str:
    try:
        return urlsplit(response.headers.get("Location", "")).hostname or "the same host"
    except ValueError:
        return "an address that cannot be read"


def _explanation(response: Response, attempts: Attempts, fields: Mapping[str, object]) -> str:
    if httpx.codes.MULTIPLE_CHOICES <= response.status < httpx.codes.BAD_REQUEST:
        return f"it redirects to {_redirect_host(response)}, and redirects are not followed."
    reason = _line(fields.get("message"))
    if not reason and not fields:
        is_foreign = not attempts.to_stripe
        reason = "without a reason" if is_foreign else f"without Stripe's reason; is {attempts.base} Stripe's API?"
    names = ("code", "decline_code", "param")
    details = ", ".join(f"{name} {_line(fields[name])}" for name in names if fields.get(name))
    text = f"{reason} [{details}]".strip() if details else reason
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _line(words: object) -> str:
    """Return what a server says as one line that somebody can read."""
    line = " ".join(str(words or "").split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"
