"""What a verb gives back: rows in batches, the forms that people want them in, and a report of how it went."""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector.errors import ConnectorWarning, DataError, MissingExtra
from connector.files.formats import WriteOptions
from connector.load.loading import Loading
from connector.load.run import check_load, load
from connector.places import Place, open_target, parse
from connector.words import count_of, in_python

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from connector.api.pace import Pace


_SHOWN_FAILURES = 20


@dataclass(repr=False)
class Report:
    """How a read went: counts of rows, requests and seconds, and everything worth telling.

    `failures` name what could not be read although the rest was; the command line exits with 1 when there are any.
    """

    name: str
    rows_read: int = 0
    rows: int = 0
    requests: int = 0
    retries: int = 0
    waited_seconds: float = 0.0
    seconds: float = 0.0
    pace: Pace | None = None
    undeclared: Counter[str] = field(default_factory=Counter)
    misfits: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the report in sentences, the most important first."""
        requests = count_of(self.requests, "request")
        counts = [f"{self.name}: {count_of(self.rows, 'row')}, {requests}, {self.seconds:.1f} s"]
        if self.pace and self.pace.is_telling:
            counts.append(f"{self.name}: {self.pace}")
        if self.rows_read > self.rows:
            counts.append(f"{self.name}: read {count_of(self.rows_read, 'row')} to keep {self.rows:,}")
        if self.retries:
            counts.append(f"{self.name}: {count_of(self.retries, 'request')} sent again")
        return counts + self.remarks()

    def remarks(self) -> list[str]:
        """Return in sentences what the counts do not tell: what is new, what else is to be known, what failed."""
        new = [
            f"{self.name}: {path} is new to this connector; {count_of(count, 'value')} in _extra"
            for path, count in self.undeclared.most_common()
            if count
        ]
        other = [
            f"{self.name}: {path} has {count_of(count, 'value')} of another type, kept in _extra"
            for path, count in self.misfits.most_common()
        ]
        return new + other + self.notes + self.failed()

    def __repr__(self) -> str:
        return f"<{self.lines()[0]}>"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def failed(self) -> list[str]:
        """Return what failed in sentences, no more of them than a person reads."""
        shown = self.failures[:_SHOWN_FAILURES]
        more = len(self.failures) - len(shown)
        return [*shown, f"… and {more:,} more that failed"] if more else shown


class Result:
    """Rows of one schema. Iterating reads them, batch by batch; `to_arrow` and its kin keep what they have read.

    It is an Arrow stream: DuckDB, polars, pandas and pyarrow take it as it is. What there is to tell of the rows is a
    ConnectorWarning once they have been read; `report` holds all of it.

    A `schema` that only the rows show is None at first; `read` then yields at least one batch, maybe an empty one.
    """

    def __init__(self, name: str, schema: pa.Schema | None, read: Callable[[Report], Iterator[pa.RecordBatch]]) -> None:
        self.name = name
        self._schema = schema
        self.report = Report(name)
        self._read = read
        self._kept: pa.Table | None = None

    @property
    def schema(self) -> pa.Schema:
        """The columns and their types; where only the rows show them, the rows are read and kept."""
        return self.to_arrow().schema if self._schema is None else self._schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if self._kept is not None:
            return iter(self._kept.to_batches())
        self.report = Report(self.name)
        return self._read_and_warn(self.report)

    def _read_and_warn(self, report: Report) -> Iterator[pa.RecordBatch]:
        yield from self._read(report)
        for remark in report.remarks():
            warnings.warn(in_python(remark), ConnectorWarning, stacklevel=2)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the rows to any library that reads Arrow streams; they are kept, since it may ask for them again."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        rows = count_of(self._kept.num_rows, "row") if self._kept is not None else "not read yet"
        known = self._kept.schema if self._kept is not None else self._schema
        columns = "" if known is None else f"{count_of(len(known), 'column')}, "
        return f"<{self.name}: {columns}{rows}>"

    def _repr_html_(self) -> str | None:
        """Show the rows in a notebook once they have been read; showing alone sends no request."""
        return None if self._kept is None else str(self.to_pandas()._repr_html_())  # type: ignore[operator]

    def to_arrow(self) -> pa.Table:
        """Return all rows as an Arrow table."""
        import pyarrow as pa

        if self._kept is None:
            batches = list(self)
            self._kept = pa.Table.from_batches(batches, schema=self._schema or batches[0].schema)
        return self._kept

    def to_pandas(self) -> pd.DataFrame:
        """Return all rows as a DataFrame: Int64, boolean and string that know nulls, Decimal, UTC timestamps."""
        import pandas as pd
        import pyarrow as pa

        types: dict[pa.DataType, Any] = {
            pa.int64(): pd.Int64Dtype(),
            pa.bool_(): pd.BooleanDtype(),
            pa.string(): pd.StringDtype(),
        }
        frame: pd.DataFrame = self.to_arrow().to_pandas(types_mapper=types.get)
        return frame

    def to_polars(self) -> pl.DataFrame:
        """Return all rows as a polars DataFrame."""
        try:
            import polars
        except ImportError:
            raise MissingExtra("A polars DataFrame", "polars") from None
        return polars.DataFrame(self.to_arrow())

    def to_csv(self, path: str | Path, *, excel: bool = False) -> int:
        """Write a CSV file and return the number of rows; `excel` adds what Excel needs to open it by double click."""
        return self.to(path, WriteOptions(format="csv", excel_csv=excel))

    def to_parquet(self, path: str | Path) -> int:
        """Write a Parquet file and return the number of rows."""
        return self.to(path, WriteOptions(format="parquet"))

    def to_jsonl(self, path: str | Path) -> int:
        """Write a JSON Lines file and return the number of rows."""
        return self.to(path, WriteOptions(format="jsonl"))

    def to_excel(self, path: str | Path, *, sheet: str | None = None, time_zone: str = "UTC") -> int:
        """Write an Excel file and return the number of rows; Excel knows no zones, so times are in `time_zone`."""
        return self.to(path, WriteOptions(format="xlsx", table=sheet, time_zone=time_zone))

    def to(  # noqa: PLR0913 - what people may ask for, by name
        self,
        target: str | Path,
        options: WriteOptions | None = None,
        *,
        table: str | None = None,
        key: str | Sequence[str] = (),
        mode: str | None = None,
        on_new_column: str | None = None,
    ) -> int:
        """Write to a file or a table, by name or URL, and return the number of rows.

        A table is made; one that is there is merged into by `key`, or takes the rows in another of load's modes, as
        mode="replace". Columns that it lacks are refused unless `on_new_column` is "add" or "ignore", or all is
        replaced. What became of the rows stands in the notes of the report.
        """
        place, options = parse(str(target)), options or WriteOptions()
        if place.kind == "database" or key or mode not in (None, "replace"):
            return self._load(place, table or options.table, _loading(place, key, mode, on_new_column), options)
        return self._write(str(target), options)

    def _load(self, place: Place, table: str | None, loading: Loading, options: WriteOptions) -> int:
        """Bring the rows into a table, or into a file in a mode of load's, and say what became of them."""
        place.refuse_file_options(options)
        if place.kind == "database":
            check_load(place, table, loading, [] if self._schema is None else self._schema.names)
        report = load(self, place, table, loading, writing=options)
        self.report.notes += report.lines()
        if report.counts.rejected:
            self.report.failures.append(f"{count_of(report.counts.rejected, 'row')} without a key not written")
        return report.rows_read - report.counts.rejected

    def _write(self, target: str, options: WriteOptions) -> int:
        """Write a file anew, or standard output."""
        opened = open_target(target, options)
        batches = iter(self)
        # The first rows are waited for before anything is written: most of what can go wrong goes wrong here.
        first = list(itertools.islice(batches, 1))
        schema = self._schema or first[0].schema
        if schema.names:
            return opened.replace(schema, itertools.chain(first, batches))
        if target == "-":
            return 0
        raise DataError(f"{self.name} gave no rows, so nothing says which columns {opened.label} has; it is as it was.")


def check_place(  # noqa: PLR0913 - what Result.to takes
    target: str,
    options: WriteOptions,
    *,
    table: str | None = None,
    key: str | Sequence[str] = (),
    mode: str | None = None,
    on_new_column: str | None = None,
) -> None:
    """Refuse what `Result.to` would refuse once the rows are there; nothing is written yet."""
    place = parse(target)
    if place.kind == "database":
        place.refuse_file_options(options)
        check_load(place, table, _loading(place, key, mode, on_new_column))
    else:
        open_target(target, options)


def _loading(place: Place, key: str | Sequence[str], mode: str | None, on_new_column: str | None) -> Loading:
    """Return how rows go into a table, which is made unless something else is said, or into a file."""
    mode = mode or ("upsert" if key else "create")
    is_table = place.kind == "database"
    of_new = "add" if is_table and mode in ("create", "replace") else "fail"
    return Loading(mode=mode, key=key, on_new_column=on_new_column or of_new, allow_empty=is_table)
