"""Requests that write, one for each row of a source: the same gates, plan and ledger as `connector write` has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from connector.api.account import Api
from connector.api.calls import prepare
from connector.api.identity import identify
from connector.apply.effects import Effect, RowError, content_identity
from connector.apply.gates import action_of, needs_of
from connector.apply.ledger import Ledger, scope_of
from connector.apply.plan import Plan
from connector.apply.planned import Planned
from connector.errors import UsageError
from connector.places import open_source
from connector.request.template import Request, call_of
from connector.rows.streams import Source


def plan_requests(api: Api, spec: Request, ledger: Ledger) -> Planned:
    """Return the plan of one request for each row; it only reads."""
    source, own = open_source(spec.source), identify(api.client)
    plan = Plan(spec.name, source.label, own.account, own.livemode, ledger=str(ledger.path))
    numbers: Counter[bytes] = Counter()
    for effect in _effects(spec, source, plan):
        numbers[effect.content] += 1
        identity = content_identity([effect.content.decode("latin-1")], numbers[effect.content])
        plan.effects.append(_decided(api, replace(effect, identity=identity)))
    plan.leave_out_what_is_done(ledger)
    plan.estimate(api.client.connection)
    return Planned(api, ledger, plan, source)


def _effects(spec: Request, source: Source, plan: Plan) -> Iterator[Effect]:
    scope, place = scope_of(plan.account, livemode=plan.livemode, action=spec.name), 0
    for batch in source.batches():
        for row in batch.to_pylist():
            label = source.row_label(place)
            try:
                yield Effect(place, label, scope, "", call_of(spec, row))
            except UsageError as error:
                plan.errors.append(RowError(place, label, None, str(error)))
            place += 1


def _decided(api: Api, effect: Effect) -> Effect:
    """Return a call with what is known of its action: what it needs, which object it is about."""
    connection = api.client.connection
    prepared = prepare(effect.call, connection)
    action = action_of(prepared, connection, api.actions)
    object_id = _id_in(effect.call.url, action.path) if action else ""
    needs = tuple(needs_of(prepared, action))
    return replace(effect, action=action, object_id=object_id, order_by=object_id, needs=needs)


def _id_in(url: str, template: str) -> str:
    """Return the id of the object in an address, where its action has one."""
    parts = url.partition("?")[0].split("/")[-template.count("/") :]
    names = template.split("/")[1:]
    return next((part for part, name in zip(parts, names, strict=False) if name == "{id}"), "")
