"""Stripe's API as data: which calls there are, what they take, and the shape of what they return.

Read from `connector/stripe_api.json.gz`, which `connector.sandbox.document.build` cuts out of Stripe's OpenAPI
document; nothing here knows an object by name. The document is loaded when first asked for.

    operation("GET", "/v1/customers/cus_1")    the call, with its parameters
    schema("charge")                           the shape of an object
    schema("charge").at("outcome.rule")        the shape of one field
    problems(record, "charge")                 where a record departs from that shape
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import msgspec

Node = dict[str, Any]
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


@dataclass(frozen=True, eq=False)
class Shape:
    """What may stand in one place: the union of all alternatives that the document gives for it.

    `types` are JSON types ("string", "integer", "number", "boolean", "object", "array"); `resources` name the
    objects that may stand here whole. `choices` lists an enum's values; where `closed` is False, others may
    come. `format` is "unix-time", "decimal", "binary" or None, `longest` how many characters a text may have, None
    where the document does not say. `nullable` means null or absent.
    """

    types: frozenset[str]
    resources: tuple[str, ...]
    choices: tuple[Any, ...]
    closed: bool
    format: str | None
    longest: int | None
    nullable: bool
    _objects: tuple[Node, ...] = field(repr=False)
    _arrays: tuple[Node, ...] = field(repr=False)

    @property
    def expandable(self) -> bool:
        """Whether an id stands here that `expand[]` turns into the object."""
        return bool(self.resources) and "string" in self.types

    @property
    def clearable(self) -> bool:
        """Whether an empty string may be sent to unset the parameter."""
        return "" in self.choices

    @cached_property
    def fields(self) -> Mapping[str, Shape]:
        """The named fields of an inline object, by name; empty for maps and for references."""
        return {name: _shape(node) for part in self._objects for name, node in part.get("properties", {}).items()}

    @cached_property
    def required(self) -> frozenset[str]:
        """Names of the fields that must be sent along with this parameter."""
        return frozenset(name for part in self._objects for name in part.get("required", ()))

    @cached_property
    def values(self) -> Shape | None:
        """The shape of the values of a map with free keys, such as metadata; None when keys are fixed."""
        nodes = [part["additionalProperties"] for part in self._objects if part.get("additionalProperties")]
        return _shape(nodes[0]) if nodes and isinstance(nodes[0], dict) else None

    @cached_property
    def items(self) -> Shape | None:
        """The shape of the elements of an array, or None."""
        return _shape(self._arrays[0].get("items", {})) if self._arrays else None

    @property
    def is_list(self) -> bool:
        """Whether this is one of Stripe's list objects, embedded or as an answer."""
        kind = self.fields.get("object")
        return kind is not None and kind.choices == ("list",)

    @cached_property
    def elements(self) -> Shape | None:
        """What stands in the `data` of a list object."""
        return self.fields["data"].items if self.is_list else None

    def child(self, name: str) -> Shape | None:
        """Return the shape one step below, walking through arrays and whole objects, or None."""
        if self.items is not None:
            return self.items.child(name)
        if name in self.fields:
            return self.fields[name]
        found = (schema(resource).child(name) for resource in self.resources)
        return next((shape for shape in found if shape is not None), None)

    def at(self, path: str) -> Shape | None:
        """Return the shape at a dotted path, or None; the `data` of list objects may be left out of it."""
        shape: Shape | None = self
        for name in path.split("."):
            if shape is not None:
                shape = shape.child(name) or (shape.elements and shape.elements.child(name))
        return shape


