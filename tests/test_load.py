"""Loads from any source: what becomes of each row, in every mode, and that a load is whole or did nothing."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from connector import ConnectorError, Stripe
from connector.cli.app import run
from connector.databases.base import Counts
from connector.load.loading import LoadReport

LEADS = "email,name,score\nann@example.com,Ann,1\nbob@example.com,Bob,2\n"


@pytest.fixture
def to(tmp_path: Path) -> str:
    return f"duckdb:///{tmp_path / 'crm.duckdb'}"


@pytest.fixture
def leads(tmp_path: Path) -> Path:
    return written(tmp_path / "leads.csv", LEADS)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def ask(to: str, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(to.removeprefix("duckdb:///")) as connection:
        return connection.execute(sql).fetchall()


def rows(to: str, table: str = "leads") -> list[tuple[Any, ...]]:
    return ask(to, f"SELECT * FROM {table} ORDER BY ALL")


def load(source: object, to: str, **how: Any) -> LoadReport:
    return Stripe.load(source, to, how.pop("table", "leads"), **({"key": ["email"]} | how))


def refused(source: object, to: str, **how: Any) -> str:
    with pytest.raises(ConnectorError) as caught:
        load(source, to, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def frame(**columns: list[Any]) -> pa.Table:
    return pa.table(columns)


def test_a_table_that_is_not_there_is_made(leads: Path, to: str) -> None:
    report = load(leads, to, table="crm.leads")
    assert report.counts == Counts(inserted=2)
    assert rows(to, "crm.crm.leads") == [("ann@example.com", "Ann", 1), ("bob@example.com", "Bob", 2)]
    types = ask(to, "SELECT column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY column_index")
    assert types == [("email", "VARCHAR"), ("name", "VARCHAR"), ("score", "BIGINT")]


def test_upsert_writes_what_differs_and_adds_what_is_missing(leads: Path, to: str, tmp_path: Path) -> None:
    load(leads, to)
    more = written(tmp_path / "more.csv", LEADS.replace("Bob,2", "Bob,3") + "cid@example.com,Cid,4\n")
    assert load(more, to).counts == Counts(inserted=1, updated=1, unchanged=1)
    assert load(more, to).counts == Counts(unchanged=3)
    assert [row[2] for row in rows(to)] == [1, 3, 4]


@pytest.mark.parametrize(
    ("mode", "counts", "left"),
    [
        ("insert", Counts(inserted=1, skipped=1), [("a", 1), ("b", 2), ("c", 30)]),
        ("update", Counts(updated=1, skipped=1), [("a", 1), ("b", 20)]),
        ("delete", Counts(deleted=1, skipped=1), [("a", 1)]),
        ("append", Counts(inserted=2), [("a", 1), ("b", 2), ("b", 20), ("c", 30)]),
        ("replace", Counts(inserted=2, deleted=2), [("b", 20), ("c", 30)]),
        ("mirror", Counts(inserted=1, updated=1, deleted=1), [("b", 20), ("c", 30)]),
        ("upsert", Counts(inserted=1, updated=1), [("a", 1), ("b", 20), ("c", 30)]),
    ],
)
def test_modes(to: str, mode: str, counts: Counts, left: list[Any]) -> None:
    load(frame(email=["a", "b"], score=[1, 2]), to)
    report = load(frame(email=["b", "c"], score=[20, 30]), to, mode=mode, key=[] if mode == "append" else ["email"])
    assert (report.counts, rows(to)) == (counts, left)


def test_mirror_deletes_within_its_scope_only(to: str) -> None:
    load(frame(email=["a", "b", "c"], region=["eu", "eu", "us"]), to)
    report = load(frame(email=["a"], region=["eu"]), to, mode="mirror", scope={"region": "eu"})
    assert report.counts == Counts(unchanged=1, deleted=1)
    assert rows(to) == [("a", "eu"), ("c", "us")]


@pytest.mark.parametrize("mode", ["mirror", "replace"])
def test_an_empty_source_empties_a_table_only_when_that_is_meant(to: str, mode: str) -> None:
    load(frame(email=["a"]), to)
    nothing = frame(email=pa.array([], pa.string()))
    report = load(nothing, to, mode=mode)
    assert (report.counts, rows(to)) == (Counts(), [("a",)])
    assert "nothing was deleted" in report.notes[0]
    assert load(nothing, to, mode=mode, allow_empty=True).counts == Counts(deleted=1)


def test_an_empty_source_is_no_error(to: str, tmp_path: Path) -> None:
    header = written(tmp_path / "leads.csv", "email,name,score\n")
    assert load(header, to).counts == Counts()
    assert rows(to) == []


def test_replace_keeps_views_and_swap_makes_the_table_anew(to: str) -> None:
    load(frame(email=["a"], score=[1]), to)
    ask(to, "CREATE VIEW best AS SELECT email FROM leads")
    load(frame(email=["b"], score=[1]), to, mode="replace")
    assert rows(to, "best") == [("b",)]
    load(frame(email=["c"], other=["x"]), to, mode="replace", swap=True)
    assert rows(to) == [("c", "x")]
    assert ask(to, "SELECT table_name FROM duckdb_tables()") == [("leads",)]


def test_rows_without_a_key_are_rejected_with_their_lines(to: str, tmp_path: Path) -> None:
    source = written(tmp_path / "leads.csv", 'email,name\na,"two\nlines"\n,x\nb,y\n,z\n')
    report = load(source, to)
    assert report.counts == Counts(inserted=2, rejected=2)
    assert "line 4, line 6" in report.notes[-1]


def test_the_last_of_several_rows_with_a_key_wins_or_is_an_error(to: str, tmp_path: Path) -> None:
    source = written(tmp_path / "leads.csv", "email,name\na,first\nb,only\na,last\n")
    assert "1 row with a key that a later row has, too: line 2" in refused(source, to, duplicates="error")
    assert not Path(to.removeprefix("duckdb:///")).exists()
    report = load(source, to)
    assert report.counts == Counts(inserted=2, duplicates=1)
    assert "0 deleted, 1 duplicate in" in report.lines()[0]
    assert rows(to) == [("a", "last"), ("b", "only")]


def test_several_key_columns(to: str) -> None:
    load(frame(a=["x", "x"], b=[1, 2], v=[1, 1]), to, key=["a", "b"])
    assert load(frame(a=["x"], b=[2], v=[5]), to, key=["a", "b"]).counts == Counts(updated=1)


def test_columns_are_mapped_chosen_and_found_whatever_their_case(leads: Path, to: str) -> None:
    load(leads, to, mapping={"mail": "email"}, key=["mail"], columns=["name"])
    assert rows(to) == [("ann@example.com", "Ann"), ("bob@example.com", "Bob")]
    report = load(frame(MAIL=["ann@example.com"], Name=["Anna"]), to, key=["Mail"])
    assert report.counts == Counts(updated=1)


def test_new_columns_are_refused_added_or_left_out(to: str) -> None:
    load(frame(email=["a"], name=["x"]), to)
    wider = frame(email=["a", "b"], names=["y", "z"])
    assert 'no column "names". Did you mean name?' in refused(wider, to)
    assert load(wider, to, on_new_column="ignore").counts == Counts(inserted=1, unchanged=1)
    report = load(wider, to, on_new_column="add")
    assert (report.counts, report.notes) == (Counts(updated=2), ["leads: the column names is new"])
    assert rows(to) == [("a", "x", "y"), ("b", None, "z")]


def test_leading_zeros_plus_signs_and_long_numbers_stay_text(to: str, tmp_path: Path) -> None:
    source = written(tmp_path / "x.csv", "email,zip,phone,card,n\na,01234,+4930,4242424242424242,7\n")
    load(source, to)
    assert rows(to) == [("a", "01234", "+4930", "4242424242424242", 7)]


def test_text_goes_into_the_types_of_a_table_that_exists(to: str, tmp_path: Path) -> None:
    ask(to, 'CREATE TABLE leads (email VARCHAR, "at" TIMESTAMPTZ, day DATE, price DECIMAL(9,2), ok BOOLEAN, id UUID)')
    text = "email,at,day,price,ok,id\na,2026-01-31T12:00:00Z,2026-01-31,1.5,true,7d1e9b0e-0000-4000-8000-000000000001\n"
    load(written(tmp_path / "x.csv", text), to)
    assert ask(to, "SELECT (\"at\" AT TIME ZONE 'UTC')::VARCHAR, day, price, ok, id::VARCHAR FROM leads") == [
        ("2026-01-31 12:00:00", datetime.date(2026, 1, 31), Decimal("1.50"), True, text[-37:-1])
    ]


def test_a_value_that_does_not_fit_says_where_and_leaves_the_table_as_it_was(to: str, tmp_path: Path) -> None:
    ask(to, "CREATE TABLE leads AS SELECT 'a' AS email, DATE '2026-01-31' AS day")
    said = refused(written(tmp_path / "x.csv", "email,day\nb,2026-02-01\nc,secret\n"), to)
    assert "day" in said
    assert "line 3" in said
    assert "secret" not in said
    assert len(rows(to)) == 1


def test_a_column_of_a_table_that_is_there_is_widened_only_where_that_is_asked_for(to: str) -> None:
    load(frame(email=["a"], n=[1]), to)
    wider = frame(email=["b"], n=[Decimal("1.5")])
    message = refused(wider, to)
    assert 'row 1, column "n"' in message
    assert "--on-wider-type widen makes the column DECIMAL(38,12)" in message
    assert ask(to, "SELECT data_type FROM duckdb_columns() WHERE column_name = 'n'") == [("BIGINT",)]
    report = load(wider, to, on_wider_type="widen")
    assert "widened from BIGINT to DECIMAL" in report.notes[0]
    assert ask(to, "SELECT n FROM leads WHERE email = 'b'") == [(Decimal("1.5"),)]


def test_data_frames_keep_nulls_and_types(to: str) -> None:
    data = pd.DataFrame(
        {"email": ["a", "b"], "n": pd.array([1, None], "Int64"), "at": pd.to_datetime(["2026-01-31"] * 2)}
    )
    assert load(data, to).counts == Counts(inserted=2)
    assert ask(to, "SELECT n FROM leads ORDER BY email") == [(1,), (None,)]


def test_results_of_ours_are_sources(stripe: Stripe, to: str) -> None:
    result = stripe.extract("products")
    report = Stripe.load(result, to, "products", key=["id"])
    assert report.counts.inserted == result.to_arrow().num_rows > 0
    assert Stripe.load(result, to, "products", key=["id"]).counts == Counts(unchanged=report.counts.inserted)


def test_files_take_replace_and_append(leads: Path, tmp_path: Path) -> None:
    to = tmp_path / "out.csv"
    assert "--mode replace or append" in refused(leads, str(to))
    assert load(leads, str(to), mode="replace", key=[]).counts == Counts(inserted=2)
    assert load(leads, str(to), mode="append", key=[]).counts == Counts(inserted=2, unchanged=2)
    assert to.read_text().splitlines()[1:] == LEADS.splitlines()[1:] * 2


WRONG: dict[str, tuple[list[str], int, str]] = {
    "no_key": ([], 2, "upsert needs the key columns"),
    "unknown_key": (["--key", "mail"], 2, 'The key column "mail" does not come from'),
    "unknown_column": (["--key", "email", "--columns", "nam"], 2, "Did you mean name"),
    "unknown_map": (["--key", "email", "--map", "x=nam"], 2, 'no column "nam" for x'),
    "map_without_sign": (["--key", "email", "--map", "x"], 2, "--map x: write it as NAME=VALUE"),
    "update_makes_no_table": (["--key", "email", "--mode", "update"], 1, "There is no table main.leads"),
    "no_create": (["--key", "email", "--no-create"], 1, "There is no table main.leads"),
    "scope_without_mirror": (["--key", "email", "--scope", "a=b"], 2, "A scope says what mirror may delete"),
    "swap_without_replace": (["--key", "email", "--swap"], 2, "Only replace can swap"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_gets_one_clear_line(
    case: str, leads: Path, to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, code, message = WRONG[case]
    assert run(["load", str(leads), "--to", to, "--table", "leads", *arguments]) == code
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("*.duckdb*"))


def test_no_table_named(leads: Path, to: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["load", str(leads), "--to", to, "--key", "email"]) == 2
    assert "Name the table: --table crm.leads" in capsys.readouterr().err


def test_a_view_is_no_target(leads: Path, to: str) -> None:
    ask(to, "CREATE VIEW leads AS SELECT 1 AS email")
    assert "is a view" in refused(leads, to)


def test_a_broken_line_loads_nothing(to: str, tmp_path: Path) -> None:
    said = refused(written(tmp_path / "x.csv", "email,name\na,b\nc\nd,e\n"), to)
    assert "line 3" in said
    assert not Path(to.removeprefix("duckdb:///")).exists()


def test_the_command_reports_counts_and_fails_when_rows_were_rejected(
    to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM", to)
    source = written(tmp_path / "leads.csv", "email,name\na,x\n,y\n")
    assert run(["load", str(source), "--to", "${CRM}", "--table", "leads", "--key", "email"]) == 1
    said = capsys.readouterr().err
    assert "2 rows read, 1 inserted, 0 updated, 0 unchanged, 0 deleted, 1 rejected" in said
    assert "email is empty: line 3" in said
