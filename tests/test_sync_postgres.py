"""A sync into Postgres: the tables equal Stripe run after run, also when a run is killed."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from connector.errors import TargetError
from connector.sandbox import Sandbox
from connector.sync.report import SyncReport
from connector.sync.runfile import RunFile, TableRun
from tests.accounts import account
from tests.postgres_server import postgres_database, postgres_url
from tests.synced import (
    Place,
    assert_equal_to_stripe,
    query,
    read_by_changes,
    read_in_full,
    rows_of,
    sandbox,
    shared_sandbox,
)
from tests.test_sync_kills import kill_and_run_again

__all__ = ["postgres_database", "postgres_url", "read_by_changes", "read_in_full", "sandbox", "shared_sandbox"]

pytestmark = pytest.mark.usefixtures("read_in_full")

NAMES = ("customers", "invoices", "invoice_lines", "prices", "products")
KILLS, THOROUGH_KILLS = 12, 300


def run(sandbox: Sandbox, url: str, *names: str, key: str | None = None, **said: Any) -> SyncReport:
    with account(sandbox, key) as stripe:
        report = stripe.sync_by(RunFile(to=url, endpoints=names, **said))
    assert not report.failed
    return report


def counts(report: SyncReport) -> dict[str, tuple[int, int, int, int]]:
    return {each.endpoint: (each.inserted, each.updated, each.unchanged, each.deleted) for each in report.runs}


def test_after_a_run_every_table_equals_stripe_and_the_next_changes_nothing(
    shared_sandbox: Sandbox, postgres_database: str
) -> None:
    first = counts(run(shared_sandbox, postgres_database, *NAMES))
    assert_equal_to_stripe(postgres_database, shared_sandbox, NAMES)
    second = counts(run(shared_sandbox, postgres_database, *NAMES))
    assert second == {name: (0, 0, inserted, 0) for name, (inserted, *_) in first.items()}
    assert_equal_to_stripe(postgres_database, shared_sandbox, NAMES)
    types = query(
        postgres_database,
        "select column_name as name, data_type as kind from information_schema.columns "
        "where table_name = 'invoices' and column_name in ('id', 'amount_due', 'created', 'metadata', 'paid')",
    )
    assert {each["name"]: each["kind"] for each in types}.items() >= {
        "id": "text",
        "amount_due": "bigint",
        "created": "timestamp with time zone",
        "metadata": "jsonb",
    }.items()


def test_what_changed_came_or_went_arrives_in_the_next_run(sandbox: Sandbox, postgres_database: str) -> None:
    names = ("customers", "invoices", "invoice_lines")
    run(sandbox, postgres_database, *names)
    there = len(rows_of(postgres_database, "customers"))
    changed, gone, *_ = (each for each in sandbox.truth("customer") if not each.get("test_clock"))
    invoice = next(each for each in sandbox.truth("invoice") if each["lines"]["data"] and not each.get("test_clock"))
    sandbox.put("customer", {**changed, "name": 'Renamed \U0001f600 \\ \t "x"'})
    sandbox.put("customer", {**changed, "id": "cus_new"})
    sandbox.delete("customer", gone["id"])
    sandbox.delete("invoice", invoice["id"])
    assert counts(run(sandbox, postgres_database, *names))["customers"] == (1, 1, there - 2, 1)
    assert_equal_to_stripe(postgres_database, sandbox, names)
    assert rows_of(postgres_database, "customers", deleted=True).keys() == {(gone["id"],)}
    lines = {(invoice["id"], each["id"]) for each in invoice["lines"]["data"]}
    assert rows_of(postgres_database, "invoice_lines", deleted=True).keys() == lines


def test_prune_exclude_and_removal_work_as_anywhere(sandbox: Sandbox, postgres_database: str) -> None:
    tables = {
        "invoices": TableRun(where={"status": "paid"}, prune=True, deletions="remove"),
        "customers": TableRun(exclude=("email",)),
    }
    names = ("invoices", "customers")
    run(sandbox, postgres_database, *names, tables=tables)
    assert "email" not in next(iter(rows_of(postgres_database, "customers").values()))
    invoice = next(each for each in sandbox.truth("invoice") if each["status"] == "paid")
    sandbox.put("invoice", {**invoice, "status": "void"})
    assert counts(run(sandbox, postgres_database, *names, tables=tables))["invoices"][3] == 1
    paid = {(each["id"],) for each in sandbox.truth("invoice") if each["status"] == "paid"}
    assert rows_of(postgres_database, "invoices").keys() == paid
    assert not rows_of(postgres_database, "invoices", deleted=True)


def test_a_key_of_the_other_mode_is_refused_but_in_another_schema(
    shared_sandbox: Sandbox, postgres_database: str
) -> None:
    run(shared_sandbox, postgres_database, "products")
    before = query(postgres_database, "select * from products order by id")
    with pytest.raises(TargetError, match="Use another schema"):
        run(shared_sandbox, postgres_database, "products", key=shared_sandbox.live_key)
    assert query(postgres_database, "select * from products order by id") == before
    run(shared_sandbox, postgres_database, "products", key=shared_sandbox.live_key, schema="live data")
    assert query(postgres_database, 'select count(*) as n from "live data".products')[0]["n"]


def test_the_state_is_kept_in_tables_that_people_can_query(shared_sandbox: Sandbox, postgres_database: str) -> None:
    run(shared_sandbox, postgres_database, "products", "prices")
    history = query(postgres_database, "select endpoint, status, error from _sync_runs order by endpoint")
    names = ("_run", "prices", "products")
    assert history == [{"endpoint": name, "status": "succeeded", "error": None} for name in names]
    progress = query(postgres_database, "select endpoint, livemode, covered from _sync_progress order by endpoint")
    assert [(row["endpoint"], row["livemode"]) for row in progress][:2] == [("prices", False), ("products", False)]
    assert not query(postgres_database, "select * from _sync_lease")


def test_a_column_that_an_older_table_lacks_is_added_and_filled(
    shared_sandbox: Sandbox, postgres_database: str
) -> None:
    run(shared_sandbox, postgres_database, "customers")
    with psycopg.connect(postgres_database) as connection:
        connection.execute("alter table customers drop column email, add column mine integer default 7")
        connection.execute("create view names as select id, name from customers")
    report = run(shared_sandbox, postgres_database, "customers")
    assert "customers: the column email is new; this run fills it" in report.notes
    assert_equal_to_stripe(postgres_database, shared_sandbox, ["customers"])
    assert {row["mine"] for row in rows_of(postgres_database, "customers").values()} == {7}


@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("read_by_changes")
def test_killed_anywhere_and_run_again_the_tables_equal_stripe(
    sandbox: Sandbox, postgres_database: str, request: pytest.FixtureRequest
) -> None:
    kills = THOROUGH_KILLS if request.config.getoption("--thorough") else KILLS

    def fresh(_number: int | str) -> Place:
        with psycopg.connect(postgres_database) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return postgres_database

    landed = kill_and_run_again(sandbox, kills, fresh, in_full=False)
    assert landed["inside a commit"] >= kills // 4
    assert landed["after its end"] <= kills // 4
