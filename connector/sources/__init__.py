"""Where rows come from: `open_source` turns a file, a URL, a frame or a result into a Source.

leads.csv, .tsv, .jsonl, .parquet, .xlsx           a file; its format by --format where its name does not say it
stripe.duckdb, duckdb:///stripe.duckdb?table=T     a table or query of a DuckDB file
mssql://…?table=dbo.T                              a table, view or query of SQL Server or Azure SQL
postgresql://…?table=T, sqlite:///…                a table or query of any database that SQLAlchemy reaches
DataFrames, Arrow tables and readers, results      rows that Python has already
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Protocol

import pyarrow as pa

from connector.errors import UsageError
from connector.readers import ReadOptions, open_file

__all__ = ["ReadOptions", "Source", "open_source"]

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)://(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_SQL_SERVER = {"mssql", "mssql+mssqlpython", "mssql+pymssql", "sqlserver"}
_OF_FILES = ("format", "encoding", "delimiter", "sheet")


class Source(Protocol):
    """A place that rows come from; `label` names it in messages and never holds a password.

    `is_text` is True where every value is text as it stood in a file, so that its type is the reader's to choose.
    """

    label: str
    schema: pa.Schema
    is_text: bool

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows from the first one on, streamed; another call reads them again."""

    def row_label(self, place: int) -> str:
        """Return where the row stands that is `place` rows after the first, as line 17 or row 17."""


def open_source(what: object, options: ReadOptions | None = None) -> Source:
    """Return the source that a file name, a URL, a frame, an Arrow table or reader, or a result means.

    Its columns are known then, its rows are read when they are asked for. What is wrong with it is a ConnectorError.
    """
    options = options or ReadOptions()
    if not isinstance(what, str | os.PathLike):
        from connector.sources.frames import open_frame

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
        from connector.sources.duckdb import open_duckdb

        return open_duckdb(url["rest"] if url else None, name, options)
    if url["scheme"].lower() in _SQL_SERVER:
        from connector.sources.sqlserver import open_sqlserver

        return open_sqlserver(name, options)
    from connector.sources.sql import open_sql

    return open_sql(name, options)
