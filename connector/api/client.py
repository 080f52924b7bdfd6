"""The only module that speaks HTTP: key, version, account, retries, rate limits, idempotency.

A call is made ready (calls.py), sent under the rate limits (limits.py), and sent again while that can help and cannot
harm. What comes back is a `Response` with a 2xx status; everything else becomes an error for people (responses.py).
"""

from __future__ import annotations

import copy
import logging
import math
import random
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import TracebackType

import httpx

from connector.api.calls import Call, Prepared, prepare
from connector.api.clock import MOST_SECONDS_APART, LocalClock, StripeClock, http_date
from connector.api.deadline import deadline, keep_deadlines
from connector.api.limits import Limits, Turn, account_rps
from connector.api.responses import TOO_MANY_REQUESTS, Attempts, Failure, Response, failure_of, no_response, refusal
from connector.api.stopping import StoppedError
from connector.config import LOOPBACK, Connection
from connector.errors import DataError

ATTEMPTS = 8
FIRST_WAIT_SECONDS = 0.5
LEAST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 30.0
LONGEST_REFUSED_WAIT_SECONDS = 1.0
REFUSED_SECONDS = 20.0  # what a server may take to start, while it refuses connections
IDLE_SECONDS = 30.0
_MEGABYTE = 1_000_000

_log = logging.getLogger(__name__)
_is_sending: ContextVar[bool] = ContextVar("is_sending", default=False)


@dataclass(frozen=True)
class Statistics:
    """What a client has done so far; `bytes` counts what came over the network, compressed as it was.

    Of the seconds waited, `limited_seconds` are those that the rate limits took.
    """

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    waited_seconds: float = 0.0
    limited_seconds: float = 0.0
    bytes: int = 0


class RequestsSpentError(Exception):
    """As many requests as a client may send have been sent."""


class _Count:
    """Statistics that grow, and with them those of the count that this is a part of."""

    def __init__(self, whole: _Count | None = None, most_requests: float = math.inf) -> None:
        self.statistics = Statistics()
        self._whole = whole
        self._most_requests = most_requests
        self._counting = threading.Lock()

    def add(self, **more: float) -> None:
        """Add to the statistics; a RequestsSpentError where that would be more requests than there may be."""
        with self._counting:
            if self.statistics.requests + more.get("requests", 0) > self._most_requests:
                raise RequestsSpentError
            counted = {name: getattr(self.statistics, name) + number for name, number in more.items()}
            self.statistics = replace(self.statistics, **counted)
        if self._whole is not None:
            self._whole.add(**more)


@dataclass
class _Progress:
    """One request on its way through its attempts."""

    started_at: float
    attempts: int = 0
    failures: int = 0
    may_have_happened: bool = False


