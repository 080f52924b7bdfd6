"""Refreshes the files of endpoints/ from an OpenAPI document of Stripe's.

    python -m connector.definitions.generate spec3.json           # refresh all, draft what is missing
    connector endpoints --draft my_topups=/v1/topups              # draft one of your own

A file that exists is the source of everything that a person decided: descriptions, keys, parents, names, which
objects stay JSON and which of their leaves stand beside them. From the document come the types, the fields that are
new (added where nothing says how to treat them), the fields that are gone, and the filters; of a list that has no file
yet also its name, parents and key, what events tell and how rows are deleted. So a new API version is: run this, read
the diff.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connector.definitions.layout import KEYS, comments_of, definition_toml
from connector.definitions.lists import singular, table_name
from connector.definitions.names import column_name, nearest_currency
from connector.definitions.specification import OPEN, Schema, Specification, choices_of, per_method, type_at, type_of
from connector.errors import ConnectorError

_PAGING_PARAMETERS = {"limit", "starting_after", "ending_before", "expand", "page", "query"}
_TWO_KINDS = ("this", "that")  # objects of several kinds in one list: their column `object` tells them apart
_FIRST = ("id", "created", "date", "status", "type", "name", "email", "customer", "amount", "currency", "description")
_LAST = ("livemode", "metadata")
_MINOR_UNITS = re.compile(r"cents|smallest currency unit|minor unit|local equivalent", re.IGNORECASE)
_AMOUNT_NAME = re.compile(r"(^|[._])(amount|subtotal|total|balance|fee|net)(_|$)(?!count|percent)")


def main(arguments: list[str]) -> int:
    """Refresh the files of endpoints/ by a document; prints each that changed, or what is wrong with the document."""
    if len(arguments) != 1:
        return _printed("usage: python -m connector.definitions.generate DOCUMENT, as spec3.json", 2)
    try:
        specification = Specification.read(Path(arguments[0]))
        folder = Path(__file__).parents[2] / "endpoints"
        for file in sorted(folder.glob("*.toml")):
            _refresh(specification, file)
        _draft_missing(specification, folder)
    except ConnectorError as error:
        return _printed(str(error), error.exit_code)
    return 0


def _refresh(specification: Specification, file: Path) -> None:
    before = file.read_text(encoding="utf-8")
    after = definition_text(specification, before)
    if after != before:
        file.write_text(after, encoding="utf-8", newline="\n")
        _printed(f"changed {file.name}", 0)


def _draft_missing(specification: Specification, folder: Path) -> None:
    """Draft the lists of the document that have no file, and say what a person has to decide in each."""
    there = {str(tomllib.loads(file.read_text("utf-8")).get("path", "")) for file in folder.glob("*.toml")}
    for path in specification.lists.paths:
        if path in there:
            continue
        file = folder / f"{table_name(path)}.toml"
        file.write_text(definition_text(specification, f'path = "{path}"\n'), encoding="utf-8", newline="\n")
        sources = (f"where {name} comes from" for name in specification.lists.unfilled_parameters(path))
        decide = ", ".join(["its description", "group", "docs", "what may be secret", *sources])
        _printed(f"drafted {file.name}: decide {decide}", 0)


def _printed(line: str, code: int) -> int:
    print(line, file=sys.stderr if code else sys.stdout)
    return code


@dataclass
class _Draft:
    """The columns that a schema suggests: path → type, and which of them hold amounts in minor units."""

    types: dict[str, str] = field(default_factory=dict)
    amounts: set[str] = field(default_factory=set)

    def word(self, path: str) -> str | dict[str, str]:
        """Return what a file says of a column: that it is an amount where a currency stands near."""
        currency = nearest_currency(path, self.types) if path in self.amounts else None
        if currency and self.types[path] == "decimal":
            return {"type": "decimal", "currency": currency}
        return "amount" if currency else self.types[path]


def definition_text(specification: Specification, text: str) -> str:
    """Return the refreshed text of one definition file."""
    current = tomllib.loads(text)
    path = current.get("path") or specification.template(current["retrieve"])
    schema = specification.record(path, current.get("rows", []), current.get("method", "GET"))
    top = {key: current[key] for key in KEYS if key in current} or {}
    top.setdefault("description", "")
    if "columns" not in current and path in specification.lists.paths:
        top = specification.lists.words(path, schema) | top
    if not isinstance(current.get("rows"), list):
        top["object"] = current.get("object") or _object_name(schema)
        top.setdefault("primary_key", ["id"])
    if specification.retrieve_path(path) and "{" not in path and "parent" not in current:
        top["retrieve"] = specification.retrieve_path(path)
    if specification.get(f"{path}/search"):
        top["search"] = f"{path}/search"
    if "created" in schema["properties"] and "parent" not in current and not isinstance(top.get("object"), list):
        top.setdefault("order", "created")
    columns = _columns(specification, schema, current.get("columns", {}))
    filters = _filters(specification.get(path) or {}, current.get("filters", {}), columns, top)
    return definition_toml(top, filters, columns, comments_of(text))


def _object_name(schema: Schema) -> Any:
    kinds = schema["properties"].get("object", {}).get("enum", [])
    return kinds if len(kinds) > 1 else next(iter(kinds), "")


def _columns(specification: Specification, schema: Schema, current: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what the file says over what the document suggests: the file decides shape and names, the document types."""
    suggested = _draft(specification, schema, frozenset(_decided_paths(current)))
    columns: dict[str, Any] = {}
    for key, spec in current.items():
        path = spec.get("path", key) if isinstance(spec, dict) else key
        documented = type_at(specification, schema, path.split("."))
        if documented is None:
            continue
        kind = spec["type"] if isinstance(spec, dict) else spec
        is_kept = kind in ("json", "omit", "child") or documented == OPEN or (kind, documented) == ("amount", "integer")
        kind = kind if is_kept else documented
        columns[key] = {**spec, "type": kind} if isinstance(spec, dict) else kind
    paths = {spec.get("path", key) if isinstance(spec, dict) else key for key, spec in columns.items()}
    new = {path: suggested.word(path) for path in suggested.types if path not in paths}
    return columns | new if current else dict(sorted(new.items(), key=_rank))


