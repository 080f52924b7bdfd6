"""Sync: tables that equal Stripe run after run, and say so when they cannot."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connector import Stripe
from connector.api.client import Client
from connector.api.spans import Spans
from connector.databases.duckdb.database import DuckDB
from connector.errors import ConfigError, TargetError
from connector.places import open_database
from connector.sandbox import Sandbox
from connector.sync import room
from connector.sync.journal import Journal, Run, State
from connector.sync.lease import Lease
from connector.sync.report import SyncReport
from connector.sync.runfile import RunFile, TableRun
from tests.accounts import account
from tests.fake_clock import FakeClock
from tests.postgres_server import postgres_database, postgres_url
from tests.synced import (
    Place,
    assert_equal_to_stripe,
    expected_rows,
    query,
    read_in_full,
    rows_of,
    sandbox,
    shared_sandbox,
)

__all__ = ["postgres_database", "postgres_url", "read_in_full", "sandbox", "shared_sandbox"]

pytestmark = pytest.mark.usefixtures("read_in_full")

ONE_EACH = [
    "balance",
    "customers",
    "events",
    "invoices",
    "invoice_lines",
    "payment_links",
    "payment_link_lines",
    "prices",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "stripe.duckdb"


@pytest.fixture
def place(postgres_database: str) -> str:
    """A Postgres, for what does not depend on the database: a run into it is the quickest."""
    return postgres_database


def run(sandbox: Sandbox, place: Place, *names: str, key: str | None = None, **settings: Any) -> SyncReport:
    """Sync these endpoints; the settings of a table are given by its name, the rest is the config's own."""
    tables = {name: settings.pop(name) for name in list(settings) if isinstance(settings[name], TableRun)}
    with account(sandbox, key) as stripe:
        return stripe.sync_by(RunFile(to=str(place), endpoints=tuple(names), tables=tables, **settings))


@contextlib.contextmanager
def journal(place: Place) -> Iterator[Journal]:
    """Open the journal that runs into a place have kept."""
    with open_database(str(place)) as database, database.transaction() as session:
        yield Journal(session, database.default_schema)


def of(report: SyncReport, name: str) -> Run:
    return next(each for each in report.runs if each.endpoint == name)


def counts(report: SyncReport, name: str) -> tuple[int, int, int, int]:
    found = of(report, name)
    return found.inserted, found.updated, found.unchanged, found.deleted


def some(sandbox: Sandbox, kind: str, fits: Callable[[dict[str, Any]], bool] = lambda _each: True) -> dict[str, Any]:
    return next(each for each in sandbox.truth(kind) if not each.get("test_clock") and fits(each))


def test_after_a_run_every_table_equals_stripe_and_the_next_changes_nothing(
    shared_sandbox: Sandbox, file: Path
) -> None:
    first = run(shared_sandbox, file, *ONE_EACH)
    assert {each.status for each in first.runs} == {"succeeded"}
    assert_equal_to_stripe(file, shared_sandbox, [name for name in ONE_EACH if name != "balance"])
    (balance,) = shared_sandbox.truth("balance")
    amounts = {(kind, each["currency"]): each["amount"] for kind in ("available", "pending") for each in balance[kind]}
    assert {key: row["amount"] for key, row in rows_of(file, "balance").items()}.items() >= amounts.items()
    second = run(shared_sandbox, file, *ONE_EACH)
    for name in ONE_EACH:
        assert counts(second, name) == (0, 0, of(first, name).inserted, 0)
    accounts = {row["_account_id"] for row in query(file, "select distinct _account_id from customers")}
    assert accounts == {shared_sandbox.account}
    history = query(file, "select status, count(*) as n from _sync_runs where endpoint <> '_run' group by 1")
    assert history == [{"status": "succeeded", "n": 2 * len(ONE_EACH)}]


