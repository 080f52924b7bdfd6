"""What all places of rows share: batches of a size, columns that are told apart, room to keep rows for a while."""

from __future__ import annotations

import contextlib
import os
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from connector.errors import DataError, TargetError

GROUP_ROWS = 100_000
_GROUP_BYTES = 64 * 1024 * 1024


def regroup(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the same rows in tables of 100,000 rows or 64 MB, however small or large the batches are."""
    held: list[pa.RecordBatch] = []
    rows = size_bytes = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            piece = batch.slice(start, GROUP_ROWS - rows)
            held.append(piece)
            start, rows, size_bytes = start + piece.num_rows, rows + piece.num_rows, size_bytes + _size(piece, batch)
            if rows == GROUP_ROWS or size_bytes >= _GROUP_BYTES:
                yield pa.Table.from_batches(held, schema)
                held, rows, size_bytes = [], 0, 0
    if held:
        yield pa.Table.from_batches(held, schema)


def _size(piece: pa.RecordBatch, batch: pa.RecordBatch) -> int:
    """Return the bytes of a piece of a batch; of all of it, which is quicker to say, those of its buffers."""
    whole = piece.num_rows == batch.num_rows
    return int(batch.get_total_buffer_size() if whole else piece.nbytes)


def refuse_repeated(names: list[str]) -> None:
    """Raise a TargetError that names a column that is there twice: readers would keep one of them."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise TargetError(f'Two columns are called "{repeated[0]}": give one of them another name.')


def check_header(names: list[str], where: str) -> None:
    """Refuse column names that are missing or there twice."""
    for number, name in enumerate(names, 1):
        if not name:
            raise DataError(f"{where}: column {number} of {len(names)} has no name in the header. Give it one.")
        if "\0" in name:
            raise DataError(f"{where}: a column name has NUL bytes: say the encoding, as in --encoding utf-16-le.")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f'{where}: two columns are called "{repeated[0]}": give one of them another name.')


def temporary_file(owner: object) -> Path:
    """Return an empty file that goes when its owner does."""
    handle, name = tempfile.mkstemp(suffix=".connector")
    os.close(handle)
    weakref.finalize(owner, _remove, name)
    return Path(name)


def _remove(name: str) -> None:
    with contextlib.suppress(OSError):
        Path(name).unlink()
