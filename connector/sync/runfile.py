"""What the config of a sync may say: TOML, ${ENV}; shape only, names are checked by the verb that uses them.

to        = "duckdb:///stripe.duckdb"
since     = "yearstart-1y"
endpoints = ["customers", "invoices"]      # or "all"; every [sync.NAME] adds to the list

[sync.invoices]
where     = { created.gte = "2024-01-01" }
exclude   = ["customer_email"]
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import quote, unquote

from connector.config import check_names, connection_table, definition_folders, expand, nearest_connections, read_toml
from connector.dates import duration_seconds
from connector.errors import ConfigError, DateError, did_you_mean
from connector.sync.columns import EVERY_COLUMN

ALL = "all"
DELETIONS = ("mark", "remove")
_FILE_NAME = re.compile(r"(?!.*://).*\.duckdb", re.IGNORECASE)
_FILE_URL = re.compile(r"(?P<scheme>(?:duckdb|sqlite)(?:\+\w+)?):///(?P<path>[^?]*)(?P<query>.*)", re.IGNORECASE)
_TOP = ("to", "schema", "since", "time_zone", "week_start", "endpoints", "connection", "connections", "definitions",
        "account", "ledger", "sync", "lock_wait", "major", "overlap", "window")  # fmt: skip
_TABLE = ("where", "columns", "exclude", "deletions", "prune", "since")


@dataclass(frozen=True)
class TableRun:
    """What is said of one endpoint: conditions, columns, what becomes of deleted rows, how far back.

    `columns` are the only ones to write, EVERY_COLUMN also those that an earlier run was told to leave out.
    """

    where: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] | str | None = None
    exclude: tuple[str, ...] = ()
    deletions: str = "mark"
    prune: bool = False
    since: str | None = None


@dataclass(frozen=True)
class RunFile:
    """A sync's config: where to, which endpoints, how far back, and what is said of single ones.

    `major` asks for a view beside each table that has amounts, with these in major units.
    `full` reads everything again. Events are read from `overlap_seconds` before
    the last run on, rows that may change without an event when they were created in the last `window_seconds`.
    """

    to: str
    schema: str | None = None
    since: str | None = None
    time_zone: str | None = None
    week_start: str = "monday"
    connection: str | None = None
    account: str | None = None
    endpoints: tuple[str, ...] = ()
    everything: bool = False
    tables: Mapping[str, TableRun] = field(default_factory=dict)
    lock_wait_seconds: float = 0.0
    overlap_seconds: int = 3_600
    window_seconds: int = 3 * 86_400
    full: bool = False
    definitions: tuple[Path, ...] = ()
    connection_file: Path | None = None
    notes: tuple[str, ...] = ()
    path: Path | None = None
    major: bool = False

    def table(self, name: str) -> TableRun:
        """Return what is said of one endpoint; the config's own `since` holds where it says nothing."""
        table = self.tables.get(name, TableRun())
        return table if table.since is not None else replace(table, since=self.since)

    def by(self, connection: str | None) -> RunFile:
        """Return the same for another connection; for its own where that is None."""
        if connection is None or self.path is None:
            return self
        own = read_toml(self.path).get("connections", {})
        return replace(self, connection=connection, connection_file=_connection_file(self.path, connection, own))

    def connection_settings(self) -> Collection[str]:
        """Return the names of what is said of its connection, where it has one."""
        if self.connection is None or self.connection_file is None:
            return ()
        return connection_table(self.connection, self.connection_file)

    def only(self, names: Collection[str]) -> RunFile:
        """Return the same for these endpoints alone, for all of them when none is named."""
        for name in names if not self.everything else ():
            if name not in self.endpoints:
                raise ConfigError(f"{self.path} does not sync {name}.{did_you_mean(name, self.endpoints)}")
        return replace(self, endpoints=tuple(names), everything=False) if names else self


def run_of(
    endpoints: str | Path | Sequence[str], to: str | None, since: str | None = None, schema: str | None = None
) -> RunFile:
    """Return what to sync, given in Python: the path of a config, names of endpoints, or "all".

    The other arguments win over what a config says.
    """
    if isinstance(endpoints, (str, Path)) and endpoints != ALL:
        run = read_runfile(Path(endpoints))
        return replace(run, to=to or run.to, since=since or run.since, schema=schema or run.schema)
    if to is None:
        raise ConfigError('Say where to: sync([…], to="duckdb:///stripe.duckdb").')
    names = () if isinstance(endpoints, (str, Path)) else tuple(endpoints)
    return RunFile(to=to, since=since, schema=schema, endpoints=names, everything=endpoints == ALL)


def read_runfile(path: Path, environ: Mapping[str, str] | None = None) -> RunFile:
    """Read the config at `path`; errors name the file, the key and what is near."""
    return _Reader(path, os.environ if environ is None else environ).runfile()


def file_of(to: str) -> str | None:
    """Return the path in the name of a target that is a file; None for a server, and for what is in memory."""
    url = _FILE_URL.fullmatch(to)
    path = unquote(url["path"]) if url else to if _FILE_NAME.fullmatch(to) else ""
    return None if not path or path.startswith((":memory:", "file:")) else path


