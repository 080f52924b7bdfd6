"""Files and standard output as targets: a file is whole or not there, a pipe gets rows as they come."""

from __future__ import annotations

import codecs
import contextlib
import dataclasses
import errno
import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from connector.errors import TargetError, UsageError
from connector.files.formats import WriteOptions, choose_format, write_rows

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EFBIG: "the disk is full",  # in words of the file system: no file may be that large
    getattr(errno, "EDQUOT", errno.ENOSPC): "the disk is full",  # for this user; Windows has no such number
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
    errno.EROFS: "the disk is read-only",
}
_REPEATED_CHARACTERS = 40  # of the name, so that the name of the part is never too long


class FileTarget:
    """A file, written beside its place under another name and renamed when it is whole."""

    def __init__(self, name: str, options: WriteOptions) -> None:
        self.label = name
        self._format = choose_format(name, options)
        self._path = find_place(name)
        self._options = dataclasses.replace(options, table=options.table or self._path.stem)
        _check_free(self._path)

    def replace(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
        """Write all rows to the file and return their number; after an error what was there before is there."""
        return self._write(schema, batches)

    @property
    def can_append(self) -> bool:
        """Whether rows can be added to the file while those that are there stay byte for byte."""
        with self._path.open("rb") as there:
            return self._format.is_lines and not there.read(2).startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))

    def append(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
        """Write rows after those that are there and return their number; after an error the file is as it was."""
        return self._write(schema, batches, self._path)

    def _write(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch], before: Path | None = None) -> int:
        """Write the file anew: what stands in the file `before`, if any, then the rows."""
        rows = _Rows(batches)
        try:
            with _written_whole(self._path) as stream:
                if before is not None:
                    _copy_lines(before, stream)
                write_rows(self._format, stream, schema, iter(rows), self._options)
        except OSError as error:
            if rows.failed:
                raise
            raise _refusal(self.label, error) from error
        return rows.count


class StdoutTarget:
    """Standard output, which gets every batch as it comes; what reads it may stop reading at any time."""

    label = "standard output"

    def __init__(self, options: WriteOptions) -> None:
        self._options = dataclasses.replace(options, csv_line_end="\n")
        self._format = choose_format("-", dataclasses.replace(options, format=options.format or "csv"))
        if not hasattr(sys.stdout, "buffer"):
            raise UsageError("Standard output takes no bytes here, as in a notebook: write to a file.")
        if sys.stdout.isatty() and not self._format.is_text:
            raise UsageError(f"{self._format.name} is not for a terminal: write to a file, or redirect the output.")

    def replace(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
        """Write all rows and return their number; when the reader has gone, stop quietly with those handed over."""
        rows = _Rows(batches)
        stream = sys.stdout.buffer
        try:
            write_rows(self._format, stream, schema, _flushed(rows, stream), self._options)
            stream.flush()
        except OSError as error:
            if rows.failed:
                raise
            _give_up_stdout()
            if not _is_reader_gone(error):
                raise _refusal(self.label, error) from error
        return rows.count


def find_place(name: str) -> Path:
    """Return the path that a file may be written to, links followed; a TargetError says why none may."""
    try:
        path = Path(name).expanduser().resolve()
        if path.is_dir():
            raise TargetError(f'"{name}" is a folder: add the name of a file.')
        if not path.parent.is_dir():
            raise TargetError(f'The folder "{path.parent}" does not exist: create it, or write elsewhere.')
        if path.exists() and not path.is_file():
            raise TargetError(f'"{name}" is not a file that can be replaced; standard output is written "-".')
    except OSError as error:
        raise _refusal(name, error) from error
    return path


class _Rows:
    """The rows on their way to a target: how many have passed, and whether an error is theirs, not the target's."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = batches
        self.count = 0
        self.failed = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                self.count += batch.num_rows
                yield batch
        except Exception:
            self.failed = True
            raise


@contextlib.contextmanager
def _written_whole(path: Path) -> Iterator[BinaryIO]:
    part = path.with_name(f".{path.name[:_REPEATED_CHARACTERS]}.{secrets.token_hex(4)}.part")
    stream = part.open("xb")
    try:
        with stream:
            if path.exists():
                shutil.copymode(path, part)  # a file that only its owner may read stays so
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        _check_free(path)  # someone may have opened it in the meantime
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _copy_lines(path: Path, stream: BinaryIO) -> None:
    """Copy a file as it is; a last line without an end gets one."""
    with path.open("rb") as there:
        shutil.copyfileobj(there, stream)
        if there.tell():
            there.seek(-1, os.SEEK_END)
            stream.write(b"" if there.read(1) == b"\n" else b"\n")


def _check_free(path: Path) -> None:
    """Refuse a file that may not be replaced, before an hour's reading is spent on it."""
    try:
        with contextlib.suppress(FileNotFoundError), path.open("r+b"):
            pass
    except PermissionError as error:
        raise TargetError(
            f"{path.name} may not be replaced: it is open in another program (Excel?) or write-protected. "
            "Close it and run again."
        ) from error
    except OSError as error:
        raise _refusal(str(path), error) from error


def _flushed(batches: Iterable[pa.RecordBatch], stream: BinaryIO) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        stream.flush()


def _give_up_stdout() -> None:
    """Point standard output at nothing: Python flushes it once more at the end, which would fail again."""
    with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _is_reader_gone(error: OSError) -> bool:
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def _refusal(label: str, error: OSError) -> TargetError:
    reason = _REASONS.get(error.errno or 0) or error.strerror or type(error).__name__
    return TargetError(f"{label} could not be written: {reason}.")
