"""The calls that read, told apart by what the OpenAPI document says they return.

A list of objects held, a list inside its parent, a search, one object by id, or one of the account's own. To
serve more, teach `reader` another kind of call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connector.sandbox.document import api
from connector.sandbox.document.api import Operation
from connector.sandbox.document.refusals import Refusal, refusal
from connector.sandbox.document.rules import Record, matches
from connector.sandbox.history.meters import summaries
from connector.sandbox.reads.lists import PAGING, Page, page, part
from connector.sandbox.reads.samples import children, embed, is_sampled, parent_kind, sample, samples, single
from connector.sandbox.reads.search import count, search
from connector.sandbox.world.expansion import GATHERED, Tree, show, stub, tree_of
from connector.sandbox.world.store import Store

Parameters = Mapping[str, Any]
Reader = Callable[[Store, Operation, str, Parameters], Record]

_LONGEST = 100  # objects of a page
_BY_QUERY = {"/v1/subscription_items": ("subscription", "items")}
"""Lists whose parent stands in the query: the parent's kind, and its field with the list."""

_INSIDE = {"subscription_item": ("subscription", "items")}
"""Objects that are retrieved by their own id but live in a parent."""

_OF_SEVERAL_KINDS = {"/v1/customers/{customer}/sources/{id}", "/v1/accounts/{account}/external_accounts/{id}"}
"""Calls that give one of a list in which objects of several kinds stand."""

PARAM_OF = {"customer": "id", "subscription_exposed_id": "id"}
"""Path parameters that errors call by another name [known]."""

_SAMPLED_INSIDE = {"customer": ("sources",)}
"""Lists on request of objects held, whose children are samples."""

SHOWN_DELETED = frozenset({"customer"})
"""Kinds whose deleted objects can be retrieved as a stub [docs]."""


def reader(store: Store, operation: Operation) -> Reader | None:
    """Return what serves this call, or None when nothing does yet."""
    if operation.method != "GET":
        return None
    if operation.path in {"/v1/balance", "/v1/account"}:
        return _own
    if operation.searches:
        return _search if operation.searches in store.kinds else None
    if operation.lists:
        return _list_reader(store, operation) or _sampled_list
    return _object_reader(store, operation)


def _object_reader(store: Store, operation: Operation) -> Reader | None:
    """Return what serves one object: held, one of a list of several kinds, or a sample."""
    if operation.path in _OF_SEVERAL_KINDS:
        return _one_of_list
    if operation.retrieves in store.kinds | _INSIDE.keys() and operation.path.endswith("}"):
        return _retrieve
    if not is_sampled(store, operation.retrieves or ""):
        return None
    return _sample if operation.path.endswith("}") else _single


def _list_reader(store: Store, operation: Operation) -> Reader | None:
    if operation.path in _BY_QUERY:
        return _children_by_query
    if operation.lists == "billing.meter_event_summary":
        return _summaries
    if not operation.path_parameters:
        return _list if operation.lists in store.kinds else None
    parent, field = _parent(operation)
    if parent not in store.kinds:
        return None
    shape = api.schema(parent).fields.get(field)
    if shape is not None and shape.is_list and (parent, field) not in GATHERED:
        return _children
    return _list_of_parent if operation.lists in store.kinds else None


def _parent(operation: Operation) -> tuple[str, str]:
    """Return the kind of the object above a child list, and the last word of the path."""
    path, _, field = operation.path.rpartition("/")
    above = api.operation("GET", path)
    return (above.retrieves if above else None) or "", field


def _own(store: Store, operation: Operation, _path: str, parameters: Parameters) -> Record:
    record = store.business.balance() if operation.path == "/v1/balance" else store.own_account()
    return show(record, operation.retrieves or "", tree_of(parameters.get("expand", []), operation), store)


def _list(store: Store, operation: Operation, path: str, parameters: Parameters) -> Record:
    kind = operation.lists or ""
    return _answer(store, operation, path, page(store, kind, operation.path, parameters), parameters)


def _list_of_parent(store: Store, operation: Operation, path: str, parameters: Parameters) -> Record:
    """Serve a list of objects held that are filtered by the parent in the path."""
    parent, _ = _parent(operation)
    record = _above(store, operation, path, parent)
    found = page(store, operation.lists or "", operation.path, {**parameters, parent: record["id"]})
    return _answer(store, operation, path, found, parameters)


def _children(store: Store, operation: Operation, path: str, parameters: Parameters) -> Record:
    parent, field = _parent(operation)
    record = _above(store, operation, path, parent)
    if not record.get(field):
        return _sampled_list(store, operation, path, parameters)
    filters = {name: value for name, value in parameters.items() if name not in PAGING}
    found = part(_narrowed(record[field]["data"], filters), operation.lists or "", parameters)
    return _answer(store, operation, path, found, parameters)


def _children_by_query(store: Store, operation: Operation, path: str, parameters: Parameters) -> Record:
    parent, field = _BY_QUERY[operation.path]
    record = store.get(parent, parameters[parent])
    if record is None:
        raise refusal("missing_reference", parent, kind=parent, id=parameters[parent])
    found = part(record[field]["data"], operation.lists or "", parameters)
    return _answer(store, operation, path, found, parameters)


def _summaries(store: Store, operation: Operation, path: str, parameters: Parameters) -> Record:
    meter = _above(store, operation, path, "billing.meter")
    found = part(summaries(store, meter, parameters), operation.lists or "", parameters)
    return _answer(store, operation, path, found, parameters)


