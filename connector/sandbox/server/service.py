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

from connector.sandbox.document import api, forms
from connector.sandbox.document.api import Operation
from connector.sandbox.document.refusals import Refusal, refusal
from connector.sandbox.options import Options
from connector.sandbox.reads.readers import reader
from connector.sandbox.server import aliases
from connector.sandbox.server.accounts import Accounts
from connector.sandbox.server.admin import Admin
from connector.sandbox.server.bodies import parameters_of
from connector.sandbox.server.faults import Fault, Plan, plan
from connector.sandbox.server.former_versions import SHAPE_HEADER, is_former, of_today
from connector.sandbox.server.idempotency import Idempotency
from connector.sandbox.server.keys import Key, KeyRing, masked, permission
from connector.sandbox.server.limits import Limits
from connector.sandbox.server.messages import Request, Response, answer, refused
from connector.sandbox.server.stats import Stats
from connector.sandbox.server.ticker import Ticker
from connector.sandbox.server.undocumented import undocumented
from connector.sandbox.world.clock import Clock
from connector.sandbox.world.expansion import show, tree_of
from connector.sandbox.world.store import Store
from connector.sandbox.writes.actions.files import FILES_HOST
from connector.sandbox.writes.engine.write import Call, writing
from connector.sandbox.writes.served import HANDLERS, READERS

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

    watchers: ClassVar[list[Callable[[Request, Response], None]]] = []
    """Told of every call to any sandbox of this process, and of its answer, just before that is sent."""

    def __init__(self, store: Store, options: Options, clock: Clock) -> None:
        self.store = store
        self.stats = Stats()
        self.plan: Plan = plan(options.faults, options.seed)
        self.closing = threading.Event()
        self._clock = clock
        self._idempotency = Idempotency(clock)
        self._ticker = Ticker(clock)
        self._keys = KeyRing(options.keys)
        self._limits = Limits(options.rps)
        self._latency_seconds = options.latency_ms / 1000
        self.accounts = Accounts(store, options, clock)
        self._chance = random.Random(options.seed)  # noqa: S311 - request ids and jitter
        self._admin = Admin(store, self.stats)

    def respond(self, request: Request) -> Response:
        """Return the answer to `call`; never raises."""
        if request.path.startswith("/_"):
            return self._guarded(lambda: self._admin.respond(request))
        request = aliases.of_today(request)
        request = replace(request, request_id="req_" + "".join(self._chance.choices(_ID_LETTERS, k=14)))
        operation = api.operation(request.method, request.path)
        name = operation.name if operation else f"{request.method} (unknown)"
        fault = self.plan.next(name, f"{request.method} {request.path}") or Fault()
        with self.stats.running():
            self._wait(self._latency_seconds * self._jitter() + (0 if _is_write(operation) else fault.delay_seconds))
            response = self._guarded(lambda: self._answered(request, operation, fault))
        response.headers |= self._headers(request)
        if isinstance(response.body, bytes) and "host" in request.headers:
            response.body = response.body.replace(FILES_HOST.encode(), f"http://{request.headers['host']}".encode())
        self.stats.note(name, request, response)
        for watch in self.watchers:
            watch(request, response)
        return response

    def _answered(self, request: Request, operation: Operation | None, fault: Fault) -> Response:
        if fault.drop:
            return Response(0, drop=True)
        if fault.refuse is not None and not _is_kept(fault, request):
            raise refusal(fault.refuse)
        response = self._served(request, operation, fault)
        if fault.drop_after:
            return Response(0, drop=True)
        response.truncate, response.trickle_ms = fault.truncate, fault.trickle_ms
        return response

    def _served(self, request: Request, operation: Operation | None, fault: Fault) -> Response:
        key = self._keys.find(request.headers.get("authorization"))
        account, store = self._account(request, key)
        self._version(request)
        if operation is None:
            other = undocumented(store, request, key)
            if other is not None:
                return other
            raise refusal("unknown_path", method=request.method, path=request.path)
        if is_former(request.headers.get("stripe-version")):
            request = of_today(request, operation)
        self._limits.take(key.livemode, operation)
        if not key.allows(operation):
            needed = permission(operation)
            raise refusal("no_permission", key=masked(key.text), account=account, permission=needed)
        self._ticker.tick(store)
        if operation.method == "GET":
            return answer(self._read(request, operation, fault, store), key.livemode)
        return self._write(request, operation, fault, _Caller(account, key.livemode, store))

    def _read(self, request: Request, operation: Operation, fault: Fault, store: Store) -> dict[str, Any]:
        read = READERS.get(operation.name) or reader(store, operation)
        if read is None:
            raise refusal("not_served", call=operation.name)
        parameters = forms.read(forms.decode(request.query), operation.query, operation.required)
        record = read(store, operation, request.path, parameters)
        if fault.duplicate and operation.lists:
            record["data"] += record["data"][:1]
        if fault.delete_cursor and operation.lists and record["data"]:
            store.delete(operation.lists, record["data"][-1]["id"])
        return record

    def _write(self, request: Request, operation: Operation, fault: Fault, caller: _Caller) -> Response:
        form = parameters_of(request, operation)  # first: what Stripe would refuse is refused here, too
        handler = HANDLERS.get(operation.name)
        if handler is None:
            raise refusal("not_served", call=operation.name)
        tree = tree_of(form.get("expand", []), operation)

        def act() -> Response:
            self._wait(fault.delay_seconds)  # here, so that the idempotency key is in use meanwhile
            if fault.refuse is not None:
                raise refusal(fault.refuse)
            with writing(caller.store, self._call(request, operation, form, caller.livemode)) as write:
                record = handler(write)
            self.stats.acted(request.headers.get("idempotency-key"))
            if not record.get("deleted"):
                record = show(record, record["object"], tree, caller.store)
            return answer(record, caller.livemode)

        scope = (caller.account, str(caller.livemode))
        return self._idempotency.once(scope, request, form, lambda: _settled(act))

    def _call(self, request: Request, operation: Operation, form: dict[str, Any], livemode: bool) -> Call:
        return Call(
            now=self._clock.now(),
            form=form,
            ids=operation.path_values(request.path),
            livemode=livemode,
            request_id=request.request_id,
            idempotency_key=request.headers.get("idempotency-key"),
            content_type=request.headers.get("content-type", ""),
            body=request.body,
        )

    def _account(self, request: Request, key: Key) -> tuple[str, Store]:
        asked = request.headers.get("stripe-context") or request.headers.get("stripe-account") or self.accounts.own
        stores = [(name, self.accounts.find(name, key.livemode)) for name in asked.split("/")]
        account, store = stores[-1]
        if store is None or not all(found for _, found in stores):
            raise refusal("other_account", key=masked(key.text), account=asked)
        return account, store

    def _version(self, request: Request) -> None:
        asked = request.headers.get("stripe-version", api.version())
        if not _VERSION.fullmatch(asked):
            raise refusal("bad_version", version=asked)

    def _guarded(self, work: Callable[[], Response]) -> Response:
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

    def _headers(self, request: Request) -> dict[str, str]:
        version = request.headers.get("stripe-version", "")
        other = version and version != api.version()
        return ({SHAPE_HEADER: api.version()} if other else {}) | {
            "Date": formatdate(self._clock.now(), usegmt=True),
            "Request-Id": request.request_id,
            "Stripe-Version": version if _VERSION.fullmatch(version) else api.version(),
        }


def _is_write(operation: Operation | None) -> bool:
    return operation is not None and operation.method != "GET"


def _is_kept(fault: Fault, request: Request) -> bool:
    """Whether the fault is an answer that stays with an idempotency key, so that the key must be seen first."""
    return request.method == "POST" and fault.refuse == "unknown_error"


def _settled(act: Callable[[], Response]) -> Response:
    """Return what `act` answers, a refusal too; only one of validation is raised on, which keeps no key."""
    try:
        return act()
    except Refusal as no:
        if (no.rule.code or "").startswith("parameter"):
            raise
        return refused(no)
