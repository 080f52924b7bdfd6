"""Sends a plan: at the limiter's pace, one object's rows in order, each effect at most once.

Before a call the ledger has the row's key, after it the outcome. A row in doubt goes again under its key while Stripe
still knows that; else events and objects say what became of it.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from connector.api.account import Api
from connector.apply.effects import DONE_BEFORE, FAILED, NOT_SENT, SENT, UNKNOWN, Effect, Outcome
from connector.apply.ledger import DONE, FREE, IN_DOUBT, Entry, Ledger
from connector.apply.ledger import FAILED as ENTRY_FAILED
from connector.apply.plan import Plan
from connector.apply.report import ApplyReport
from connector.apply.settling import DID_NOT_HAPPEN, HAPPENED, Settling, Verdict
from connector.apply.settling import UNKNOWN as NOTHING_KNOWN
from connector.errors import (
    AuthenticationFailed,
    ConnectorError,
    NoResponse,
    PermissionDenied,
    RateLimited,
    StripeError,
)
from connector.words import count_of

KEY_SECONDS = 23 * 3600  # Stripe may forget a key after 24 hours
WORKERS = 50
_ALIKE = 20
_CONFLICT, _SERVER_ERROR = 409, 500
_NO_RESULT = (AuthenticationFailed, PermissionDenied, RateLimited, NoResponse)
_POLL_SECONDS = 0.2

ApplyWatch = Callable[[int, int], None]


@dataclass(frozen=True)
class Applying:
    """How a plan is sent: how many rows may fail, and whether rows of which nothing is known go again."""

    max_errors: int | None = None
    resend: bool = False
    again: bool = False


class Run:
    """One sending of a plan."""

    def __init__(
        self, api: Api, ledger: Ledger, plan: Plan, applying: Applying, watch: ApplyWatch | None = None
    ) -> None:
        self._client = api.client
        self._ledger = ledger
        self._plan = plan
        self._applying = applying
        self._watch = watch or _no_watch
        self._settling = Settling(api.client)
        self._report = ApplyReport(plan.name, plan.source, errors=plan.errors)
        self._entries: dict[str, Entry] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._fault: BaseException | None = None
        self._ended = self._failures = 0
        self._ways: set[tuple[object, ...]] = set()

    def run(self) -> ApplyReport:
        """Send what is to be sent, and return what became of each row."""
        began = time.monotonic()
        scopes = sorted({effect.scope for effect in self._plan.effects})
        if scopes and not self._client.knows_stripe_time:
            with contextlib.suppress(StripeError):  # refused or not, the answer has a date
                self._client.get("/v1/account")
        self._within(scopes)
        self._report.outcomes += self._plan.settled
        self._report.outcomes.sort(key=lambda outcome: outcome.place)
        self._report.notes += self._settling.notes
        self._report.seconds = time.monotonic() - began
        return self._report

    def _within(self, scopes: Sequence[str]) -> None:
        """Send while this run alone may send rows of these scopes."""
        if scopes:
            with self._ledger.sending(scopes[0]):
                self._within(scopes[1:])
            return
        effects = self._plan.effects
        for scope in {effect.scope for effect in effects}:
            self._entries |= self._ledger.entries(
                scope, [effect.identity for effect in effects if effect.scope == scope]
            )
        self._send_all(self._settled(self._not_done(effects)))
        if not self._stop.is_set():
            self._settle_what_is_left()

    def _not_done(self, effects: Sequence[Effect]) -> list[Effect]:
        """Return the rows that are to be sent, those in doubt first; a row that was done meanwhile is left out."""
        left = []
        for effect in effects:
            entry = self._entries.get(effect.identity)
            if entry is not None and entry.status == DONE and not self._applying.again:
                self._report.outcomes.append(Outcome(effect.place, effect.label, DONE_BEFORE, entry.object_id))
            else:
                left.append(effect)
        return sorted(left, key=lambda effect: not self._is_in_doubt(effect))

    def _is_in_doubt(self, effect: Effect) -> bool:
        entry = self._entries.get(effect.identity)
        return entry is not None and entry.status == IN_DOUBT

    # Rows in doubt

    def _settled(self, effects: list[Effect]) -> list[Effect]:
        """Return the rows to send, after those in doubt whose key is of no use any more have been settled."""
        old = [effect for effect in effects if self._is_in_doubt(effect) and not self._goes_again_under_its_key(effect)]
        return self._after(self._verdicts(old), effects)

    def _settle_what_is_left(self) -> None:
        """Find out what became of rows that this run has left in doubt, and send again those that did not happen."""
        unknown = {outcome.place: outcome for outcome in self._report.outcomes if outcome.status == UNKNOWN}
        doubtful = [effect for effect in self._plan.effects if effect.place in unknown and self._is_in_doubt(effect)]
        verdicts = self._verdicts(doubtful)
        settled = [effect for effect in doubtful if verdicts[effect.identity].what != NOTHING_KNOWN]
        places = {effect.place for effect in settled}
        self._report.outcomes = [outcome for outcome in self._report.outcomes if outcome.place not in places]
        self._send_all(self._after(verdicts, settled))

    def _verdicts(self, effects: Sequence[Effect]) -> dict[str, Verdict]:
        return (
            self._settling.verdicts([(effect, self._entries[effect.identity]) for effect in effects]) if effects else {}
        )

    def _after(self, verdicts: dict[str, Verdict], effects: Sequence[Effect]) -> list[Effect]:
        """Note what is known of rows now, and return those that are to be sent."""
        left = []
        for effect in effects:
            verdict = verdicts.get(effect.identity)
            if verdict is None or verdict.what == DID_NOT_HAPPEN:
                if verdict is not None:
                    self._note(effect, status=FREE)
                left.append(effect)
            elif verdict.what == HAPPENED:
                entry = self._note(effect, status=DONE, object_id=verdict.object_id or effect.object_id or None)
                self._add(Outcome(effect.place, effect.label, SENT, entry.object_id, request_id=entry.request_id))
            elif self._applying.resend:
                self._note(effect, status=FREE)
                left.append(effect)
            else:
                self._add(_unknown(effect, "nothing tells whether it took effect"))
        return left

    def _goes_again_under_its_key(self, effect: Effect) -> bool:
        """Whether Stripe still knows the key of a row, and the row sends the same as it did."""
        entry = self._entries[effect.identity]
        is_young = self._client.stripe_seconds() - entry.sent_at < KEY_SECONDS
        is_same = entry.content == self._ledger.content_hash(effect.content)
        return effect.call.method == "POST" and is_young and is_same

    # Sending

    def _send_all(self, effects: Sequence[Effect]) -> None:
        """Send rows from many threads, those of one object one after the other."""
        chains: dict[str, deque[Effect]] = {}
        for effect in effects:
            chains.setdefault(effect.order_by or f"row {effect.place}", deque()).append(effect)
        waiting = deque(chains.values())
        workers = [threading.Thread(target=self._work, args=(waiting,)) for _ in range(min(WORKERS, len(waiting)))]
        for worker in workers:
            worker.start()
        self._wait_for(workers)
        if self._fault is not None:
            raise self._fault
        for chain in [*chains.values()]:
            for effect in chain:
                self._report.outcomes.append(Outcome(effect.place, effect.label, NOT_SENT))

    def _wait_for(self, workers: Sequence[threading.Thread]) -> None:
        """Wait for the workers; Ctrl-C lets the calls in flight end, and no other begin."""
        while True:
            try:
                for worker in workers:
                    while worker.is_alive():
                        worker.join(_POLL_SECONDS)  # without an end, Windows would not hear Ctrl-C
                return
            except KeyboardInterrupt:
                self._report.is_interrupted = True
                self._end("Stopped; calls in flight have ended, no other was begun.")

    def _work(self, waiting: deque[deque[Effect]]) -> None:
        while not self._stop.is_set():
            try:
                chain = waiting.popleft()
            except IndexError:
                return
            while chain and not self._stop.is_set():
                effect = chain.popleft()
                was_in_doubt = self._is_in_doubt(effect)
                try:
                    outcome = self._send(effect, was_in_doubt=was_in_doubt)
                except ConnectorError as error:  # the ledger cannot be written, or a response not be read
                    self._end(str(error))
                    word = UNKNOWN if self._is_in_doubt(effect) else NOT_SENT
                    outcome = Outcome(effect.place, effect.label, word, message=str(error))
                except BaseException as error:  # a fault of ours: the run ends, and says so where it was begun
                    self._fault = error
                    self._end(f"Stopped by {type(error).__name__}.")
                    return
                self._add(outcome, is_replay=was_in_doubt and (outcome.http_status or 0) >= _SERVER_ERROR)

    def _send(self, effect: Effect, *, was_in_doubt: bool) -> Outcome:
        entry = self._begin(effect)
        call = replace(effect.call, idempotency_key=entry.key if effect.call.method == "POST" else None)
        try:
            response = self._client.request(call)
        except (StripeError, NoResponse) as error:
            return self._refused(effect, error, was_in_doubt=was_in_doubt)
        object_id = _id_of(response) or effect.object_id or None
        self._note(
            effect, status=DONE, object_id=object_id, http_status=response.status, request_id=response.request_id
        )
        return Outcome(
            effect.place, effect.label, SENT, object_id, request_id=response.request_id, http_status=response.status
        )

    def _begin(self, effect: Effect) -> Entry:
        """Note the key in the ledger before it is used: that of a row in doubt, which goes again, else a new one."""
        content, before = self._ledger.content_hash(effect.content), self._entries.get(effect.identity)
        if before is not None and before.status == IN_DOUBT:
            return before
        entry = Entry(
            status=IN_DOUBT,
            key=effect.call.idempotency_key or uuid.uuid4().hex,
            attempt=before.attempt + 1 if before else 1,
            content=content,
            fields=[*(effect.call.form or {})],
            sent_at=self._client.stripe_seconds(),
        )
        self._ledger.begin(effect.scope, effect.identity, entry)
        self._entries[effect.identity] = entry
        return entry

    def _refused(self, effect: Effect, error: StripeError | NoResponse, *, was_in_doubt: bool) -> Outcome:
        """Note what an error tells of a row: its result, nothing at all, or that it may have taken effect."""
        status = getattr(error, "status", None)
        details = {name: getattr(error, name, None) for name in ("code", "request_id")} | {"http_status": status}
        if isinstance(error, AuthenticationFailed | PermissionDenied):
            self._end(str(error))
        is_no_result = isinstance(error, _NO_RESULT)  # it did not get as far as the key of a row
        is_in_doubt = error.outcome_unknown or status == _CONFLICT or (was_in_doubt and is_no_result)
        entry_status = IN_DOUBT if is_in_doubt else FREE if is_no_result else ENTRY_FAILED
        self._note(effect, status=entry_status, **details)
        message = _doubt(status) if is_in_doubt else str(error)
        word = UNKNOWN if is_in_doubt else FAILED
        return Outcome(effect.place, effect.label, word, effect.object_id or None, message=message, **details)

    def _note(self, effect: Effect, **outcome: Any) -> Entry:
        entry = self._ledger.finish(effect.scope, effect.identity, self._entries[effect.identity], **outcome)
        self._entries[effect.identity] = entry
        return entry

    # Counting

    def _add(self, outcome: Outcome, *, is_replay: bool = False) -> None:
        """Count what became of a row; a kept 500 that is replayed does not tell that others will fail."""
        with self._lock:
            self._report.outcomes.append(outcome)
            self._ended += 1
            self._failures += outcome.status in (FAILED, UNKNOWN)
            self._ways.add(("replay",) if is_replay else (outcome.status, outcome.http_status, outcome.code))
            failures, done = self._failures, len(self._report.outcomes)
            is_hopeless = self._ended == self._failures == _ALIKE and len(self._ways) == 1 and not is_replay
        if is_hopeless and len(self._plan.effects) > _ALIKE:
            self._end(f"Stopped: the first {_ALIKE} rows failed alike.")
        if self._applying.max_errors is not None and failures >= self._applying.max_errors:
            self._end(f"Stopped: {count_of(failures, 'row')} failed.")
        self._watch(done, len(self._plan.effects))

    def _end(self, why: str) -> None:
        with self._lock:
            self._report.stopped = self._report.stopped or why
        self._stop.set()


def _no_watch(done: int, total: int) -> None:
    """Show nothing."""


def _doubt(status: int | None) -> str:
    what = f"Stripe answered {status}" if status else "no response"
    return f"{what}, so whether it took effect is not known yet: run it again, it cannot happen twice."


def _unknown(effect: Effect, why: str) -> Outcome:
    message = f"{why}; --resend sends it again, if you have seen that it did not."
    return Outcome(effect.place, effect.label, UNKNOWN, effect.object_id or None, message=message)


def _id_of(response: Any) -> str | None:
    try:
        record = response.json()
    except ConnectorError:
        return None  # it was done; what was made shows in Stripe
    found = record.get("id") if isinstance(record, dict) else None
    return found if isinstance(found, str) else None
