"""What an endpoint definition may say; finds, loads and checks the files in endpoints/.

A definition is one TOML file: its name is the table's name. Nothing is parsed until it is named, so a folder of
many files costs nothing at start. A folder of the user's own comes before the shipped one: a file there replaces
ours by name, or adds to it with `extends = "invoices"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connector.definitions.content import Content, place, query_text, read_toml
from connector.definitions.layout import KEYS
from connector.definitions.names import column_name, nearest_currency, shorten, unique
from connector.definitions.parts import AMOUNT, FILTER_KINDS, KNOWN_NOT_COLUMNS, TYPES, Column, Filter, Parent, Window
from connector.errors import DefinitionError, did_you_mean
from connector.words import count_of

UPDATES = ("events", "partial", "none")
DELETES = ("event", "compare", "never")
PAGING = ("cursor", "page", "url", "none", "one")
METHODS = ("GET", "POST")


@dataclass(frozen=True)
class Endpoint:
    """A table of Stripe's: where its records come from, how they are narrowed, which columns they fill.

    `rows` are kinds of rows inside one object, `rows_at` the path to the one list that holds the records. A `path` of
    "" is a table that Stripe does not list: its rows are read by id. A `method` of POST is a call that works something
    out and changes nothing; `nothing` is the code of the error by which Stripe says that there is no row. `by_name`
    says why a sync of everything leaves the table out unless it is named.
    """

    name: str
    file: Path
    description: str
    docs: str
    path: str
    primary_key: tuple[str, ...]
    columns: tuple[Column, ...]
    group: str = ""
    by_name: str = ""
    object: tuple[str, ...] = ()
    retrieve: str | None = None
    search: str | None = None
    order: str | None = None
    updates: str = "none"
    deletes: str = "never"
    paging: str = "cursor"
    method: str = "GET"
    nothing: str = ""
    parents: tuple[Parent, ...] = ()
    embedded: tuple[str, ...] = ()
    always: Mapping[str, str] = field(default_factory=dict)
    each: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    rows_at: tuple[str, ...] = ()
    window: Window | None = None
    reread: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    filters: Mapping[str, Filter] = field(default_factory=dict)
    ignored: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<endpoint {self.name}: {count_of(len(self.columns), 'column')}, from {self.path or self.retrieve}>"

    def column(self, name: str) -> Column | None:
        """Return the column called `name`, case aside, or None."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)

    def filter_for(self, word: str) -> Filter | None:
        """Return the filter that people mean by `word`: its own name, or the column that it bounds."""
        by_name = self.filters.get(word.lower())
        return by_name or next((f for f in self.filters.values() if f.column == word.lower()), None)

    @property
    def order_parameter(self) -> str | None:
        """The parameter that bounds the list by time, where there is one."""
        order = self.filter_for(self.order) if self.order else None
        return order.parameter if order is not None and order.kind == "range" else None

    def conditionable(self) -> list[str]:
        """Return every word that a condition may name: columns, then filters that no column shows."""
        names = [column.name for column in self.columns]
        return names + [name for name in self.filters if name not in names]


