"""SQL over Stripe: the answer is DuckDB's over everything, with the calls that it needs; what is wrong costs none."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import pandas as pd
import pytest

from connector import ConnectorError, Stripe
from connector.cli.app import run
from connector.sandbox import Sandbox
from tests.accounts import NOW, account
from tests.fake_clock import FakeClock

Row = dict[str, Any]


@pytest.fixture
def calls(shared_sandbox: Sandbox) -> Any:
    """The calls of one test, as they are made: path and query."""
    known = {id(each): each for each in shared_sandbox.requests}  # held, so that no later one gets the id of another

    class Calls(list[str]):
        def __call__(self) -> list[str]:
            made = [each for each in shared_sandbox.requests if id(each) not in known]
            texts = [f"{each.path}?{unquote(each.query)}".removeprefix("/v1/") for each in made]
            return [text.replace("&limit=100", "").replace("?limit=100", "").rstrip("?") for text in texts]

    return Calls()


def rows(stripe: Stripe, sql: str, **options: Any) -> list[Row]:
    found: list[Row] = stripe.query(sql, **options).to_arrow().to_pylist()
    return found


def value(stripe: Stripe, sql: str, **options: Any) -> Any:
    ((found,),) = [row.values() for row in rows(stripe, sql, **options)]
    return found


def refused(stripe: Stripe, calls: Any, sql: str, **options: Any) -> str:
    """Return the one line that a query is refused with, before any call."""
    with pytest.raises(ConnectorError) as caught:
        stripe.query(sql, **options)
    assert calls() == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The calls that are made


def test_a_filter_of_stripes_is_sent_and_the_rest_is_decided_here(stripe: Stripe, calls: Any) -> None:
    found = rows(stripe, "select id, total from invoices where status = 'open' and total > 100000")
    assert {call.partition("&")[0] for call in calls()} == {"invoices?status=open"}
    everything = rows(stripe, "select id, total, status from invoices")
    assert found == [
        {"id": r["id"], "total": r["total"]} for r in everything if r["status"] == "open" and r["total"] > 100000
    ]


def test_an_id_is_retrieved(stripe: Stripe, calls: Any) -> None:
    ident = value(stripe, "select min(id) from customers")
    before = len(calls())
    assert value(stripe, f"select count(*) from customers where id = '{ident}' and not livemode") == 1
    assert calls()[before:] == [f"customers/{ident}"]


def test_several_values_are_a_list_each(stripe: Stripe, calls: Any) -> None:
    value(stripe, "select count(*) from invoices where status in ('draft', 'void')")
    assert calls() == ["invoices?status=draft", "invoices?status=void"]


def test_or_of_one_column_is_any_of_its_values(stripe: Stripe, calls: Any) -> None:
    value(stripe, "select count(*) from invoices where (status = 'draft' or status = 'void') and total >= 0")
    assert calls() == ["invoices?status=draft", "invoices?status=void"]


def test_duckdb_works_out_what_a_column_stands_against(stripe: Stripe, calls: Any) -> None:
    value(stripe, "select count(*) from charges where created >= date '2026-11-02' - interval 2 day")
    assert calls() == ["charges?created[gte]=1793404800"]


def test_a_table_that_stands_twice_is_read_for_both_places_and_each_row_counts_once(stripe: Stripe, calls: Any) -> None:
    sql = (
        "select (select count(*) from invoices where status = 'open'),"
        " (select count(*) from invoices where created >= '2026-10-25'), (select count(*) from invoices i"
        " join invoices j using (id) where i.status = 'open' and j.status = 'open')"
    )
    found = [*rows(stripe, sql)[0].values()]
    assert {call.partition("&")[0] for call in calls()} == {"invoices?status=open", "invoices?created[gte]=1792886400"}
    everything = rows(stripe, "select status, created >= '2026-10-25' as recent from invoices")
    opened = sum(row["status"] == "open" for row in everything)
    assert found == [opened, sum(row["recent"] for row in everything), opened]


def test_a_condition_goes_through_a_cte_that_only_selects(stripe: Stripe, calls: Any) -> None:
    value(stripe, "with r as (select id, status as s from invoices) select count(*) from r where s = 'void'")
    assert calls() == ["invoices?status=void"]


@pytest.mark.parametrize(
    "sql",
    [
        "with r as (select distinct status as s from invoices) select count(*) from r where s = 'void'",
        "with r as (select status as s from invoices limit 5) select count(*) from r where s = 'void'",
        "with r as (select status as s, row_number() over () from invoices) select count(*) from r where s = 'void'",
        "select count(*) from coupons c left join invoices i on i.status = 'void' where i.id is null",
        "select count(*) from coupons c full join invoices i on i.status = 'void'",
        "select count(*) from invoices i left join coupons c on i.status = 'void'",
        "select count(*) from invoices i anti join coupons c on i.status = 'void'",
        "select count(*) from invoices i asof join coupons c on i.created >= c.created where i.status = 'void'",
        "select count(*) from invoices i positional join coupons c where i.status = 'void'",
        "select count(*) from (select * from invoices using sample 50%) where status = 'void'",
        "select count(*) from invoices where status = 'void' or total > 5",
        "select count(*) from invoices where not (status = 'void')",
        "select count(*) from invoices i(status) where status = 'void'",
        "select count(*) from invoices where case when random() < 2 then 'void' end = status",
    ],
)
def test_nothing_is_sent_where_a_missing_row_could_change_the_answer(stripe: Stripe, sql: str) -> None:
    lines = stripe.query(sql).explain().splitlines()
    assert any(line.startswith("invoices: read whole") for line in lines) != ("left join invoices" in sql), lines


@pytest.mark.parametrize(
    "join",
    ["join", "left join", "right join", "semi join"],
)
def test_what_an_on_asks_of_the_side_that_it_drops_is_sent(stripe: Stripe, join: str) -> None:
    tables = ("invoices i", "coupons c") if join == "right join" else ("coupons c", "invoices i")
    plan = stripe.query(f"select count(*) from {tables[0]} {join} {tables[1]} on i.status = 'void'").explain()
    assert "status=void" in plan


def test_the_plan_says_what_stays_for_duckdb(stripe: Stripe) -> None:
    sql = """select * from invoices i join customers c on c.id = i.customer where i.status in ('open', 'paid')
             and i.total > 5 and (i.status = 'open' or i.total = 7) and c.name like 'A%' and c.created > i.created"""
    lines = [line.strip() for line in stripe.query(sql).explain().splitlines()]
    assert "DuckDB decides i.total > 5 and (i.status = 'open' OR i.total = 7)" in lines
    assert "DuckDB decides c.name LIKE 'A%'" in lines
    assert (
        "DuckDB" not in stripe.query("select * from charges where created >= 'today' and customer = 'cus_1'").explain()
    )


@pytest.mark.parametrize(
    "sql",
    [
        "select * from customers where id in (select customer from invoices where status = 'void')",
        "select * from customers c where exists (select 1 from invoices i where i.customer = c.id and status = 'void')",
        "select * from customers c where exists (select 1 from invoices where customer = c.id and status = 'void')",
        "with v as (select * from invoices) select * from customers where id in (select distinct i.customer from v, "
        "invoices i where i.status = 'void')",
    ],
)
def test_a_subquery_narrows_as_the_join_does_that_it_stands_for(stripe: Stripe, sql: str) -> None:
    assert "customers: follows id = invoices.customer" in stripe.query(sql).explain()


@pytest.mark.parametrize(
    "sql",
    [
        "select * from customers where id not in (select customer from invoices where status = 'void')",
        "select * from customers where id in (select customer from invoices where status = 'void') or delinquent",
        "select * from customers where id in (select max(customer) from invoices where status = 'void')",
        "select * from customers c where not exists (select 1 from invoices i where i.customer = c.id)",
        "select * from customers c where exists (select count(*) from invoices where customer = c.id and total > 5)",
        "select * from customers c where exists (select 1 from invoices c where c.customer = c.id and status = 'void')",
        "select * from customers where exists (select 1 from invoices where customer = id and status = 'void')",
    ],
)
def test_a_subquery_that_says_less_than_a_join_narrows_nothing(stripe: Stripe, sql: str) -> None:
    assert "customers: read whole" in stripe.query(sql).explain()


def test_a_value_that_a_filter_never_has_is_no_row_no_call_and_a_note(stripe: Stripe, calls: Any) -> None:
    result = stripe.query("select * from invoices where status = 'opened'")
    with pytest.warns(match='invoices.status is never "opened". Did you mean open'):
        assert result.to_arrow().num_rows == 0
    assert calls() == []


def test_a_filter_without_a_column_is_a_column_that_takes_one_value(stripe: Stripe, calls: Any) -> None:
    payout = value(stripe, "select min(id) from payouts where automatic")
    found = rows(stripe, f"select distinct payout from balance_transactions where payout = '{payout}' and amount <> 0")
    assert found == [{"payout": payout}]
    assert f"balance_transactions?payout={payout}" in calls()
    assert "payout" not in [row["column_name"] for row in rows(stripe, "describe balance_transactions")]


# Dates


@pytest.mark.parametrize(
    ("condition", "sent"),
    [
        ("created >= 'today'", "created[gte]"),
        ("created > 'monthstart-1m' and created <= 'yesterday'", "created[gte]"),
        ("created between 'monthstart' and 'today'", "created[lt]"),
        ("created = 'yesterday'", "created[lt]"),
        ("'monthstart' <= created", "created[gte]"),
        ("created::date = 'today'", "created[gte]"),
        ("date_trunc('month', created) = 'monthstart'", "created[lt]"),
    ],
)
def test_relative_dates_are_those_of_extract(stripe: Stripe, condition: str, sent: str) -> None:
    assert sent in stripe.query(f"select count(*) from charges where {condition}").explain()


def test_a_day_means_the_same_rows_as_in_extract(shared_sandbox: Sandbox) -> None:
    with Stripe(key=shared_sandbox.key, api_base=shared_sandbox.url, time_zone="Asia/Tokyo", max_rps=1e5) as stripe:
        for operator in ("=", "<", "<=", ">", ">="):
            token, since = "yearstart+289d", "yearstart+270d"
            where = [f"created>={since}", f"created{operator}{token}"]
            wanted = stripe.extract("charges", where, columns="id").to_arrow()["id"].to_pylist()
            sql = f"select id from charges where created >= '{since}' and created {operator} '{token}'"
            assert wanted
            assert sorted(row["id"] for row in rows(stripe, sql)) == sorted(wanted)
            day = f"created >= '{since}' and created::date {operator} '{token}'"
            assert value(stripe, f"select count(*) from charges where {day}") == len(wanted)


def test_a_text_that_reads_like_a_date_stays_a_text(stripe: Stripe) -> None:
    assert value(stripe, "select count(*) from customers where name = 'today' or 'now' = email") == 0


# What is refused


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select nam from customers", ["line 1, column 8", "name"]),
        ("select id from custmers", ["line 1, column 16", "Did you mean customers"]),
        ("select id\nfrom customers\nwher x", ["line 3"]),
        ("select * from charges where created >= 'monthstrat'", ["line 1, column 40", "monthstart"]),
        ("select * from charges where created >= 'monthstart-1x'", ["line 1, column 40", "units"]),
        ("select * from charges where amount > 'abc'", ["line 1, column 38", "whole number", "abc"]),
        ("select * from charges where created in ('today')", ["line 1, column 41"]),
        ("select * from charges where created > 'today' and nonsense = 1", ["line 1, column 51", "nonsense"]),
        ("select 1; select 2", ["2 statements"]),
        ("", ["no statement"]),
        ("attach 'x.duckdb'", ["--attach"]),
        ("copy customers to 'x.csv'", ["--to"]),
        ("set threads = 1", ["SET"]),
        ("install httpfs", ["no extension"]),
        ("pragma version", ["PRAGMA"]),
        ("pivot invoices on status using count(*)", ["PIVOT"]),
        ("insert into customers values (1)", ["INSERT"]),
        ("with x as (delete from customers returning *) select * from x", ["DELETE"]),
        ("from query('select * from customers')", ["query()"]),
        ("select * from read_csv('nowhere.csv')", ["nowhere.csv"]),
        ("select * from 'https://example.com/a.csv'", ["httpfs", "none is installed"]),
        ("select * from balance_transactions where payout < 'x'", ["payout", "takes payout = 'VALUE'"]),
        ("select payout from balance_transactions", ["payout", "takes payout = 'VALUE'"]),
        (
            "select * from billing_meter_event_summaries",
            ["start_time >= 'monthstart-1m' and start_time < 'monthstart'"],
        ),
    ],
)
def test_what_cannot_be_answered_is_one_line_that_points_into_the_sql(
    stripe: Stripe, calls: Any, sql: str, words: list[str]
) -> None:
    message = refused(stripe, calls, sql)
    for word in words:
        assert word in message
    assert "Candidate" not in message


def test_a_refused_call_is_an_error_with_stripes_reason_and_never_an_empty_table(sandbox: Sandbox) -> None:
    sandbox.fail("503", "GET /v1/charges", nth=1, times=1000)
    with (
        account(sandbox, total_seconds=0.3, clock=FakeClock()) as stripe,
        pytest.raises(ConnectorError, match="/v1/charges"),
    ):
        stripe.query("select count(*) from charges").to_arrow()


def test_a_query_stops_at_the_calls_that_it_may_make(stripe: Stripe, calls: Any) -> None:
    with pytest.raises(ConnectorError, match=r"stopped after 3 calls and 300 rows, 3 of the calls for charges"):
        stripe.query("select count(*) from charges", max_calls=3).to_arrow()
    assert len(calls()) == 3


def test_a_query_that_needs_as_many_calls_as_it_may_make_is_answered(stripe: Stripe, calls: Any) -> None:
    query = stripe.query("select count(*) from customers")
    query.to_arrow()
    needed = len(calls())
    assert stripe.query("select count(*) from customers", max_calls=needed).to_arrow().num_rows == 1
    with pytest.raises(ConnectorError, match=f"stopped after {needed - 1} calls"):
        stripe.query("select count(*) from customers", max_calls=needed - 1).to_arrow()


def test_the_values_of_a_join_are_asked_for_side_by_side_and_no_more_often_than_allowed() -> None:
    sql = """select count(*) from balance_transactions b join payouts p on b.payout = p.id
             where p.automatic and p.created >= '2026-09-01'"""
    with Sandbox(now=NOW, rps=0, latency_ms=50) as sandbox, account(sandbox) as stripe:
        stripe.query(sql).to_arrow()
        assert sandbox.stats()["most_at_once"] > 1
        before = sandbox.stats()["requests"]
        with pytest.raises(ConnectorError, match="stopped after 5 calls"):
            stripe.query(sql, max_calls=5).to_arrow()
        assert sandbox.stats()["requests"] <= before + 5


# Beside Stripe's tables


def test_frames_and_files_stand_beside_stripes_tables(stripe: Stripe, tmp_path: Path) -> None:
    frame = pd.DataFrame({"email": ["nobody@example.com"]})
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as crm:
        crm.execute("create table people as select 'nobody@example.com' as email")
    (tmp_path / "leads.csv").write_text("email\nnobody@example.com\n")
    sql = (
        f"select count(*) from leads join crm.people using (email) join '{tmp_path}/leads.csv' f using (email)"
        " anti join customers c on c.email = leads.email"
    )
    assert value(stripe, sql, tables={"leads": frame}, attach=tmp_path / "crm.duckdb") == 1
    with pytest.raises(ConnectorError, match="customers is a table of Stripe's"):
        stripe.query("select 1", tables={"customers": frame})
    with pytest.raises(ConnectorError, match=r"no file .*cmr.duckdb"):
        stripe.query("select 1", attach=tmp_path / "cmr.duckdb")


def test_an_attached_database_is_read_only(stripe: Stripe, tmp_path: Path, calls: Any) -> None:
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as crm:
        crm.execute("create table people as select 1 as id")
    message = refused(stripe, calls, "insert into crm.people values (2)", attach=tmp_path / "crm.duckdb")
    assert "INSERT" in message


def test_a_variable_of_python_is_no_table(stripe: Stripe, calls: Any) -> None:
    leads = pd.DataFrame({"email": ["x"]})
    assert leads is not None
    assert "leads" in refused(stripe, calls, "select * from leads")


def test_amounts_are_exact_in_every_currency(stripe: Stripe, calls: Any) -> None:
    sql = (
        "select major(1999, 'usd') || ' ' || major(5, 'JPY') || ' ' || major(1234, 'kwd') || ' ' || minor(19.99, 'eur')"
    )
    assert value(stripe, sql) == "19.990 5.000 1.234 1999"
    assert value(stripe, "select major(null, 'usd')") is None
    assert calls() == []


def test_what_there_is_is_told_without_a_call(stripe: Stripe, calls: Any) -> None:
    assert "invoices" in [row["name"] for row in rows(stripe, "show tables")]
    assert {"column_name": "email", "column_type": "VARCHAR"}.items() <= rows(stripe, "describe customers")[
        1
    ].items() or any(row["column_name"] == "email" for row in rows(stripe, "describe customers"))
    sql = "select count(*) from information_schema.columns where table_name = 'invoices'"
    assert value(stripe, sql) > 100
    assert calls() == []


def test_nothing_is_left_in_the_working_folder(stripe: Stripe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert value(stripe, "select count(*) from (select * from coupons order by random())") > 0
    assert list(tmp_path.iterdir()) == []


def test_what_has_planned_a_query_reads_it_and_goes_even_if_nobody_reads(
    stripe: Stripe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    connect, opened = duckdb.connect, iter(range(10))
    monkeypatch.setattr(duckdb, "connect", lambda *place, **options: (next(opened), connect(*place, **options))[1])
    result = stripe.query("select count(*) as n from coupons")
    assert "GET /v1/coupons" in result.explain()
    first = [batch.to_pylist() for batch in result]
    assert (next(opened), list(tmp_path.iterdir())) == (1, [])
    assert [batch.to_pylist() for batch in result] == first
    result = stripe.query("select count(*) as n from coupons")
    assert len(list(tmp_path.iterdir())) == 1
    del result
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_attached_is_held_only_while_it_is_read(stripe: Stripe, tmp_path: Path) -> None:
    file = tmp_path / "crm.duckdb"
    duckdb.connect(str(file)).close()
    result = stripe.query("select 1 as one", attach=file)
    with duckdb.connect(str(file)) as crm:
        crm.execute("create table people as select 1 as id")
    assert result.to_arrow().to_pylist() == [{"one": 1}]


def test_now_is_one_instant(stripe: Stripe) -> None:
    assert value(stripe, "select count(distinct now()) from coupons") == 1


def test_columns_of_one_name_are_told_apart(stripe: Stripe) -> None:
    assert stripe.query("select 1 as id, 2 as id, 3 as id_1").schema.names == ["id", "id_1", "id_1_1"]


# The command


def test_the_command_writes_explains_and_counts(
    shared_sandbox: Sandbox, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", shared_sandbox.key)
    monkeypatch.setenv("STRIPE_API_BASE", shared_sandbox.url)
    assert run(["query", "--explain", "select count(*) from invoices where status = 'void'"]) == 0
    assert "GET /v1/invoices?status=void" in capfd.readouterr().out
    assert run(["query", "select count(*) as n from coupons", "--to", str(tmp_path / "n.csv")]) == 0
    assert (tmp_path / "n.csv").read_text().startswith("n\n")
    assert "1 row, 1 request" in capfd.readouterr().err
    assert run(["query", "selec"]) == 2
    assert run(["query", "select count(*) from charges", "--max-calls", "1"]) == 1