def test_what_changed_came_or_went_arrives_in_the_next_run(sandbox: Sandbox, file: Path) -> None:
    run(sandbox, file, "customers")
    there = len(rows_of(file, "customers"))
    changed, gone, *_ = (each for each in sandbox.truth("customer") if not each.get("test_clock"))
    sandbox.put("customer", {**changed, "name": "Renamed"})
    sandbox.put("customer", {**changed, "id": "cus_new"})
    sandbox.delete("customer", gone["id"])
    report = run(sandbox, file, "customers")
    assert counts(report, "customers") == (1, 1, there - 2, 1)
    assert_equal_to_stripe(file, sandbox, ["customers"])
    assert rows_of(file, "customers", deleted=True).keys() == {(gone["id"],)}
    sandbox.put("customer", gone)
    assert counts(run(sandbox, file, "customers"), "customers") == (0, 1, there, 0), "it came back"
    assert_equal_to_stripe(file, sandbox, ["customers"])


def test_lines_that_leave_an_invoice_and_those_of_a_deleted_one_are_marked(sandbox: Sandbox, place: str) -> None:
    names = ["invoices", "invoice_lines"]
    run(sandbox, place, *names)
    cut = some(sandbox, "invoice", lambda each: len(each["lines"]["data"]) > 1)
    gone = some(sandbox, "invoice", lambda each: each["id"] != cut["id"])
    line = cut["lines"]["data"].pop()
    sandbox.put("invoice", cut)
    sandbox.delete("invoice", gone["id"])
    run(sandbox, place, *names)
    assert_equal_to_stripe(place, sandbox, names)
    of_gone = {(gone["id"], each["id"]) for each in gone["lines"]["data"]}
    assert rows_of(place, "invoice_lines", deleted=True).keys() == {(cut["id"], line["id"]), *of_gone}


def test_removed_invoices_take_their_lines_with_them(sandbox: Sandbox, place: str) -> None:
    said = TableRun(deletions="remove")
    names = ["invoices", "invoice_lines"]
    run(sandbox, place, *names, invoices=said, invoice_lines=said)
    sandbox.delete("invoice", some(sandbox, "invoice", lambda each: each["lines"]["data"])["id"])
    report = run(sandbox, place, *names, invoices=said, invoice_lines=said)
    assert (of(report, "invoices").deleted, of(report, "invoice_lines").deleted > 0) == (1, True)
    assert_equal_to_stripe(place, sandbox, names)
    assert not rows_of(place, "invoices", deleted=True)
    assert not rows_of(place, "invoice_lines", deleted=True)


