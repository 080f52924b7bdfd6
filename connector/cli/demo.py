"""The first minute: a sandbox starts, its business is synced into a file, questions are answered from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from connector.cli.show import table
from connector.errors import UsageError
from connector.installation import command
from connector.rows.money import divisor_sql

if TYPE_CHECKING:
    from connector.sandbox import Sandbox
    from connector.stripe import Stripe
    from connector.sync.journal import Run

FILE = "demo.duckdb"
TABLES = ("customers", "products", "subscriptions", "subscription_items", "invoices", "charges", "refunds", "payouts",
          "balance")  # fmt: skip
_CHANGED_CUSTOMERS = 3

REVENUE = f"""\
SELECT strftime(created, '%Y-%m') AS month, currency, count(*) AS charges,
       sum((amount_captured - amount_refunded) / ({divisor_sql("currency")}))::DECIMAL(18,2) AS revenue
FROM charges
WHERE status = 'succeeded' AND created >= (SELECT date_trunc('month', max(created)) - INTERVAL 2 MONTH FROM charges)
GROUP BY ALL ORDER BY month DESC, charges DESC, currency LIMIT 8"""  # noqa: S608
OPEN_INVOICES = f"""\
SELECT CASE WHEN due_date IS NULL OR due_date >= as_of THEN 'not due yet'
            WHEN due_date >= as_of - INTERVAL 30 DAY THEN 'up to 30 days late'
            ELSE 'more than 30 days late' END AS age,
       currency, count(*) AS invoices,
       sum(amount_remaining / ({divisor_sql("currency")}))::DECIMAL(18,2) AS owed
FROM invoices, (SELECT max(_changed_at) AS as_of FROM invoices)
WHERE status = 'open' AND _deleted_at IS NULL
GROUP BY ALL ORDER BY age, invoices DESC, currency LIMIT 8"""  # noqa: S608
CHURN = """\
SELECT strftime(canceled_at, '%Y-%m') AS month, count(*) AS canceled,
       avg(date_diff('day', created, canceled_at))::BIGINT AS days_on_average
FROM subscriptions
WHERE status = 'canceled' AND _deleted_at IS NULL
GROUP BY ALL ORDER BY month DESC LIMIT 5"""
QUESTIONS = {
    "How much came in, by month and currency?": REVENUE,
    "Which open invoices are how late?": OPEN_INVOICES,
    "How many subscriptions were canceled, and after how long?": CHURN,
}
_NEXT = """
Everything is in {file}, for any tool that speaks SQL:

  uvx --from duckdb-cli duckdb {file} "select status, count(*) from invoices group by 1"

A second `{demo}` shows a second run. Or take your own account; a restricted key that may only read is
enough:

  export STRIPE_API_KEY=rk_test_…
  {check}
  {init}
  {sync}
"""


@click.command(short_help="Try everything on a sandbox, without a key.")
@click.option("--seed", default=1, show_default=True, help="Another seed, another business.")
def demo(seed: int) -> None:
    """Try the connector on a sandbox of its own: no key, no account, nothing to set up."""
    show_demo(seed)


def show_demo(seed: int = 1, now: int | None = None) -> None:
    """Start a sandbox, sync its everyday tables into a file and answer questions; `now` is the sandbox's clock."""
    from connector.cli.progress import SyncProgress
    from connector.sandbox import Sandbox
    from connector.stripe import Stripe

    click.echo("A sandbox starts: a small business of the last two years, on a local Stripe.")
    with Sandbox(seed=seed, now=now) as sandbox, Stripe(key=sandbox.key, api_base=sandbox.url) as stripe:
        if _synced_before(sandbox):
            _change_a_little(sandbox, stripe)
        with SyncProgress(stripe) as watch:
            report = stripe.sync(TABLES, to=FILE, watch=watch)
    _show(report.runs)
    for question, sql in QUESTIONS.items():
        _answer(question, sql)
    lines = {name: command(name) for name in ("demo", "check", "init")}
    click.echo(_NEXT.format(file=FILE, sync=command("sync stripe.toml"), **lines))


def _synced_before(sandbox: Sandbox) -> bool:
    """Say whether the file holds this sandbox's data already; one that holds other data is left alone."""
    from connector.places import open_database
    from connector.sync.journal import Journal

    with open_database(FILE) as database:
        if not database.exists():
            return False
        with database.transaction() as session:
            journal = Journal(session, database.default_schema)
            accounts = journal.accounts() if journal.exists() else set()
    if accounts - {sandbox.account}:
        raise UsageError(f"{FILE} in this folder holds data of another account: run the demo in another folder.")
    return bool(accounts)


def _change_a_little(sandbox: Sandbox, stripe: Stripe) -> None:
    customers = [customer for customer in sandbox.truth("customer") if not customer.get("test_clock")]
    for customer in customers[:_CHANGED_CUSTOMERS]:
        form = {"email": f"new.{customer['email'] or 'address@example.com'}"}
        stripe.request("POST", f"/v1/customers/{customer['id']}", form=form, apply=True)
    stripe.request("DELETE", f"/v1/customers/{customers[_CHANGED_CUSTOMERS]['id']}", apply=True, allow="delete")
    click.echo(f"Meanwhile {_CHANGED_CUSTOMERS} customers have got another address, and one was deleted.")


def _show(runs: Sequence[Run]) -> None:
    rows = [
        (run.endpoint, f"{run.inserted:,}", f"{run.updated:,}", f"{run.unchanged:,}", f"{run.deleted:,}")
        for run in runs
    ]
    table([f"table in {FILE}", "new", "changed", "unchanged", "deleted"], rows, numbers=range(1, 5))


def _answer(question: str, sql: str) -> None:
    import duckdb

    with duckdb.connect(FILE, read_only=True) as connection:
        answer = connection.sql(sql).to_arrow_table()
    click.echo(question)
    rows = [list(row.values()) for row in answer.to_pylist()]
    table(answer.column_names, rows, numbers=range(answer.num_columns - 2, answer.num_columns))