@dataclass(frozen=True, eq=False)
class Operation:
    """One call that the API knows. `path` is the template, e.g. "/v1/customers/{customer}"."""

    method: str
    path: str
    id: str
    query: Mapping[str, Shape]
    body: Mapping[str, Shape]
    required: frozenset[str]
    returns: Shape | None
    former: frozenset[str] = frozenset()
    """Parameters that a former version had."""

    @property
    def name(self) -> str:
        """The call as people write it: "GET /v1/customers/{customer}"."""
        return f"{self.method} {self.path}"

    @property
    def lists(self) -> str | None:
        """Name of the objects that this call lists page by page, or None."""
        elements = self.returns.elements if self.returns else None
        return elements.resources[0] if elements and elements.resources else None

    @property
    def searches(self) -> str | None:
        """Name of the objects that this call searches, or None."""
        fields = self.returns.fields if self.returns else {}
        if "object" not in fields or fields["object"].choices != ("search_result",):
            return None
        items = fields["data"].items
        return items.resources[0] if items and items.resources else None

    @property
    def retrieves(self) -> str | None:
        """Name of the one object that this call returns, or None."""
        return self.returns.resources[0] if self.returns and self.returns.resources else None

    @property
    def path_parameters(self) -> tuple[str, ...]:
        """Names of the parameters in the path, in order."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    def path_values(self, path: str) -> dict[str, str]:
        """Return what stands in `path` in the places of the path parameters."""
        pairs = zip(self.path.split("/"), path.split("/"), strict=True)
        return {template[1:-1]: value for template, value in pairs if template.startswith("{")}


def version() -> str:
    """Return the API version that the document describes, e.g. "2026-10-28.endive"."""
    return str(_document()["info"]["version"])


def schema(name: str) -> Shape:
    """Return the shape of the object called `name`; KeyError when the API has no such object."""
    return _shape(_document()["components"]["schemas"][name])


def schemas() -> tuple[str, ...]:
    """Return the names of all objects that the API knows."""
    return tuple(_document()["components"]["schemas"])


def operation(method: str, path: str) -> Operation | None:
    """Return the call that `path` (concrete or a template) belongs to, or None when the API has none."""
    template = _template(path.split("/"), method.lower())
    return _operation(method.upper(), template) if template else None


def operations() -> Iterator[Operation]:
    """Yield every call that the API knows."""
    for path, methods in _document()["paths"].items():
        for method in methods:
            yield _operation(method.upper(), path)


def problems(record: Any, name: str) -> list[str]:
    """Say where `record` departs from the shape of the object called `name`; empty when it does not."""
    return list(_departures(record, schema(name), name))


def _departures(value: Any, shape: Shape, where: str) -> Iterator[str]:
    if value is None:
        if not shape.nullable:
            yield f"{where}: null"
    elif isinstance(value, dict) and shape.resources:
        yield from _whole_object(value, shape, where)
    elif not _has_type(value, shape.types):
        yield f"{where}: {type(value).__name__} {value!r:.40} is not {' or '.join(sorted(shape.types))}"
    elif shape.closed and isinstance(value, str | bool) and value not in shape.choices:
        yield f"{where}: {value!r} is not one of {', '.join(map(str, shape.choices))}"
    elif isinstance(value, dict):
        yield from _fields(value, shape, where)
    elif isinstance(value, list) and shape.items is not None:
        for number, item in enumerate(value):
            yield from _departures(item, shape.items, f"{where}[{number}]")


def _has_type(value: Any, types: frozenset[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in types
    return any(isinstance(value, _PYTHON_TYPES[name]) for name in types)


def _whole_object(value: Node, shape: Shape, where: str) -> Iterator[str]:
    kind = value.get("object")
    if kind not in shape.resources:
        yield f"{where}: object {kind!r} is not {' or '.join(shape.resources)}"
    elif value.get("deleted") is True and set(value) == {"id", "object", "deleted"}:
        return
    else:
        yield from _fields(value, schema(kind), where)


def _fields(value: Node, shape: Shape, where: str) -> Iterator[str]:
    if not shape.fields:
        yield from _map(value, shape, where)
        return
    for name, item in value.items():
        if name in shape.fields:
            yield from _departures(item, shape.fields[name], f"{where}.{name}")
        else:
            yield f"{where}.{name}: unknown field"
    for name, expected in shape.fields.items():
        if name not in value and not expected.nullable:
            yield f"{where}.{name}: missing"


def _map(value: Node, shape: Shape, where: str) -> Iterator[str]:
    if shape.values is not None:
        for key, item in value.items():
            yield from _departures(item, shape.values, f"{where}.{key}")
    elif value.get("object") in _document()["components"]["schemas"]:  # the snapshot inside an event
        yield from _fields(value, schema(value["object"]), where)


@cache
def _document() -> Node:
    packed = (Path(__file__).parents[2] / "stripe_api.json.gz").read_bytes()
    document: Node = msgspec.json.decode(gzip.decompress(packed))
    return document


_shapes: dict[int, Shape] = {}  # by identity of the node; the document lives as long as the program


def _shape(node: Node) -> Shape:
    known = _shapes.get(id(node))
    if known is None:
        known = _shapes[id(node)] = _union(node)
    return known


def _union(node: Node) -> Shape:
    parts = list(_alternatives(node))
    choices = tuple(dict.fromkeys(value for part in parts for value in part.get("enum", ())))
    free = any(part.get("type") in {"string", "boolean"} and "enum" not in part for part in parts)
    return Shape(
        types=frozenset(part["type"] for part in parts if "type" in part),
        resources=tuple(part["$ref"].rsplit("/", 1)[1] for part in parts if "$ref" in part),
        choices=choices,
        closed=bool(choices) and not free,
        format=next((part["format"] for part in parts if "format" in part), None),
        longest=max((part["maxLength"] for part in parts if "maxLength" in part), default=None),
        nullable=bool(node.get("nullable")),
        _objects=tuple(part for part in parts if part.get("type") == "object"),
        _arrays=tuple(part for part in parts if part.get("type") == "array"),
    )


def _alternatives(node: Node) -> Iterator[Node]:
    if "anyOf" in node:
        for part in node["anyOf"]:
            yield from _alternatives(part)
    else:
        yield node


def _template(parts: list[str], method: str) -> str | None:
    for template in _templates(len(parts)):
        if _fits(template, parts) and method in _document()["paths"]["/".join(template)]:
            return "/".join(template)
    return None


def _fits(template: tuple[str, ...], parts: list[str]) -> bool:
    return all(a == b or (a[:1] == "{" and b != "") for a, b in zip(template, parts, strict=True))


@cache
def _templates(length: int) -> list[tuple[str, ...]]:
    """Return the path templates of so many parts, those with fewer parameters first: a word beats an id."""
    found = [path for path in _document()["paths"] if path.count("/") + 1 == length]
    return [tuple(path.split("/")) for path in sorted(found, key=lambda path: (path.count("{"), path))]


@cache
def _operation(method: str, path: str) -> Operation:
    node = _document()["paths"][path][method.lower()]
    parameters = [item for item in node["parameters"] if item["in"] == "query"]
    form = _first_content(node.get("requestBody", {})).get("schema", {})
    answer = _first_content(node["responses"]["200"]).get("schema")
    needed = [item["name"] for item in parameters if item.get("required")]
    return Operation(
        method=method,
        path=path,
        id=node["operationId"],
        query={item["name"]: _shape(item["schema"]) for item in parameters},
        body={name: _shape(part) for name, part in form.get("properties", {}).items()},
        required=frozenset([*needed, *form.get("required", ())]),
        returns=_shape(answer) if answer else None,
        former=frozenset(node.get("x-former", ())),
    )


def _first_content(node: Node) -> Node:
    return next(iter(node.get("content", {}).values()), {})
