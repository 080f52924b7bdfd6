"""Sources read to their end, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connector.files.formats import ReadOptions, open_file
from connector.rows.streams import Source


def rows_of(source: Source) -> list[tuple[Any, ...]]:
    """Return all rows as tuples."""
    return [tuple(row.values()) for batch in source.batches() for row in batch.to_pylist()]


def opened(folder: Path, name: str, content: bytes, **options: Any) -> Source:
    """Return a file of this content as a source."""
    path = folder / name
    path.write_bytes(content)
    return open_file(str(path), ReadOptions(**options))