def _decided_paths(current: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths that the file keeps whole: as JSON, as a child table, or left out."""
    for key, spec in current.items():
        kind = spec.get("type") if isinstance(spec, dict) else spec
        if kind in ("json", "omit", "child"):
            yield spec.get("path", key) if isinstance(spec, dict) else key


def _rank(item: tuple[str, Any]) -> tuple[int, str]:
    path = item[0]
    if path in _FIRST:
        return (_FIRST.index(path), path)
    return (len(_FIRST) + (1 + _LAST.index(path) if path in _LAST else 0), path)


def _draft(specification: Specification, schema: Schema, decided: frozenset[str]) -> _Draft:
    draft = _Draft()

    def walk(properties: Schema, prefix: str) -> None:
        kinds = per_method(properties)
        if len(properties.get("object", {}).get("enum", ())) >= len(_TWO_KINDS):  # every kind has trees of its own
            kinds = kinds | {key for key, value in properties.items() if type_of(value) == "object"}
        for key, value in properties.items():
            path = f"{prefix}{key}"
            if path == "deleted" or (path == "object" and len(value.get("enum", ())) < len(_TWO_KINDS)):
                continue
            kind = "json" if key in kinds else type_of(value)
            if kind == "object" and path not in decided:
                walk(value["properties"], f"{path}.")
                continue
            draft.types[path] = "json" if kind == "object" else kind
            named = _AMOUNT_NAME.search(path) and kind == "integer"
            if named or (kind in ("integer", "decimal") and _MINOR_UNITS.search(value.get("description", ""))):
                draft.amounts.add(path)

    walk(specification.resolved(schema)["properties"], "")
    return draft


def _filters(
    operation: Schema, current: Mapping[str, Any], columns: Mapping[str, Any], top: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the filters of a list: those of its query, where the file says nothing else about them."""
    parents = [top["parent"]] if isinstance(top.get("parent"), dict) else top.get("parent", [])
    filled = {parent["fills"] for parent in parents}
    filled |= {name for pair in top.get("range", {}).values() for name in pair}
    suggested: dict[str, Any] = {}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query" and parameter["name"] not in _PAGING_PARAMETERS | filled:
            for name, spec in _filter(parameter["name"], parameter["name"], parameter["schema"], columns):
                # A parameter that takes several values beside one that takes a single one, as types beside type.
                suggested[name] = (
                    {"kind": "equals", "many": spec["many"]} if name in suggested and "many" in spec else spec
                )
    parameters = {_parameter(name, spec) for name, spec in suggested.items()}
    known = parameters | suggested.keys() | {parent.get("column", parent["fills"]) for parent in parents}
    filters = {name: spec for name, spec in current.items() if _parameter(name, spec) in known or "parent" in spec}
    replaced = {_parameter(name, spec) for name, spec in filters.items()} | filters.keys()
    return filters | {name: spec for name, spec in suggested.items() if _parameter(name, spec) not in replaced}


def _parameter(name: str, spec: Any) -> str:
    return str(spec.get("parameter", name)) if isinstance(spec, dict) else name


def _filter(name: str, parameter: str, schema: Schema, columns: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    choices = schema.get("anyOf", [schema])
    inside: Schema = next((choice for choice in choices if "properties" in choice), {})
    nested = inside.get("properties")
    column = column_name(name)
    if nested and {"gte", "lt"} <= nested.keys():
        yield column, "range" if parameter == column else {"kind": "range", "parameter": parameter}
    elif nested:
        for key in inside.get("required", nested):  # the others are refused without these
            yield from _filter(f"{name}.{key}", f"{parameter}[{key}]", nested[key], columns)
    elif schema.get("type") == "array":
        one = singular(column)
        if one in columns:
            yield one, {"kind": "equals", "parameter": parameter, "many": parameter}
    else:
        values = sorted(choices_of(schema) - {""})
        if schema.get("type") == "boolean" and column not in columns:
            values = ["true", "false"]
        spec: dict[str, Any] = {"parameter": parameter} if parameter != column else {}
        spec |= {"equals": values} if values else {}
        yield column, spec if "equals" in spec else {"kind": "equals", **spec} if spec else "equals"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
