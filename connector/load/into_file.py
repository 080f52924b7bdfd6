"""Any source → a file: its rows in the place of what is there, or after it; the file is whole or as it was."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from connector.databases.base import Counts
from connector.errors import DataError, TargetError, UsageError
from connector.files.formats import WriteOptions
from connector.files.target import FileTarget
from connector.load.loading import Loading, LoadReport, LoadWatch
from connector.places import open_source, open_target
from connector.rows.cast import Misfit, cast
from connector.rows.streams import Source

_MODES = ("replace", "append")
_OF_TABLES = {
    "key": "--key",
    "columns": "--columns",
    "mapping": "--map",
    "create": "--no-create",
    "on_new_column": "--on-new-column",
    "on_wider_type": "--on-wider-type",
    "duplicates": "--duplicates",
    "swap": "--swap",
}


def load_file(source: Source, name: str, loading: Loading, options: WriteOptions, progress: LoadWatch) -> LoadReport:
    """Write a source's rows to a file: in the place of what is there, or after it."""
    if loading.mode not in _MODES:
        raise UsageError(
            f"{name} is a file, and files take --mode {' or '.join(_MODES)}; {loading.mode} needs a database."
        )
    _refuse_table_options(name, loading)
    began = time.monotonic()
    report = LoadReport(name)
    target = open_target(name, options)
    sources, is_there = [source], Path(name).exists()
    if is_there and loading.mode == "append":
        sources.insert(0, _open_whole(name))
    elif is_there and not loading.allow_empty and not _has_rows(source):
        report.notes.append(f"{source.label} has no rows, so {name} was left as it is; --allow-empty empties it.")
        return report
    fields = _common(sources, name)
    if not fields.names:
        raise TargetError(f"{source.label} has no rows and names no columns: {name} cannot be made of it.")
    if len(sources) > 1 and isinstance(target, FileTarget) and target.can_append:
        written = sum(batch.num_rows for batch in sources[0].batches())
        written += target.append(fields, _counted([source], fields, report, progress))
    else:
        written = target.replace(fields, _counted(sources, fields, report, progress))
    report.counts = Counts(inserted=report.rows_read, unchanged=written - report.rows_read)
    report.seconds = time.monotonic() - began
    return report


def _refuse_table_options(name: str, loading: Loading) -> None:
    usual = Loading()
    for field, option in _OF_TABLES.items():
        if (getattr(loading, field) or None) != (getattr(usual, field) or None):
            raise UsageError(f"{option} is for tables of databases, and {name} is a file: leave it out.")


def _open_whole(name: str) -> Source:
    """Return the rows of a file that is to be written anew with more of them; a TargetError where it has others."""
    there = open_source(name)
    if others := getattr(there, "other_sheets", None):
        raise TargetError(f"{name} has other sheets, which would be lost: {', '.join(others)}. Write to another file.")
    return there


def _common(sources: Sequence[Source], name: str) -> pa.Schema:
    """Return the columns that all sources have, typed as what is there; a TargetError where they do not agree."""
    *there, source = [each for each in sources if each.schema.names] or sources
    for each in there:
        if set(each.schema.names) != set(source.schema.names):
            differing = ", ".join(sorted(set(each.schema.names) ^ set(source.schema.names)))
            raise TargetError(f"Rows cannot be added: only one of {name} and {source.label} has {differing}.")
        return each.schema
    return source.schema


def _has_rows(source: Source) -> bool:
    return any(batch.num_rows for batch in source.batches())


def _counted(
    sources: Sequence[Source], fields: pa.Schema, report: LoadReport, progress: LoadWatch
) -> Iterator[pa.RecordBatch]:
    for place, source in enumerate(sources):
        is_new, row = place == len(sources) - 1, 0
        for batch in source.batches():
            yield _cast(batch, fields, row, source)
            row += batch.num_rows
            if is_new:
                report.rows_read = row
                progress(row)


def _cast(batch: pa.RecordBatch, fields: pa.Schema, row: int, source: Source) -> pa.RecordBatch:
    try:
        return cast(batch, fields, row, source.row_label)
    except Misfit as misfit:
        raise DataError(f"{source.label}, {misfit} The file is as it was.") from misfit
