"""What an older document of Stripe's adds to the newest: how long texts may be, and which parameters there were.

Stripe's published document has `maxLength` for every text; the newer one, reconstructed from Stripe's library, has
none. What both have keeps its length; what came later has none, and nothing is made up for it. Parameters that only
the older one has are noted under `x-former`, for requests in a former version.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]


def add_former(document: Node, published: Node) -> None:
    """Copy into `document` the lengths of all parameters that `published` has too, and the names of those gone."""
    for path, methods in published["paths"].items():
        for method, operation in methods.items():
            newer = document["paths"].get(path, {}).get(method)
            if newer is not None:
                now, then = _parameters(newer), _parameters(operation)
                _copy(now, then)
                newer["x-former"] = sorted(then["properties"].keys() - now["properties"].keys())


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
