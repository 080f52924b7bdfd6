"""Refreshes the files of endpoints/ from an OpenAPI document of Stripe's.

    python -m connector.definitions.generate spec3.json           # refresh every file of endpoints/
    connector endpoints --draft topups=/v1/topups                 # draft a new one

A file that exists is the source of everything that a person decided: descriptions, keys, parents, names, which
objects stay JSON and which of their leaves stand beside them. From the document come the types, the fields that are
new (added where nothing says how to treat them), the fields that are gone, and the filters. So a new API version is:
run this, read the diff.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import tomllib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connector.definitions.names import column_name, nearest_currency
from connector.definitions.toml import toml_key, toml_value
from connector.errors import ConnectorError, DefinitionError, did_you_mean

Schema = Mapping[str, Any]
_PAGING_PARAMETERS = {"limit", "starting_after", "ending_before", "expand", "page", "query"}
_MANY_BRANCHES = 8  # an object with this many objects inside is one per payment method or per country: it stays JSON
_FIRST = ("id", "created", "date", "status", "type", "name", "email", "customer", "amount", "currency", "description")
_LAST = ("livemode", "metadata")
_MINOR_UNITS = re.compile(r"cents|smallest currency unit|minor unit|local equivalent", re.IGNORECASE)
_AMOUNT_NAME = re.compile(r"(^|[._])(amount|subtotal|total|balance|fee|net)(_|$)(?!count|percent)")
_TOP_KEYS = (
    "extends", "description", "docs", "path", "object", "retrieve", "search", "primary_key", "order", "updates",
    "deletes", "paging", "parent", "embedded", "always", "each", "rows", "range", "reread",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Refresh the files of endpoints/ by a document; prints each that changed, or what is wrong with the document."""
    if len(arguments) != 1:
        return _told("usage: python -m connector.definitions.generate DOCUMENT, as spec3.json", 2)
    try:
        specification = Specification.read(Path(arguments[0]))
        for file in sorted((Path(__file__).parents[2] / "endpoints").glob("*.toml")):
            _refresh(specification, file)
    except ConnectorError as error:
        return _told(str(error), error.exit_code)
    return 0


def _refresh(specification: Specification, file: Path) -> None:
    before = file.read_text(encoding="utf-8")
    after = definition_text(specification, before)
    if after != before:
        file.write_text(after, encoding="utf-8", newline="\n")
        _told(f"changed {file.name}", 0)


def _told(line: str, code: int) -> int:
    print(line, file=sys.stderr if code else sys.stdout)
    return code


@dataclass(frozen=True)
class Specification:
    """An OpenAPI document, asked for what a definition needs."""

    document: Schema

    @classmethod
    def read(cls, file: Path) -> Specification:
        """Read a document in JSON, gzipped or not."""
        try:
            content = file.read_bytes()
            document = json.loads(gzip.decompress(content) if file.suffix == ".gz" else content)
        except (OSError, ValueError, EOFError, zlib.error) as error:
            raise DefinitionError(f"{file} is no OpenAPI document that can be read: {error}") from error
        if not (isinstance(document, dict) and {"paths", "components"} <= document.keys()):
            raise DefinitionError(f"{file} is no OpenAPI document: it has no paths and components.")
        return cls(document)

    def get(self, path: str) -> Schema | None:
        """Return the GET operation at `path`, if there is one."""
        operation: Schema | None = self.document["paths"].get(path, {}).get("get")
        return operation

    def response(self, path: str) -> Schema:
        """Return the schema of the response to GET `path`."""
        operation = self.get(path)
        if operation is None:
            near = did_you_mean(path, (each for each in self.document["paths"] if self.get(each)))
            raise DefinitionError(f"Stripe's document has no GET {path}.{near}")
        content = operation["responses"]["200"]["content"]
        if "application/json" not in content:
            raise DefinitionError(f"GET {path} answers a file, not records.")
        schema: Schema = content["application/json"]["schema"]
        return self.resolved(schema)

    def record(self, path: str, rows: list[str] | str) -> Schema:
        """Return the schema of one record of the list at `path`, or of one row inside the object there."""
        response = self.response(path)
        if isinstance(rows, str) or not rows:
            return self.resolved(self._at(response, str(rows or "data"))["items"])
        outside = {key: each for key, each in response["properties"].items() if _type(each) in _SCALARS.values()}
        inside: dict[str, Any] = {}
        for row in rows:
            inside |= self.resolved(self._at(response, row)["items"])["properties"]
        return {"properties": inside | outside}

    def _at(self, schema: Schema, path: str) -> Schema:
        """Return the schema of a property, by its path."""
        for key in path.split("."):
            schema = self.resolved(schema["properties"][key])
        return schema

    def resolved(self, schema: Schema) -> Schema:
        """Follow a `$ref`, if the schema is one, alone or as the only choice."""
        if len(schema.get("anyOf", ())) == 1:
            schema = schema["anyOf"][0]
        if "$ref" not in schema:
            return schema
        resource: Schema = self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        return resource

    def retrieve_path(self, path: str) -> str | None:
        """Return the path that retrieves one record of the list at `path`, its parameter called id."""
        pattern = re.compile(re.escape(path) + r"/{\w+}$")
        path_with_id = next((p for p in self.document["paths"] if pattern.match(p) and self.get(p)), None)
        return path_with_id and re.sub(r"{\w+}$", "{id}", path_with_id)


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
    content = tomllib.loads(text)
    path = content["path"]
    schema = specification.record(path, content.get("rows", []))
    top = {key: content[key] for key in _TOP_KEYS if key in content} or {}
    top.setdefault("description", "")
    if not isinstance(content.get("rows"), list):
        top["object"] = content.get("object") or _object_name(schema)
        top.setdefault("primary_key", ["id"])
    if specification.retrieve_path(path) and "{" not in path and "parent" not in content:
        top["retrieve"] = specification.retrieve_path(path)
    if specification.get(f"{path}/search"):
        top["search"] = f"{path}/search"
    if "created" in schema["properties"] and "parent" not in content:
        top.setdefault("order", "created")
    columns = _columns(specification, schema, content.get("columns", {}))
    filters = _filters(specification.get(path) or {}, content.get("filters", {}), columns, content)
    return _toml(top, filters, columns, _comments(text))


