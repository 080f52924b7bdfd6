"""Stripe's OpenAPI document, asked for what a definition needs: the schema of a record, the type of each field."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.definitions.lists import Lists
from connector.errors import DefinitionError, did_you_mean

Schema = Mapping[str, Any]
OPEN = "open"
SCALARS = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}
_MANY_BRANCHES = 8  # an object with this many objects inside is one per payment method or per country: it stays JSON


@dataclass(frozen=True)
class Specification:
    """An OpenAPI document, asked for what a definition needs."""

    document: Schema

    @property
    def lists(self) -> Lists:
        """What the document says of its lists."""
        return Lists(self.document)

    def template(self, path: str) -> str:
        """Return a path as the document writes it, whatever it calls the parameters."""
        pattern = re.compile(re.sub(r"{\w+}", r"{\\w+}", path) + "$")
        found = next((template for template in self.document["paths"] if pattern.match(template)), None)
        if found is None:
            raise DefinitionError(f"Stripe's document has no GET {path}.")
        return str(found)

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
        found: Schema | None = self.document["paths"].get(path, {}).get("get")
        return found

    def response(self, path: str, method: str = "GET") -> Schema:
        """Return the schema of the response to a call of `path`."""
        operation = self.document["paths"].get(path, {}).get(method.lower())
        if operation is None:
            near = did_you_mean(path, (known for known in self.document["paths"] if self.get(known)))
            raise DefinitionError(f"Stripe's document has no {method} {path}.{near}")
        content = operation["responses"]["200"]["content"]
        if "application/json" not in content:
            raise DefinitionError(f"{method} {path} answers a file, not records.")
        schema: Schema = content["application/json"]["schema"]
        return self.resolved(schema)

    def record(self, path: str, rows: list[str] | str, method: str = "GET") -> Schema:
        """Return the schema of one record of the list at `path`, or of one row inside the object there."""
        answer = self.response(path, method)
        if not rows and "data" not in answer.get("properties", {}):
            return answer  # the one record itself
        if isinstance(rows, str) or not rows:
            return self._one_schema(self.resolved(self._at(answer, str(rows or "data"))["items"]))
        outside = {key: value for key, value in answer["properties"].items() if type_of(value) in SCALARS.values()}
        inside: dict[str, Any] = {}
        for row in rows:
            inside |= self.resolved(self._at(answer, row)["items"])["properties"]
        return {"properties": inside | outside}

    def _at(self, schema: Schema, path: str) -> Schema:
        """Return the schema of a property, by its path."""
        for key in path.split("."):
            schema = self.resolved(schema["properties"][key])
        return schema

    def _one_schema(self, schema: Schema) -> Schema:
        """Return a schema with the properties of all choices, where a list holds several kinds of objects."""
        choices = [self.resolved(choice) for choice in schema.get("anyOf", ())]
        if not choices:
            return schema
        properties: dict[str, Any] = {}
        for choice in choices:
            properties |= {key: each for key, each in choice["properties"].items() if key not in properties}
        kinds = [kind for choice in choices for kind in choice["properties"]["object"].get("enum", ())]
        return {"properties": properties | {"object": {"type": "string", "enum": kinds}}}

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
        found = next((p for p in self.document["paths"] if pattern.match(p) and self.get(p)), None)
        return found and re.sub(r"{\w+}$", "{id}", found)


def per_method(properties: Schema) -> set[str]:
    """Return the properties that are there for one payment method each (card, us_bank_account …)."""
    choices = choices_of(properties.get("type", {}))
    objects = {key for key, value in properties.items() if type_of(value) in ("object", "json")}
    shapes = Counter(_shape(properties[key]) for key in objects)
    alike = {key for key in objects if shapes[_shape(properties[key])] >= _MANY_BRANCHES and _shape(properties[key])}
    branches = (choices & objects) | alike
    return branches if len(branches) >= _MANY_BRANCHES else set()


def _shape(schema: Schema) -> tuple[str, ...]:
    """Return the fields of an object."""
    return tuple(sorted(schema.get("properties", ())))


def choices_of(schema: Schema) -> set[str]:
    """Return the values of an enum, empty where any value goes."""
    found = set(schema.get("enum", ()))
    for branch in schema.get("anyOf", ()):
        found |= set(branch.get("enum", ()))
    return found


def type_of(schema: Schema) -> str:
    """Return the column type of a property: one of the definition's types, or "object" for one to spread."""
    if "$ref" in schema or "additionalProperties" in schema:
        return "json"
    if "properties" in schema:
        return _object_type(schema["properties"])
    if "anyOf" in schema:
        kinds = {type_of(branch) for branch in schema["anyOf"]}
        if kinds & {"json", "object"} and "text" in kinds:
            return "text"  # an id, which can be expanded
        return kinds.pop() if len(kinds) == 1 else "json"
    if schema.get("format") in ("unix-time", "decimal"):
        return {"unix-time": "timestamp", "decimal": "decimal"}[schema["format"]]
    return SCALARS.get(schema.get("type", ""), "json")


def _object_type(properties: Schema) -> str:
    if "data" in properties and "has_more" in properties:
        return "child"
    branches = [branch for branch in properties.values() if "properties" in branch]
    return "json" if len(branches) >= _MANY_BRANCHES or not properties else "object"


def type_at(specification: Specification, schema: Schema, path: list[str]) -> str | None:
    """Return the type of the property at `path`: None where there is none, OPEN inside what can hold anything."""
    for position, key in enumerate(path):
        schema = specification.resolved(schema)
        if not schema.get("properties") and schema.get("type") == "object":
            return OPEN
        if key not in schema.get("properties", {}):
            return None
        schema = schema["properties"][key]
        if position == len(path) - 1:
            kind = type_of(schema)
            return "json" if kind == "object" else kind
    return None
