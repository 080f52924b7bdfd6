"""Objects that the sandbox holds no history of: three published samples of each, which never change.

A sample is Stripe's own where it has published one, else made from the document's shape. Each of the three has an id
and a day of its own, and its references point at objects that the sandbox holds. Children belong to their parent: of
three parents one has many, one has one, the last has none.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from connector.sandbox.document import api
from connector.sandbox.document.api import Operation, Shape
from connector.sandbox.document.rules import Record
from connector.sandbox.world.store import Store

COUNT = 3
_MANY = 12  # more than an embedded list shows
_EMBEDDED = 10  # of a list's objects stand in its parent
_DAY_SECONDS = 86_400
_DEEPEST = 12
_NESTED = frozenset({"object", "array"})
_TEXTS = {"currency": "usd", "country": "US", "url": "https://example.com", "email": "sample@example.com"}


def is_sampled(store: Store, kind: str) -> bool:
    """Whether objects of this kind are there as samples alone."""
    return kind in api.schemas() and kind not in store.kinds


def samples(store: Store, kind: str) -> list[Record]:
    """Return the samples of a kind, newest first."""
    return [_sample(store, kind, place) for place in range(COUNT)]


def sample(store: Store, kind: str, id: str) -> Record | None:  # noqa: A002 - Stripe's word for it
    """Return the sample that has this id, one of a parent's children too, or None."""
    found = next((record for record in samples(store, kind) if record.get("id") == id), None)
    if found is not None or "_of_" not in id:
        return found
    return next((child for child in _all_children(store, kind) if child["id"] == id), None)


def children(store: Store, operation: Operation, filled: Mapping[str, str]) -> list[Record]:
    """Return the samples that belong to one parent: many of the newest parent, one of the next, none of any other.

    `filled` are the parameters that name the parent (or parents) with their ids.
    """
    parent, id_ = next(iter(filled.items()))
    return _children_at(store, operation, filled, _place(store, parent, id_, operation))


def _children_at(store: Store, operation: Operation, filled: Mapping[str, str], place: int) -> list[Record]:
    kinds, id_ = _kinds(operation), next(iter(filled.values()))
    count = {0: _MANY, 1: 1}.get(place, 0)
    made = [_sample(store, kinds[number % len(kinds)], number, f"_of_{_short(id_)}") for number in range(count)]
    for record in made:
        record |= {name: value for name, value in filled.items() if name in record and name != "id"}
    return made


def single(store: Store, operation: Operation, filled: Mapping[str, str]) -> Record:
    """Return the one object of its kind that an account, or the parent that is named, has."""
    record = _sample(store, operation.retrieves or "", 0)
    record |= {name: value for name, value in filled.items() if name in record}
    return record


def _kinds(operation: Operation) -> tuple[str, ...]:
    elements = operation.returns.elements if operation.returns else None
    return elements.resources if elements else ()


def _place(store: Store, parameter: str, id_: str, operation: Operation) -> int:
    """Return how many newer parents there are; a parent that nobody holds is the last."""
    kind = parent_kind(parameter, operation)
    if kind in store.kinds:
        held = [record["id"] for record in islice(store.records(kind), COUNT)]
    else:
        held = [record["id"] for record in samples(store, kind)] if kind in api.schemas() else []
    return held.index(id_) if id_ in held else COUNT


def parent_kind(parameter: str, operation: Operation) -> str:
    """Return the kind of object whose id a parameter of a child list takes; "" where nothing tells."""
    if f"{{{parameter}}}" in operation.path:
        above = api.operation("GET", operation.path[: operation.path.index(f"{{{parameter}}}") + len(parameter) + 2])
        return (above.retrieves if above else None) or ""
    family = operation.path.split("/")[2]
    named = [kind for kind in api.schemas() if kind.rpartition(".")[2] == parameter]
    return min(named, key=lambda kind: (not kind.startswith(f"{family}."), kind), default="")


def _all_children(store: Store, kind: str) -> Iterator[Record]:
    for operation in api.operations():
        if kind in _kinds(operation) and operation.method == "GET" and operation.path_parameters:
            parameter = operation.path_parameters[0]
            above = parent_kind(parameter, operation)
            held = store.records(above) if above in store.kinds else iter(samples(store, above) if above else ())
            for parent in islice(held, COUNT):
                yield from children(store, operation, {parameter: parent["id"]})


def _sample(store: Store, kind: str, number: int, owner: str = "") -> Record:
    record = deepcopy(_published(kind))
    if "id" in record:
        record["id"] = _id(kind, record["id"], number, owner)
    if isinstance(record.get("created"), int):
        record["created"] = _midnight(store) - (number + 1) * _DAY_SECONDS
    _refer(store, record, api.schema(kind), _DEEPEST)
    if not owner:
        _embed_all(store, record, kind)
    return record


def _embed_all(store: Store, record: Record, kind: str) -> None:
    """Put the first children into the lists that a sample carries."""
    place = int(record["id"].rpartition("sample")[2]) - 1 if "id" in record else COUNT
    for name, shape in api.schema(kind).fields.items():
        operation = _child_list(kind, name) if shape.is_list and record.get(name) is not None else None
        if operation is not None:
            filled = {operation.path_parameters[-1]: record["id"]}
            record[name] = _embedded(operation, record["id"], _children_at(store, operation, filled, place))