def _object_name(schema: Schema) -> Any:
    if "anyOf" in schema:
        return []
    return next(iter(schema["properties"]["object"].get("enum", [])), "")


def _columns(specification: Specification, schema: Schema, declared: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what the file says over what the document suggests: the file decides shape and names, it decides types."""
    suggested = _draft(specification, schema, frozenset(_decided_paths(declared)))
    merged: dict[str, Any] = {}
    for key, spec in declared.items():
        path = spec.get("path", key) if isinstance(spec, dict) else key
        documented = _type_at(specification, schema, path.split("."))
        if documented is None:
            continue
        kind = spec["type"] if isinstance(spec, dict) else spec
        is_decided = (
            kind in ("json", "omit", "child") or documented == _OPEN or (kind, documented) == ("amount", "integer")
        )
        kind = kind if is_decided else documented
        merged[key] = {**spec, "type": kind} if isinstance(spec, dict) else kind
    paths = {spec.get("path", key) if isinstance(spec, dict) else key for key, spec in merged.items()}
    new = {path: suggested.word(path) for path in suggested.types if path not in paths}
    return merged | new if declared else dict(sorted(new.items(), key=_rank))


def _decided_paths(declared: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths that the file keeps whole: as JSON, as a child table, or left out."""
    for key, spec in declared.items():
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
        kinds = _kinds(properties)
        for key, each in properties.items():
            path = f"{prefix}{key}"
            if path in ("object", "deleted"):
                continue
            kind = "json" if key in kinds else _type(each)
            if kind == "object" and path not in decided:
                walk(each["properties"], f"{path}.")
                continue
            draft.types[path] = "json" if kind == "object" else kind
            named = _AMOUNT_NAME.search(path) and kind == "integer"
            if named or (kind in ("integer", "decimal") and _MINOR_UNITS.search(each.get("description", ""))):
                draft.amounts.add(path)

    walk(specification.resolved(schema)["properties"], "")
    return draft


def _kinds(properties: Schema) -> set[str]:
    """Return the properties that are there for one `type` of the object each (card, us_bank_account …)."""
    choices = _enum(properties.get("type", {}))
    objects = {key for key, each in properties.items() if _type(each) in ("object", "json")}
    branches = choices & objects
    return branches if len(branches) >= _MANY_BRANCHES else set()


def _enum(schema: Schema) -> set[str]:
    choices = set(schema.get("enum", ()))
    for each in schema.get("anyOf", ()):
        choices |= set(each.get("enum", ()))
    return choices


def _type(schema: Schema) -> str:
    """Return the column type of a property: one of the definition's types, or "object" for one to spread."""
    if "$ref" in schema or "additionalProperties" in schema:
        return "json"
    if "properties" in schema:
        return _object_type(schema["properties"])
    if "anyOf" in schema:
        kinds = {_type(each) for each in schema["anyOf"]}
        if kinds & {"json", "object"} and "text" in kinds:
            return "text"  # an id, which can be expanded
        return kinds.pop() if len(kinds) == 1 else "json"
    if schema.get("format") in ("unix-time", "decimal"):
        return {"unix-time": "timestamp", "decimal": "decimal"}[schema["format"]]
    return _SCALARS.get(schema.get("type", ""), "json")


_OPEN = "open"
_SCALARS = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}


