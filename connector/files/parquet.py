"""Parquet: the types that the file has, in the few that rows are read as."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from connector.errors import DataError
from connector.files.formats import ReadOptions, Sink, WriteOptions
from connector.rows.batches import GROUP_ROWS, check_header, regroup
from connector.rows.cast import cast, plain_schema

_BATCH_ROWS = 50_000


def open_reader(path: Path, label: str, _options: ReadOptions) -> ParquetReader:
    """Open a Parquet file."""
    return ParquetReader(path, label)


class ParquetReader:
    """The rows of a Parquet file."""

    is_text = False

    def __init__(self, path: Path, label: str) -> None:
        self.label = label
        self._path = path
        with self._opened() as file:
            check_header(file.schema_arrow.names, label)
            self.schema = plain_schema(file.schema_arrow)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows from the first one on."""
        place = 0
        with self._opened() as file:
            batches = file.iter_batches(_BATCH_ROWS)
            while True:
                try:
                    batch = next(batches, None)
                except (pa.ArrowException, OSError) as error:
                    raise DataError(f"{self.label} is damaged: not all of its rows can be read.") from error
                if batch is None:
                    return
                yield cast(batch, self.schema, place, self.row_label)
                place += batch.num_rows

    def row_label(self, place: int) -> str:
        """Return the number of a row, counted from 1."""
        return f"row {place + 1:,}"

    def _opened(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self._path)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(f"{self.label} is no Parquet file, or it is damaged.") from error


def write(sink: Sink, schema: pa.Schema, batches: Iterator[pa.RecordBatch], _options: WriteOptions) -> None:
    """Write rows as Parquet."""
    writer = pq.ParquetWriter(sink, schema, compression="zstd")
    for table in regroup(batches, schema):
        writer.write_table(table, row_group_size=GROUP_ROWS)
    writer.close()  # not by `with`, which would finish the file after an error too
