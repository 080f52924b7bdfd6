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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from connector.config import check_names, expand, read_toml
from connector.errors import ConfigError, did_you_mean

ALL = "all"
DELETIONS = ("mark", "remove")
_TOP = ("to", "schema", "since", "time_zone", "week_start", "endpoints", "connection", "connections", "definitions",
        "sync", "lock_wait", "major")  # fmt: skip
_TABLE = ("where", "exclude", "deletions", "prune", "since")


@dataclass(frozen=True)
class TableRun:
    """What is said of one endpoint: conditions, columns left out, what becomes of deleted rows, how far back."""

    where: Mapping[str, Any] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    deletions: str = "mark"
    prune: bool = False
    since: str | None = None


@dataclass(frozen=True)
class RunFile:
    """A sync's config: where to, which endpoints, how far back, and what is said of single ones.

    `major` asks for a view beside each table that has amounts, with these in major units.
    """

    to: str
    schema: str | None = None
    since: str | None = None
    time_zone: str | None = None
    week_start: str = "monday"
    connection: str | None = None
    endpoints: tuple[str, ...] = ()
    everything: bool = False
    tables: Mapping[str, TableRun] = field(default_factory=dict)
    lock_wait_seconds: float = 0.0
    has_connections: bool = False
    path: Path | None = None
    major: bool = False

    def table(self, name: str) -> TableRun:
        """Return what is said of one endpoint; the config's own `since` holds where it says nothing."""
        said = self.tables.get(name, TableRun())
        return (
            said
            if said.since is not None
            else TableRun(said.where, said.exclude, said.deletions, said.prune, self.since)
        )

    def only(self, names: Collection[str]) -> RunFile:
        """Return the same for these endpoints alone, for all of them when none is named."""
        for name in names if not self.everything else ():
            if name not in self.endpoints:
                raise ConfigError(f"{self.path} does not sync {name}.{did_you_mean(name, self.endpoints)}")
        return replace(self, endpoints=tuple(names), everything=False) if names else self


def run_of(
    endpoints: str | Path | Sequence[str], to: str | None, since: str | None = None, schema: str | None = None
) -> RunFile:
    """Return what to sync, given in Python: the path of a config, names of endpoints, or "all"."""
    if isinstance(endpoints, (str, Path)) and endpoints != ALL:
        return read_runfile(Path(endpoints))
    if to is None:
        raise ConfigError('Say where to: sync([…], to="duckdb:///stripe.duckdb").')
    names = () if isinstance(endpoints, (str, Path)) else tuple(endpoints)
    return RunFile(to=to, since=since, schema=schema, endpoints=names, everything=endpoints == ALL)


def read_runfile(path: Path, environ: Mapping[str, str] | None = None) -> RunFile:
    """Read the config at `path`; errors name the file, the key and what is near."""
    return _Reader(path, os.environ if environ is None else environ).runfile()


class _Reader:
    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        content = read_toml(path)
        # Connections are read where they are used, so that an unset variable breaks only the one that names it.
        self.has_connections = content.pop("connections", None) is not None
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
        return RunFile(
            to=self._required("to"),
            schema=self._text("schema"),
            since=self._text("since"),
            time_zone=self._text("time_zone"),
            week_start=self._text("week_start") or "monday",
            connection=self._text("connection"),
            endpoints=tuple(dict.fromkeys([*names, *tables])),
            everything=everything,
            tables={name: self._table(name, said) for name, said in tables.items()},
            lock_wait_seconds=self._seconds("lock_wait"),
            has_connections=self.has_connections,
            path=self.path,
            major=self._flag("major", content),
        )

    def _table(self, name: str, said: Any) -> TableRun:
        place = f"{self.path}: [sync.{name}]"
        if not isinstance(said, dict):
            raise self.fail(f"sync.{name} must be a table.")
        check_names(said, _TABLE, place)
        where = said.get("where", {})
        if not isinstance(where, dict):
            raise ConfigError(f'{place}: where must be a table, as in where = {{ status = "paid" }}.')
        deletions = said.get("deletions", "mark")
        if deletions not in DELETIONS:
            near = did_you_mean(str(deletions), DELETIONS)
            raise ConfigError(f'{place}: deletions must be mark or remove, not "{deletions}".{near}')
        since = said.get("since")
        return TableRun(
            where=where,
            exclude=tuple(self._texts(f"sync.{name}.exclude", said.get("exclude", []))),
            deletions=deletions,
            prune=self._flag("prune", said, place),
            since=None if since is None else str(since),
        )

    def _flag(self, key: str, values: Mapping[str, Any], place: str | None = None) -> bool:
        value = values.get(key, False)
        if not isinstance(value, bool):
            raise ConfigError(f"{place or self.path}: {key} must be true or false.")
        return value

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

    def _seconds(self, key: str) -> float:
        assert isinstance(self.content, dict)
        value = self.content.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise self.fail(f"{key} must be a number of seconds.")
        return float(value)
