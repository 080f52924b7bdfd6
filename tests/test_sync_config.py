"""A sync's config: whatever is wrong with it is said in one clear line, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import Stripe
from connector.errors import UsageError
from connector.sync.runfile import RunFile, TableRun, read_runfile
from connector.sync.tasks import tasks_of

HEAD = 'to = "stripe.duckdb"\n'


@pytest.fixture
def nowhere() -> Iterator[Stripe]:
    """An account that nothing can be asked of."""
    with Stripe(key="sk_test_1", api_base="http://127.0.0.1:9") as stripe:
        yield stripe


def read(folder: Path, text: str, environ: dict[str, str] | None = None) -> RunFile:
    file = folder / "sync.toml"
    file.write_text(text, encoding="utf-8")
    return read_runfile(file, environ or {})


def test_a_config_says_where_to_what_and_how(tmp_path: Path) -> None:
    run = read(
        tmp_path,
        """
        to = "duckdb:///${FOLDER}/a.duckdb"
        since = 2024-01-01
        endpoints = ["customers", "invoices"]
        lock_wait = 2.5
        overlap = "90min"
        window = "2d"
        [sync.invoices]
        where = { created.gte = "2024-06-01" }
        exclude = ["customer_email"]
        deletions = "remove"
        [sync.charges]
        since = "monthstart"
        prune = true
        """,
        {"FOLDER": "files"},
    )
    assert (run.to, run.since, run.lock_wait_seconds) == (f"duckdb:///{tmp_path}/files/a.duckdb", "2024-01-01", 2.5)
    assert (run.overlap_seconds, run.window_seconds) == (5_400, 172_800)
    assert run.endpoints == ("customers", "invoices", "charges")
    assert run.table("customers") == TableRun(since="2024-01-01")
    assert run.table("invoices").where == {"created": {"gte": "2024-06-01"}}
    assert (run.table("invoices").deletions, run.table("invoices").exclude) == ("remove", ("customer_email",))
    assert (run.table("charges").since, run.table("charges").prune) == ("monthstart", True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('endpoints = "all"', "to is missing"),
        (HEAD, "endpoints is missing"),
        (HEAD + 'endpoint = ["customers"]', "endpoint.*endpoints"),
        (HEAD + 'endpoints = "customers"', "must be a list of names"),
        (HEAD + "endpoints = [1]", "must be a list of names"),
        ("to = 1\nendpoints = ['customers']", "to must be text"),
        (HEAD + 'endpoints = "all"\nlock_wait = "1m"', "lock_wait must be a number of seconds"),
        (HEAD + 'endpoints = "all"\nlock_wait = -1', "lock_wait must be a number of seconds"),
        (HEAD + 'endpoints = "all"\nlock_wait = true', "lock_wait must be a number of seconds"),
        (HEAD + 'endpoints = "all"\nlock_wait = nan', "lock_wait must be a number of seconds"),
        (HEAD + 'endpoints = "all"\noverlap = "soon"', 'overlap: "soon" is no duration'),
        (HEAD + 'endpoints = "all"\nwindow = "3 moons"', 'window: "3 moons" is no duration'),
        (HEAD + 'endpoints = "all"\nwindow = 3', "window must be text"),
        (HEAD + "sync = 1", "sync must be tables"),
        (HEAD + "[sync]\ninvoices = 1", "sync.invoices must be a table"),
        (HEAD + "[sync.invoices]\nwere = {}", "were.*where"),
        (HEAD + '[sync.invoices]\nwhere = "status=paid"', "where must be a table"),
        (HEAD + '[sync.invoices]\ndeletions = "removed"', "mark or remove.*remove"),
        (HEAD + '[sync.invoices]\nprune = "yes"', "prune must be true or false"),
        (HEAD + '[sync.invoices]\nexclude = "email"', "sync.invoices.exclude must be a list"),
        ('to = "${NOWHERE}"\nendpoints = "all"', "NOWHERE"),
        ("to = [", "not valid TOML"),
    ],
)
def test_what_is_wrong_with_its_shape_is_said_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"(?s)sync.toml.*{said}") as error:
        read(tmp_path, text)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('endpoints = ["custmers"]', "Did you mean customers"),
        ('endpoints = "all"\n[sync.custmers]', "Did you mean customers"),
        ('endpoints = ["invoice_lines"]', 'add "invoices" to endpoints'),
        ("[sync.invoices]\nwhere = { status = 'paid' }", "prune = true"),
        ("[sync.charges]\nwhere = { created.ne = 'today' }", "prune = true"),
        ("[sync.charges]\nwhere = { created = ['2026-01-01', '2026-03-01'] }", "prune = true"),
        ("[sync.invoices]\nwhere = { statsu = 'paid' }\nprune = true", "Did you mean status"),
        ("[sync.invoices]\nwhere = { id = 'in_1' }\nprune = true", "not about single ids"),
        ("[sync.invoices]\nwhere = { id = 'in_1' }", "not about single ids"),
        (
            "[sync.subscriptions]\n[sync.subscription_items]\nexclude = ['subscription']",
            "subscription tells",
        ),
        ("[sync.subscriptions]\n[sync.subscription_items]\nsince = 'today'", "since of subscriptions bounds it"),
        ("[sync.balance]\nsince = 'today'", "does not list balance by time"),
        ("[sync.invoices]\nexclude = ['id']", "id tells rows apart"),
        ("[sync.invoices]\nexclude = ['created']", "created tells rows apart or orders them"),
        ("[sync.invoices]\nexclude = ['customer_emial']", "Did you mean customer_email"),
        ("since = 'yesterdya'\nendpoints = ['customers']", "^since: .*yesterday"),
        ("[sync.billing_meter_event_summaries]", "needs a time window"),
    ],
)
def test_what_cannot_be_synced_is_refused_before_anything_is_sent(
    text: str, said: str, tmp_path: Path, nowhere: Stripe
) -> None:
    with pytest.raises(UsageError, match=said) as error:
        nowhere.sync_by(read(tmp_path, HEAD + text))
    assert str(error.value).splitlines()[0].endswith((".", "?")), "the first line says it all"


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("rows.csv", "is no database"),
        (":memory:", "is no database"),
        ("duckdb://stripe.duckdb", "A DuckDB file is written"),
        ("ducdb:///stripe.duckdb", "Did you mean duckdb"),
    ],
)
def test_a_target_that_cannot_be_synced_into_is_refused(to: str, said: str, nowhere: Stripe) -> None:
    with pytest.raises(UsageError, match=said):
        nowhere.sync(["customers"], to=to)


def test_an_endpoint_named_twice_is_read_once(nowhere: Stripe) -> None:
    tasks, _ = tasks_of(nowhere._api(), RunFile(to="a.duckdb", endpoints=("products", "products")))
    assert [task.name for task in tasks] == ["products"]


def test_all_leaves_out_what_needs_a_window_and_says_so(nowhere: Stripe) -> None:
    tasks, notes = tasks_of(nowhere._api(), RunFile(to="a.duckdb", everything=True))
    assert "billing_meter_event_summaries" not in [task.name for task in tasks]
    assert any("billing_meter_event_summaries" in note for note in notes)


def test_all_says_once_for_each_reason_which_tables_it_leaves_out(nowhere: Stripe) -> None:
    tasks, notes = tasks_of(nowhere._api(), RunFile(to="a.duckdb", everything=True))
    left_out = [name for note in notes for name in note.rpartition(": ")[2].split(", ")]
    assert sorted([*left_out, *(task.name for task in tasks)]) == list(nowhere._api().endpoints)
    reasons = [note.rpartition(": ")[0] for note in notes]
    assert len(reasons) == len(set(reasons)) < len(left_out)
