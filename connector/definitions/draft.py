"""Drafts a table of one's own from the shape of Stripe's API that comes with the connector."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

from connector.definitions.endpoint import Endpoint, Endpoints, read_definition
from connector.definitions.generate import definition_text
from connector.definitions.names import column_name, valid_table_name
from connector.definitions.specification import Specification
from connector.definitions.toml import toml_value
from connector.errors import DefinitionError, UsageError, did_you_mean

SHAPE = Path(__file__).parents[1] / "stripe_api.json.gz"
_HOLE = re.compile(r"{(\w+)}")


def draft(name: str, path: str, folder: Path, known: Endpoints) -> Endpoint:
    """Write the definition of the list at a path into a folder, as NAME.toml, and return it; it loads as it is."""
    if not valid_table_name(name):
        raise UsageError(f'"{name}" cannot name a table: write a-z, 0-9 and _, a letter first.')
    if name in known:
        raise UsageError(f"There is a table {name} already ({known[name].file}): choose another name.")
    text = drafted_text(path if path.startswith("/") else f"/v1/{path}", known)
    file = folder / f"{name}.toml"
    endpoint = read_definition(file, tomllib.loads(text))
    _write(file, text)
    return endpoint


def drafted_text(path: str, known: Endpoints) -> str:
    """Return the text of a definition of the list at a path."""
    specification = _specification()
    record = _record(specification, path)
    decided = {
        "description": f"What GET {path} lists: say here what it is.",
        "path": path,
        "primary_key": ["id"] if "id" in record else [],
    }
    if parents := _parents(path, known):
        decided["parent"] = parents[0] if len(parents) == 1 else parents  # type: ignore[assignment]
    return definition_text(specification, "".join(f"{key} = {toml_value(value)}\n" for key, value in decided.items()))


@cache
def _specification() -> Specification:
    return Specification.read(SHAPE)


def _record(specification: Specification, path: str) -> set[str]:
    """Return the fields of a record of the list; what is no list of objects is an error that says so."""
    response = specification.response(path)
    if response.get("properties", {}).get("data", {}).get("type") != "array":
        raise DefinitionError(f"GET {path} answers one object, not a list: `connector request GET {path}` reads it.")
    if path.endswith("/search"):
        raise DefinitionError(f"{path} searches: draft the list {path.removesuffix('/search')} instead.")
    record = specification.record(path, [])
    return set(record["properties"])


def _parents(path: str, known: Endpoints) -> list[dict[str, str]]:
    """Return the tables whose ids fill the path: the list that stands before each id in it."""
    return [_parent(hole[1], path[: hole.start()].rstrip("/"), known) for hole in _HOLE.finditer(path)]


def _parent(fills: str, listed: str, known: Endpoints) -> dict[str, str]:
    table = next((name for name in known if known[name].path == listed), None)
    if table is None:
        last = column_name(listed.rpartition("/")[2])
        raise DefinitionError(
            f"No table lists the ids for {{{fills}}}: draft that first, --draft {last}={listed}, in the same folder."
            f"{did_you_mean(last, known)}"
        )
    return {"table": table, "fills": fills}


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8", newline="\n") as opened:
            opened.write(text)
    except OSError as error:
        raise DefinitionError(f"{file} could not be written: {error.strerror or type(error).__name__}.") from error