def located(to: str, folder: Path) -> str:
    """Return a target as it is seen from a folder: a file that is not given by its whole path stands there."""
    path, url = file_of(to), _FILE_URL.fullmatch(to)
    if path is None or PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute():
        return to
    place = folder.absolute() / path
    return f"{url['scheme']}:///{quote(place.as_posix(), safe='/:')}{url['query']}" if url else str(place)


def _left_behind(to: str, folder: Path) -> tuple[str, ...]:
    """Return a note where the current folder has the file that earlier versions wrote and the config's has none."""
    before, now = file_of(to), file_of(located(to, folder))
    if before is None or now is None or Path(now).exists() or not Path(before).is_file():
        return ()
    return (f"{to} is meant from the config's folder now: {Path(before).absolute()} stays as it is; move it to go on",)


def _connection_file(config: Path, name: str | None, own: object) -> Path | None:
    """Return the file where a connection stands: the config itself, else the nearest connector.toml."""
    if name is None:
        return None
    is_own = isinstance(own, dict) and name in own
    return config if is_own else nearest_connections(config) or (config if own else None)


class _Reader:
    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        content = read_toml(path)
        # Connections are read where they are used, so that an unset variable breaks only the one that names it.
        self.connections = content.pop("connections", {})
        self.content = expand(content, str(path), environ)

    def fail(self, message: str) -> ConfigError:
        return ConfigError(f"{self.path}: {message}")

    def runfile(self) -> RunFile:
        content = self.content
        assert isinstance(content, dict)
        check_names(content, _TOP, str(self.path))
        tables = content.get("sync", {})
        if not isinstance(tables, dict):
            raise self.fail("sync must be tables, as in [sync.invoices].")
        named = content.get("endpoints", [])
        everything = named == ALL
        names = [] if everything else self._texts("endpoints", named)
        if not everything and not names and not tables:
            raise self.fail('endpoints is missing: name some, as in endpoints = ["customers"], or "all".')
        to = self._required("to")
        connection, connections = self._text("connection"), nearest_connections(self.path)
        folders = definition_folders(config=self.path) + (definition_folders(config=connections) if connections else [])
        return RunFile(
            to=located(to, self.path.parent),
            notes=_left_behind(to, self.path.parent),
            schema=self._text("schema"),
            since=self._text("since"),
            time_zone=self._text("time_zone"),
            week_start=self._text("week_start") or "monday",
            connection=connection,
            account=self._text("account"),
            connection_file=_connection_file(self.path, connection, self.connections),
            definitions=tuple(dict.fromkeys(folders)),
            endpoints=tuple(dict.fromkeys([*names, *tables])),
            everything=everything,
            tables={name: self._table(name, table) for name, table in tables.items()},
            lock_wait_seconds=self._seconds("lock_wait"),
            overlap_seconds=self._duration("overlap", RunFile.overlap_seconds),
            window_seconds=self._duration("window", RunFile.window_seconds),
            path=self.path,
            major=self._flag("major", content),
        )

    def _table(self, name: str, table: Any) -> TableRun:
        place = f"{self.path}: [sync.{name}]"
        if not isinstance(table, dict):
            raise self.fail(f"sync.{name} must be a table.")
        check_names(table, _TABLE, place)
        where = table.get("where", {})
        if not isinstance(where, dict):
            raise ConfigError(f'{place}: where must be a table, as in where = {{ status = "paid" }}.')
        deletions = table.get("deletions", "mark")
        if deletions not in DELETIONS:
            near = did_you_mean(str(deletions), DELETIONS)
            raise ConfigError(f'{place}: deletions must be mark or remove, not "{deletions}".{near}')
        since = table.get("since")
        return TableRun(
            where=where,
            columns=self._columns(f"sync.{name}.columns", table.get("columns")),
            exclude=tuple(self._texts(f"sync.{name}.exclude", table.get("exclude", []))),
            deletions=deletions,
            prune=self._flag("prune", table, place),
            since=None if since is None else str(since),
        )

    def _flag(self, key: str, values: Mapping[str, Any], place: str | None = None) -> bool:
        value = values.get(key, False)
        if not isinstance(value, bool):
            raise ConfigError(f"{place or self.path}: {key} must be true or false.")
        return value

    def _columns(self, key: str, value: Any) -> tuple[str, ...] | str | None:
        if value is None or value == EVERY_COLUMN:
            return value  # type: ignore[no-any-return]
        names = self._texts(key, value)
        if not names:
            raise self.fail(f'{key} names none: name some, or write "all".')
        return tuple(names)

    def _required(self, key: str) -> str:
        value = self._text(key)
        if not value:
            raise self.fail(f'{key} is missing, as in {key} = "duckdb:///stripe.duckdb".')
        return value

    def _text(self, key: str) -> str | None:
        assert isinstance(self.content, dict)
        value = self.content.get(key)
        if value is None or isinstance(value, str):
            return value
        if key == "since":
            return str(value)  # TOML has dates of its own
        raise self.fail(f"{key} must be text.")

    def _texts(self, key: str, value: Any) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.fail(f'{key} must be a list of names, as in ["customers", "invoices"].')
        return value

    def _duration(self, key: str, default: int) -> int:
        text = self._text(key)
        try:
            return default if text is None else duration_seconds(text)
        except DateError as error:
            raise self.fail(f"{key}: {error}") from None

    def _seconds(self, key: str) -> float:
        assert isinstance(self.content, dict)
        value = self.content.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise self.fail(f"{key} must be a number of seconds.")
        return float(value)
