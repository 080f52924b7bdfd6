"""Row formats: CSV, JSON Lines, Parquet and Excel, each a row of FORMATS, from which options, hints and docs come.

A row names the module that has `open_reader(path, label, options)`, and the one, often the same, that has
`write(sink, schema, batches, options)`. Nothing heavy is imported before a file is opened.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from connector.errors import DataError, MissingExtra, TargetError, UsageError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

    from connector.rows.streams import Source


@dataclass(frozen=True)
class ReadOptions:
    """What a user may say about a source; every kind of source refuses what does not concern it.

    The format of a file is told by its suffix when left out, the encoding is then UTF-8, or UTF-16 where a mark says
    so. The delimiter of CSV is a comma, a tab in .tsv files, and a semicolon (else a tab) where the header has no
    comma but those. `decimal` and `date_format` say how CSV writes numbers and dates, as , and dd.mm.yyyy. `table` and
    `query` are for databases.
    """

    format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    table: str | None = None
    query: str | None = None
    decimal: str | None = None
    date_format: str | None = None

    def refuse(self, what: str, *names: str) -> None:
        """Raise a UsageError for options that are given although they say nothing about `what`."""
        for name in names:
            if getattr(self, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')} says nothing about {what}: leave it out.")


@dataclass(frozen=True)
class WriteOptions:
    """What a user may say about an output; every target and format takes what concerns it."""

    format: str | None = None  # told by the suffix when left out
    excel_csv: bool = False  # CSV with a byte order mark and a guard against formulas
    csv_line_end: str = "\r\n"  # as the standard has it; on standard output a line feed, as shells read lines
    time_zone: str = "UTC"  # of times in Excel, which knows no zones; every other output keeps UTC
    table: str | None = None  # the table in a database, the sheet in Excel


class Sink:
    """A stream that swallows what comes after a failure.

    Zip archives and Parquet files finish themselves when Python collects them. After an error this must neither
    fail a second time, where nobody can catch it, nor make half of the rows look like a whole file.
    """

    closed = False  # and no io.IOBase, which closes itself when it is collected, maybe before its writer

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = 0  # counted here, since a pipe cannot tell
        self.is_spent = False

    def write(self, block: Any) -> int:
        """Pass bytes on."""
        if not self.is_spent:
            self._stream.write(block)
            self._position += len(block)
        return len(block)

    def flush(self) -> None:
        """Do nothing: the target flushes its stream when the rows are whole."""

    def tell(self) -> int:
        """Return the number of bytes so far, or where `seek` has gone."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in a file; an OSError in a pipe, which makes zip archives write without going back."""
        if not self.is_spent:
            self._position = self._stream.seek(offset, whence)
        return self._position


class _Open(Protocol):
    def __call__(self, path: Path, label: str, options: ReadOptions) -> Source: ...


class _Write(Protocol):
    def __call__(
        self, sink: Sink, schema: pa.Schema, batches: Iterator[pa.RecordBatch], options: WriteOptions
    ) -> None: ...


@dataclass(frozen=True)
class Format:
    """One row format: the suffixes that mean it, the modules that read and write it, what is particular about it.

    `also_read` are suffixes of files that are read as this format and not written; `read_options` are the ReadOptions
    that concern it.
    """

    name: str
    suffixes: tuple[str, ...]
    reader: str
    writer: str
    also_read: tuple[str, ...] = ()
    read_options: tuple[str, ...] = ()
    is_text: bool = True  # fit for a terminal
    is_lines: bool = False  # each row a line that says all of itself, so that more can be added
    has_lists: bool = False  # takes lists and structs as they are
    write_needs: str | None = None  # a module of the extra [excel]

    def open(self, path: Path, label: str, options: ReadOptions) -> Source:
        """Return the rows of a file of this format."""
        others = [option.name for option in fields(options) if option.name not in ("format", *self.read_options)]
        options.refuse(f"{self.name} files", *others)
        opener = cast("_Open", importlib.import_module(f"connector.files.{self.reader}").open_reader)
        try:
            return opener(path, label, options)
        except OSError as error:
            raise DataError(f"{label} cannot be read: {error.strerror or type(error).__name__}.") from error

    def write(self, sink: Sink, schema: pa.Schema, batches: Iterator[pa.RecordBatch], options: WriteOptions) -> None:
        """Write rows to a stream."""
        writer = cast("_Write", importlib.import_module(f"connector.files.{self.writer}").write)
        writer(sink, schema, batches, options)


