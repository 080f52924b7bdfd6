"""Any source → a table of a database, by key and in one transaction, or a file that is whole or as it was."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from connector.files.formats import ReadOptions, WriteOptions
from connector.load.into_file import load_file
from connector.load.into_table import check_table, load_table
from connector.load.loading import Loading, LoadReport, LoadWatch
from connector.places import Place, open_source, parse
from connector.rows.frames import spooled
from connector.rows.streams import Source


def load(  # noqa: PLR0913 - each is a thing of its own, and most loads give two
    what: object,
    to: str | Place,
    table: str | None = None,
    loading: Loading | None = None,
    *,
    reading: ReadOptions | None = None,
    writing: WriteOptions | None = None,
    progress: LoadWatch | None = None,
) -> LoadReport:
    """Bring a source's rows into a table of a database or into a file; after an error all is as it was."""
    loading, watch = loading or Loading(), progress or _no_progress
    loading.check()
    place = parse(to) if isinstance(to, str) else to
    if place.kind != "database":
        return load_file(open_source(what, reading), place.address, loading, writing or WriteOptions(), watch)
    database, into = place.open_table(table)
    with database:
        return load_table(_apart_from(place, what, reading), database, into, loading, watch)


def check_load(to: Place, table: str | None, loading: Loading, columns: Collection[str] = ()) -> None:
    """Refuse a table of a database that rows of these columns may not go to; nothing is written."""
    loading.check()
    check_table(*to.open_table(table), loading, columns)


def _apart_from(to: Place, what: object, reading: ReadOptions | None) -> Source:
    """Return the source; rows of a file of a database that is also written are read first, for it is open but once."""
    source = open_source(what, reading)
    is_file = isinstance(what, str | Path) and to.family is not None and to.family.is_file
    return spooled(source) if is_file and parse(str(what)).is_same_file(to) else source


def _no_progress(rows: int) -> None:
    """Show nothing."""