class Client:
    """Requests to Stripe over one connection; safe to use from several threads at once."""

    def __init__(
        self, connection: Connection, transport: httpx.BaseTransport | None = None, clock: LocalClock | None = None
    ) -> None:
        self.connection = connection
        self._clock = clock or LocalClock()
        # A sandbox's clock may stand at any time, Stripe's does not.
        is_sandbox = httpx.URL(connection.api_base).host in LOOPBACK
        self._stripe_clock = StripeClock(self._clock, math.inf if is_sandbox else MOST_SECONDS_APART)
        self._limits = Limits(self._clock, account_rps(connection), connection.max_rps_per_endpoint)
        self._http = _open(transport)
        self._count = _Count()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.connection!r})"

    @property
    def statistics(self) -> Statistics:
        """What was done so far."""
        return self._count.statistics

    def counting_apart(self, most_requests: float = math.inf) -> Client:
        """Return a client of the same connections and limits with a count of its own, all of which counts here, too.

        Once it has sent `most_requests`, it raises a RequestsSpentError where it should send another.
        """
        part = copy.copy(self)
        part._count = _Count(self._count, most_requests)  # noqa: SLF001 - its own class
        return part

    @property
    def knows_stripe_time(self) -> bool:
        """Whether an answer has told what time it is at Stripe; until then this computer's clock stands for it."""
        return self._stripe_clock.is_set

    def stripe_seconds(self) -> int:
        """Return what time it is on Stripe's clock, as far as its answers have told."""
        return self._stripe_clock.whole_seconds(self._clock.monotonic())

    def close(self) -> None:
        """Close the connections to Stripe."""
        self._http.close()

    def get(self, url: str, params: Mapping[str, object] | None = None, endpoint: str | None = None) -> Response:
        """Send a GET and return its response."""
        return self.request(Call("GET", url, params, endpoint=endpoint))

    def request(self, call: Call) -> Response:
        """Send the call, again where that helps, and return its successful response; else raise what went wrong."""
        request = prepare(call, self.connection)
        progress = _Progress(started_at=self._clock.monotonic())
        while True:
            outcome = self._attempt(request, progress)
            if isinstance(outcome, Response) and httpx.codes.is_success(outcome.status):
                return outcome
            if self._http.is_closed:  # by who had asked, and waits no more
                raise StoppedError
            wait_seconds = self._wait_before_next(request, progress, outcome)
            if wait_seconds is None:
                break
            self._log_retry(request, progress, outcome, wait_seconds)
            limited_seconds = wait_seconds if _is_limited(outcome) else 0.0
            self._count.add(retries=1, waited_seconds=wait_seconds, limited_seconds=limited_seconds)
            self._clock.sleep(wait_seconds)
        attempts = self._attempts(request, progress, outcome)
        # Raised outside of any handler: a chained exception of the HTTP library is text that nobody has checked.
        raise refusal(outcome, attempts) if isinstance(outcome, Response) else no_response(outcome, attempts)

    # One attempt

    def _attempt(self, request: Prepared, progress: _Progress) -> Response | Failure:
        progress.attempts += 1
        self._count.add(requests=1)
        with self._limits.turn(request.label) as turn:
            self._count.add(waited_seconds=turn.waited_seconds, limited_seconds=turn.waited_seconds)
            outcome = self._send(request, progress)
            self._learn(request, turn, outcome)
        progress.failures += not _is_limited(outcome)
        progress.may_have_happened |= request.writes and _may_have_happened(outcome)
        return outcome

    def _send(self, request: Prepared, progress: _Progress) -> Response | Failure:
        built = self._http.build_request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.body,
            timeout=self._timeout(progress),
        )
        sent_at = self._clock.monotonic()
        try:
            with _unlogged(), self._deadline(progress), closing(self._http.send(built, stream=True)) as response:
                self._observe_date(request, response)
                content = self._read(request, response)
        except httpx.RequestError as error:
            return failure_of(error)
        if request.to_stripe and request.method != "HEAD" and _is_cut(response, content):
            return Failure("the response was cut off")
        self._log(logging.DEBUG, f"{request.label}: {response.status_code} {response.headers.get('Request-Id', '')}")
        stripe_seconds = self._stripe_clock.whole_seconds(sent_at)
        return Response(response.status_code, response.headers, content, stripe_seconds, request.label)

    def _timeout(self, progress: _Progress) -> httpx.Timeout:
        left = max(self._seconds_left(progress), LEAST_WAIT_SECONDS)
        read, connect = self.connection.read_seconds, self.connection.connect_seconds
        return httpx.Timeout(min(read, left), connect=min(connect, left))

    def _deadline(self, progress: _Progress) -> AbstractContextManager[None]:
        return deadline(lambda: self._seconds_left(progress))

    def _seconds_left(self, progress: _Progress) -> float:
        return self.connection.total_seconds - self._seconds_spent(progress)

    def _seconds_spent(self, progress: _Progress) -> float:
        return self._clock.monotonic() - progress.started_at

    def _read(self, request: Prepared, response: httpx.Response) -> bytes:
        """Read the body; a DataError where it is larger than the connection allows."""
        most, size, pieces = self.connection.max_body_megabytes * _MEGABYTE, 0, []
        for piece in response.iter_bytes():
            size += len(piece)
            if size > most:
                raise DataError(
                    f"The response to {request.label} is larger than {self.connection.max_body_megabytes:g} MB, so it "
                    "was not read to its end: max_body_megabytes of the connection allows more."
                )
            pieces.append(piece)
        self._count.add(bytes=response.num_bytes_downloaded)
        return b"".join(pieces)

    def _observe_date(self, request: Prepared, response: httpx.Response) -> None:
        # A proxy that answers in Stripe's place has a clock of its own, and gives no request id.
        if request.to_stripe and "Request-Id" in response.headers:
            self._stripe_clock.observe(response.headers.get("Date"), self._clock.monotonic())

    def _learn(self, request: Prepared, turn: Turn, outcome: Response | Failure) -> None:
        if not request.to_stripe or isinstance(outcome, Failure):
            return
        if outcome.status != TOO_MANY_REQUESTS:
            self._limits.succeeded(turn)
            return
        self._count.add(rate_limited=1)
        is_locked = outcome.error_fields(self.connection.key.hide_in).get("code") == "lock_timeout"
        reason = "lock_timeout" if is_locked else outcome.headers.get("Stripe-Rate-Limited-Reason")
        self._limits.throttled(turn, reason)

    # After an attempt

    def _wait_before_next(self, request: Prepared, progress: _Progress, outcome: Response | Failure) -> float | None:
        """Return the seconds to wait before the next attempt, or None when there is none."""
        if isinstance(outcome, Failure) and outcome.is_refused:
            wait_seconds = random.uniform(LEAST_WAIT_SECONDS, LONGEST_REFUSED_WAIT_SECONDS)  # noqa: S311
            left = min(REFUSED_SECONDS, self.connection.total_seconds) - self._seconds_spent(progress)
            return wait_seconds if wait_seconds < left else None
        if progress.failures >= ATTEMPTS or not _may_be_sent_again(request, outcome):
            return None
        wait_seconds = max(_back_off_seconds(progress.attempts), _retry_after_seconds(outcome, self._clock))
        return wait_seconds if wait_seconds < self._seconds_left(progress) else None

    def _attempts(self, request: Prepared, progress: _Progress, outcome: Response | Failure) -> Attempts:
        return Attempts(
            label=request.label,
            base=f"{request.url.scheme}://{request.url.netloc.decode('ascii')}",
            to_stripe=request.to_stripe,
            count=progress.attempts,
            seconds=self._seconds_spent(progress),
            outcome_unknown=progress.may_have_happened and not _is_settled(request, outcome),
            idempotency_key=request.idempotency_key,
            hide=self.connection.key.hide_in,
        )

    def _log(self, level: int, text: str) -> None:
        _log.log(level, "%s", self.connection.key.hide_in(text))

    def _log_retry(
        self, request: Prepared, progress: _Progress, outcome: Response | Failure, wait_seconds: float
    ) -> None:
        what = str(outcome.status) if isinstance(outcome, Response) else outcome.reason
        is_repeated = isinstance(outcome, Failure) and outcome.is_refused and progress.attempts > 1
        is_usual = is_repeated or what == str(TOO_MANY_REQUESTS)
        level = logging.INFO if is_usual else logging.WARNING
        self._log(level, f"{request.label}: {what}; sent again in {wait_seconds:.1f} s")


