"""Drafts and refreshes the files of endpoints/actions/ from an OpenAPI document of Stripe's.

    python -m connector.definitions.generate_actions spec3.json

Calls and parameters come from the document. What a person has decided stays: `needs`, `why`, `done` and `event` of an
action, `needs` of a parameter. A new action needs money and delete until somebody decides. So a new API version is:
run this, read the diff.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from connector.definitions.actions import FOLDER, UNDECIDED
from connector.definitions.endpoint import shipped_folder
from connector.definitions.lists import singular, table_name
from connector.definitions.specification import Schema, Specification
from connector.definitions.toml import toml_key, toml_value

# Cleared by an empty text though the document does not say so; every object's, and those of one file.
CLEARED = ("description", "metadata")
CLEARED_OF = {"customers": ("name", "email", "phone")}
_WRITES = ("post", "delete")
_NOT_ROWS = ("expand",)  # how the answer looks is our affair
_SCALARS = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}
_INSTANT = re.compile(r"(_at|_date|_end|_from)$")
_DECIDED = ("needs", "why", "done", "event")
Decided = Mapping[str, Mapping[str, Any]]


def main(arguments: list[str]) -> None:
    """Refresh all files of actions; prints each file that changed."""
    specification = Specification.read(Path(arguments[0]))
    folder = shipped_folder() / FOLDER
    folder.mkdir(exist_ok=True)
    for name, calls in sorted(calls_by_object(specification).items()):
        file = folder / f"{name}.toml"
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        after = actions_text(specification, name, calls, tomllib.loads(before))
        if after != before:
            file.write_text(after, encoding="utf-8", newline="\n")
            print(f"{'changed' if before else 'drafted'} {file.name}")  # noqa: T201 - a command's output


def calls_by_object(specification: Specification) -> dict[str, dict[str, tuple[str, str]]]:
    """Return every write of the document: object → action → method and path."""
    paths = specification.document["paths"]
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for path in paths:
        for method in (method for method in _WRITES if method in paths[path] and path.startswith("/v1/")):
            owner, verb = _split(path, paths)
            name = table_name(re.sub(r"/{\w+}$", "", owner))
            action = _action_name(method, path, owner, verb, specification)
            found.setdefault(name, {})[action] = (method, path)
    return found


def _split(path: str, paths: Mapping[str, Any]) -> tuple[str, str]:
    """Return the path of the object and the further words that are the verb: /v1/invoices/{invoice}, pay."""
    parts = path.split("/")
    for end in range(len(parts), 2, -1):
        owner = "/".join(parts[:end])
        is_read = owner.endswith("}") or "get" in paths.get(owner, {})
        if is_read or any(path.startswith(f"{owner}/{{") for path in paths):
            return owner, "_".join(parts[end:])
    return path, ""


def _action_name(method: str, path: str, owner: str, verb: str, specification: Specification) -> str:
    if method == "delete":
        is_subscription = owner.startswith("/v1/subscriptions/") and not verb
        return "cancel" if is_subscription else "_".join(filter(None, ["delete", verb]))
    if verb:
        return verb
    return "create" if _is_list(path, specification) else "update"


def _is_list(path: str, specification: Specification) -> bool:
    """Whether a POST to a path adds an object: it is no object itself, and reading it gives a list, or nothing."""
    if path.endswith("}"):
        return False
    return specification.get(path) is None or "data" in specification.response(path).get("properties", {})


def actions_text(
    specification: Specification, name: str, calls: Mapping[str, tuple[str, str]], decided: Decided
) -> str:
    """Return the text of one file of actions."""
    blocks = []
    for action in sorted(calls, key=_rank):
        method, path = calls[action]
        owner, _ = _split(path, specification.document["paths"])
        before = decided.get(action, {})
        lines = [f"[{action}]", f"call = {toml_value(f'{method.upper()} {_with_ids(path, owner)}')}"]
        decisions = {"needs": list(UNDECIDED)} | {key: before[key] for key in _DECIDED if key in before}
        lines += [f"{key} = {toml_value(decisions[key])}" for key in _DECIDED if key in decisions]
        parameters = dict(_parameters(specification, specification.document["paths"][path][method], name))
        needs = _needs_of(before.get("parameters", {}))
        if parameters:
            lines += ["", f"[{action}.parameters]"]
            lines += [f"{toml_key(name)} = {_spec(spec | needs.get(name, {}))}" for name, spec in parameters.items()]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _rank(action: str) -> tuple[int, str]:
    first = ("create", "update", "delete", "cancel")
    return (first.index(action) if action in first else len(first), action)


def _with_ids(path: str, owner: str) -> str:
    """Return a path whose object is {id}, and whose other ids carry the name of what stands before them."""
    parts = path.split("/")
    place_of_object = len(owner.split("/")) - 1
    for place in (place for place, part in enumerate(parts) if part.startswith("{")):
        parts[place] = "{id}" if place == place_of_object else f"{{{singular(parts[place - 1])}}}"
    return "/".join(parts)


def _needs_of(parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        path: {"needs": spec["needs"]}
        for path, spec in parameters.items()
        if isinstance(spec, dict) and "needs" in spec
    }


# Parameters


def _parameters(specification: Specification, operation: Schema, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    content = operation.get("requestBody", {}).get("content", {})
    for body in content.values():
        cleared = {*CLEARED, *CLEARED_OF.get(name, ())}
        for path, spec in _below(specification, body["schema"], ""):
            if path not in _NOT_ROWS:
                yield path, spec | ({"clearable": True} if path in cleared else {})


def _below(specification: Specification, schema: Schema, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the parameters inside an object, each followed by those inside it."""
    required = schema.get("required", ())
    for key, inner in sorted(schema.get("properties", {}).items()):
        path = f"{prefix}{key}"
        branches = [specification.resolved(branch) for branch in inner.get("anyOf", [inner])]
        spec = _spec_of(branches, key)
        yield path, spec | ({"required": True} if key in required else {})
        inside = _merged([branch for branch in branches if branch.get("type") == "object"])
        yield from _below(specification, inside, f"{path}.")
        for items in (specification.resolved(b["items"]) for b in branches if b.get("type") == "array"):
            within = [specification.resolved(branch) for branch in items.get("anyOf", [items])]
            yield from _below(specification, _merged(within), f"{path}[].")


