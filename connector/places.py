"""Where rows come from and go: a name or URL is read once, as a place, and opened as a source, a target or a database.

leads.csv, .tsv, .jsonl, .parquet, .xlsx           a file; its format by --format where its name does not say it
-                                                  standard output, as the rows come
stripe.duckdb, duckdb:///stripe.duckdb?table=T     a table or query of a DuckDB file
mssql://…?table=dbo.T                              a table, view or query of SQL Server or Azure SQL
postgresql://…?table=T, sqlite:///…                a table or query of any database that SQLAlchemy reaches
DataFrames, Arrow tables and readers, results      rows that Python has already
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Literal
from urllib.parse import unquote

from connector.config import CONFIG_NAME
from connector.databases.base import Database
from connector.databases.families import FAMILIES, Family, family_of
from connector.databases.merge import Table
from connector.databases.relation import select
from connector.databases.urls import split_url
from connector.errors import UsageError
from connector.files.formats import ReadOptions, WriteOptions, open_file
from connector.rows.streams import Source, Target

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)://(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
# What people take from other tools: user:password@host/database (but C:\\…), and host=… password=… or Server=…;Pwd=….
_LOGIN = re.compile(r"[^\s/\\:@]+:(?![\\/])[^@]*@")
_PAIRS = re.compile(r"(?:^|[\s;])(?:(?:password|pwd)\s*=|\w+\s*=[^\s;=]*[\s;]+\w+\s*=)", re.IGNORECASE)
_OF_FILES = ("format", "encoding", "delimiter", "sheet", "decimal", "date_format")

Kind = Literal["file", "database", "stdout"]


@dataclass(frozen=True)
class Place:
    """What a name or URL means: which kind of place, of which family where it is a database, and which table of it.

    `address` is the path of a file, or a database's URL without our own settings, which may hold a password.
    """

    kind: Kind
    address: str = field(repr=False)
    family: Family | None = None
    table: str | None = None

    @property
    def label(self) -> str:
        """What messages call it; a URL of a server may hold a password and stays out of them."""
        if self.family is None or (self.family.is_file and "://" not in self.address):
            return self.address
        return f"{self.address.partition('://')[0]}://…"

    def is_same_file(self, other: Place) -> bool:
        """Say whether both are one file of a database."""
        return self.family is other.family and _path(self).resolve() == _path(other).resolve()

    def refuse_file_options(self, options: WriteOptions) -> None:
        """Raise a UsageError where a database is given what only files take."""
        if self.kind == "database" and (options.format or options.excel_csv):
            raise UsageError(f"{self.label} is a database: --format and --csv-excel are for files.")

    def open_database(self) -> Database:
        """Return the database; nothing is opened yet."""
        if self.family is None:
            raise UsageError(f'"{self.address}" is no database: name one by its URL, as in duckdb:///stripe.duckdb.')
        return self.family.open_database(self.address)

    def open_table(self, name: str | None) -> tuple[Database, Table]:
        """Return the database, and its table of that name, else of the URL's ?table=."""
        wanted, database = name or self.table, self.open_database()
        if not wanted:
            raise UsageError("Name the table: --table crm.leads, or ?table=crm.leads in the URL.")
        if self.table not in (None, wanted):
            raise UsageError(f"{self.label} names the table {self.table}, and {wanted} is named beside it: say one.")
        return database, Table.parse(wanted, database.default_schema)

    def open_source(self, options: ReadOptions) -> Source:
        """Return the rows of the file, the table or the query; a database is read through its family's source."""
        if self.family is None:
            return open_file(self.address, options)
        options.refuse("databases", *_OF_FILES)
        example = self.family.address if self.family.is_file else self.label
        relation = select(options.table, self.table, options.query, example)
        return self.family.open_source(self.address, relation)


def parse(name: str) -> Place:
    """Return what a file name, a URL or "-" means; a UsageError, which repeats no password, where it means nothing."""
    if name == "-":
        return Place("stdout", name)
    if url := _URL.fullmatch(name):
        return _database(name, url["scheme"], url["rest"])
    suffix = PurePath(name).suffix.lower()
    if family := next((family for family in FAMILIES if suffix in family.suffixes), None):
        return Place("database", name, family)
    _refuse_half_a_url(name)
    return Place("file", name)


def _database(url: str, scheme: str, rest: str) -> Place:
    family = family_of(scheme)
    address, settings = split_url(url, family)
    if family.suffixes:  # such a file is opened by its path, not by its URL
        address = unquote(rest.partition("?")[0][1:])
    return Place("database", address, family, settings.get("table"))


def _path(place: Place) -> Path:
    return Path(place.address.partition("://")[2].partition("?")[0][1:] or place.address).expanduser()


def _refuse_half_a_url(name: str) -> None:
    """Refuse what was meant as an address of a database; nothing of it is repeated, for it may hold a password."""
    scheme, colon, _ = name.partition(":")
    if colon and (family := family_of(scheme)).address:
        raise UsageError(f"This {scheme}: address cannot be read: write {family.address}.")
    if _LOGIN.match(name) or _PAIRS.search(name):
        raise UsageError(f"This is no address of a database: write it as a URL, as in {FAMILIES[1].address}.")


def open_database(to: str) -> Database:
    """Return the database that a URL or a file name means; nothing is opened yet."""
    return parse(to).open_database()


def open_target(to: str, options: WriteOptions | None = None) -> Target:
    """Return the file or the standard output that a name means; nothing is written yet."""
    from connector.files.target import FileTarget, StdoutTarget

    place, options = parse(to), options or WriteOptions()
    if place.kind == "file" and PurePath(to).name == CONFIG_NAME:
        raise UsageError(f"{to} is where connections stand and is never written over: choose another name.")
    if place.kind == "database":
        raise UsageError(f"{place.label} is a database: rows are loaded into a table of it.")
    return StdoutTarget(options) if place.kind == "stdout" else FileTarget(to, options)


def open_source(what: object, options: ReadOptions | None = None) -> Source:
    """Return the source that a file name, a URL, a frame, an Arrow table or reader, or a result means.

    Its columns are known then, its rows are read when they are asked for. What is wrong with it is a ConnectorError.
    """
    options = options or ReadOptions()
    if not isinstance(what, str | os.PathLike):
        from connector.rows.frames import open_frame

        options.refuse("rows that are in memory", *_OF_FILES, "table", "query")
        return open_frame(what)
    name = os.fspath(what)
    if not isinstance(name, str):
        raise UsageError("The name of a file is text, not bytes.")
    return parse(name).open_source(options)
