"""Excel: one sheet, its first filled row as the header, each column of the one type that all its cells have.

Whole numbers are integers, what is mixed is text. Times have no zone, as Excel knows none. Empty rows are no rows.
"""

from __future__ import annotations

import importlib.util
import posixpath
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pyarrow as pa

from connector.errors import DataError, MissingExtra, UsageError, did_you_mean
from connector.files.formats import ReadOptions
from connector.rows.batches import check_header
from connector.rows.types import ColumnProfile
from connector.rows.values import as_plain_text, to_array

_BATCH_ROWS = 5_000
_EXACT_INTEGER = 2**53
_BLOCK_BYTES = 2**20
_CELL = re.compile(rb'<c\b[^>]*\bt="e"[^>]*>')
_PLACE = re.compile(rb'\br="([A-Z]+)([0-9]+)"')
_LONGEST_TAG = 200


def open_reader(path: Path, label: str, options: ReadOptions) -> SheetReader:
    """Open an Excel file."""
    if importlib.util.find_spec("python_calamine") is None:
        raise MissingExtra("Reading Excel", "excel")
    return SheetReader(path, label, options.sheet)


class SheetReader:
    """The rows of one sheet, kept as they are read: no Excel sheet has more than a million."""

    is_text = False
    other_sheets: tuple[str, ...] = ()

    def __init__(self, path: Path, label: str, sheet: str | None) -> None:
        self.label = label
        numbered = list(self._filled(path, sheet))
        if not numbered:
            raise DataError(f"{self.label} is empty: it has no header.")
        (header_row, header), *rows = numbered
        width = max(_width(row) for _, row in numbered)
        names = [as_plain_text(cell) or "" for cell in header[:width]]
        check_header(names, f"{self.label}, row {header_row}")
        self._numbers = [number for number, _ in rows]
        columns = [[row[place] for _, row in rows] for place in range(width)]
        fields = []
        for name, column in zip(names, columns, strict=True):
            profile = ColumnProfile()
            profile.add(column)
            fields.append(profile.field(name))
        self.schema = pa.schema(fields)
        self._table = pa.Table.from_arrays(
            [to_array(column, field) for column, field in zip(columns, fields, strict=True)], schema=self.schema
        )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the rows from the first one on."""
        yield from self._table.to_batches(_BATCH_ROWS)

    def row_label(self, place: int) -> str:
        """Return the number of a row as the sheet shows it."""
        return f"row {self._numbers[place]}"

    def _filled(self, path: Path, wanted: str | None) -> Iterator[tuple[int, list[Any]]]:
        """Yield the sheet's rows that hold anything, with their numbers."""
        import python_calamine as calamine

        try:
            with path.open("rb") as stream:
                book = calamine.CalamineWorkbook.from_filelike(stream)
                name = self._chosen(book.sheet_names, wanted)
                self.other_sheets = tuple(sheet for sheet in book.sheet_names if sheet != name)
                _refuse_errors(path, name, self.label)
                sheet = book.get_sheet_by_name(name)
                rows = sheet.to_python(skip_empty_area=False)
        except (calamine.CalamineError, zipfile.BadZipFile, KeyError, Xml.ParseError) as error:
            raise DataError(f"{self.label} is no Excel file that can be read, or it is damaged.") from error
        for number, row in enumerate(rows, 1):
            cells = [_value(cell) for cell in row]
            if any(cell is not None for cell in cells):
                yield number, cells

    def _chosen(self, names: list[str], wanted: str | None) -> str:
        if wanted is None:
            return names[0]
        if wanted not in names:
            raise UsageError(
                f'{self.label} has no sheet "{wanted}", but {", ".join(names)}.{did_you_mean(wanted, names)}'
            )
        return wanted


def _width(row: list[Any]) -> int:
    """Return the number of cells up to the last that holds anything."""
    return max((place for place, cell in enumerate(row, 1) if cell is not None), default=0)


def _value(cell: Any) -> Any:
    if cell == "":
        return None
    if type(cell) is float and cell.is_integer() and abs(cell) <= _EXACT_INTEGER:
        return int(cell)
    return cell


def _refuse_errors(path: Path, sheet: str, label: str) -> None:
    """Raise a DataError that names the first cell with an error, such as #DIV/0!, which would be read as empty."""
    with zipfile.ZipFile(path) as archive, archive.open(_part_of(archive, sheet)) as stream:
        rest = b""
        while block := stream.read(_BLOCK_BYTES):
            cell = _CELL.search(rest + block)
            if cell and (place := _PLACE.search(cell[0])):
                column, row = place[1].decode(), int(place[2])
                raise DataError(
                    f"{label}, row {row}: the formula in {column}{row} has an error instead of a value. Correct it."
                )
            rest = block[-_LONGEST_TAG:]


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """Return the name of a sheet's part in the archive."""
    book = Xml.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314
    links = Xml.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    # The id's namespace differs between the two dialects of the format.
    wanted = (element.attrib for element in book.iter() if element.get("name") == sheet)
    ids = [value for attributes in wanted for key, value in attributes.items() if key.endswith("}id")]
    target = next((link.get("Target", "") for link in links if link.get("Id") in ids), "")
    return posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")
