"""Accounts, which are only read: the own one, and those connected with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sandbox.document.api import Operation
from connector.sandbox.document.refusals import refusal
from connector.sandbox.document.rules import Record
from connector.sandbox.world.expansion import show, tree_of
from connector.sandbox.world.store import Store
from connector.sandbox.writes.engine.handlers import holds, reads

holds("account")


@reads("GET /v1/accounts/{account}")
def retrieve(store: Store, operation: Operation, path: str, parameters: Mapping[str, Any]) -> Record:
    """Serve the own account or a connected one; that there is another is not admitted."""
    asked = operation.path_values(path)["account"]
    own = store.own_account()
    account = own if asked == own["id"] else store.get("account", asked)
    if account is None:
        raise refusal("other_account", key="sk_test_********", account=asked)
    return show(account, "account", tree_of(parameters.get("expand", []), operation), store)
