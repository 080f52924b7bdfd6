"""What happens to a call, step by step, from its key to its answer; nothing here knows of sockets.

fault planned? → key → account and version → path → limits → permission → parameters → reader → answer
"""

from __future__ import annotations

import logging
import random
import re
import threading
from collections.abc import Callable
from email.utils import formatdate

from connector.sandbox import api, forms
from connector.sandbox.admin import Admin
from connector.sandbox.api import Operation
from connector.sandbox.calls import Answer, Call, answer, refused
from connector.sandbox.clock import Clock
from connector.sandbox.faults import Fault, Plan, plan
from connector.sandbox.keys import Key, KeyRing, masked, permission
from connector.sandbox.limits import Limits
from connector.sandbox.options import Options
from connector.sandbox.reads import reader
from connector.sandbox.refusals import Refusal, refusal
from connector.sandbox.stats import Stats
from connector.sandbox.store import Store

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
_ID_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_log = logging.getLogger("connector.sandbox")


class Service:
    """Answers calls from a store, by the rules of `options`."""

    def __init__(self, store: Store, options: Options, clock: Clock) -> None:
        self.store = store
        self.stats = Stats()
        self.plan: Plan = plan(options.faults, options.seed)
        self.closing = threading.Event()
        self._clock = clock
        self._keys = KeyRing(options.keys)
        self._limits = Limits(options.rps)
        self._latency_seconds = options.latency_ms / 1000
        self._account_id = str(store.business.account()["id"])
        self._chance = random.Random(options.seed)  # noqa: S311 - request ids and jitter
        self._admin = Admin(store, self.stats)

    def respond(self, call: Call) -> Answer:
        """Return the answer to `call`; never raises."""
        if call.path.startswith("/_"):
            return self._guarded(lambda: self._admin.respond(call))
        operation = api.operation(call.method, call.path)
        name = operation.name if operation else f"{call.method} (unknown)"
        fault = self.plan.next(name, f"{call.method} {call.path}") or Fault()
        with self.stats.running():
            self._wait(fault)
            given = self._guarded(lambda: self._answered(call, operation, fault))
        given.headers |= self._headers(call)
        self.stats.note(name, call, given)
        return given

    def _answered(self, call: Call, operation: Operation | None, fault: Fault) -> Answer:
        if fault.drop:
            return Answer(0, drop=True)
        if fault.refuse is not None:
            raise refusal(fault.refuse)
        given = self._served(call, operation, fault)
        given.truncate = fault.truncate
        return given

    def _served(self, call: Call, operation: Operation | None, fault: Fault) -> Answer:
        key = self._keys.find(call.headers.get("authorization"))
        account = self._account(call, key)
        self._version(call)
        if operation is None:
            raise refusal("unknown_path", method=call.method, path=call.path)
        self._limits.take(key.livemode, operation)
        if not key.allows(operation):
            needed = permission(operation)
            raise refusal("no_permission", key=masked(key.text), account=account, permission=needed)
        read = reader(self.store, operation)
        if read is None:
            raise refusal("not_served", call=operation.name)
        parameters = forms.read(forms.decode(call.query), operation.query, operation.required)
        record = read(self.store, operation, call.path, parameters)
        if fault.delete_cursor and operation.lists and record["data"]:
            self.store.delete(operation.lists, record["data"][-1]["id"])
        return answer(record, key.livemode)

    def _account(self, call: Call, key: Key) -> str:
        asked = call.headers.get("stripe-account", self._account_id)
        if asked != self._account_id:
            raise refusal("other_account", key=masked(key.text), account=asked)
        return asked

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

    def _wait(self, fault: Fault) -> None:
        jitter = 0.8 + 0.4 * self._chance.random()
        seconds = self._latency_seconds * jitter + fault.delay_ms / 1000
        if seconds:
            self.closing.wait(seconds)

    def _headers(self, call: Call) -> dict[str, str]:
        version = call.headers.get("stripe-version", "")
        return {
            "Date": formatdate(self._clock.now(), usegmt=True),
            "Request-Id": "req_" + "".join(self._chance.choices(_ID_LETTERS, k=14)),
            "Stripe-Version": version if _VERSION.fullmatch(version) else api.version(),
        }
