"""Saved requests: a GET that lists becomes an endpoint file of the user's, with the columns that came."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pyarrow as pa
import pyarrow.compute as pc

from connector.api.account import Api
from connector.api.pages import PageReader, Selection
from connector.definitions.endpoint import Endpoint, Endpoints, read_definition
from connector.definitions.names import column_name, shorten, valid_table_name
from connector.definitions.toml import toml_key, toml_value
from connector.errors import DataError, StripeError, UsageError, did_you_mean
from connector.request.bodies import write_whole
from connector.request.jsonpath import RowFilter
from connector.request.template import Request, address, pairs
from connector.rows.flatten import Flattener
from connector.rows.render import is_json
from connector.rows.types import ARROW_TYPES
from connector.words import count_of

_OPEN = "metadata"  # an object whose keys the user's customers make up
_NO_KEY = re.compile(r'["\\.\x00-\x1f]|^$')  # what the keys of a definition's paths cannot hold
_TIME = re.compile(r"(^|_)(created|updated|date|start|end|at)$")
_FIRST, _LAST = 946_684_800, 4_102_444_800  # the years 2000 to 2099 in unix seconds
_POSITIONS = ("starting_after", "ending_before", "page")


@dataclass
class Shape:
    """What the responses to a request look like: the last document, the paths of all fields, the objects that came."""

    document: Any = None
    paths: dict[str, tuple[str, ...]] = field(default_factory=dict)
    objects: set[object] = field(default_factory=set)

    def saw(self, document: object) -> None:
        """Take note of a response."""
        self.document = document

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Take note of the fields of records, and of what objects they are."""
        for record in records:
            self.objects.add(record.get("object") if isinstance(record.get("object"), str) else None)
            self._walk(record, ())

    def _walk(self, fields: Mapping[str, Any], above: tuple[str, ...]) -> None:
        for key, value in fields.items():
            path = (*above, key)
            self.paths.setdefault(shorten(column_name(".".join(path))), path)
            if isinstance(value, dict):
                self._walk(value, path)


class Saving:
    """Keeps one request under a name; made before the request is sent, so that what cannot be kept is not begun."""

    def __init__(self, api: Api, request: Request, rows: RowFilter | None) -> None:
        self._api = api
        self._request = request
        self._rows = rows
        self._name = request.save or ""
        _refuse_what_no_file_says(request)
        if rows is not None and rows.plain_path() is None:
            raise UsageError(
                f"The filter {request.filter} cannot be saved: a definition takes a plain path to one list, as "
                "$.data[*] or $.store.books[*], and no conditions, .. or indexes."
            )
        self._folder = self._checked_folder()

    @property
    def file(self) -> Path:
        """Where the definition goes."""
        return self._folder / f"{self._name}.toml"

    def save(self, shape: Shape, rows: pa.Table) -> list[str]:
        """Write the definition once it has been tried, and return what is worth telling."""
        schema = rows.schema
        self._check_key(rows)
        text, endpoint = self._tried(self._definition(shape, schema))
        write_whole(self.file, text.encode("utf-8"))
        self._api.endpoints.forget(self._name)
        left_out = [name for name in schema.names if endpoint.column(name) is None]
        notes = [f"{name} is not in the definition: no path says where it is. It goes to _extra" for name in left_out]
        here = self._folder.as_posix()
        return [
            *notes,
            *_times_note(rows),
            f"saved as {self.file}: `connector extract {self._name}` reads it with --definitions {here}, or where "
            f'connector.toml says definitions = ["{here}"]; the config of a sync says so, too',
        ]

    # What is refused

    def _checked_folder(self) -> Path:
        if not valid_table_name(self._name):
            raise UsageError(f'"{self._name}" is no name for a table: take a-z, 0-9 and _, and a letter first.')
        folder = self._api.endpoints.own_folder
        if folder is None:
            raise UsageError(
                "--save needs a folder for your definitions: make one, and name it with --definitions FOLDER or in "
                'connector.toml, as definitions = ["my_tables"].'
            )
        if not self._request.replace and self._name in self._api.endpoints:
            whose = f"is in {folder} already" if (folder / f"{self._name}.toml").exists() else "is a table already"
            raise UsageError(f"{self._name} {whose}: take another name, or --replace to have this one in its place.")
        return folder

    def _check_key(self, rows: pa.Table) -> None:
        """Refuse a key that does not tell the rows apart that came."""
        names = list(self._request.key)
        if not rows.schema.names:
            raise DataError(f"{self._request.name} gave no rows, so there are no columns to keep.")
        for name in names:
            if name not in rows.schema.names:
                near = did_you_mean(name, rows.schema.names)
                raise UsageError(f'--key: there is no column "{name}" in what came.{near}')
            if rows.column(name).null_count:
                raise UsageError(
                    f"--key: {name} is null in {count_of(rows.column(name).null_count, 'row')}, so it is no key."
                )
        different = rows.select(names).group_by(names).aggregate([]).num_rows if names else rows.num_rows
        if different < rows.num_rows:
            raise UsageError(
                f"--key {','.join(names)} does not tell rows apart: {count_of(rows.num_rows, 'row')} came, with "
                f"{count_of(different, 'key')}."
            )

    # What the file says

    def _definition(self, shape: Shape, schema: pa.Schema) -> dict[str, Any]:
        path, parameters = self._address()
        listed, paging = self._listing(shape.document)
        columns = _columns(schema, shape)
        if not columns:
            raise DataError(f"{self._request.name} has no column that a definition can name.")
        one_object = len(shape.objects) == 1 and None not in shape.objects
        content: dict[str, Any] = {
            "description": f"Kept from a request: {self._request.name}.",
            "path": path,
            "object": next(iter(shape.objects)) if one_object else "",
            "primary_key": list(self._request.key),
            "updates": "none",
            "deletes": "compare" if self._request.key else "never",
            "paging": paging,
            "rows": ".".join(listed),
            "always": _always(parameters, paging),
            "columns": columns,
        }
        return {key: value for key, value in content.items() if value or key == "primary_key"}

    def _address(self) -> tuple[str, list[tuple[str, str]]]:
        """Return the path, and the parameters of the address and of --query."""
        path, _, query = address(self._request.url).partition("?")
        base = self._api.client.connection.api_base
        path = path.removeprefix(base) if path.startswith(f"{base}/") else path
        return path, [*parse_qsl(query, keep_blank_values=True), *pairs(self._request.query)]

    def _listing(self, document: Any) -> tuple[tuple[str, ...], str]:
        """Return the path to the rows where they are not in `data`, and how the pages follow each other."""
        names = ["data"] if self._rows is None else (self._rows.plain_path() or [])
        here = document
        for name in names:
            here = here.get(name) if isinstance(here, dict) else None
        if not names or not isinstance(here, list):
            where = "is a bare array" if isinstance(document, list) else "does not list"
            raise UsageError(f"{self._request.name} {where}, so it cannot become a table; pick a list with --filter.")
        if any("." in name for name in names):
            raise UsageError("A name with a dot in the filter cannot be saved: in a definition dots part the names.")
        if names != ["data"]:
            return tuple(names), "none"
        if "next_page_url" in document:
            return (), "url"
        if document.get("object") == "search_result":
            return (), "page"
        has_ids = all(isinstance(record, dict) and isinstance(record.get("id"), str) for record in here)
        if document.get("has_more") and not has_ids:
            raise DataError(f"{self._request.name} has more than one page, and its records have no id to go on from.")
        return (), "cursor" if has_ids and "has_more" in document else "none"

    def _tried(self, content: dict[str, Any]) -> tuple[str, Endpoint]:
        """Return the definition as text, once it has read its first row; one whose list takes no pages says so."""
        text = _toml(content)
        endpoint = read_definition(self.file, tomllib.loads(text))
        reader = PageReader(self._api.client, Endpoints([self._folder]), page_rows=1)
        try:
            page = next(reader.read(endpoint, Selection()), None)
        except StripeError as error:
            if error.param != "limit" or content.get("paging") == "none":
                raise
            return self._tried({**content, "paging": "none"})
        if page is not None:
            Flattener(endpoint).batch(page.records, page.fills)
        return text, endpoint