def _open(transport: httpx.BaseTransport | None) -> httpx.Client:
    # A proxy of the environment is for the world outside, not for a sandbox on this machine.
    direct = {f"all://{f'[{host}]' if ':' in host else host}": None for host in LOOPBACK}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=IDLE_SECONDS)
    client = httpx.Client(transport=transport, mounts=direct, limits=limits, follow_redirects=False)
    keep_deadlines(client)
    return client


# What an outcome means


def _is_limited(outcome: Response | Failure) -> bool:
    return isinstance(outcome, Response) and outcome.status == TOO_MANY_REQUESTS


def _may_be_sent_again(request: Prepared, outcome: Response | Failure) -> bool:
    if isinstance(outcome, Failure):
        return not outcome.is_final and (request.is_repeatable or not outcome.was_sent)
    is_kept = outcome.headers.get("Idempotent-Replayed", "").lower() == "true"  # with its key: it gives no other
    if is_kept or outcome.status == httpx.codes.NOT_IMPLEMENTED:
        return False
    advice = outcome.headers.get("Stripe-Should-Retry", "").lower()
    if request.to_stripe and advice in {"true", "false"}:
        return advice == "true"
    if outcome.status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return request.is_repeatable
    return outcome.status in {httpx.codes.CONFLICT, TOO_MANY_REQUESTS}


def _may_have_happened(outcome: Response | Failure) -> bool:
    if isinstance(outcome, Failure):
        return outcome.was_sent
    return outcome.status >= httpx.codes.INTERNAL_SERVER_ERROR and outcome.status != httpx.codes.NOT_IMPLEMENTED


def _is_settled(request: Prepared, outcome: Response | Failure) -> bool:
    """Whether this last outcome tells what became of the attempts before it that got no response.

    With an idempotency key Stripe answers for all attempts at once, unless it did not get as far as the key.
    Without one, a 404 to a DELETE may well be the effect of the attempt before.
    """
    if isinstance(outcome, Failure) or request.idempotency_key is None:
        return False
    return outcome.status in {400, 402, 404, 424, 501}


def _back_off_seconds(attempts: int) -> float:
    doublings = min(attempts - 1, 10)  # more would pass the longest wait anyway, and at last the largest float
    longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**doublings)
    return random.uniform(LEAST_WAIT_SECONDS, longest)  # noqa: S311  # spreads retries, guards nothing


def _retry_after_seconds(outcome: Response | Failure, clock: LocalClock) -> float:
    """Return the wait that `Retry-After` asks for, in seconds or as a date; 0 without one."""
    value = "" if isinstance(outcome, Failure) else outcome.headers.get("Retry-After", "")
    if isinstance(outcome, Failure) or not value:
        return 0.0
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value.strip()):
        return float(value)
    until, now = http_date(value), http_date(outcome.headers.get("Date"))
    return 0.0 if until is None else max(0.0, until - (clock.time() if now is None else now))


def _is_cut(response: httpx.Response, content: bytes) -> bool:
    """Whether a successful JSON response ends in the middle, though the connection counted it whole."""
    is_json = response.status_code == httpx.codes.OK and "json" in response.headers.get("Content-Type", "")
    is_whole = content.rstrip().endswith((b"}", b"]"))
    return is_json and not is_whole and content.lstrip()[:1] in (b"{", b"[", b"")


# What is logged


class _Silence(logging.Filter):
    """Drops what the HTTP library logs about our requests: its lines hold addresses, and these hold row values."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  # the interface of logging
        return not _is_sending.get()


for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks"):
    logging.getLogger(_name).addFilter(_Silence())


@contextmanager
def _unlogged() -> Iterator[None]:
    token = _is_sending.set(True)
    try:
        yield
    finally:
        _is_sending.reset(token)
