"""Whether Stripe would take a call: its path, parameters, types and enums, by Stripe's OpenAPI document.

The sandbox checks calls as well, by code of its own. This shares nothing with it but the decoding of forms, so that
neither hides the other's mistakes, and reads the document itself where it is at hand, else the copy without its prose
that the sandbox has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from connector.sandbox.document import forms
from connector.sandbox.server.messages import Request, Response
from tests.stripe_documents import calls

Node = dict[str, Any]

UNWRITTEN = re.compile(r"/v1/files/[^/]+/contents|/v2/.*|/_.*")
"""Paths that the document lacks: contents of files, all of v2, and the sandbox's own."""

FORMER = re.compile(r"20(1\d|2[0-5])-.*")
"""Versions in which calls are made that the document does not have."""

ALSO_CLEARED = {
    "description",
    "metadata",
    *(f"POST /v1/customers{path} {name}" for path in ("", "/{customer}") for name in ("email", "name", "phone")),
    "POST /v1/payment_intents/{intent} payment_method",
    "POST /v1/setup_intents/{intent} payment_method",
}
"""What an empty string clears by Stripe's words, though the document does not mark it."""


class CallShapes:
    """Stripe's calls, and those made so far that Stripe would have refused."""

    def __init__(self) -> None:
        self.checked = 0
        self._wrong: list[str] = []

    @cached_property
    def _tree(self) -> Node:
        """The calls by the parts of their paths; read at the first call, for many tests make none."""
        tree: Node = {}
        for path, methods in calls()["paths"].items():
            branch = tree
            for part in path.split("/"):
                branch = branch.setdefault("{}" if part.startswith("{") else part, {})
            for method, node in methods.items():
                branch[method.upper() + " "] = (f"{method.upper()} {path}", node)
        return tree

    def watch(self, call: Request, answer: Response) -> None:
        """Remember what is wrong with a call that the sandbox did not refuse."""
        is_former = FORMER.fullmatch(call.headers.get("stripe-version", ""))
        if not 400 <= answer.status < 500 and not is_former and not UNWRITTEN.fullmatch(call.path):
            self.checked += 1
            self._wrong += self.problems(call)

    def taken(self) -> list[str]:
        """Return what was found wrong since the last time."""
        found, self._wrong = self._wrong, []
        return found

    def problems(self, call: Request) -> list[str]:
        """Say why Stripe would refuse `call`; empty where it would not."""
        found = _find(self._tree, call.path.split("/"), call.method)
        if found is None:
            return [f"{call.method} {call.path}: Stripe has no such call"]
        name, node = found
        query, body = forms.decode(call.query), _body(call)
        if call.method == "DELETE":  # the official library sends in the query what the document has in the body
            query, body = {}, {**query, **body}
        asked = {item["name"]: item for item in node["parameters"] if item["in"] == "query"}
        taken = _schema(node)
        wrong = [
            *_fields(query, {key: item["schema"] for key, item in asked.items()}, _required(asked), f"{name} "),
            *_fields(body, taken.get("properties", {}), taken.get("required", ()), f"{name} "),
        ]
        return [*wrong, *_encoding(call, node, name)]


def _find(branch: Node, parts: list[str], method: str) -> tuple[str, Node] | None:
    """Return the call at the end of a path; a word beats a parameter."""
    if not parts:
        found: tuple[str, Node] | None = branch.get(method + " ")
        return found
    steps = [parts[0], "{}"] if parts[0] else [""]
    ways = (_find(branch[step], parts[1:], method) for step in steps if step in branch)
    return next((way for way in ways if way is not None), None)


def _schema(node: Node) -> Node:
    content = node.get("requestBody", {}).get("content", {})
    schema: Node = next((part["schema"] for part in content.values()), {})
    return schema


def _required(asked: Node) -> list[str]:
    return [name for name, item in asked.items() if item.get("required")]


def _body(call: Request) -> dict[str, Any]:
    if _kind(call).startswith("multipart/"):
        return dict.fromkeys(re.findall(r' name="([^"\[]+)[^"]*"', call.body.decode("latin-1")))
    return forms.decode(call.body.decode("utf-8", "replace"))


def _kind(call: Request) -> str:
    return call.headers.get("content-type", "").partition(";")[0]


def _encoding(call: Request, node: Node, name: str) -> Iterator[str]:
    kinds = [*node.get("requestBody", {}).get("content", {})] or ["application/x-www-form-urlencoded"]
    if call.body and _kind(call) not in kinds:
        yield f"{name}: a body of {_kind(call) or 'no content type'} is not {kinds[0]}"


def _fields(sent: Node, known: Node, required: Any, where: str) -> Iterator[str]:
    for name in required:
        if name not in sent:
            yield f"{where}{_step(where, name)}: missing"
    for name, value in sent.items():
        place = where + _step(where, name)
        if name in known:
            yield from _value(value, known[name], place)
        else:
            yield f"{place}: unknown"


def _step(where: str, name: str) -> str:
    return name if where.endswith(" ") else f"[{name}]"


def _value(value: Any, node: Node, where: str) -> Iterator[str]:
    alternatives = node.get("anyOf", [node])
    if value is None:  # a part of a multipart body
        return
    if isinstance(value, str):
        if not _takes(value, alternatives, where):
            yield f"{where}: {value!r:.60} is not {' or '.join(map(_told, alternatives))}"
        return
    ways = [list(way) for part in alternatives if (way := _below(value, part, where)) is not None]
    if not ways:
        yield f"{where}: neither an array nor an object"
    elif all(ways):
        yield from min(ways, key=len)


def _below(value: Node, part: Node, where: str) -> Iterator[str] | None:
    """Return what is wrong with nested values by one alternative; None where it takes no such thing."""
    if part.get("type") == "array" and all(key.isdecimal() for key in value):
        return (wrong for key, item in value.items() for wrong in _value(item, part["items"], f"{where}[{key}]"))
    if part.get("type") != "object":
        return None
    if isinstance(part.get("additionalProperties"), dict):
        inner = part["additionalProperties"]
        return (wrong for key, item in value.items() if item != "" for wrong in _value(item, inner, f"{where}[{key}]"))
    return _fields(value, part.get("properties", {}), part.get("required", ()), where)


def _takes(value: str, alternatives: list[Node], where: str) -> bool:
    if value == "":
        marked = any("" in part.get("enum", ()) for part in alternatives)
        return marked or bool({where, where.rpartition(" ")[2]} & ALSO_CLEARED and where.startswith("POST "))
    choices = [choice for part in alternatives for choice in part.get("enum", ()) if choice != ""]
    if value in choices:
        return True
    return any(_SCALARS[_kind_of(part)](value) for part in alternatives if _is_free(part, choices))


def _kind_of(part: Node) -> str:
    return "decimal" if part.get("format") == "decimal" else str(part["type"])


def _is_free(part: Node, choices: list[Any]) -> bool:
    """Whether a part takes more than its enum; a string beside an enum only leaves room for later versions."""
    return part.get("type") in _SCALARS and "enum" not in part and not (choices and part["type"] == "string")


def _told(part: Node) -> str:
    return "/".join(map(repr, part["enum"][:40])) if "enum" in part else str(part.get("type"))


def _is_number(value: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", value))


_SCALARS: dict[str, Callable[[str], bool]] = {
    "integer": lambda value: bool(re.fullmatch(r"-?\d{1,18}", value)),
    "number": _is_number,
    "boolean": lambda value: value in {"true", "false"},
    "decimal": lambda value: bool(re.fullmatch(r"-?\d{1,18}(\.\d{1,12})?", value)),
    "string": lambda value: True,  # noqa: ARG005 - any text
}
