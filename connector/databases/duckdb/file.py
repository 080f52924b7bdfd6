"""A DuckDB file: how it is made and opened for writing, and what its errors mean in plain words."""

from __future__ import annotations

import re
import time
from pathlib import Path

import duckdb

# What every DuckDB from 1.0 on reads: a newer one would else write files that no released shell opens.
STORAGE_VERSION = "v1.0.0"
_HOLDER = re.compile(r"(?:held in|already open in)\s+(?P<program>.+?) \(PID (?P<number>\d+)\)")
_OPENING = re.compile(r"already attached by")  # while another thread of this program opens or closes it
_FULL = re.compile(r"No space left|File too large|quota exceeded", re.IGNORECASE)
_DAMAGED = re.compile(r"Corrupt database file|checksum", re.IGNORECASE)
_WAIT_SECONDS = 30.0  # how long a file that another program holds is waited for
_RETRY_SECONDS = 0.1


def open_to_write(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a file, made where there is none; another program that holds it for a moment is waited for."""
    for _ in range(int(_WAIT_SECONDS / _RETRY_SECONDS)):
        try:
            return _opened(path)
        except duckdb.Error as error:
            if not (_HOLDER.search(str(error)) or _OPENING.search(str(error))):
                raise
            time.sleep(_RETRY_SECONDS)
    return _opened(path)


def _opened(path: Path) -> duckdb.DuckDBPyConnection:
    if not path.exists():
        with duckdb.connect(":memory:") as maker:
            name = str(path).replace("'", "''")
            maker.execute(f"ATTACH '{name}' AS made (STORAGE_VERSION '{STORAGE_VERSION}')")
    return duckdb.connect(path)


def explained(error: duckdb.Error, path: Path, label: str, misfit: str) -> str:
    """Return in one line what went wrong; of a value that does not fit, only what `misfit` says, never the value."""
    text = str(error)
    if holder := _HOLDER.search(text):
        return f"{path.name} is open in {holder['program']} (process {holder['number']}): close it there."
    if isinstance(error, duckdb.ConnectionException) or _OPENING.search(text):
        return f"{path.name} is open in this program already: close that connection first."
    if _FULL.search(text):
        return f"{label} could not be written: the disk is full."
    if _DAMAGED.search(text):
        return f"{label} is damaged: put a copy of it in its place, or move it away for the next run to fill a new one."
    if isinstance(error, duckdb.DataError):
        return f"{label}: {misfit}."
    return f"{label}: {text.splitlines()[0].partition(': ')[2]}"
