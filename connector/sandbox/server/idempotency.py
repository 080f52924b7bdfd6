"""Idempotency keys: the first answer to a POST is kept with its key for 24 hours and given again.

Kept is what an endpoint answered once it had begun to act, errors and 500s included; a request that failed its
validation leaves the key free [docs].
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from connector.sandbox.document.refusals import refusal
from connector.sandbox.server.messages import Request, Response
from connector.sandbox.world.clock import Clock

KEPT_SECONDS = 24 * 3600
_LONGEST = 255


@dataclass(frozen=True)
class Held:
    """What is known of a key: which request it belongs to, since when, and its answer; None while it runs."""

    request: bytes
    since: int
    answer: Response | None = None


class Idempotency:
    """Remembers answers by account, mode and key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[tuple[str, ...], Held] = {}

    def once(
        self, scope: tuple[str, ...], request: Request, form: dict[str, Any], act: Callable[[], Response]
    ) -> Response:
        """Return what `act` answers, or what it answered when its key came before with the same request.

        `scope` is what the key belongs to, such as account and mode. An exception from `act` leaves the key free.
        """
        key = request.headers.get("idempotency-key")
        if request.method != "POST" or not key:
            return act()
        if len(key) > _LONGEST:
            raise refusal("long_idempotency_key", bound=_LONGEST)
        place = (*scope, key)
        known = self._begin(place, _fingerprint(request, form))
        return known or self._run(place, act)

    def _begin(self, place: tuple[str, ...], request: bytes) -> Response | None:
        """Take the key for a new request, or return the answer that it has."""
        with self._lock:
            now = self._clock.now()
            held = self._held.get(place)
            if held is None or now - held.since >= KEPT_SECONDS:
                self._held[place] = Held(request, now)
                return None
        if held.answer is None:
            raise refusal("idempotency_in_use", key=place[-1])
        if held.request != request:
            raise refusal("idempotency_other", key=place[-1])
        return replace(held.answer, headers=held.answer.headers | {"Idempotent-Replayed": "true"})

    def _run(self, place: tuple[str, ...], act: Callable[[], Response]) -> Response:
        try:
            answer = act()
        except BaseException:
            with self._lock:
                del self._held[place]
            raise
        with self._lock:
            kept = Response(answer.status, answer.body, dict(answer.headers))
            self._held[place] = replace(self._held[place], answer=kept)
        return answer


def _fingerprint(request: Request, form: dict[str, Any]) -> bytes:
    asked = msgspec.json.encode([request.path, form, "" if form else request.body.decode("latin-1")], order="sorted")
    return hashlib.sha256(asked).digest()
