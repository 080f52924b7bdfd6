"""CSV as Europe and others write it: numbers with a comma, days before months."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from connector import Stripe
from connector.cli.app import run
from connector.errors import ConnectorError, UsageError
from tests.reading import opened, rows_of

EUROPE = (
    b"id;amount;paid;code;zip;note\n1;1.234,56;31.12.2024;0815;10115;1,5 kg\n2;-5;1.2.2024;4711;01067;\n3;;;;10117;x\n"
)


def test_numbers_and_days_are_read_where_all_of_a_column_is_written_so(tmp_path: Path) -> None:
    source = opened(tmp_path, "a.csv", EUROPE, decimal=",", date_format="dd.mm.yyyy")
    assert rows_of(source) == [
        ("1", "1234.56", "2024-12-31", "0815", "10115", "1,5 kg"),
        ("2", "-5", "2024-02-01", "4711", "01067", None),
        ("3", None, None, None, "10117", "x"),
    ]
    assert source.row_label(1) == "line 3"


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        ("dd.mm.yyyy", "31.12.2024", "2024-12-31"),
        ("mm/dd/yyyy", "12/31/2024", "2024-12-31"),
        ("%d-%m-%Y", "31-12-2024", "2024-12-31"),
        ("DD.MM.YYYY hh:mm:ss", "31.12.2024 23:59:01", "2024-12-31T23:59:01"),
        ("yyyymmdd", "20241231", "2024-12-31"),
        ("dd.mm.yyyy", "31.02.2024", "31.02.2024"),
        ("dd.mm.yyyy", "2024-12-31", "2024-12-31"),
    ],
)
def test_a_format_of_dates_is_written_as_people_or_programmers_do(
    tmp_path: Path, form: str, text: str, found: str
) -> None:
    assert rows_of(opened(tmp_path, "a.csv", f"a,b\n{text},x\n".encode(), date_format=form)) == [(found, "x")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decimal": ";"}, "The decimal sign is , or ."),
        ({"date_format": "dd.mm"}, '"dd.mm" is no date format: write it as dd.mm.yyyy'),
        ({"date_format": ""}, '"" is no date format'),
    ],
)
def test_a_notation_that_nobody_writes_is_refused(tmp_path: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        opened(tmp_path, "a.csv", EUROPE, **options)


def test_a_notation_says_nothing_about_other_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--date-format says nothing about jsonl files"):
        opened(tmp_path, "a.jsonl", b"{}", date_format="dd.mm.yyyy")


def test_a_load_makes_decimals_and_dates_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(EUROPE)
    to = f"{tmp_path}/a.duckdb"
    words = ["--to", to, "--table", "t", "--key", "id", "--decimal", ",", "--date-format", "dd.mm.yyyy"]
    assert run(["load", str(tmp_path / "a.csv"), *words]) == 0
    with duckdb.connect(to, read_only=True) as connection:
        rows = connection.execute("SELECT id, amount, paid, code, zip FROM t ORDER BY id").fetchall()
    assert rows == [
        (1, Decimal("1234.56"), date(2024, 12, 31), "0815", "10115"),
        (2, Decimal(-5), date(2024, 2, 1), "4711", "01067"),
        (3, None, None, None, "10117"),
    ]


def test_columns_that_look_like_it_are_named_with_the_option_that_reads_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(EUROPE)
    notes = Stripe.load(str(tmp_path / "a.csv"), f"{tmp_path}/a.duckdb", "t", key="id").notes
    assert [note for note in notes if "looks" in note] == [
        "amount is text; it looks as if --decimal , would read it as what it is.",
        "paid is text; it looks as if --date-format dd.mm.yyyy would read it as what it is.",
    ]


def test_a_value_that_does_not_fit_is_named_with_the_option_that_reads_it(tmp_path: Path) -> None:
    to = f"{tmp_path}/a.duckdb"
    with duckdb.connect(to) as connection:
        connection.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, amount DECIMAL(12,2))")
    (tmp_path / "a.csv").write_bytes(b"id;amount\n1;1.234,56\n")
    with pytest.raises(ConnectorError, match=r"line 2, column \"amount\": .* if --decimal , would read it\."):
        Stripe.load(str(tmp_path / "a.csv"), to, "t", key="id")
    Stripe.load(str(tmp_path / "a.csv"), to, "t", key="id", decimal=",")
    with duckdb.connect(to, read_only=True) as connection:
        assert connection.execute("SELECT amount FROM t").fetchall() == [(Decimal("1234.56"),)]


def test_times_keep_their_clock(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,at\n1,31.12.2024 08:30\n")
    Stripe.load(str(tmp_path / "a.csv"), f"{tmp_path}/a.duckdb", "t", key="id", date_format="dd.mm.yyyy hh:mm")
    with duckdb.connect(f"{tmp_path}/a.duckdb", read_only=True) as connection:
        ((at,),) = connection.execute("SELECT \"at\" AT TIME ZONE 'UTC' FROM t").fetchall()
    assert at == datetime(2024, 12, 31, 8, 30)  # noqa: DTZ001