FORMATS = {
    known.name: known
    for known in (
        Format(
            "csv", (".csv",), "csv", "csv", also_read=(".tsv", ".txt"),
            read_options=("encoding", "delimiter", "decimal", "date_format"),
        ),
        Format("jsonl", (".jsonl", ".ndjson"), "jsonl", "jsonl", read_options=("encoding",), is_lines=True),
        Format("parquet", (".parquet",), "parquet", "parquet", is_text=False, has_lists=True),
        Format(
            "xlsx", (".xlsx",), "excel.reader", "excel.writer", also_read=(".xlsm",), read_options=("sheet",),
            is_text=False, write_needs="xlsxwriter",
        ),
    )
}  # fmt: skip
_UNSURE = {".txt"}  # a suffix that another format may have, too


def choose_format(name: str, options: WriteOptions) -> Format:
    """Return the format that a file name and the options ask for; a UsageError where they do not agree."""
    short, suffix = PurePath(name).name, PurePath(name).suffix.lower()
    by_suffix = next((known for known in FORMATS.values() if suffix in known.suffixes), None)
    chosen = _by_name(options.format) if options.format else by_suffix
    if chosen is None:
        known = ", ".join(suffix for form in FORMATS.values() for suffix in form.suffixes)
        raise UsageError(f'"{short}" does not say which format to write: end it in {known}, or name one by --format.')
    if by_suffix not in (None, chosen):
        raise _disagreement(short, chosen)
    if options.excel_csv and chosen.name != "csv":
        raise UsageError(f"--csv-excel is for CSV, and this output is {chosen.name}: leave it out.")
    if chosen.write_needs and importlib.util.find_spec(chosen.write_needs) is None:
        raise MissingExtra("Writing Excel", "excel")
    return chosen


def open_file(name: str, options: ReadOptions) -> Source:
    """Return the rows of a file, whose columns are known then; a UsageError where there is none or no known format."""
    path = Path(name).expanduser()
    chosen = _format_of(path, options)
    if path.is_dir():
        raise UsageError(f'"{name}" is a folder: add the name of a file.')
    if not path.exists():
        others = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UsageError(f'There is no file "{name}".{did_you_mean(path.name, others)}')
    return chosen.open(path, path.name, options)


def _format_of(path: Path, options: ReadOptions) -> Format:
    suffix = path.suffix.lower()
    by_suffix = next((known for known in FORMATS.values() if suffix in known.suffixes + known.also_read), None)
    if options.format is None:
        if by_suffix is None:
            known = ", ".join(suffix for form in FORMATS.values() for suffix in form.suffixes + form.also_read)
            raise UsageError(f'"{path.name}" does not say which format it has ({known}): name one by --format.')
        return by_suffix
    chosen = _by_name(options.format)
    if by_suffix not in (None, chosen) and suffix not in _UNSURE:
        raise _disagreement(path.name, chosen)
    return chosen


def _by_name(name: str) -> Format:
    if name not in FORMATS:
        raise UsageError(f'There is no format "{name}": take {", ".join(FORMATS)}.{did_you_mean(name, FORMATS)}')
    return FORMATS[name]


def _disagreement(name: str, chosen: Format) -> UsageError:
    return UsageError(f'"{name}" is no name for {chosen.name}: change it, or leave --format {chosen.name} out.')


def write_rows(
    chosen: Format, stream: BinaryIO, schema: pa.Schema, batches: Iterator[pa.RecordBatch], options: WriteOptions
) -> None:
    """Write all rows to `stream`; after an exception nothing more goes there."""
    import pyarrow as pa

    from connector.rows.batches import refuse_repeated

    nested = [field for field in schema if pa.types.is_nested(field.type)]
    if nested and not chosen.has_lists:
        raise TargetError(f'Column "{nested[0].name}" is a {nested[0].type}, which {chosen.name} cannot hold.')
    refuse_repeated(schema.names)
    sink = Sink(stream)
    try:
        chosen.write(sink, schema, (batch for batch in batches if batch.num_rows), options)
    except BaseException:
        sink.is_spent = True
        raise
