"""What happens to a call, step by step, from its key to its answer; nothing here knows of sockets.

fault planned? → key → account and version → path → limits → permission → parameters → reader → answer
                                                                  parameters → idempotency → handler → answer
"""

from __future__ import annotations

import logging
import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any, ClassVar

from connector.sandbox import api, forms
from connector.sandbox.admin import Admin
from connector.sandbox.api import Operation
from connector.sandbox.calls import Answer, Call, answer, refused
from connector.sandbox.clock import Clock
from connector.sandbox.elsewhere import elsewhere
from connector.sandbox.faults import Fault, Plan, plan
from connector.sandbox.idempotency import Idempotency
from connector.sandbox.keys import Key, KeyRing, masked, permission
from connector.sandbox.limits import Limits
from connector.sandbox.options import Options
from connector.sandbox.pace import Pace
from connector.sandbox.present import show, tree_of
from connector.sandbox.reads import reader
from connector.sandbox.refusals import Refusal, refusal
from connector.sandbox.stats import Stats
from connector.sandbox.store import Store
from connector.sandbox.worlds import Worlds
from connector.sandbox.writes.core import Asked, writing
from connector.sandbox.writes.files import FILES_HOST
from connector.sandbox.writes.hands import HANDLERS, READERS

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
_ID_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_log = logging.getLogger("connector.sandbox")


@dataclass(frozen=True)
class _Caller:
    """For whom a write is made."""

    account: str
    livemode: bool
    store: Store


