"""Any source → a file: its rows in the place of what is there, or after it; the file is whole or as it was."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from connector.casting import cast
from connector.errors import TargetError, UsageError
from connector.load import Loading, LoadReport, Progress
from connector.sources import Source, open_source
from connector.targets import WriteOptions, open_target
from connector.targets.base import Counts

_MODES = ("replace", "append")


def load_file(source: Source, name: str, loading: Loading, options: WriteOptions, progress: Progress) -> LoadReport:
    """Write a source's rows to a file: in the place of what is there, or after it."""
    if loading.mode not in _MODES:
        raise UsageError(
            f"{name} is a file, and files take --mode {' or '.join(_MODES)}; {loading.mode} needs a database."
        )
    began = time.monotonic()
    report = LoadReport(name)
    target = open_target(name, options)
    sources = [source]
    if loading.mode == "append" and Path(name).exists():
        sources.insert(0, open_source(name))
    fields = _common(sources, name)
    written = target.replace(fields, _counted(sources, fields, report, progress))
    report.counts = Counts(inserted=report.rows_read, unchanged=written - report.rows_read)
    report.seconds = time.monotonic() - began
    return report


def _common(sources: Sequence[Source], name: str) -> pa.Schema:
    """Return the columns that all sources have, of the types of the last; a TargetError where they do not agree."""
    *there, source = sources
    for each in there:
        if set(each.schema.names) != set(source.schema.names):
            differing = ", ".join(sorted(set(each.schema.names) ^ set(source.schema.names)))
            raise TargetError(f"Rows cannot be added: only one of {name} and {source.label} has {differing}.")
        return each.schema
    return source.schema


def _counted(
    sources: Sequence[Source], fields: pa.Schema, report: LoadReport, progress: Progress
) -> Iterator[pa.RecordBatch]:
    for place, source in enumerate(sources):
        is_new, row = place == len(sources) - 1, 0
        for batch in source.batches():
            yield cast(batch, fields, row, source.row_label)
            row += batch.num_rows
            if is_new:
                report.rows_read = row
                progress(row)