def _object_type(properties: Schema) -> str:
    if "data" in properties and "has_more" in properties:
        return "child"
    branches = [each for each in properties.values() if "properties" in each]
    return "json" if len(branches) >= _MANY_BRANCHES or not properties else "object"


def _type_at(specification: Specification, schema: Schema, path: list[str]) -> str | None:
    """Return the type of the property at `path`: None where there is none, _OPEN inside what can hold anything."""
    for position, key in enumerate(path):
        schema = specification.resolved(schema)
        if not schema.get("properties") and schema.get("type") == "object":
            return _OPEN
        if key not in schema.get("properties", {}):
            return None
        schema = schema["properties"][key]
        if position == len(path) - 1:
            kind = _type(schema)
            return "json" if kind == "object" else kind
    return None


def _filters(
    operation: Schema, declared: Mapping[str, Any], columns: Mapping[str, Any], top: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the filters of a list: those of its query, where the file says nothing else about them."""
    parents = top.get("parent", [])
    filled = {parent["fills"] for parent in ([parents] if isinstance(parents, dict) else parents)}
    filled |= {name for pair in top.get("range", {}).values() for name in pair}
    documented: dict[str, Any] = {}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query" and parameter["name"] not in _PAGING_PARAMETERS | filled:
            documented |= dict(_filter(parameter["name"], parameter["name"], parameter["schema"], columns))
    merged = {
        name: spec for name, spec in declared.items() if name in documented or _parameter(name, spec) in documented
    }
    replaced = {_parameter(name, spec) for name, spec in merged.items()}
    new = documented.keys() - merged.keys() - replaced
    return merged | {name: spec for name, spec in documented.items() if name in new}


def _parameter(name: str, spec: Any) -> str:
    return str(spec.get("parameter", name)) if isinstance(spec, dict) else name


def _filter(name: str, parameter: str, schema: Schema, columns: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    choices = schema.get("anyOf", [schema])
    inside: Schema = next((each for each in choices if "properties" in each), {})
    nested = inside.get("properties")
    column = column_name(name)
    if nested and {"gte", "lt"} <= nested.keys():
        yield column, "range"
    elif nested:
        for key in inside.get("required", nested):  # the others are refused without these
            yield from _filter(f"{name}.{key}", f"{parameter}[{key}]", nested[key], columns)
    elif schema.get("type") == "array":
        return
    else:
        values = sorted(_enum(schema))
        if schema.get("type") == "boolean" and column not in columns:
            values = ["true", "false"]
        spec: dict[str, Any] = {"parameter": parameter} if parameter != column else {}
        spec |= {"equals": values} if values else {}
        yield column, spec if "equals" in spec else {"kind": "equals", **spec} if spec else "equals"


def _comments(text: str) -> dict[str, str]:
    """Return what a person wrote beside the lines, by section and key, and above the first line (by "")."""
    comments = {"": "".join(re.findall(r"\A((?:#.*\n|\n)+)", text))}
    section = ""
    for line in text.splitlines():
        if heading := re.match(r"\[(\w+)\]", line):
            section = heading[1]
        elif comment := re.match(r'("?[\w.]+"?)\s*=.*?[\]}"]\s+#\s*(.*)$', line):
            comments[f"{section}.{comment[1]}"] = comment[2]
    return comments


def _toml(
    top: Mapping[str, Any],
    filters: Mapping[str, Any],
    columns: Mapping[str, Any],
    comments: Mapping[str, str],
) -> str:
    lines = [comments[""].rstrip("\n")] if comments[""] else []
    lines += _aligned("", {key: top[key] for key in _TOP_KEYS if top.get(key)}, comments)
    if filters:
        lines += ["", "[filters]", *_aligned("filters", filters, comments)]
    lines += ["", "[columns]", *_aligned("columns", columns, comments)]
    return "\n".join(lines) + "\n"


def _aligned(section: str, pairs: Mapping[str, Any], comments: Mapping[str, str]) -> list[str]:
    width = max(len(toml_key(key)) for key in pairs)
    lines = []
    for key, value in pairs.items():
        line = f"{toml_key(key):<{width}} = {toml_value(value)}"
        comment = comments.get(f"{section}.{toml_key(key)}")
        lines.append(f"{line}  # {comment}" if comment else line)
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
