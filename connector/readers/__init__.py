"""Row formats, read: CSV, JSON Lines, Parquet and Excel files as typed batches, as often as wanted.

A format is one line in FORMATS and one class, made with the file, its name in messages and the options.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import pyarrow as pa

from connector.errors import DataError, UsageError, did_you_mean

__all__ = ["FORMATS", "ReadOptions", "Reader", "open_file"]


@dataclass(frozen=True)
class ReadOptions:
    """What a user may say about a source; every kind of source refuses what does not concern it.

    The format of a file is told by its suffix when left out, the encoding is then UTF-8, or UTF-16 where a mark says
    so. The delimiter of CSV is a comma, a tab in .tsv files, and a semicolon (else a tab) where the header has no
    comma but those. `table` and `query` are for databases.
    """

    format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    table: str | None = None
    query: str | None = None

    def refuse(self, what: str, *names: str) -> None:
        """Raise a UsageError for options that are given although they say nothing about `what`."""
        for name in names:
            if getattr(self, name) is not None:
                raise UsageError(f"--{name} says nothing about {what}: leave it out.")


class Reader(Protocol):
    """The rows of one file; see `connector.sources.Source`."""

    label: str
    schema: pa.Schema
    is_text: bool

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows from the first one on."""

    def row_label(self, place: int) -> str:
        """Return where the row stands that is `place` rows after the first."""


class _Open(Protocol):
    def __call__(self, path: Path, label: str, options: ReadOptions) -> Reader: ...


@dataclass(frozen=True)
class Format:
    """One row format: the suffixes that mean it, the class that reads it, and the options that concern it."""

    name: str
    suffixes: tuple[str, ...]
    module: str
    options: tuple[str, ...] = ()

    def open(self, path: Path, label: str, options: ReadOptions) -> Reader:
        """Open a file of this format."""
        options.refuse(f"{self.name} files", *({"encoding", "delimiter", "sheet", "table", "query"} - {*self.options}))
        opener = cast("_Open", importlib.import_module(f"connector.readers.{self.module}").open_reader)
        try:
            return opener(path, label, options)
        except OSError as error:
            raise DataError(f"{label} cannot be read: {error.strerror or type(error).__name__}.") from error


FORMATS = {
    known.name: known
    for known in (
        Format("csv", (".csv", ".tsv", ".txt"), "delimited", ("encoding", "delimiter")),
        Format("jsonl", (".jsonl", ".ndjson"), "json_lines", ("encoding",)),
        Format("parquet", (".parquet",), "parquet"),
        Format("xlsx", (".xlsx", ".xlsm"), "sheets", ("sheet",)),
    )
}
_UNSURE = {".txt"}  # a suffix that another format may have, too


def open_file(name: str, options: ReadOptions) -> Reader:
    """Return the rows of a file, whose columns are known then; a UsageError where there is none or no known format."""
    path = Path(name).expanduser()
    chosen = _choose(path, options)
    if path.is_dir():
        raise UsageError(f'"{name}" is a folder: add the name of a file.')
    if not path.exists():
        others = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UsageError(f'There is no file "{name}".{did_you_mean(path.name, others)}')
    return chosen.open(path, path.name, options)


def _choose(path: Path, options: ReadOptions) -> Format:
    suffix = path.suffix.lower()
    by_suffix = next((known for known in FORMATS.values() if suffix in known.suffixes), None)
    if options.format is None:
        if by_suffix is None:
            known = ", ".join(each for form in FORMATS.values() for each in form.suffixes)
            raise UsageError(f'"{path.name}" does not say which format it has ({known}): name one by --format.')
        return by_suffix
    if options.format not in FORMATS:
        raise UsageError(
            f'There is no format "{options.format}": take {", ".join(FORMATS)}.{did_you_mean(options.format, FORMATS)}'
        )
    chosen = FORMATS[options.format]
    if by_suffix not in (None, chosen) and suffix not in _UNSURE:
        raise UsageError(f'"{path.name}" is no name for {chosen.name}: change it, or leave --format {chosen.name} out.')
    return chosen
