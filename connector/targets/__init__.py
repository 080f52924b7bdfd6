"""Where rows go: `open_target` turns a file name or a URL into a Target.

invoices.csv, .jsonl, .parquet, .xlsx    a file, written beside the old one and renamed when whole
-                                        standard output, as the rows come
stripe.duckdb                            a table in a DuckDB file; also duckdb:///stripe.duckdb?table=invoices
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Protocol
from urllib.parse import parse_qsl, unquote

import pyarrow as pa

from connector.errors import UsageError, did_you_mean
from connector.files import WriteOptions
from connector.targets.base import Database

__all__ = ["Database", "Target", "WriteOptions", "open_database", "open_target"]

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)://(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_SETTINGS = ("table",)


class Target(Protocol):
    """A place that takes rows; `label` names it in messages and never holds a password."""

    label: str

    def replace(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
        """Put these rows in the place of what was there and return their number; after an error all is as before."""


def open_target(to: str, options: WriteOptions | None = None) -> Target:
    """Return the target that a file name, a URL or "-" means; nothing is read or written yet."""
    options = options or WriteOptions()
    if to == "-":
        from connector.targets.files import StdoutTarget

        return StdoutTarget(options)
    if url := _URL.fullmatch(to):
        return _open_database(url["scheme"].lower(), url["rest"], options)
    if PurePath(to).suffix.lower() == ".duckdb":
        return _open_duckdb(to, options)
    from connector.targets.files import FileTarget

    return FileTarget(to, options)


def open_database(to: str) -> Database:
    """Return the database that a URL or a file name means; nothing is opened yet."""
    url = _URL.fullmatch(to)
    if url is None and PurePath(to).suffix.lower() == ".duckdb":
        from connector.targets.duckdb import DuckDB

        return DuckDB(to)
    if url is None:
        raise UsageError(f'"{to}" is no database: name one by its URL, as in duckdb:///stripe.duckdb.')
    if url["scheme"].lower() not in _FAMILIES:
        raise UsageError(f"{url['scheme']}:// is no database that this version can merge rows into.")
    return _FAMILIES[url["scheme"].lower()](to)


def _open_duckdb_url(to: str) -> Database:
    from connector.targets.duckdb import DuckDB

    path = to.partition("://")[2]
    if not path.startswith("/") or path == "/" or "?" in path:
        raise UsageError("A DuckDB file is written duckdb:///stripe.duckdb; an absolute path has one slash more.")
    return DuckDB(unquote(path[1:]))


_FAMILIES = {
    "duckdb": _open_duckdb_url,
}


def _open_database(scheme: str, rest: str, options: WriteOptions) -> Target:
    """Open what a URL names; `rest` may hold a password and stays out of messages, but for DuckDB's."""
    if scheme != "duckdb":
        raise UsageError(
            f"{scheme}:// cannot be written to: this version writes files, - (standard output) and DuckDB, "
            f"as in duckdb:///stripe.duckdb.{did_you_mean(scheme, ['duckdb'])}"
        )
    path, _, query = rest.partition("?")
    if not path.startswith("/") or path == "/":
        raise UsageError("A DuckDB file is written duckdb:///stripe.duckdb; an absolute path has one slash more.")
    settings = dict(parse_qsl(query, keep_blank_values=True))
    for name in settings.keys() - set(_SETTINGS):
        raise UsageError(
            f'A duckdb:// URL has no setting "{name}".{did_you_mean(name, _SETTINGS) or " It has: table."}'
        )
    table = settings.get("table", options.table)
    return _open_duckdb(unquote(path[1:]), WriteOptions(options.format, options.excel_csv, options.time_zone, table))


def _open_duckdb(path: str, options: WriteOptions) -> Target:
    from connector.targets.duckdb import DuckDBTarget

    if options.format or options.excel_csv:
        raise UsageError(f"{path} is a database: --format and --csv-excel are for files.")
    if not options.table:
        raise UsageError(f"Name the table to write: duckdb:///{path}?table=invoices, or --table invoices.")
    return DuckDBTarget(path, options.table)