def _above(store: Store, operation: Operation, path: str, kind: str) -> Record:
    """Return the parent that stands in the path of a child list."""
    name, id_ = next(iter(operation.path_values(path).items()))
    record = _find(store, kind, id_)
    if record is None:
        raise _missing(kind, id_, name)
    return record


def _answer(store: Store, operation: Operation, path: str, found: Page, parameters: Parameters) -> Record:
    tree = tree_of(parameters.get("expand", []), operation).get("data", {})
    kind = operation.lists or ""
    data = [_shown(record, kind, tree, store) for record in found.records]
    return {"object": "list", "data": data, "has_more": found.has_more, "url": path}


def _shown(record: Record, kind: str, tree: Tree, store: Store) -> Record:
    """Return what an answer shows of a record, sampled children included where they were asked for."""
    shown = show(record, kind, tree, store)
    for name in tree.keys() & _SAMPLED_INSIDE.get(kind, ()):
        embed(store, shown, kind, name)
    return shown


def _search(store: Store, operation: Operation, path: str, parameters: Parameters) -> Record:
    kind = operation.searches or ""
    tree = tree_of(parameters.get("expand", []), operation)
    found, token = search(store, kind, parameters)
    data = [_shown(record, kind, tree.get("data", {}), store) for record in found.records]
    answer = {"object": "search_result", "data": data, "has_more": found.has_more, "next_page": token, "url": path}
    return answer | ({"total_count": count(store, kind, parameters["query"])} if "total_count" in tree else {})


def _retrieve(store: Store, operation: Operation, path: str, parameters: Parameters) -> Record:
    kind = operation.retrieves or ""
    *above, (name, id_) = operation.path_values(path).items()
    tree = tree_of(parameters.get("expand", []), operation)
    record = _inside(store, kind, id_) if kind in _INSIDE else store.get(kind, id_)
    if kind == "event" and not store.telling.is_seen(id_):
        record = None
    if record is not None and all(record.get(parent) == value for parent, value in above):
        return _shown(record, kind, tree, store)
    if kind in SHOWN_DELETED and store.was_deleted(kind, id_) and not above:
        return stub(kind, id_)
    raise _missing(kind, id_, name)


def _one_of_list(store: Store, _operation: Operation, path: str, _parameters: Parameters) -> Record:
    """Serve one object of a list in which several kinds stand: nothing but the list tells which it is."""
    above, _, id_ = path.rpartition("/")
    listing = api.operation("GET", above)
    read = reader(store, listing) if listing else None
    held = read(store, listing, above, {"limit": _LONGEST})["data"] if listing and read else []
    found = next((record for record in held if record["id"] == id_), None)
    if found is None:
        raise _missing("source", id_, "id")
    return dict(found)


def _sampled_list(store: Store, operation: Operation, path: str, parameters: Parameters) -> Record:
    """Serve a list of samples, narrowed by what the call asks for; of children, those of the parent."""
    kind = operation.lists or ""
    filters = {name: value for name, value in parameters.items() if name not in PAGING}
    filled = operation.path_values(path) | {
        name: filters.pop(name)
        for name in operation.required & filters.keys()
        if operation.path_parameters or parent_kind(name, operation)
    }
    if filled:
        _check_parent(store, operation, filled)
    held = children(store, operation, filled) if filled else samples(store, kind)
    kept = _narrowed(held, filters)
    found = part(kept, kind, parameters) if "limit" in operation.query else Page(kept, has_more=False)
    return _answer(store, operation, path, found, parameters)


def _find(store: Store, kind: str, id_: str) -> Record | None:
    """Return an object held, the own account among them, with what stands below it."""
    own = store.own_account() if kind == "account" else {}
    if own.get("id") != id_:
        return store.get(kind, id_)
    return {**own, "external_accounts": {"data": store.business.bank_accounts()}}


def _narrowed(held: list[Record], filters: Parameters) -> list[Record]:
    """Return the objects that pass all filters; one that does not show what is asked for passes."""
    return [each for each in held if all(name not in each or matches(each[name], to) for name, to in filters.items())]


def _check_parent(store: Store, operation: Operation, filled: Parameters) -> None:
    """Refuse a parent that neither the sandbox nor its samples hold."""
    name, id_ = next(iter(filled.items()))
    kind = parent_kind(name, operation)
    parent = _find(store, kind, id_) if kind in store.kinds else sample(store, kind, id_)
    if parent is None:
        raise _missing(kind, id_, name)


def _sample(store: Store, operation: Operation, path: str, parameters: Parameters) -> Record:
    kind = operation.retrieves or ""
    *_, (name, id_) = operation.path_values(path).items()
    record = sample(store, kind, id_)
    if record is None:
        raise _missing(kind, id_, name)
    return show(record, kind, tree_of(parameters.get("expand", []), operation), store)


def _single(store: Store, operation: Operation, path: str, parameters: Parameters) -> Record:
    filled = operation.path_values(path) | {name: parameters[name] for name in operation.required & parameters.keys()}
    record = single(store, operation, {name: value for name, value in filled.items() if isinstance(value, str)})
    return show(record, operation.retrieves or "", tree_of(parameters.get("expand", []), operation), store)


def _missing(kind: str, id_: str, name: str) -> Refusal:
    return refusal("missing", PARAM_OF.get(name, name), kind=kind, id=id_)


def _inside(store: Store, kind: str, id_: str) -> Record | None:
    """Return an object that lives in a parent; nothing tells which, so all parents are looked at."""
    parent, field = _INSIDE[kind]
    items = (item for record in store.records(parent) for item in record[field]["data"])
    return next((item for item in items if item["id"] == id_), None)
