"""A DuckDB file: how it is made and opened for writing, and what its errors mean in plain words."""

from __future__ import annotations

import logging
import os
import re
import time
import uuid
from pathlib import Path

import duckdb

from connector.databases.merge import quoted

# What every DuckDB from 1.0 on reads: a newer one would else write files that no released shell opens.
STORAGE_VERSION = "v1.0.0"
# At each commit DuckDB joins neighbouring groups of rows up to this size, all of their columns in memory: with its own
# 122,880 rows that takes up to 1 GB, and a third of the time of a load. Groups that are there already stay as they are.
ROWS_A_GROUP = 10_240
# A commit goes to the file itself, which is closed then: not first to the log, and from there to the file.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {"checkpoint_threshold": "1KB"}
_HOLDER = re.compile(r"(?:held in|already open in)\s+(?P<program>.+?) \(PID (?P<number>\d+)\)")
_OPENING = re.compile(r"already attached by")  # while another thread of this program opens or closes it
_FULL = re.compile(r"No space left|File too large|quota exceeded", re.IGNORECASE)
_DAMAGED = re.compile(r"Corrupt database file|checksum", re.IGNORECASE)
_WAIT_SECONDS = 30.0  # how long a file that another program holds is waited for
_RETRY_SECONDS = 0.1
_KEPT_SECONDS = 5.0  # how long a file stays open from one transaction to the next, while other programs wait for it
_log = logging.getLogger(__name__)


class File:
    """A file that is open for a transaction at a time, or for some that follow each other.

    To start a DuckDB takes far longer than to open a file, so one in memory is kept, to which the file is attached.
    That takes 40 ms where the file has a hundred tables: it stays attached for some seconds while transactions wait.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._duckdb: duckdb.DuckDBPyConnection | None = None
        self._name = ""
        self._attached_at: float | None = None  # on the monotonic clock; None while the file is not open

    def open(self) -> duckdb.DuckDBPyConnection:
        """Open the file, made where there is none; another program that holds it for a moment is waited for."""
        for _ in range(int(_WAIT_SECONDS / _RETRY_SECONDS)):
            try:
                return self._opened()
            except duckdb.Error as error:
                if not (_HOLDER.search(str(error)) or _OPENING.search(str(error))):
                    raise
                time.sleep(_RETRY_SECONDS)
        return self._opened()

    def close(self, connection: duckdb.DuckDBPyConnection, *, is_committed: bool, is_wanted: bool) -> None:
        """Close the file, unless it is wanted again at once; what is not committed is taken back."""
        connection.close()
        if self._duckdb is None or (is_committed and is_wanted and self._may_stay()):
            return
        try:
            if is_committed:
                self._duckdb.execute(f"DETACH {self._name}")
                self._attached_at = None
                if is_wanted:
                    time.sleep(2 * _RETRY_SECONDS)  # so that another program that waits finds it free once
                return
        except duckdb.Error as error:  # what is committed stands, whether or not it could be tidied up
            _log.debug("the file was not detached: %s", error)
        self.end()

    def end(self) -> None:
        """End the DuckDB that is kept."""
        if self._duckdb is not None:
            self._duckdb.close()
            self._duckdb = None
        self._attached_at = None

    def _may_stay(self) -> bool:
        return self._attached_at is not None and time.monotonic() - self._attached_at < _KEPT_SECONDS

    def _opened(self) -> duckdb.DuckDBPyConnection:
        if self._duckdb is not None and self._attached_at is not None:
            return self._connected(self._duckdb)
        if self._duckdb is None:
            self._duckdb = duckdb.connect(":memory:", config=_SETTINGS | {"temp_directory": f"{self._path}.tmp"})
        place = "'" + str(self._path).replace("'", "''") + "'"
        if not self._path.exists():
            self._make(self._duckdb)
        try:
            # By its own name, which its views say.
            self._duckdb.execute(f"ATTACH {place} (ROW_GROUP_SIZE {ROWS_A_GROUP})")
        except duckdb.IOException:
            raise
        except duckdb.Error:  # this program has it open, or it is called as the one in memory
            self.end()
            return duckdb.connect(self._path)
        self._attached_at = time.monotonic()
        return self._connected(self._duckdb)

    def _make(self, database: duckdb.DuckDBPyConnection) -> None:
        """Make the file beside its place and put it there whole, for a kill may come; one that is there stays."""
        made = self._path.with_name(f"{self._path.name}.{uuid.uuid4().hex[:8]}")
        place = "'" + str(made).replace("'", "''") + "'"
        try:
            database.execute(f"ATTACH {place} AS made (STORAGE_VERSION '{STORAGE_VERSION}')")
            database.execute("DETACH made")
            self._put_in_place(made)
        finally:
            made.unlink(missing_ok=True)

    def _put_in_place(self, made: Path) -> None:
        try:
            os.link(made, self._path)  # never over a file that another process has made meanwhile
        except FileExistsError:
            return
        except OSError:  # a file system without links
            if not self._path.exists():
                made.rename(self._path)

    def _connected(self, database: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        connection = database.cursor()
        connection.execute(f"USE {self._named()}")
        return connection

    def _named(self) -> str:
        """Return the name that DuckDB gives the file, quoted."""
        if not self._name and self._duckdb is not None:
            attached = "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND database_name <> 'memory'"
            ((name,),) = self._duckdb.execute(attached).fetchall()
            self._name = quoted(name)
        return self._name


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
