"""Sends events to webhook endpoints, signed as Stripe signs them, and again where they were not taken.

Trouble on request, by seed and event: "late=0.1,duplicate=0.1,disorder=0.2" gives each a share of all events.
What is late comes after two seconds, with "late:3600=0.1" after an hour. Stripe tries again for days; here the
pauses are one second, two, four and so on. All of this goes by the sandbox's clock, so moving that spares waiting.
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
import random
import threading
import time
from dataclasses import dataclass, field

import httpx

from connector.sandbox.document.rules import Record
from connector.sandbox.server.messages import pretty
from connector.sandbox.world.store import Store
from connector.sandbox.world.troubles import NO_TROUBLE, TROUBLES, troubles
from connector.sandbox.writes.actions.webhooks import secret_of

ATTEMPTS = 6
_TIMEOUT_SECONDS = 10.0  # of real time
_CLOSE_SECONDS = 1.0
_TAKEN = range(200, 300)


def signature(payload: bytes, secret: str, instant: int) -> str:
    """Return the value of the Stripe-Signature header."""
    digest = hmac.new(secret.encode(), f"{instant}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={instant},v1={digest}"


def pause_seconds(attempt: int) -> float:
    """Return how long after so many failed attempts the next one comes."""
    return 2.0 ** (attempt - 1)


@dataclass(order=True)
class _Sending:
    """One attempt at one event for one endpoint, when so many seconds have passed on the sandbox's clock."""

    at: float
    number: int
    endpoint: str = field(compare=False)
    event: Record = field(compare=False)
    attempt: int = field(compare=False, default=1)


class Delivery:
    """Watches a store for events, and sends them in a thread of its own."""

    def __init__(self, store: Store, seed: int, trouble: str = "") -> None:
        self._store = store
        self._seed = seed
        self._troubles = troubles(trouble, "webhook")
        self._waiting: list[_Sending] = []
        self._sending = False
        self._events = self._number = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        store.listeners.append(self.tell)
        store.clock.listeners.append(self._wake)

    def tell(self, event: Record) -> None:
        """Take up a new event for every endpoint that wants it."""
        wanting = [each["id"] for each in self._store.records("webhook_endpoint") if _wants(each, event)]
        if not wanting:
            return
        event = {**event, "pending_webhooks": len(wanting)}
        self._store.put("event", event)
        with self._changed:
            self._events += 1
            for delay in self._delays():
                for endpoint in wanting:
                    self._add(endpoint, event, delay)
            self._start()
            self._changed.notify_all()

    def wait(self, timeout_seconds: float, due: bool = False) -> bool:
        """Wait until nothing is left to be sent, or nothing that is `due` already; whether that came to be."""

        def is_done() -> bool:
            return not self._sending and (not self._waiting or (due and self._until_next() > 0))

        with self._changed:
            return self._changed.wait_for(is_done, timeout_seconds)

    def close(self) -> None:
        """Send nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)  # a receiver that hangs must not hold up the end

    def _delays(self) -> list[float]:
        """Return the pauses, in seconds, after which the event is sent: one, or two for a duplicate."""
        chance = random.Random(f"{self._seed} webhook {self._events}")  # noqa: S311 - a plan, no secret
        met = {name for name in TROUBLES if chance.random() < self._troubles.get(name, NO_TROUBLE).share}
        delay = sum(self._troubles[name].seconds for name in met)
        return [delay, delay] if "duplicate" in met else [delay]

    def _add(self, endpoint: str, event: Record, delay: float, attempt: int = 1) -> None:
        self._number += 1
        due = self._store.clock.passed_seconds() + delay
        heapq.heappush(self._waiting, _Sending(due, self._number, endpoint, event, attempt))

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sandbox-webhooks", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            while (sending := self._next()) is not None:
                taken = self._send(client, sending)
                with self._changed:
                    self._sending = False
                    if not taken and sending.attempt < ATTEMPTS:
                        pause = pause_seconds(sending.attempt)
                        self._add(sending.endpoint, sending.event, pause, sending.attempt + 1)
                    self._changed.notify_all()

    def _next(self) -> _Sending | None:
        with self._changed:
            while not self._closed:
                pause = self._until_next() if self._waiting else None
                if pause is not None and pause <= 0:
                    self._sending = True
                    return heapq.heappop(self._waiting)
                self._changed.wait(pause)
        return None

    def _until_next(self) -> float:
        return self._waiting[0].at - self._store.clock.passed_seconds()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _send(self, client: httpx.Client, sending: _Sending) -> bool:
        """Send once; whether it is done with, taken or no longer wanted."""
        endpoint = self._store.get("webhook_endpoint", sending.endpoint)
        if endpoint is None or endpoint["status"] != "enabled":
            return True
        payload = pretty(sending.event)
        signed = signature(payload, secret_of(endpoint["id"]), int(time.time()))
        headers = {"Stripe-Signature": signed, "Content-Type": "application/json; charset=utf-8"}
        try:
            taken = client.post(endpoint["url"], content=payload, headers=headers).status_code in _TAKEN
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        if taken:
            self._settle(sending.event["id"])
        return taken

    def _settle(self, event: str) -> None:
        with self._store.writing:
            record = self._store.get("event", event)
            if record is not None and record["pending_webhooks"]:
                self._store.put("event", {**record, "pending_webhooks": record["pending_webhooks"] - 1})


def _wants(endpoint: Record, event: Record) -> bool:
    is_same_mode = endpoint["livemode"] == event["livemode"]
    names = {"*", event["type"]}
    return is_same_mode and endpoint["status"] == "enabled" and bool(names & set(endpoint["enabled_events"]))
