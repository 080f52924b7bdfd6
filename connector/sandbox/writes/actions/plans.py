"""Plans, the older form of recurring prices: only read here, made and changed as prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sandbox.document.api import Operation
from connector.sandbox.document.refusals import refusal
from connector.sandbox.document.rules import Record, matches
from connector.sandbox.reads.lists import part
from connector.sandbox.world.expansion import show, tree_of
from connector.sandbox.world.store import Store
from connector.sandbox.writes.actions.pricing import plan_of
from connector.sandbox.writes.engine.handlers import reads

_FILTERS = ("active", "created", "product")


@reads("GET /v1/plans")
def list_plans(store: Store, operation: Operation, path: str, parameters: Mapping[str, Any]) -> Record:
    """Serve the list of plans, which are as many as there are recurring prices."""
    wanted = {name: parameters[name] for name in _FILTERS if name in parameters}
    plans = [plan_of(price) for price in store.records("price") if price["recurring"]]
    fitting = [plan for plan in plans if all(matches(plan[name], value) for name, value in wanted.items())]
    found = part(fitting, "plan", parameters)
    tree = tree_of(parameters.get("expand", []), operation).get("data", {})
    data = [show(plan, "plan", tree, store) for plan in found.records]
    return {"object": "list", "data": data, "has_more": found.has_more, "url": path}


@reads("GET /v1/plans/{plan}")
def retrieve(store: Store, operation: Operation, path: str, parameters: Mapping[str, Any]) -> Record:
    """Serve one plan, by the id of its price."""
    asked = operation.path_values(path)["plan"]
    price = store.get("price", asked)
    if price is None or not price["recurring"]:
        raise refusal("missing", "plan", kind="plan", id=asked)
    return show(plan_of(price), "plan", tree_of(parameters.get("expand", []), operation), store)
