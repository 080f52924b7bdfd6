"""Text files as UTF-8: the file itself, or a copy of one in another encoding."""

from __future__ import annotations

import codecs
import itertools
from array import array
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from connector.errors import DataError, UsageError
from connector.files.formats import Sink
from connector.rows.batches import temporary_file
from connector.rows.render import TEXT

_BLOCK_BYTES = 2**20
_UTF_8 = "utf-8"
_MARKS = ((codecs.BOM_UTF8, _UTF_8), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_OTHER_KINDS = (
    (b"PK\x03\x04", "an Excel file or an archive"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"PAR1", "a Parquet file"),
)


class TextFile:
    """A text file: `path` is where its UTF-8 bytes are, `start` the first of them behind a byte order mark."""

    def __init__(self, path: Path, label: str, encoding: str | None) -> None:
        self.label = label
        with path.open("rb") as stream:
            head = stream.read(4)
        for mark, kind in _OTHER_KINDS:
            if head.startswith(mark):
                raise DataError(f"{label} is {kind}, not text: unpack it, or name its format.")
        marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
        self._encoding = _known(encoding) if encoding else marked or _UTF_8
        self.path = path
        if self._encoding != _UTF_8:
            self.path = temporary_file(self)
            with self.path.open("w", encoding=_UTF_8, newline="") as copy:
                copy.writelines(_decoded(path, label, self._encoding))
        self.start = len(codecs.BOM_UTF8) if self._encoding == _UTF_8 and marked == _UTF_8 else 0

    def lines(self) -> Iterator[str]:
        """Yield the physical lines with their ends, which may be of any kind."""
        with self.path.open(encoding="utf-8-sig" if self.start else _UTF_8, newline="") as stream:
            try:
                yield from stream
            except UnicodeDecodeError:
                self.check_encoding()
                raise

    def check_encoding(self) -> None:
        """Raise a DataError that names the line of the first byte that is no UTF-8."""
        for _ in _decoded(self.path, self.label, _UTF_8):
            pass


class RowLines:
    """The lines where the rows of a file stand, each found by a walk through it from the first row on.

    A walk that goes further than the last looks ahead as far again, so that asking for one row after the other takes
    no more than two walks' time.
    """

    def __init__(self) -> None:
        self._lines = array("q")

    def label(self, place: int, walk: Iterator[int]) -> str:
        """Return where the row stands that is `place` rows after the first; `walk` is begun where it is needed."""
        if place >= len(self._lines):
            self._lines = _first_of(walk, place, max(place + 1, 2 * len(self._lines)))
        return f"line {self._lines[place]}" if place < len(self._lines) else f"row {place + 1}"


def _first_of(walk: Iterator[int], place: int, most: int) -> array[int]:
    lines = array("q")
    try:
        for line in itertools.islice(walk, most):
            lines.append(line)
    except DataError:
        if place >= len(lines):  # what is wrong further on is told when it is read
            raise
    return lines


def _known(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except (LookupError, ValueError) as error:
        raise UsageError(f'There is no encoding "{encoding}": take utf-8, utf-16, cp1252, latin-1 …') from error
    return _UTF_8 if name in ("ascii", "utf-8-sig") else name


def _decoded(path: Path, label: str, encoding: str) -> Iterator[str]:
    """Yield the file's text; a DataError names the line of the first byte that is none in this encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, ended_with_return = 1, False
    with path.open("rb") as stream:
        while True:
            block = stream.read(_BLOCK_BYTES)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                fine = error.object[: error.start].decode(encoding, errors="ignore")
                line += _breaks(fine, ended_with_return=ended_with_return)
                raise DataError(
                    f"{label}, line {line}: the byte 0x{error.object[error.start]:02x} is no {encoding.upper()} text. "
                    f"Say the file's encoding, as in --encoding {'cp1252' if encoding == _UTF_8 else _UTF_8}."
                ) from None
            line += _breaks(text, ended_with_return=ended_with_return)
            ended_with_return = text.endswith("\r") if text else ended_with_return
            if text:
                yield text
            if not block:
                return


def _breaks(text: str, *, ended_with_return: bool) -> int:
    """Return the number of line breaks; CR LF is one, also where a block ends between them."""
    count = text.count("\n") + text.count("\r") - text.count("\r\n")
    return count - (ended_with_return and text.startswith("\n"))


def write_lines(sink: Sink, parts: list[pa.Array | pa.Scalar], *, separator: str, null: str, end: str) -> None:
    """Write rows as lines, whose parts are columns and the texts between them."""
    lines = pc.binary_join_element_wise(
        *parts, pa.scalar(separator, TEXT), null_handling="replace", null_replacement=null
    )
    whole = pa.LargeListArray.from_arrays(pa.array([0, len(lines)], pa.int64()), lines)
    sink.write(pc.binary_join(whole, pa.scalar(end, TEXT))[0].as_buffer())
    sink.write(end.encode())