def embed(store: Store, record: Record, kind: str, name: str) -> None:
    """Put the first sampled children into a list that an object shows."""
    operation = _child_list(kind, name)
    if operation is not None:
        held = children(store, operation, {operation.path_parameters[-1]: record["id"]})
        record[name] = _embedded(operation, record["id"], held)


def _embedded(operation: Operation, id_: str, held: list[Record]) -> Record:
    url = operation.path.replace(f"{{{operation.path_parameters[-1]}}}", id_)
    return {"object": "list", "data": held[:_EMBEDDED], "has_more": len(held) > _EMBEDDED, "url": url}


@cache
def _child_list(kind: str, field: str) -> Operation | None:
    """Return the call that lists what a field of an object carries the first page of."""
    above = [each.path for each in api.operations() if each.method == "GET" and each.retrieves == kind]
    return next((found for path in above if (found := api.operation("GET", f"{path}/{field}"))), None)


def _id(kind: str, published: str, number: int, owner: str) -> str:
    prefix = published.partition("_")[0] if "_" in published else kind.rpartition(".")[2]
    return f"{prefix}_sample{number + 1}{owner}"


def _short(id_: str) -> str:
    return hashlib.sha256(id_.encode()).hexdigest()[:8]


def _midnight(store: Store) -> int:
    return store.clock.start // _DAY_SECONDS * _DAY_SECONDS


def _refer(store: Store, record: Record, shape: Shape, depth: int) -> None:
    """Point the references of an object at what the sandbox holds, where the document says what they name."""
    for name, value in record.items():
        field = shape.fields.get(name)
        if field is None or depth == 0:
            continue
        if field.expandable and isinstance(value, str):
            record[name] = _held(store, field.resources[0]) or value
        elif isinstance(value, dict):
            kind = value.get("object")
            _refer(store, value, api.schema(kind) if kind in api.schemas() else field, depth - 1)


def _held(store: Store, kind: str) -> str | None:
    if kind in store.kinds:
        newest = next(iter(store.records(kind)), None)
        return newest["id"] if newest else None
    published = _published(kind) if kind in api.schemas() else {}
    return _id(kind, published["id"], 0, "") if "id" in published else None


@cache
def _published(kind: str) -> Record:
    """Return the published sample of a kind as today's document has it, or one made from its shape."""
    return _fitted(_packed().get(kind, {}), api.schema(kind), kind, _DEEPEST)


@cache
def _packed() -> dict[str, Record]:
    packed = Path(api.__file__).with_name("samples.json.gz").read_bytes()
    found: dict[str, Record] = msgspec.json.decode(gzip.decompress(packed))
    return found


def _fitted(published: Record, shape: Shape, name: str, depth: int) -> Record:
    """Return the fields of a shape: as published where they fit, else the least that the shape takes."""
    record = {}
    for field, expected in shape.fields.items():
        value = published.get(field)
        if value is None and expected.values is not None and expected.values.types & _NESTED:
            continue  # Stripe's libraries take such a map for one where it is there at all, also as null
        if field == "deleted":
            continue  # the mark of a deleted object, in the document a part of the same shape
        if field == "object" and expected.choices:
            record[field] = value if value in expected.choices else expected.choices[0]
        elif value is None or not _takes(expected, value):
            record[field] = _least(field, expected, name, depth)
        elif isinstance(value, dict) and expected.fields and not expected.is_list:
            record[field] = _fitted(value, expected, field, depth - 1)
        else:
            record[field] = value
    return record


def _takes(shape: Shape, value: Any) -> bool:
    if isinstance(value, dict) and shape.resources:
        return False  # a whole object stands nowhere but where one asks for it
    if shape.closed and value not in shape.choices:
        return False
    types = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
    return types[type(value)] in shape.types or (isinstance(value, int) and "number" in shape.types)


def _least(name: str, shape: Shape, above: str, depth: int) -> Any:
    """Return the least value that a shape takes: null where it may be."""
    if name == "id" and "string" in shape.types:
        return f"{above.rpartition('.')[2]}_sample"
    if name in ("created", "date") and shape.format == "unix-time":
        return 0
    if shape.nullable or depth == 0:
        return None
    return shape.choices[0] if shape.choices else _least_of_its_type(name, shape, depth)


def _least_of_its_type(name: str, shape: Shape, depth: int) -> Any:
    if shape.is_list:
        return {"object": "list", "data": [], "has_more": False, "url": "/v1"}
    if "string" in shape.types:
        return "0" if shape.format == "decimal" else _TEXTS.get(name, name)
    if shape.fields:
        return _fitted({}, shape, name, depth - 1)
    if shape.resources:
        return _fitted({}, api.schema(shape.resources[0]), shape.resources[0], depth - 1)
    return {"integer": 0, "number": 0.0, "boolean": False, "array": []}.get(min(shape.types, default="object"), {})