def _merged(branches: list[Schema]) -> dict[str, Any]:
    """Return what several shapes of an object have: all their properties, required where each requires them."""
    properties = {key: inner for branch in branches for key, inner in branch.get("properties", {}).items()}
    required = [set(branch.get("required", ())) for branch in branches]
    return {"properties": properties, "required": set.intersection(*required) if required else ()}


def _spec_of(branches: list[Schema], key: str) -> dict[str, Any]:
    """Return what the branches of a parameter say: its type, its words, whether an empty text clears it."""
    words = [word for branch in branches for word in branch.get("enum", ())]
    kinds = [branch for branch in branches if "enum" not in branch]
    spec: dict[str, Any] = {"type": _type(kinds, key) if kinds else "text"}
    listed: Schema = next((branch["items"] for branch in kinds if branch.get("type") == "array"), {})
    item_words, is_open = _words(listed)
    known = sorted({word for word in words if word} | item_words)
    if known:
        spec["values" if is_open or any(branch.get("type") == "string" for branch in kinds) else "enum"] = known
    return spec | ({"clearable": True} if "" in words else {})


def _words(items: Schema) -> tuple[set[str], bool]:
    branches = items.get("anyOf", [items])
    words = {word for branch in branches for word in branch.get("enum", ())}
    return words, any(branch.get("type") == "string" and "enum" not in branch for branch in branches)


def _type(kinds: list[Schema], key: str) -> str:
    names = {str(kind.get("type")) for kind in kinds}
    if "object" in names and "string" in names:
        return "json"  # an id, or the whole object
    first = kinds[0]
    if "array" in names:
        items = next(kind["items"] for kind in kinds if kind.get("type") == "array")
        return _type(list(items.get("anyOf", [items])), key) + "[]"
    if "object" in names:
        return "map" if "additionalProperties" in first else "object"
    number = next((kind for kind in kinds if kind.get("type") != "string"), first)
    if number.get("type") == "integer" and (number.get("format") == "unix-time" or _INSTANT.search(key)):
        return "timestamp"
    if number.get("format") == "decimal":
        return "decimal"
    return _SCALARS.get(str(number.get("type")), "file")


# TOML


def _spec(spec: Mapping[str, Any]) -> str:
    return toml_value(spec["type"] if len(spec) == 1 else dict(spec))


if __name__ == "__main__":
    main(sys.argv[1:])