def _refuse_what_no_file_says(request: Request) -> None:
    """Raise a UsageError for what a definition has no word for."""
    refused = {
        f"a {request.verb}, only a GET": request.verb != "GET",
        "headers": bool(request.headers),
        "a version of its own": request.stripe_version is not None,
        "an account of its own": request.stripe_account is not None,
        "a request without the key": not request.authenticate,
        "--explode: arrays stay JSON in a table": request.explode is not None,
        "--from: a table is one list": request.source is not None,
    }
    for what, is_wanted in refused.items():
        if is_wanted:
            raise UsageError(f"--save cannot keep {what}; leave it out.")


def _times_note(rows: pa.Table) -> list[str]:
    """Say which integers seem to be unix seconds, since dates in conditions need columns of another type."""
    named = [column.name for column in rows.schema if column.type == pa.int64() and _TIME.search(column.name)]
    spans = {name: pc.min_max(rows.column(name)).as_py() for name in named}
    times = [name for name, span in spans.items() if span["min"] and _FIRST <= span["min"] <= span["max"] < _LAST]
    advice = 'seem to hold unix seconds: in the file, "timestamp" for "integer" makes instants of them'
    return [f"{', '.join(times)} {advice}"] if times else []


def _columns(schema: pa.Schema, shape: Shape) -> dict[str, str]:
    """Return the type of each column by its path, where a path says where it is."""
    words = {kind: word for word, kind in reversed(ARROW_TYPES.items()) if word != "json"}
    types: dict[str, str] = {}
    for column in schema:
        path = shape.paths.get(column.name)
        if path is not None and _OPEN in path[:-1]:  # the next record may have other keys: all are kept as JSON, too
            types.setdefault(".".join(path[: path.index(_OPEN) + 1]), "json")
        if path is not None and not any(_NO_KEY.search(key) for key in path):
            types[".".join(path)] = "json" if is_json(column) else words.get(column.type, "decimal")
    return types


def _always(parameters: list[tuple[str, str]], paging: str) -> dict[str, str]:
    """Return the parameters that are always sent; those with [] get numbers, since a name stands there once."""
    always: dict[str, str] = {}
    for name, value in parameters:
        if name in _POSITIONS:
            raise UsageError(f"--save cannot keep {name}: a table begins at its beginning; leave it out.")
        if name == "limit" and paging != "none":
            continue  # how many rows a page has is for the reader to say
        places = [f"{name[:-2]}[{number}]" for number in range(len(parameters))] if name.endswith("[]") else [name]
        free = next((place for place in places if place not in always), None)
        if free is None:
            raise UsageError(f"--save cannot keep {name} twice: a definition says each parameter once.")
        always[free] = value
    return always


# TOML


def _toml(content: Mapping[str, Any]) -> str:
    """Return a definition as a person would write it."""
    top = {key: value for key, value in content.items() if key != "columns"}
    columns = {toml_key(key): value for key, value in content["columns"].items()}
    width = max(map(len, top))
    lines = [f"{key:<{width}} = {toml_value(value)}" for key, value in top.items()]
    if not content["primary_key"]:
        lines.append("# To sync it, name in primary_key the columns that tell one row from another.")
    width = max(map(len, columns))
    return "\n".join([*lines, "", "[columns]", *(f'{key:<{width}} = "{value}"' for key, value in columns.items()), ""])
