"""Loads that could go wrong without a word: rows lost by an empty source, names that a database shortens, bytes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
import xlsxwriter

from connector import ConnectorError, Stripe
from connector.databases.base import Counts, Database
from connector.databases.merge import Table
from connector.errors import UsageError
from connector.load.into_table import load_table
from connector.load.loading import Loading, LoadReport
from connector.places import open_source
from tests.databases import postgres

LONG = "a name that is far longer than the sixty-three bytes that Postgres keeps of it"


@pytest.fixture(params=["duckdb", "sqlite"])
def to(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{request.param}:///{tmp_path / 'crm.db'}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Database]:
    with postgres(tmp_path) as database:
        yield database


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def load(source: object, to: str, **how: Any) -> LoadReport:
    return Stripe.load(source, to, how.pop("table", "leads"), **({"key": ["id"]} | how))


def refused(source: object, to: str, **how: Any) -> str:
    with pytest.raises(ConnectorError) as caught:
        load(source, to, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def into(server: Database, source: object, **how: Any) -> LoadReport:
    place = Table("public", how.pop("table", "leads"))
    return load_table(open_source(source), server, place, Loading(**({"key": ["id"]} | how)), lambda _: None)


def do(server: Database, *statements: str) -> None:
    with server.transaction() as session:
        for statement in statements:
            session.execute(statement)


def rows(where: str | Database, table: str = "leads") -> list[dict[str, Any]]:
    if isinstance(where, Database):
        with where.transaction() as session:
            names = [*session.column_types(Table("public", table))]
            return [dict(zip(names, row, strict=True)) for row in session.rows(f'SELECT * FROM "{table}" ORDER BY 1')]
    source = open_source(f"{where}?table={table}")
    return sorted((row for batch in source.batches() for row in batch.to_pylist()), key=lambda row: str(row["id"]))


NOBODY = pa.table({"id": pa.array([], pa.string())})
KEYLESS = pa.table({"id": pa.array([None, None], pa.string())})


@pytest.mark.parametrize("source", [NOBODY, KEYLESS], ids=["no rows", "no keys"])
@pytest.mark.parametrize("how", [{"mode": "replace"}, {"mode": "replace", "swap": True}, {"mode": "mirror"}], ids=str)
def test_a_source_without_rows_to_keep_deletes_nothing(to: str, source: pa.Table, how: dict[str, Any]) -> None:
    load(pa.table({"id": ["a", "b"]}), to)
    report = load(source, to, **how)
    assert report.counts == Counts(rejected=source.num_rows)
    assert "so nothing was deleted; --allow-empty" in report.notes[-1]
    assert rows(to) == [{"id": "a"}, {"id": "b"}]
    with pytest.raises(ConnectorError, match="has no table"):
        rows(to, "leads (new)")
    assert load(source, to, allow_empty=True, **how).counts == Counts(deleted=2, rejected=source.num_rows)


def test_swap_counts_the_rows_that_went_with_the_old_table(to: str) -> None:
    load(pa.table({"id": ["a", "b"]}), to)
    assert load(pa.table({"id": ["c"]}), to, mode="replace", swap=True).counts == Counts(inserted=1, deleted=2)


@pytest.mark.parametrize("nothing", ["", "\n\n"])
def test_json_lines_without_a_line_are_no_error(to: str, tmp_path: Path, nothing: str) -> None:
    source = written(tmp_path / "leads.jsonl", nothing)
    assert "names no columns: main.leads cannot be made of it" in refused(source, to)
    load(pa.table({"id": ["a"]}), to)
    assert load(source, to).counts == Counts()
    assert load(pd.DataFrame(), to).counts == Counts()
    assert "was not emptied" in refused(source, to, mode="replace", allow_empty=True)
    assert rows(to) == [{"id": "a"}]


def test_names_that_were_shortened_are_found_again(to: str, server: Database) -> None:
    first = pa.table({f"{LONG} id": [1], f"{LONG} name": ["x"]})
    more = pa.table({f"{LONG} id": [1], f"{LONG} name": ["x"], f"{LONG} mail": ["y"]})
    how: dict[str, Any] = {"key": [f"{LONG} id"], "table": f"{LONG} (table)"}
    assert into(server, first, **how).counts == load(first, to, **how).counts == Counts(inserted=1)
    assert into(server, first, **how).counts == load(first, to, **how).counts == Counts(unchanged=1)
    assert "has no column" in refused(more, to, **how | {"table": f"{LONG} (table)"})
    assert into(server, more, on_new_column="add", **how).counts == Counts(updated=1)
    assert into(server, more, **how).counts == Counts(unchanged=1)


def test_two_long_tables_that_begin_alike_stay_two(server: Database) -> None:
    into(server, pa.table({"id": [1]}), table=f"{LONG} 1")
    assert into(server, pa.table({"id": [2]}), table=f"{LONG} 2").counts == Counts(inserted=1)
    with server.transaction() as session:
        assert session.rows("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'a name that%'") == [(2,)]


def test_a_table_that_duckdb_has_under_a_longer_name_is_that_table(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "crm.db") as connection:
        connection.execute(f'CREATE TABLE "{LONG}" AS SELECT 1 AS id')
    assert load(pa.table({"id": [1]}), f"duckdb:///{tmp_path / 'crm.db'}", table=LONG).counts == Counts(unchanged=1)


def test_case_does_not_matter_for_keys_and_columns(to: str, tmp_path: Path) -> None:
    source = written(tmp_path / "leads.csv", "ID,Name,note\n1,Ann,x\n")
    assert load(source, to, columns=["NAME"]).counts == Counts(inserted=1)
    assert load(source, to, columns=["name"], key=["id", "Id"]).counts == Counts(unchanged=1)
    assert load(source, to, mode="delete").counts == Counts(deleted=1)


def test_one_name_may_stand_without_a_list(to: str) -> None:
    load(pa.table({"id": [1], "mail": ["x"], "name": ["y"]}), to, key="id", columns="mail")
    assert rows(to) == [{"id": 1, "mail": "x"}]


def test_a_scope_without_a_value_is_refused(to: str) -> None:
    load(pa.table({"id": [1], "n": [5]}), to)
    assert "The scope says no value for n" in refused(pa.table({"id": [1]}), to, mode="mirror", scope={"n": ""})


def test_bytes_arrive_as_they_were(server: Database, tmp_path: Path) -> None:
    do(server, "CREATE TABLE leads (id int PRIMARY KEY, b bytea)")
    data = [b"\x00\xff", b"plain", None]
    assert into(server, pa.table({"id": [1, 2, 3], "b": data})).counts == Counts(inserted=3)
    assert [row["b"] for row in rows(server)] == data
    assert into(server, written(tmp_path / "x.csv", "id,b\n1,\\x00ff\n2,cGxhaW4=\n")).counts == Counts(unchanged=2)
    with pytest.raises(ConnectorError, match='line 2, column "b": the value does not fit the type binary'):
        into(server, written(tmp_path / "x.csv", "id,b\n1,zzz\n"))


def test_bytes_arrive_in_duckdb_as_they_were(tmp_path: Path) -> None:
    to = f"duckdb:///{tmp_path / 'crm.db'}"
    with duckdb.connect(tmp_path / "crm.db") as connection:
        connection.execute("CREATE TABLE leads (id INTEGER, b BLOB)")
    load(pa.table({"id": [1], "b": pa.array([b"\x00\xff"], pa.binary_view())}), to)
    with duckdb.connect(tmp_path / "crm.db") as connection:
        assert connection.execute("SELECT b FROM leads").fetchall() == [(b"\x00\xff",)]


def test_a_value_that_the_source_itself_cannot_read_is_named_under_whatever_name_it_goes(to: str) -> None:
    data = pa.table({"id": [1], "at": pa.array([1], pa.timestamp("ns"))})
    said = refused(data, to, mapping={"seen": "at"})
    assert 'the Arrow table, row 1, column "at": the value does not fit the type timestamp' in said
    assert said.endswith("Nothing was loaded.")


def test_run_end_encoded_columns_are_what_they_encode(to: str) -> None:
    runs = pa.RunEndEncodedArray.from_arrays([2], ["x"])
    load(pa.table({"id": ["a", "b"], "v": runs}), to)
    assert [row["v"] for row in rows(to)] == ["x", "x"]


def test_a_column_that_a_view_holds_on_to_is_named(server: Database) -> None:
    do(server, "CREATE TABLE leads (id int PRIMARY KEY, n int)", "CREATE VIEW sums AS SELECT n FROM leads")
    with pytest.raises(ConnectorError, match=r"leads: the column n would have to be bigint.* view sums .*Nothing"):
        into(server, pa.table({"id": [1], "n": [2**40]}), on_wider_type="widen")


def test_swap_says_what_is_in_its_way_and_changes_nothing(server: Database) -> None:
    into(server, pa.table({"id": [1]}))
    do(server, "CREATE VIEW ids AS SELECT id FROM leads")
    with pytest.raises(ConnectorError, match="Nothing was changed: without --swap, replace keeps the table"):
        into(server, pa.table({"id": [2]}), mode="replace", swap=True)
    assert rows(server) == [{"id": 1}]


# Files


def test_what_only_tables_have_is_refused_for_files(tmp_path: Path) -> None:
    to = str(tmp_path / "out.csv")
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("--key", {}),
        ("--columns", {"columns": ["id"], "key": []}),
        ("--map", {"mapping": {"x": "id"}, "key": []}),
        ("--swap", {"swap": True, "key": []}),
        ("--on-wider-type", {"on_wider_type": "widen", "key": []}),
    ]
    for option, how in wrong:
        assert f"{option} is for tables of databases" in refused(pa.table({"id": [1]}), to, mode="replace", **how)
    assert not Path(to).exists()


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "xlsx"])
def test_an_empty_source_leaves_a_file_as_it_was(tmp_path: Path, suffix: str) -> None:
    to, empty = str(tmp_path / f"out.{suffix}"), written(tmp_path / "empty.jsonl", "")
    assert "cannot be made of it" in refused(empty, to, mode="replace", key=[])
    load(pa.table({"id": [1]}), to, mode="replace", key=[])
    for nothing in (NOBODY, empty):
        assert "was left as it is" in load(nothing, to, mode="replace", key=[]).notes[0]
        assert load(nothing, to, mode="append", key=[]).counts == Counts(unchanged=1)
    load(NOBODY, to, mode="replace", key=[], allow_empty=True)
    assert load(pa.table({"id": ["x"]}), to, mode="append", key=[]).counts == Counts(inserted=1)


def test_rows_are_not_added_to_a_workbook_whose_other_sheets_would_go(tmp_path: Path) -> None:
    to = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(to) as book:
        for name in ("leads", "notes"):
            book.add_worksheet(name).write(0, 0, "id")
    assert "has other sheets, which would be lost" in refused(pa.table({"id": [1]}), str(to), mode="append", key=[])


def test_periods_are_what_people_read_and_a_series_is_no_table(tmp_path: Path) -> None:
    to = str(tmp_path / "x.duckdb")
    Stripe.load(pd.DataFrame({"id": [1], "month": pd.PeriodIndex(["2024-01"], freq="M")}), to, "t", key="id")
    with duckdb.connect(to) as connection:
        assert connection.execute("SELECT month FROM t").fetchall() == [("2024-01",)]
    with pytest.raises(UsageError, match="A Series is no source of rows"):
        Stripe.load(pd.Series([1, 2]), to, "t", key="id")


def test_how_a_file_is_read_can_be_said_in_python(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_bytes("id;name\r\n1;Müller\r\n".encode("cp1252"))
    to = str(tmp_path / "x.duckdb")
    Stripe.load(str(tmp_path / "w.csv"), to, "t", key="id", encoding="cp1252", delimiter=";")
    with duckdb.connect(to) as connection:
        assert connection.execute("SELECT name FROM t").fetchall() == [("Müller",)]


def test_rows_that_are_in_a_file_of_json_lines_stay_byte_for_byte(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    there = b'{"id": "a",  "n": 0.10, "x": {"b": 1, "a": 2}}\r\n{"id":"b","n":0.1,"x":null}'
    file.write_bytes(there)
    report = Stripe.load(pa.table({"id": ["c"], "n": [Decimal("0.25")], "x": ['{"a":1}']}), str(file), mode="append")
    assert report.counts == Counts(inserted=1, unchanged=2)
    kept, added = file.read_bytes()[: len(there)], file.read_bytes()[len(there) :]
    assert kept == there
    assert added.startswith(b'\n{"id":"c","n":')
    assert len(added.splitlines()) == 2


def test_rows_go_from_one_table_of_a_duckdb_file_to_another(tmp_path: Path) -> None:
    file = f"duckdb:///{(tmp_path / 'a.duckdb').as_posix()}"
    Stripe.load(pa.table({"id": ["a", "b"], "n": [1, 2]}), file, "here", key="id")
    assert Stripe.load(f"{file}?table=here", file, "there", key="id").counts == Counts(inserted=2)
    assert Stripe.load(f"{file}?table=here", str(tmp_path / "a.duckdb"), "here", mode="append").counts.inserted == 2
    assert Stripe.load(tmp_path / "a.duckdb", file, "there", key="id", query="SELECT id, n + 1 AS n FROM there")


def test_a_value_that_fits_no_column_of_a_file_is_named_by_the_file_that_has_it(tmp_path: Path) -> None:
    there, added = tmp_path / "there.jsonl", tmp_path / "added.jsonl"
    there.write_bytes(b'{"a":0.1}\n')
    added.write_bytes(b'{"a":0.2}\n{"a":"x"}\n')
    with pytest.raises(ConnectorError, match=r'added\.jsonl, line 2, column "a": .* The file is as it was\.'):
        Stripe.load(added, str(there), mode="append")
    assert there.read_bytes() == b'{"a":0.1}\n'
