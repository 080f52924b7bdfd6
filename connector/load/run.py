"""Any source → a table of a database, by key and in one transaction, or a file that is whole or as it was."""

from __future__ import annotations

from connector.files.formats import ReadOptions, WriteOptions
from connector.load.into_file import load_file
from connector.load.into_table import load_table
from connector.load.loading import Loading, LoadReport, LoadWatch
from connector.places import is_database, open_source, open_table


def load(  # noqa: PLR0913 - each is a thing of its own, and most loads give two
    what: object,
    to: str,
    table: str | None = None,
    loading: Loading | None = None,
    *,
    reading: ReadOptions | None = None,
    writing: WriteOptions | None = None,
    progress: LoadWatch | None = None,
) -> LoadReport:
    """Bring a source's rows into a table of a database or into a file; after an error all is as it was."""
    loading = loading or Loading()
    loading.check()
    watch = progress or _no_progress
    if not is_database(to):
        return load_file(open_source(what, reading), to, loading, writing or WriteOptions(), watch)
    database, place = open_table(to, table)
    with database:
        return load_table(open_source(what, reading), database, place, loading, watch)


def _no_progress(rows: int) -> None:
    """Show nothing."""
