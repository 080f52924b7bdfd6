"""Where rows come from and where they go, as what both can do: the two protocols that all places follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pyarrow as pa


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


class Target(Protocol):
    """A place that takes rows; `label` names it in messages and never holds a password."""

    label: str

    def replace(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
        """Put these rows in the place of what was there and return their number; after an error all is as before."""
