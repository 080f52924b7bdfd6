"""A table in a DuckDB file: what stays, what it is made of, and who holds the file."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from connector.databases.base import Session
from connector.databases.duckdb import database as duckdb_database
from connector.databases.duckdb import file as duckdb_file
from connector.databases.duckdb.database import DuckDB, _Session
from connector.databases.merge import Keys, Table
from connector.errors import TargetError, UsageError
from tests.row_batches import DECIMAL, JSON, TEXT, TIME, rows, write_rows

TWO = rows(id=(TEXT, ["in_1", "in_2"]), n=(pa.int64(), [1, 2]))


def write(to: Path | str, batch: pa.RecordBatch = TWO, table: str | None = "invoices") -> int:
    return write_rows(to, batch.schema, [batch], table=table, mode="replace")


def refused(to: Path | str, batch: pa.RecordBatch = TWO, table: str = "invoices") -> str:
    with pytest.raises(TargetError) as caught:
        write(to, batch, table)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(path) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stripe.duckdb"


def test_columns_have_the_types_of_their_values(path: Path) -> None:
    kinds = {"text": TEXT, "json": JSON, "integer": pa.int64(), "number": pa.float64(), "decimal": DECIMAL}
    kinds |= {"boolean": pa.bool_(), "timestamp": TIME, "date": pa.date32()}
    write(path, rows(**{name: (kind, [None]) for name, kind in kinds.items()}))
    assert dict(ask(path, "SELECT column_name, data_type FROM duckdb_columns() WHERE NOT internal")) == {
        "text": "VARCHAR",
        "json": "JSON",
        "integer": "BIGINT",
        "number": "DOUBLE",
        "decimal": "DECIMAL(38,12)",
        "boolean": "BOOLEAN",
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "date": "DATE",
    }


def test_views_and_other_tables_stay(path: Path) -> None:
    write(path)
    ask(path, "CREATE VIEW large AS FROM invoices WHERE n > 1; CREATE TABLE notes AS SELECT 'mine' AS note")
    write(path, rows(id=(TEXT, ["in_3"]), n=(pa.int64(), [3])))
    assert ask(path, "FROM large") == [("in_3", 3)]
    assert ask(path, "FROM notes") == [("mine",)]


@pytest.mark.parametrize("table", ["crm.invoices", "Order.select", 'a "b".it\'s', "main.incoming", "incoming"])
def test_schema_and_table_of_any_name(path: Path, table: str) -> None:
    write(path, table=table)
    *schema, name = table.split(".")
    write(path, table=table)
    found = ask(path, "SELECT schema_name, table_name FROM duckdb_tables()")
    assert found == [((schema or ["main"])[0], name)]


def test_schema_named_like_the_file(tmp_path: Path) -> None:
    assert write(tmp_path / "crm.duckdb", table="crm.invoices") == 2
    assert ask(tmp_path / "crm.duckdb", "FROM crm.crm.invoices") == [("in_1", 1), ("in_2", 2)]


def test_url_names_path_and_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("duckdb:///a.duckdb?table=crm.t", table=None)
    write("duckdb:///a%20b.duckdb?table=t", table="t")
    write(f"duckdb:///{(tmp_path / 'c.db').as_posix()}", table="t")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a b.duckdb", "a.duckdb", "c.db"]
    assert ask(tmp_path / "a.duckdb", "FROM crm.t") == ask(tmp_path / "a b.duckdb", "FROM t")


def test_a_url_and_an_option_that_name_two_tables_are_refused(path: Path) -> None:
    with pytest.raises(UsageError, match="names the table a, and b is named beside it"):
        write(f"duckdb:///{path}?table=a", table="b")


HOLDING_CHILD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_file_held_by_another_process_names_the_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.databases.duckdb.file._WAIT_SECONDS", 0.2)
    command = [sys.executable, "-c", HOLDING_CHILD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        message = refused(path)
        holder.communicate()
    assert "stripe.duckdb" in message
    assert f"(process {holder.pid})" in message
    assert write(path) == 2


def test_connection_of_the_same_process_is_no_obstacle(path: Path) -> None:
    with duckdb.connect(path) as notebook:
        write(path)
        assert notebook.execute("SELECT count(*) FROM invoices").fetchall() == [(2,)]


def test_a_program_that_opens_and_closes_the_file_between_transactions_is_no_obstacle(path: Path) -> None:
    with DuckDB(str(path)) as database:
        for number in range(3):
            with database.transaction() as session:
                session.execute(f"CREATE TABLE main.t{number} (n BIGINT)")
            assert len(ask(path, "SELECT table_name FROM duckdb_tables()")) == number + 1
            with duckdb.connect(path) as notebook, database.transaction() as session:
                session.execute(f"INSERT INTO main.t{number} VALUES (1)")
            assert notebook is not None
            assert ask(path, f"SELECT n FROM t{number}") == [(1,)]


def test_a_thread_waits_for_another_that_has_the_file(path: Path) -> None:
    done: list[int] = []

    def add() -> None:
        with DuckDB(str(path)) as database, database.transaction() as session:
            done.append(session.execute("INSERT INTO main.t VALUES (2)"))

    other = threading.Thread(target=add)
    with DuckDB(str(path)) as database, database.transaction() as session:
        session.execute("CREATE TABLE main.t (n BIGINT)")
        other.start()
        other.join(0.2)
        assert not done
    other.join()
    assert done == [1]


def make_and_fail(database: DuckDB) -> None:
    with database.transaction() as session:
        session.execute("CREATE TABLE main.t (n BIGINT)")
        session.execute("SELECT nothing")


def test_what_a_transaction_leaves_when_it_fails_is_not_in_the_way_of_the_next(path: Path) -> None:
    with DuckDB(str(path)) as database:
        for _ in range(2):
            with pytest.raises(TargetError):
                make_and_fail(database)
            assert not path.exists()
        with database.transaction() as session:
            session.execute("CREATE TABLE main.t (n BIGINT)")
    assert ask(path, "FROM t") == []
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["memory", "temp", "system", "main", "a b", "made", "select"])
def test_a_file_has_any_name_and_its_views_say_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.duckdb"
    with DuckDB(str(path)) as database:
        for number in range(2):
            with database.transaction() as session:
                table, view = Table("main", "t"), Table("main", "v")
                session.prepare(table, pa.schema([pa.field("n", pa.int64())]))
                session.execute(f"INSERT INTO {session.full(table)} VALUES ({number})")
                for statement in session.dialect.replace_view(view, f"SELECT n FROM {session.full(table)}"):
                    session.execute(statement)
    assert ask(path, "FROM v") == [(0,), (1,)]


@pytest.mark.parametrize("content", [b"", b"id,n\r\n" * 5_000])
def test_file_that_is_not_duckdb_stays_what_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "not a valid DuckDB database file" in refused(path)
    assert path.read_bytes() == content


def test_missing_folder_is_named_and_not_created(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none" / "a.duckdb")
    assert list(tmp_path.iterdir()) == []


def test_view_in_the_place_of_the_table_stays(path: Path) -> None:
    ask(path, "CREATE VIEW invoices AS SELECT 1 AS n")
    assert "is a view" in refused(path)
    assert ask(path, "FROM invoices") == [(1,)]


def test_table_that_another_refers_to_stays(path: Path) -> None:
    ask(path, "CREATE TABLE invoices (n BIGINT PRIMARY KEY); CREATE TABLE lines (n BIGINT REFERENCES invoices)")
    ask(path, "INSERT INTO invoices VALUES (1); INSERT INTO lines VALUES (1)")
    assert "foreign key" in refused(path)
    assert ask(path, "FROM invoices") == [(1,)]


def test_columns_that_differ_only_in_case_are_named(path: Path) -> None:
    assert 'name "ID" already exists' in refused(path, rows(id=(TEXT, ["1"]), ID=(TEXT, ["2"])))
    assert not path.exists()


def test_text_that_is_not_json_is_refused_without_showing_it(path: Path) -> None:
    message = refused(path, rows(metadata=(JSON, ["{private"])))
    assert "not JSON" in message
    assert "private" not in message


def test_a_damaged_file_is_called_that_and_what_to_do_stands_beside_it(path: Path) -> None:
    write(path)
    content = bytearray(path.read_bytes())
    content[12_288 + 100 :] = bytes(255 - byte for byte in content[12_288 + 100 :])
    path.write_bytes(content)
    assert "is damaged: put a copy of it in its place" in refused(path)


def test_rows_that_are_in_the_stage_are_not_kept_beside_it(path: Path) -> None:
    table, batch = Table("main", "t"), pa.table({"id": pa.array(range(50_000), pa.int64())})
    with DuckDB(str(path)) as database, database.transaction() as session:
        session.prepare(table, batch.schema)
        before = pa.total_allocated_bytes()
        staged = session.stage(table, (batch.set_column(0, "id", pa.array(range(50_000))) for _ in range(10)), ["id"])
        assert pa.total_allocated_bytes() - before < 2 * batch.nbytes
        wider = pa.table({"id": pa.array([1], pa.int64()), "other": pa.array(["x"])})
        session.prepare(table, wider.schema)
        assert session.stage(table, [wider], ["id", "other"]).rows == 1
    assert staged.rows == 500_000


@pytest.mark.parametrize("most_seconds", [duckdb_file._KEPT_SECONDS, 0])
def test_a_file_stays_open_for_a_while_for_who_waits_and_for_nobody_else(
    most_seconds: float, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_file, "_KEPT_SECONDS", most_seconds)
    database, openings = DuckDB(str(path)), list[object]()

    def take_note(session: Session) -> None:
        openings.extend(session.rows("SELECT database_oid FROM duckdb_databases() WHERE path IS NOT NULL"))

    def write() -> None:
        with database.turns, database.transaction() as session:
            take_note(session)

    waiting = threading.Thread(target=write)
    with database.turns, database.transaction() as session:
        take_note(session)
        waiting.start()
        while not database.turns.are_awaited:
            pass
    waiting.join()
    write()
    assert len(set(openings)) == (2 if most_seconds else 3)
    assert openings[1] != openings[2]
    with duckdb.connect(path, read_only=True) as free:
        assert free.execute("SELECT 1").fetchall() == [(1,)]


def groups(path: Path) -> list[int]:
    found = ask(
        path, "SELECT max(start + count) FROM pragma_storage_info('t') GROUP BY row_group_id ORDER BY row_group_id"
    )
    return [count for (count,) in found]


def commit(path: Path, keys: range) -> None:
    batch = pa.table({"id": pa.array(keys, pa.int64())})
    with DuckDB(str(path)) as database, database.transaction() as session:
        session.prepare(Table("main", "t"), batch.schema)
        session.upsert(Table("main", "t"), batch, Keys(("id",)))


def test_rows_of_large_commits_are_not_read_again_by_the_next_ones(path: Path) -> None:
    for at in range(0, 72_000, 9_000):
        commit(path, range(at, at + 9_000))
    assert groups(path) == [9_000] * 8


def test_rows_of_small_commits_are_joined(path: Path) -> None:
    for at in range(0, 2_000, 50):
        commit(path, range(at, at + 50))
    assert len(groups(path)) < 5


def test_large_groups_that_another_program_made_stay_and_take_rows(path: Path) -> None:
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS id FROM range(150000)")
    for at in range(140_000, 180_000, 20_000):
        commit(path, range(at, at + 20_000))
    assert groups(path)[0] == 122_880
    assert ask(path, "SELECT count(*), count(DISTINCT id), max(id) FROM t") == [(180_000, 180_000, 179_999)]


def test_a_new_file_is_whole_where_the_system_knows_no_links(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    write(path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert len(ask(path, "FROM invoices")) == 2


def test_threads_of_one_program_may_open_and_close_a_file_as_they_please(path: Path) -> None:
    errors: list[Exception] = []

    def write() -> None:
        try:
            for _ in range(12):
                with DuckDB(str(path)).transaction() as session:
                    session.rows("SELECT 1")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_a_load_that_some_memory_does_not_do_for_has_all_that_there_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []
    stage = _Session.stage

    def counted(session: _Session, *arguments: Any) -> Any:
        attempts.append(len(attempts))
        return stage(session, *arguments)

    monkeypatch.setattr(duckdb_database, "_LEAST_MEGABYTES", 1)
    monkeypatch.setattr(duckdb_database, "_MEGABYTES_A_THREAD", 0)
    monkeypatch.setattr(_Session, "stage", counted)
    write(path, rows(id=(TEXT, [f"in_{number:0200}" for number in range(20_000)]), n=(pa.int64(), [*range(20_000)])))
    assert attempts == [0, 1]
    assert ask(path, "SELECT count(*), sum(n) FROM invoices") == [(20_000, 199_990_000)]