class Service:
    """Answers calls from a store, by the rules of `options`."""

    watchers: ClassVar[list[Callable[[Call, Answer], None]]] = []
    """Told of every call to any sandbox of this process, and of its answer, just before that is sent."""

    def __init__(self, store: Store, options: Options, clock: Clock) -> None:
        self.store = store
        self.stats = Stats()
        self.plan: Plan = plan(options.faults, options.seed)
        self.closing = threading.Event()
        self._clock = clock
        self._idempotency = Idempotency(clock)
        self._pace = Pace(clock)
        self._keys = KeyRing(options.keys)
        self._limits = Limits(options.rps)
        self._latency_seconds = options.latency_ms / 1000
        self.worlds = Worlds(store, options, clock)
        self._chance = random.Random(options.seed)  # noqa: S311 - request ids and jitter
        self._admin = Admin(store, self.stats)

    def respond(self, call: Call) -> Answer:
        """Return the answer to `call`; never raises."""
        if call.path.startswith("/_"):
            return self._guarded(lambda: self._admin.respond(call))
        call = replace(call, request_id="req_" + "".join(self._chance.choices(_ID_LETTERS, k=14)))
        operation = api.operation(call.method, call.path)
        name = operation.name if operation else f"{call.method} (unknown)"
        fault = self.plan.next(name, f"{call.method} {call.path}") or Fault()
        with self.stats.running():
            self._wait(self._latency_seconds * self._jitter() + (0 if _is_write(operation) else fault.delay_seconds))
            given = self._guarded(lambda: self._answered(call, operation, fault))
        given.headers |= self._headers(call)
        if isinstance(given.body, bytes) and "host" in call.headers:
            given.body = given.body.replace(FILES_HOST.encode(), f"http://{call.headers['host']}".encode())
        self.stats.note(name, call, given)
        for watch in self.watchers:
            watch(call, given)
        return given

    def _answered(self, call: Call, operation: Operation | None, fault: Fault) -> Answer:
        if fault.drop:
            return Answer(0, drop=True)
        if fault.refuse is not None and not _is_kept(fault, call):
            raise refusal(fault.refuse)
        given = self._served(call, operation, fault)
        if fault.drop_after:
            return Answer(0, drop=True)
        given.truncate, given.trickle_ms = fault.truncate, fault.trickle_ms
        return given

    def _served(self, call: Call, operation: Operation | None, fault: Fault) -> Answer:
        key = self._keys.find(call.headers.get("authorization"))
        account, store = self._account(call, key)
        self._version(call)
        if operation is None:
            other = elsewhere(store, call, key)
            if other is not None:
                return other
            raise refusal("unknown_path", method=call.method, path=call.path)
        self._limits.take(key.livemode, operation)
        if not key.allows(operation):
            needed = permission(operation)
            raise refusal("no_permission", key=masked(key.text), account=account, permission=needed)
        self._pace.keep(store)
        if operation.method == "GET":
            return answer(self._read(call, operation, fault, store), key.livemode)
        return self._write(call, operation, fault, _Caller(account, key.livemode, store))

    def _read(self, call: Call, operation: Operation, fault: Fault, store: Store) -> dict[str, Any]:
        read = READERS.get(operation.name) or reader(store, operation)
        if read is None:
            raise refusal("not_served", call=operation.name)
        parameters = forms.read(forms.decode(call.query), operation.query, operation.required)
        record = read(store, operation, call.path, parameters)
        if fault.duplicate and operation.lists:
            record["data"] += record["data"][:1]
        if fault.delete_cursor and operation.lists and record["data"]:
            store.delete(operation.lists, record["data"][-1]["id"])
        return record

    def _write(self, call: Call, operation: Operation, fault: Fault, caller: _Caller) -> Answer:
        handler = HANDLERS.get(operation.name)
        if handler is None:
            raise refusal("not_served", call=operation.name)
        form = forms.sent(call, operation)
        tree = tree_of(form.get("expand", []), operation)

        def act() -> Answer:
            self._wait(fault.delay_seconds)  # here, so that the idempotency key is in use meanwhile
            if fault.refuse is not None:
                raise refusal(fault.refuse)
            with writing(caller.store, self._asked(call, operation, form, caller.livemode)) as write:
                record = handler(write)
            self.stats.acted(call.headers.get("idempotency-key"))
            if not record.get("deleted"):
                record = show(record, record["object"], tree, caller.store)
            return answer(record, caller.livemode)

        scope = (caller.account, str(caller.livemode))
        return self._idempotency.once(scope, call, form, lambda: _settled(act))

    def _asked(self, call: Call, operation: Operation, form: dict[str, Any], livemode: bool) -> Asked:
        return Asked(
            now=self._clock.now(),
            form=form,
            ids=operation.path_values(call.path),
            livemode=livemode,
            request_id=call.request_id,
            idempotency_key=call.headers.get("idempotency-key"),
            content_type=call.headers.get("content-type", ""),
            body=call.body,
        )

    def _account(self, call: Call, key: Key) -> tuple[str, Store]:
        asked = call.headers.get("stripe-context") or call.headers.get("stripe-account") or self.worlds.own
        stores = [(name, self.worlds.find(name, key.livemode)) for name in asked.split("/")]
        account, store = stores[-1]
        if store is None or not all(found for _, found in stores):
            raise refusal("other_account", key=masked(key.text), account=asked)
        return account, store

    def _version(self, call: Call) -> None:
        asked = call.headers.get("stripe-version", api.version())
        if not _VERSION.fullmatch(asked):
            raise refusal("bad_version", version=asked)

    def _guarded(self, work: Callable[[], Answer]) -> Answer:
        try:
            return work()
        except Refusal as no:
            return refused(no)
        except Exception as error:  # a bug of ours must reach the client as an answer, and the log
            _log.exception("the sandbox failed")
            return refused(refusal("sandbox_error", why=f"{type(error).__name__}: {error}"))

    def _jitter(self) -> float:
        return 0.8 + 0.4 * self._chance.random()

    def _wait(self, seconds: float) -> None:
        if seconds:
            self.closing.wait(seconds)

    def _headers(self, call: Call) -> dict[str, str]:
        version = call.headers.get("stripe-version", "")
        return {
            "Date": formatdate(self._clock.now(), usegmt=True),
            "Request-Id": call.request_id,
            "Stripe-Version": version if _VERSION.fullmatch(version) else api.version(),
        }


def _is_write(operation: Operation | None) -> bool:
    return operation is not None and operation.method != "GET"


def _is_kept(fault: Fault, call: Call) -> bool:
    """Whether the fault is an answer that stays with an idempotency key, so that the key must be seen first."""
    return call.method == "POST" and fault.refuse == "unknown_error"


def _settled(act: Callable[[], Answer]) -> Answer:
    """Return what `act` answers, a refusal too; only one of validation is raised on, which keeps no key."""
    try:
        return act()
    except Refusal as no:
        if (no.rule.code or "").startswith("parameter"):
            raise
        return refused(no)
