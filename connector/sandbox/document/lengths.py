"""How long texts may be, copied from the document that says so into the one that does not.

Stripe's published document has `maxLength` for every text; the newer one, reconstructed from Stripe's library, has
none. What both have keeps its length; what came later has none, and nothing is made up for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]


def add_lengths(document: Node, published: Node) -> None:
    """Copy into `document` the lengths of all parameters that `published` has under the same path and name."""
    for path, methods in published["paths"].items():
        for method, operation in methods.items():
            newer = document["paths"].get(path, {}).get(method)
            if newer is not None:
                _copy(_parameters(newer), _parameters(operation))


def _parameters(operation: Node) -> Node:
    """Return all parameters of a call, of query and body, as the properties of one object."""
    contents: Node = operation.get("requestBody", {}).get("content", {})
    body: Node
    body = next((form["schema"].get("properties", {}) for form in contents.values()), {})
    query = {item["name"]: item["schema"] for item in operation.get("parameters", ()) if item["in"] == "query"}
    return {"properties": {**query, **body}}


def _copy(node: Node, published: Node) -> None:
    for known in _parts(published):
        for part in _parts(node):
            if "maxLength" in known and part.get("type") == "string" and "enum" not in part:
                part["maxLength"] = known["maxLength"]
            for name, below in known.get("properties", {}).items():
                if name in part.get("properties", {}):
                    _copy(part["properties"][name], below)
            if "items" in known and "items" in part:
                _copy(part["items"], known["items"])


def _parts(node: Node) -> Iterator[Node]:
    """Yield the alternatives of a node."""
    if "anyOf" in node:
        for part in node["anyOf"]:
            yield from _parts(part)
    else:
        yield node