class Endpoints:
    """All definitions within reach, by name; each file is read when it is first asked for."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = [*folders, shipped_folder()]
        self._loaded: dict[str, Endpoint] = {}

    def __repr__(self) -> str:
        return f"<{count_of(len(list(self)), 'endpoint')}: {', '.join(self)}>"

    @property
    def own_folder(self) -> Path | None:
        """The first folder of the user's own, where there is one: what they add goes there."""
        return self._folders[0] if len(self._folders) > 1 else None

    def __iter__(self) -> Iterator[str]:
        """Yield the names of all tables, sorted."""
        files = [file for folder in self._folders for file in folder.glob("*.toml")]
        return iter(sorted({file.stem for file in files}))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def __getitem__(self, name: str) -> Endpoint:
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def text(self, name: str) -> str:
        """Return the file of a table as it stands, which costs less than reading what it says."""
        file = self._find(name)
        return file.read_text(encoding="utf-8", errors="replace") if file else ""

    def forget(self, name: str) -> None:
        """Read a definition again when it is next asked for: its file has changed."""
        self._loaded.pop(name, None)

    def _find(self, name: str, skip: Sequence[Path] = ()) -> Path | None:
        files = (folder / f"{name}.toml" for folder in self._folders)
        return next((file for file in files if file not in skip and file.is_file()), None)

    def _load(self, name: str) -> Endpoint:
        file = self._find(name)
        if file is None:
            raise DefinitionError(
                f'There is no endpoint "{name}".{did_you_mean(name, self)} `connector endpoints` lists them all.'
            )
        return read_definition(file, self._merged(file))

    def _merged(self, file: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
        """Return the content of `file`, laid over the definition that it extends, if any."""
        content = read_toml(file)
        base_name = content.pop("extends", None)
        if base_name is None:
            return content
        merged = self._merged(self._base(file, str(base_name), (*above, file)), (*above, file))
        for key, value in content.items():
            below = merged.get(key)
            merged[key] = {**below, **value} if isinstance(below, dict) and isinstance(value, dict) else value
        return merged

    def _base(self, file: Path, name: str, above: tuple[Path, ...]) -> Path:
        """Return the file that another extends: the first of that name that is not laid over it already."""
        base = self._find(name, skip=above)
        if base is None and self._find(name):
            raise DefinitionError(
                f'{place(file)}: extends "{name}", which extends this file in turn: take `extends` out of one of them.'
            )
        if base is None:
            raise DefinitionError(f'{place(file)}: extends "{name}", which does not exist.{did_you_mean(name, self)}')
        return base


def shipped_folder() -> Path:
    """Return the folder of definitions that comes with the connector, installed or in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "endpoints"
    return installed if installed.is_dir() else package.parent / "endpoints"


def read_definition(file: Path, content: Mapping[str, Any]) -> Endpoint:
    """Check the content of one definition file and return the endpoint; errors name file, key and what is near."""
    return _Reader(file, content).endpoint()


class _Reader(Content):
    """Reads one file's content key by key; a key that nobody knows is an error."""

    def endpoint(self) -> Endpoint:
        known = [*KEYS, "filters", "columns"]
        for key in self.content:
            if key not in known:
                raise self.fail(f'unknown key "{key}".{did_you_mean(key, known)}')
        columns, ignored = self._columns()
        parents = self._parents()
        declared = {column.name for column in columns}
        filled = [Column(p.column, (), "text") for p in parents if p.column not in declared]
        kinds, rows_at = self._rows()
        if kinds:
            filled.append(Column("kind", (), "text"))
        endpoint = Endpoint(
            name=self.file.stem,
            file=self.file,
            columns=(*filled, *columns),
            ignored=ignored,
            parents=parents,
            filters=self._filters(declared | {column.name for column in filled}),
            window=self._window(),
            embedded=tuple(self.text("embedded").split(".")) if "embedded" in self.content else (),
            path=self.text("path") if self.text("retrieve") else self.required("path"),
            group=self.text("group"),
            by_name=self.text("by_name"),
            description=self.required("description"),
            docs=self.text("docs"),
            object=self.texts("object"),
            retrieve=self.text("retrieve") or None,
            search=self.text("search") or None,
            order=self.text("order") or None,
            primary_key=self.texts("primary_key"),
            updates=self.choice("updates", UPDATES, "none"),
            deletes=self.choice("deletes", DELETES, "never"),
            paging=self.choice("paging", PAGING, "cursor"),
            method=self.choice("method", METHODS, "GET"),
            nothing=self.text("nothing"),
            rows=kinds,
            rows_at=rows_at,
            always={key: query_text(value) for key, value in self.table("always").items()},
            each={key: self.values("each", key, value) for key, value in self.table("each").items()},
            reread={key: self.values("reread", key, value) for key, value in self.table("reread").items()},
        )
        self._check(endpoint)
        return endpoint

    def _check(self, endpoint: Endpoint) -> None:
        if not endpoint.primary_key and self.content.get("primary_key") != []:
            raise self.fail('"primary_key" is missing: the columns that tell one row from another; [] if none do.')
        names = [column.name for column in endpoint.columns]
        keys = [*endpoint.primary_key, *([endpoint.order] if endpoint.order else [])]
        for name in [*keys, *(endpoint.reread or ())]:
            if name not in names:
                raise self.fail(f'"{name}" is not a declared column.{did_you_mean(name, names)}')
        try:
            unique({".".join(column.path) or column.name: column.name for column in endpoint.columns})
        except DefinitionError as error:
            raise self.fail(str(error)) from error
        holes = set(re.findall(r"{(\w+)}", endpoint.path))
        unfilled = holes - {parent.fills for parent in endpoint.parents}
        if unfilled:
            raise self.fail(f'no parent fills "{{{unfilled.pop()}}}" of the path {endpoint.path}.')

    def _rows(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the kinds of rows inside one object, where `rows` is a list, or the path to the records, a text."""
        rows = self.content.get("rows", [])
        if not isinstance(rows, str):
            return self.texts("rows"), ()
        if not all(rows.split(".")):
            raise self.fail(f'"rows" must be the path of a list, as in report.lines, not "{rows}".')
        return (), tuple(rows.split("."))

    def _columns(self) -> tuple[list[Column], dict[tuple[str, ...], str]]:
        columns: list[Column] = []
        ignored: dict[tuple[str, ...], str] = {}
        for key, value in self.table("columns").items():
            spec = value if isinstance(value, dict) else {"type": value}
            self.check_keys(spec, ("type", "name", "path", "why", "currency"), f"columns.{key}")
            kind, path = spec.get("type"), tuple(str(spec.get("path", key)).split("."))
            known = (*TYPES, AMOUNT, *KNOWN_NOT_COLUMNS)
            if kind not in known:
                raise self.fail(
                    f'column "{key}" has the unknown type "{kind}".{did_you_mean(str(kind), known)} '
                    f"Types: {', '.join(known)}."
                )
            if kind in KNOWN_NOT_COLUMNS:
                ignored[path] = str(spec.get("why", kind))
            else:
                name = shorten(str(spec.get("name") or column_name(key)))
                columns.append(
                    Column(name, path, "integer" if kind == AMOUNT else str(kind), self._currency(key, spec))
                )
        if not columns:
            raise self.fail('"[columns]" is missing or empty.')
        return columns, ignored

    def _currency(self, key: str, spec: Mapping[str, Any]) -> str | None:
        """Return the column that has the currency of an amount; None for what is no amount."""
        if spec["type"] != AMOUNT and "currency" not in spec:
            return None
        keys = self.table("columns")
        currency = spec.get("currency") or nearest_currency(key, keys)
        if currency not in keys:
            near = did_you_mean(str(currency), keys) if currency else ""
            raise self.fail(
                f'column "{key}" is an amount without a currency: say which column has it, as currency = "currency".'
                f"{near}"
            )
        other = keys[currency]
        return shorten(str((isinstance(other, dict) and other.get("name")) or column_name(str(currency))))

    def _filters(self, columns: set[str]) -> dict[str, Filter]:
        return {name: self._filter(name, value, columns) for name, value in self.table("filters").items()}

    def _filter(self, name: str, value: Any, columns: set[str]) -> Filter:
        spec = dict(value) if isinstance(value, dict) else {"kind": value}
        where = f"filters.{name}"
        self.check_keys(spec, FILTER_KEYS, where)
        values = self.values(where, "equals", spec["equals"]) if "equals" in spec else ()
        kind = spec.get("kind", "equals" if values else None)
        if kind not in FILTER_KINDS:
            raise self.fail(
                f'{where} has the unknown kind "{kind}".{did_you_mean(str(kind), FILTER_KINDS)} '
                f"Kinds: {', '.join(FILTER_KINDS)}."
            )
        column = spec.get("column", name)
        if "column" in spec and column not in columns:
            raise self.fail(f'{where}: "{column}" is not a declared column.{did_you_mean(column, columns)}')
        return Filter(
            name=name,
            kind=kind,
            parameter=str(spec.get("parameter", name)),
            column=column if column in columns else None,
            values=values,
            many=spec.get("many"),
            required=spec.get("required") is True,
            wildcard=spec.get("wildcard") is True,
            parent=self._filtered_parent(where, spec),
        )

    def _filtered_parent(self, where: str, spec: Mapping[str, Any]) -> str:
        """Return the parent whose list takes a filter, empty where this table's own does."""
        parent, known = str(spec.get("parent", "")), [above.table for above in self._parents()]
        if parent and parent not in known:
            raise self.fail(f'{where}: "{parent}" is no parent of this table.{did_you_mean(parent, known)}')
        return parent

    def _parents(self) -> tuple[Parent, ...]:
        parents = self.content.get("parent", [])
        return tuple(self._parent(parent) for parent in (parents if isinstance(parents, list) else [parents]))

    def _parent(self, spec: object) -> Parent:
        if not isinstance(spec, dict):
            raise self.fail('"parent" must be a table: { table = "invoices", fills = "invoice" }.')
        self.check_keys(spec, ("table", "fills", "column", "where"), "parent")
        if not {"table", "fills"} <= spec.keys():
            raise self.fail('"parent" needs table and fills: { table = "invoices", fills = "invoice" }.')
        column = str(spec.get("column", spec["fills"]))
        return Parent(str(spec["table"]), str(spec["fills"]), column, self._parent_where(spec))

    def _parent_where(self, spec: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
        """Return which values each column of a parent must have one of."""
        where = spec.get("where", {})
        if not isinstance(where, dict):
            raise self.fail("parent.where must be a table of columns and values: { automatic = true }.")
        choices = {name: value if isinstance(value, list) else [value] for name, value in where.items()}
        if not all(isinstance(value, str | int) for values in choices.values() for value in values):
            raise self.fail("parent.where must be a table of columns and values: { automatic = true }.")
        return {name: tuple(values) for name, values in choices.items()}

    def _window(self) -> Window | None:
        for column, pair in self.table("range").items():
            if not isinstance(pair, list) or len(pair) != 2:  # noqa: PLR2004 - a start and an end
                raise self.fail(f'range.{column} must name two parameters, as ["created_after", "created_before"].')
            return Window(column, str(pair[0]), str(pair[1]))
        return None


FILTER_KEYS = ("kind", "column", "parameter", "many", "equals", "required", "wildcard", "parent")
