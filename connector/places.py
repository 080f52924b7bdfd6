"""Where rows come from and go: names and URLs turned into sources, targets and databases.

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
from pathlib import PurePath
from urllib.parse import parse_qsl, unquote

from connector.databases.base import Database
from connector.databases.merge import Table
from connector.errors import UsageError, did_you_mean
from connector.files.formats import ReadOptions, WriteOptions, open_file
from connector.rows.streams import Source, Target

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)://(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_SETTINGS = ("table",)
_SQL_SERVER = {"mssql", "mssql+mssqlpython", "mssql+pymssql", "sqlserver"}
_OF_FILES = ("format", "encoding", "delimiter", "sheet", "decimal", "date_format")


def open_target(to: str, options: WriteOptions | None = None) -> Target:
    """Return the target that a file name, a URL or "-" means; nothing is read or written yet."""
    options = options or WriteOptions()
    if to == "-":
        from connector.files.target import StdoutTarget

        return StdoutTarget(options)
    if is_database(to):
        return _open_table_target(to, options)
    from connector.files.target import FileTarget

    return FileTarget(to, options)


def is_database(to: str) -> bool:
    """Say whether a name means a database: it is a URL or a DuckDB file."""
    return _URL.fullmatch(to) is not None or PurePath(to).suffix.lower() == ".duckdb"


def open_table(to: str, name: str | None) -> tuple[Database, Table]:
    """Return the database that a URL or a file name means, and its table of that name, else of the URL's ?table=."""
    where, settings = _split(to)
    wanted, database = name or settings.get("table"), open_database(where)
    if not wanted:
        raise UsageError("Name the table: --table crm.leads, or ?table=crm.leads in the URL.")
    return database, Table.parse(wanted, database.default_schema)


def _split(to: str) -> tuple[str, dict[str, str]]:
    """Return a database's name or URL without our own settings, and those."""
    url = _URL.fullmatch(to)
    if url is None:
        return to, {}
    if url["scheme"].lower() != "duckdb":
        from connector.databases.urls import split_url

        return split_url(to)
    path, _, query = url["rest"].partition("?")
    settings = dict(parse_qsl(query, keep_blank_values=True))
    for name in settings.keys() - set(_SETTINGS):
        raise UsageError(
            f'A duckdb:// URL has no setting "{name}".{did_you_mean(name, _SETTINGS) or " It has: table."}'
        )
    return f"duckdb://{path}", settings


def open_database(to: str) -> Database:
    """Return the database that a URL or a file name means; nothing is opened yet."""
    url = _URL.fullmatch(to)
    if url is None and PurePath(to).suffix.lower() == ".duckdb":
        from connector.databases.duckdb.database import DuckDB

        return DuckDB(to)
    if url is None:
        raise UsageError(f'"{to}" is no database: name one by its URL, as in duckdb:///stripe.duckdb.')
    scheme = url["scheme"].lower()
    return _FAMILIES.get(scheme, _FAMILIES.get(scheme.partition("+")[0], _open_portable))(to)


def _open_duckdb_url(to: str) -> Database:
    from connector.databases.duckdb.database import DuckDB

    return DuckDB(_duckdb_path(to))


def _open_postgres(to: str) -> Database:
    from connector.databases.postgres.database import Postgres

    return Postgres(to)


def _open_sqlserver(to: str) -> Database:
    from connector.databases.sqlserver.database import SQLServer

    return SQLServer(to)


def _open_redshift(to: str) -> Database:
    from connector.databases.redshift import Redshift

    return Redshift(to)


def _open_portable(to: str) -> Database:
    from connector.databases.portable.database import Portable

    return Portable(to)


def _duckdb_path(to: str) -> str:
    """Return the path of a DuckDB file that is given as one or as a URL."""
    scheme, slashes, path = to.partition("://")
    if not slashes:
        return scheme
    if not path.startswith("/") or path == "/" or "?" in path:
        raise UsageError("A DuckDB file is written duckdb:///stripe.duckdb; an absolute path has one slash more.")
    return unquote(path[1:])


_FAMILIES = {
    "duckdb": _open_duckdb_url,
    "postgres": _open_postgres,
    "postgresql": _open_postgres,
    "redshift": _open_redshift,
    "mssql": _open_sqlserver,
    "mssql+mssqlpython": _open_sqlserver,
    "mssql+pymssql": _open_sqlserver,
}


def _open_table_target(to: str, options: WriteOptions) -> Target:
    """Open a table as a target; a URL of a server may hold a password and stays out of messages."""
    where, settings = _split(to)
    is_duckdb = not _URL.fullmatch(where) or where.lower().startswith("duckdb:")
    if options.format or options.excel_csv:
        shown = where if is_duckdb else f"{where.partition('://')[0]}://…"
        raise UsageError(f"{shown} is a database: --format and --csv-excel are for files.")
    if is_duckdb:
        from connector.databases.duckdb.database import DuckDBTarget

        path, name = _duckdb_path(where), settings.get("table", options.table)
        if not name:
            raise UsageError(f"Name the table to write: duckdb:///{path}?table=invoices, or --table invoices.")
        return DuckDBTarget(path, name)
    from connector.databases.table_target import TableTarget

    return TableTarget(*open_table(where, settings.get("table", options.table)))


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
    url = _URL.fullmatch(name)
    if url is None and PurePath(name).suffix.lower() != ".duckdb":
        return open_file(name, options)
    options.refuse("databases", *_OF_FILES)
    if url is None or url["scheme"].lower() == "duckdb":
        from connector.databases.duckdb.source import open_duckdb

        return open_duckdb(url["rest"] if url else None, name, options)
    if url["scheme"].lower() in _SQL_SERVER:
        from connector.databases.sqlserver.source import open_sqlserver

        return open_sqlserver(name, options)
    from connector.databases.portable.source import open_sql

    return open_sql(name, options)