def test_since_bounds_what_is_compared_also_for_lines(sandbox: Sandbox, place: str) -> None:
    names = ["invoices", "invoice_lines"]
    run(sandbox, place, *names)
    invoices = list(sandbox.truth("invoice"))
    old, young = invoices[-1], invoices[0]
    since = str(invoices[len(invoices) // 2]["created"])
    lines = len(rows_of(place, "invoice_lines"))
    sandbox.delete("invoice", old["id"])
    sandbox.delete("invoice", young["id"])
    report = run(sandbox, place, *names, since=since)
    assert rows_of(place, "invoices", deleted=True).keys() == {(young["id"],)}
    gone = len(young["lines"]["data"])
    assert (of(report, "invoice_lines").deleted, len(rows_of(place, "invoice_lines"))) == (gone, lines - gone)
    assert of(report, "invoices").rows_read < len(invoices)


def test_prune_marks_what_no_longer_matches_with_its_lines(sandbox: Sandbox, place: str) -> None:
    said = TableRun(where={"status": "paid", "amount_due": {"gt": 0}}, prune=True)
    names = ["invoices", "invoice_lines"]
    run(sandbox, place, *names, invoices=said)

    def paid() -> set[tuple[str]]:
        return {(each["id"],) for each in sandbox.truth("invoice") if each["status"] == "paid" and each["amount_due"]}

    assert rows_of(place, "invoices").keys() == paid()
    assert {key[0] for key in rows_of(place, "invoice_lines")} <= {key[0] for key in paid()}
    changed = some(sandbox, "invoice", lambda each: each["status"] == "paid" and each["amount_due"] > 0)
    sandbox.put("invoice", {**changed, "status": "void"})
    report = run(sandbox, place, *names, invoices=said)
    assert of(report, "invoices").deleted == 1
    assert rows_of(place, "invoices").keys() == paid()
    assert of(report, "invoice_lines").deleted == len(changed["lines"]["data"])


def test_a_parent_bounds_its_children_and_their_comparison(sandbox: Sandbox, place: str) -> None:
    names = ["payment_links", "payment_link_lines"]
    run(sandbox, place, *names)
    first, second, *_ = sandbox.truth("payment_link")
    all_lines = len(rows_of(place, "payment_link_lines"))
    for link in (first, second):
        link["line_items"]["data"].pop()
        sandbox.put("payment_link", link)
    report = run(sandbox, place, *names, payment_link_lines=TableRun(where={"payment_link": first["id"]}))
    assert (of(report, "payment_link_lines").deleted, len(rows_of(place, "payment_link_lines"))) == (1, all_lines - 1)


def test_columns_left_out_are_not_written(shared_sandbox: Sandbox, place: str) -> None:
    run(shared_sandbox, place, "customers", customers=TableRun(exclude=("email", "name")))
    row = next(iter(rows_of(place, "customers").values()))
    assert not {"email", "name"} & row.keys()
    assert "phone" in row


def test_events_that_stripe_no_longer_shows_stay(sandbox: Sandbox, place: str) -> None:
    run(sandbox, place, "events")
    event = some(sandbox, "event")
    sandbox.delete("event", event["id"])
    report = run(sandbox, place, "events")
    assert (of(report, "events").deleted, (event["id"],) in rows_of(place, "events")) == (0, True)


def test_clocks_that_go_back_lose_nothing_and_mark_nothing(sandbox: Sandbox, file: Path) -> None:
    run(sandbox, file, "products")
    with duckdb.connect(file) as connection:  # as a computer would have written whose clock was an hour ahead
        connection.execute("update products set _changed_at = now() + interval 1 hour")
        connection.execute("update products set _synced_at = now() + interval 1 hour")
    gone, changed, *_ = sandbox.truth("product")
    sandbox.delete("product", gone["id"])
    sandbox.put("product", {**changed, "name": "Renamed"})
    assert counts(run(sandbox, file, "products"), "products")[1::2] == (1, 1)
    assert_equal_to_stripe(file, sandbox, ["products"])
    sandbox.put("product", gone)
    run(sandbox, file, "products")
    assert_equal_to_stripe(file, sandbox, ["products"])


def test_a_stopped_pass_is_taken_up_where_it_is_missing_and_everything_is_read(sandbox: Sandbox, place: str) -> None:
    run(sandbox, place, "customers")
    created = sorted(each["created"] for each in sandbox.truth("customer"))
    low, high = created[len(created) // 3], created[2 * len(created) // 3]
    leave_stopped(sandbox, place, Spans.of([(0, low), (high, 2**40)]))
    gone = some(sandbox, "customer", lambda each: each["created"] > high)
    sandbox.delete("customer", gone["id"])
    before = len(sandbox.requests)
    report = run(sandbox, place, "customers")
    assert of(report, "customers").deleted == 1
    assert_equal_to_stripe(place, sandbox, ["customers"])
    lists = [each for each in sandbox.requests[before:] if each.path == "/v1/customers"]
    assert len(lists) >= 3
    assert not progress(sandbox, place, "customers").covered.missing(0, 2**40).parts


def progress(sandbox: Sandbox, place: Place, name: str) -> State:
    with journal(place) as opened:
        return opened.progress(sandbox.account)[name]


def leave_stopped(sandbox: Sandbox, place: Place, covered: Spans) -> None:
    """Leave the customers as a run does that was stopped when it had read these spans."""
    with journal(place) as opened:
        state = opened.progress(sandbox.account)["customers"]
        opened.save_progress(sandbox.account, replace(state, covered=covered), livemode=False)


def test_a_whole_run_remembers_as_of_when_it_is_and_no_event(sandbox: Sandbox, place: str) -> None:
    now = sandbox.clock.now()
    run(sandbox, place, "products", "payment_links", "payment_link_lines")
    for name in ("products", "payment_links", "payment_link_lines"):
        as_of = progress(sandbox, place, name).as_of
        assert as_of is not None
        assert now - 2 <= as_of <= sandbox.clock.now()
    asked = {each.path for each in sandbox.requests}
    assert "/v1/events" not in asked


@pytest.mark.parametrize(("said", "begins_anew"), [(TableRun(exclude=("email",)), True), (TableRun(), False)])
def test_a_stopped_pass_of_other_columns_begins_anew_and_says_so(
    said: TableRun, begins_anew: bool, sandbox: Sandbox, place: str
) -> None:
    run(sandbox, place, "customers")
    created = sorted(each["created"] for each in sandbox.truth("customer"))
    leave_stopped(sandbox, place, Spans.of([(created[len(created) // 2], 2**40)]))
    before = len(sandbox.requests)
    report = run(sandbox, place, "customers", customers=said)
    assert any("customers: read from the start" in note for note in report.notes) == begins_anew
    lists = [each for each in sandbox.requests[before:] if each.path == "/v1/customers"]
    assert ("created" in str(lists[0])) != begins_anew


def test_state_of_an_earlier_version_begins_anew_and_says_so(sandbox: Sandbox, file: Path) -> None:
    run(sandbox, file, "customers")
    with duckdb.connect(file) as connection:
        connection.execute("ALTER TABLE _sync_progress DROP COLUMN as_of")
        connection.execute("ALTER TABLE _sync_progress DROP COLUMN fingerprint")
        connection.execute("ALTER TABLE _sync_progress ADD COLUMN position VARCHAR")
        connection.execute("UPDATE _sync_progress SET covered = '[[5,9]]'")
    report = run(sandbox, file, "customers")
    assert any("customers: read from the start" in note for note in report.notes)
    assert progress(sandbox, file, "customers").as_of is not None


def test_full_and_reset_forget_the_progress_of_the_own_account_only(
    sandbox: Sandbox, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(sandbox, place, "products")
    with journal(place) as opened:
        opened.save_progress("acct_other", State("products", as_of=5), livemode=False)
    run(sandbox, place, "products", full=True)
    (tmp_path / "sync.toml").write_text(f"to = '{place}'\nendpoints = ['products']\n", encoding="utf-8")
    monkeypatch.setenv("STRIPE_API_KEY", sandbox.key)
    monkeypatch.setenv("STRIPE_API_BASE", sandbox.url)
    Stripe.reset(tmp_path / "sync.toml", "products")
    assert progress(sandbox, place, "products") == State("products")
    with journal(place) as opened:
        assert opened.progress("acct_other")["products"].as_of == 5


def test_reset_takes_the_account_of_its_config_where_the_key_may_not_read_it(
    sandbox: Sandbox, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(sandbox, place, "products")
    with journal(place) as opened:
        opened.save_progress("acct_other", State("products", as_of=5), livemode=False)
    config = f"to = '{place}'\naccount = '{sandbox.account}'\nendpoints = ['products']\n"
    (tmp_path / "sync.toml").write_text(config, encoding="utf-8")
    monkeypatch.setenv("STRIPE_API_KEY", "rk_test_read_products")
    monkeypatch.setenv("STRIPE_API_BASE", sandbox.url)
    Stripe.reset(tmp_path / "sync.toml", "products")
    assert progress(sandbox, place, "products") == State("products")


def test_forgotten_progress_does_not_forget_whether_rows_are_live(shared_sandbox: Sandbox, place: str) -> None:
    run(shared_sandbox, place, "products", key=shared_sandbox.live_key)
    with journal(place) as opened:
        opened.forget(shared_sandbox.account, ["products"])
    with pytest.raises(TargetError, match="Use another schema or another file"):
        run(shared_sandbox, place, "products", key=shared_sandbox.key)


# Accounts


@pytest.mark.parametrize("live_first", [True, False])
def test_live_and_test_keys_do_not_share_tables(live_first: bool, shared_sandbox: Sandbox, file: Path) -> None:
    keys = [shared_sandbox.key, shared_sandbox.live_key]
    first, second = reversed(keys) if live_first else keys
    run(shared_sandbox, file, "products", key=first)
    before = query(file, "select * from products order by id")
    with pytest.raises(TargetError, match="Use another schema or another file"):
        run(shared_sandbox, file, "products", key=second)
    assert query(file, "select * from products order by id") == before
    assert not run(shared_sandbox, file, "products", key=second, schema="other").failed


def test_a_key_that_may_not_read_its_account_names_the_setting(shared_sandbox: Sandbox, file: Path) -> None:
    with pytest.raises(ConfigError, match="account in the config or of the connection, or STRIPE_ACCOUNT"):
        run(shared_sandbox, file, "customers", key="rk_test_read_customers")
    assert not file.exists()


def test_a_config_names_the_account_for_a_key_that_may_not_read_it(
    shared_sandbox: Sandbox, file: Path, tmp_path: Path
) -> None:
    config = tmp_path / "run.toml"
    config.write_text(f'to = "{file.as_posix()}"\naccount = "{shared_sandbox.account}"\nendpoints = ["coupons"]\n')
    before = len(shared_sandbox.requests)
    with Stripe(key="rk_test_read_coupons", api_base=shared_sandbox.url) as stripe:
        assert not stripe.sync(config).failed
    assert "/v1/account" not in {each.path for each in shared_sandbox.requests[before:]}
    assert_equal_to_stripe(file, shared_sandbox, ["coupons"])


def test_a_key_that_may_only_read_what_it_syncs_is_enough_where_the_account_is_named(
    shared_sandbox: Sandbox, place: str
) -> None:
    before = len(shared_sandbox.requests)
    with with_account(shared_sandbox, "rk_test_read_customers") as stripe:
        assert not stripe.sync(["customers"], to=place).failed
    assert "/v1/account" not in {each.path for each in shared_sandbox.requests[before:]}
    assert_equal_to_stripe(place, shared_sandbox, ["customers"])


# Partial failure


def with_account(sandbox: Sandbox, key: str) -> Stripe:
    return Stripe(key=key, api_base=sandbox.url, account=sandbox.account, max_rps=100_000, max_rps_per_endpoint=100_000)


@pytest.mark.parametrize(("everything", "status"), [(True, "skipped"), (False, "failed")])
def test_what_the_key_may_not_read_is_named_and_the_others_load(
    everything: bool, status: str, shared_sandbox: Sandbox, place: str
) -> None:
    names = () if everything else ("charges", "customers")
    with with_account(shared_sandbox, "rk_test_read_customers") as stripe:
        report = stripe.sync_by(RunFile(to=place, endpoints=names, everything=everything))
    assert of(report, "customers").status == "succeeded"
    assert (of(report, "charges").status, "GET /v1/charges" in (of(report, "charges").error or "")) == (status, True)
    assert bool(report.failed) == (not everything)
    assert_equal_to_stripe(place, shared_sandbox, ["customers"])
    (row,) = query(place, "select status, error from _sync_runs where endpoint = 'charges'")
    assert row == {"status": status, "error": of(report, "charges").error}


@pytest.mark.parametrize("fault", ["429", "503"])
def test_a_storm_in_the_middle_of_a_list_fails_and_marks_nothing(fault: str, sandbox: Sandbox, place: str) -> None:
    run(sandbox, place, "customers", "products")
    there = rows_of(place, "customers").keys()
    sandbox.fail(fault, "GET /v1/customers", nth=2, times=100_000)
    with account(sandbox, total_seconds=3, clock=FakeClock()) as stripe:
        report = stripe.sync_by(RunFile(to=place, endpoints=("customers", "products")))
    assert [each.endpoint for each in report.failed] == ["customers"]
    assert rows_of(place, "customers").keys() == there
    assert counts(report, "products")[0::3] == (0, 0)


def test_children_that_cannot_be_read_stop_neither_their_parents_nor_lose_a_row(sandbox: Sandbox, place: str) -> None:
    names = ["payment_links", "payment_link_lines"]
    run(sandbox, place, *names)
    lines = rows_of(place, "payment_link_lines").keys()
    link = some(sandbox, "payment_link")
    sandbox.put("payment_link", {**link, "active": not link["active"]})
    sandbox.fail("503", "GET /v1/payment_links/{payment_link}/line_items", nth=3, times=100_000)
    with account(sandbox, total_seconds=1, clock=FakeClock()) as stripe:
        report = stripe.sync_by(RunFile(to=place, endpoints=tuple(names)))
    assert (of(report, "payment_links").status, of(report, "payment_links").updated) == ("succeeded", 1)
    assert of(report, "payment_link_lines").status == "failed"
    assert rows_of(place, "payment_link_lines").keys() == lines


# Schema


def test_a_column_that_an_older_table_lacks_is_added_filled_and_announced(shared_sandbox: Sandbox, file: Path) -> None:
    run(shared_sandbox, file, "customers")
    with duckdb.connect(file) as connection:
        connection.execute("alter table customers drop column email")
        connection.execute("alter table customers add column mine integer default 7")
    report = run(shared_sandbox, file, "customers")
    assert "customers: the column email is new; this run fills it" in report.notes
    assert_equal_to_stripe(file, shared_sandbox, ["customers"])
    assert {row["mine"] for row in rows_of(file, "customers").values()} == {7}


# The lease


def hold(file: Path, lease: Lease) -> None:
    """Let another run hold the lease; its heartbeat counts from now."""
    with DuckDB(str(file)).transaction() as session:
        memory = Journal(session, "main")
        memory.prepare()
        memory.release(lease.run_id)
        assert memory.take_lease(lease) is None
        later = "UPDATE main._sync_lease SET heartbeat_at = heartbeat_at + to_seconds(?)"
        session.execute(later, [lease.heartbeat_at])


def test_a_second_run_says_which_run_holds_the_target_and_leaves(sandbox: Sandbox, file: Path) -> None:
    hold(file, Lease("theirs", "elsewhere", 4711))
    with pytest.raises(TargetError, match=r"run theirs \(process 4711 on elsewhere\) is syncing into .*lock_wait"):
        run(sandbox, file, "products")


def test_a_second_run_waits_as_long_as_it_was_told(
    sandbox: Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(file, Lease("theirs", "elsewhere", 4711))

    def ended(_seconds: float) -> None:
        with DuckDB(str(file)).transaction() as session:
            Journal(session, "main").release("theirs")

    monkeypatch.setattr("connector.sync.leased.time.sleep", ended)
    assert not run(sandbox, file, "products", lock_wait_seconds=60.0).failed


def test_a_lease_of_a_run_that_is_gone_is_taken_over_and_told(sandbox: Sandbox, file: Path) -> None:
    hold(file, Lease("theirs", "elsewhere", 4711, -1000.0))
    report = run(sandbox, file, "products")
    assert any("run theirs" in note and "goes on from there" in note for note in report.notes)
    with DuckDB(str(file)).transaction() as session:
        assert Journal(session, "main").lease() is None


@pytest.mark.parametrize("renewed", [True, False])
def test_a_lease_from_the_future_is_watched_and_taken_only_if_nobody_renews_it(
    renewed: bool, sandbox: Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(file, Lease("theirs", "elsewhere", 4711, 864_000.0))
    passed = [0.0]

    def sleep(_seconds: float) -> None:
        passed[0] += 30.0
        if renewed:
            with DuckDB(str(file)).transaction() as session:
                session.execute("UPDATE main._sync_lease SET heartbeat_at = heartbeat_at + to_seconds(30)")

    monkeypatch.setattr("connector.sync.leased.time.sleep", sleep)
    monkeypatch.setattr("connector.sync.lease.time.monotonic", lambda: passed[0])
    if renewed:
        with pytest.raises(TargetError, match=r"run theirs .* is syncing"):
            run(sandbox, file, "products")
    else:
        assert any("run theirs" in note for note in run(sandbox, file, "products").notes)
    assert 60 <= passed[0] <= 200


def test_a_run_that_waits_for_long_is_not_pushed_aside(
    sandbox: Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.sync.leased.RENEW_SECONDS", 0.01)
    waited: list[object] = []

    def heartbeat() -> object:
        with DuckDB(str(file)).transaction() as session:
            return session.rows("SELECT heartbeat_at FROM main._sync_lease")

    def wait_for_a_heartbeat(name: str, run: Run) -> None:
        if name == "products" and run.status == "running" and not waited:
            first = heartbeat()
            until = time.monotonic() + 30
            while heartbeat() == first and time.monotonic() < until:
                continue
            waited.append(heartbeat() != first)

    with account(sandbox) as stripe:
        assert not stripe.sync(["products"], to=str(file), watch=wait_for_a_heartbeat).failed
    assert waited == [True]


def test_a_run_whose_lease_was_taken_over_stops_writing(
    sandbox: Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.sync.run.AT_ONCE", 1)

    def take_over(name: str, _run: Run) -> None:
        if name == "customers":
            with DuckDB(str(file)).transaction() as session:
                session.execute("UPDATE main._sync_lease SET run_id = 'theirs'")

    with account(sandbox) as stripe, pytest.raises(TargetError, match=r"run theirs .* took over"):
        stripe.sync_by(RunFile(to=str(file), endpoints=("products", "customers", "coupons")), take_over)
    assert not query(file, "select id from customers")
    tables = {row["name"] for row in query(file, "select table_name as name from duckdb_tables()")}
    assert ("products" in tables, "coupons" in tables) == (True, False)
    with DuckDB(str(file)).transaction() as session:
        held = Journal(session, "main").lease()
    assert held is not None
    assert held.run_id == "theirs", "the lease of the other run stays"


def test_the_file_can_be_read_between_commits(sandbox: Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "COMMIT_ROWS", 50)
    seen: list[int] = []

    def look(name: str, _run: Run) -> None:
        if name == "customers":
            seen.append(query(file, "select count(*) as n from customers")[0]["n"])

    with account(sandbox) as stripe:
        stripe.sync(["customers"], to=str(file))
        stripe.sync(["customers"], to=str(file), watch=look)
    assert set(seen) == {len(expected_rows(sandbox, "customers"))}


def test_large_rows_do_not_wait_until_they_are_many(
    sandbox: Sandbox, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "COMMIT_BYTES", 50_000)
    inserted: set[int] = set()
    with account(sandbox) as stripe:
        stripe.sync(["customers"], to=place, watch=lambda _, run: inserted.add(run.inserted))
    assert len(inserted) > 2


def test_an_error_before_the_first_table_gives_the_lease_back(
    sandbox: Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_arguments: object, **_named: object) -> None:
        raise KeyboardInterrupt

    with account(sandbox) as stripe:
        api = stripe._api()
        own = api.client.get("/v1/account")
        monkeypatch.setattr(Client, "get", lambda _self, url, *_a, **_n: own if "account" in url else stopped())
        with pytest.raises(KeyboardInterrupt):
            stripe.sync(["products"], to=str(file))
    monkeypatch.undo()
    assert not run(sandbox, file, "products").failed
