"""Rows that Python has already: DataFrames, Arrow tables and readers, results of this connector."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from connector.errors import DataError, TargetError, UsageError
from connector.rows import cast as casting
from connector.rows.batches import check_header, temporary_file
from connector.rows.types import ColumnProfile
from connector.rows.values import to_array

if TYPE_CHECKING:
    import pandas as pd

    from connector.rows.streams import Source

_BATCH_ROWS = 50_000


class Rows:
    """Batches that can be read again and again, in the few types that rows are read as."""

    is_text = False

    def __init__(self, label: str, schema: pa.Schema, read: Callable[[], Iterable[pa.RecordBatch]]) -> None:
        check_header(schema.names, label)
        self.label = label
        self.schema = casting.plain_schema(schema)
        self._read = read

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows from the first one on."""
        place = 0
        for batch in self._read():
            yield casting.cast(batch, self.schema, place, self.row_label)
            place += batch.num_rows

    def row_label(self, place: int) -> str:
        """Return the number of a row, counted from 1."""
        return f"row {place + 1:,}"


def open_frame(what: Any) -> Source:
    """Return the rows of a DataFrame, an Arrow table, batch or reader, or a result."""
    module = type(what).__module__.partition(".")[0]
    if module == "pandas" and type(what).__name__ == "DataFrame":
        return _of_table("the DataFrame", _from_pandas(what))
    if isinstance(what, pa.Table):
        return _of_table("the Arrow table", what)
    if isinstance(what, pa.RecordBatch):
        return _of_table("the Arrow batch", pa.Table.from_batches([what]))
    if isinstance(what, pa.RecordBatchReader):
        return Rows("the Arrow reader", what.schema, _Spool(what.schema, what))
    schema = getattr(what, "schema", None)
    if isinstance(schema, pa.Schema) and isinstance(what, Iterable):
        return _read_now(str(getattr(what, "name", "the result")), schema, what)
    if hasattr(what, "__arrow_c_stream__"):  # of other libraries, such as Polars
        with contextlib.suppress(pa.ArrowInvalid):  # a Series is one column, not rows
            return _of_table(f"the {type(what).__name__}", pa.table(what))
    raise UsageError(
        f"A {type(what).__name__} is no source of rows: give a file name, a URL, a DataFrame or an Arrow table."
    )


def spooled(source: Source) -> Source:
    """Return the rows of a source, which are all read now and kept in a temporary file."""
    return _read_now(source.label, source.schema, source.batches())


def _read_now(label: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Rows:
    spool = _Spool(schema, batches)
    spool.fill()
    return Rows(label, schema, spool)


def _of_table(label: str, table: pa.Table) -> Rows:
    return Rows(label, table.schema, lambda: table.to_batches(_BATCH_ROWS))


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    """Return the columns of a DataFrame, with those of an index that has names."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    check_header(names, "the DataFrame")
    columns = [_column(frame.iloc[:, place], name) for place, name in enumerate(names)]
    return pa.table([column for column, _ in columns], pa.schema([field for _, field in columns]))


def _column(series: pd.Series[Any], name: str) -> tuple[pa.ChunkedArray, pa.Field]:
    if type(series.dtype).__name__ == "PeriodDtype":
        series = series.astype("string")  # Arrow would see its bare number
    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, OverflowError):
        return _mixed(series, name)
    column = pa.chunked_array([array]) if isinstance(array, pa.Array) else array
    return column, pa.field(name, column.type)


def _mixed(series: pd.Series[Any], name: str) -> tuple[pa.ChunkedArray, pa.Field]:
    """Return a column of Python objects of several types, which Arrow refuses."""
    values = [None if missing else value for value, missing in zip(series, series.isna(), strict=True)]
    profile = ColumnProfile()
    profile.add(values)
    field = profile.field(name)
    try:
        return pa.chunked_array([to_array(values, field)]), field
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f'Column "{name}" of the DataFrame has values of types that do not go together.') from error


class _Spool:
    """Batches that come once, kept in a temporary file while they are first read."""

    def __init__(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        self._schema = schema
        self._batches = batches
        self._path: Path | None = None
        self._is_reading = False

    def __call__(self) -> Iterator[pa.RecordBatch]:
        with pa.OSFile(str(self.fill())) as stream, pa.ipc.open_stream(stream) as reader:
            yield from cast("Iterator[pa.RecordBatch]", reader)

    def fill(self) -> Path:
        """Read the batches, unless that has been done, and return the file that has them."""
        if self._path is None:
            path = temporary_file(self)
            try:
                with pa.OSFile(str(path), "wb") as stream, pa.ipc.new_stream(stream, self._schema) as writer:
                    for batch in self._read():
                        writer.write_batch(batch)
            except OSError as error:
                if self._is_reading:  # it is the source's own trouble
                    raise
                raise TargetError(f"Rows could not be kept in {path.parent} meanwhile: its disk is full.") from error
            self._path = path
        return self._path

    def _read(self) -> Iterator[pa.RecordBatch]:
        self._is_reading = True
        for batch in self._batches:
            self._is_reading = False
            yield batch
            self._is_reading = True
        self._is_reading = False
