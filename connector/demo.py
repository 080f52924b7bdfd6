"""The first minute: a sandbox starts, lists are read, tables are shown. Alone joins the sandbox and the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from connector.currencies import major
from connector.errors import UsageError
from connector.progress import Progress
from connector.sandbox import Options, Sandbox, SandboxError, serve_forever
from connector.show import console, preview, table
from connector.stripe import Stripe

if TYPE_CHECKING:
    import pyarrow as pa

TABLES = ("customers", "products", "prices", "subscriptions", "invoices", "invoice_lines", "charges", "refunds",
          "payouts", "balance")  # fmt: skip
_SHOWN_ROWS = 5
_NEXT = """
Next, with the sandbox (it runs until Ctrl-C):

  connector sandbox --port 12111
  export STRIPE_API_KEY=sk_test_sandbox STRIPE_API_BASE=http://127.0.0.1:12111
  connector extract invoices --where status=paid --where 'created>=monthstart-1d' --to invoices.csv

or with your own account (a restricted key that may only read is enough):

  export STRIPE_API_KEY=rk_test_…
  connector check
  connector extract customers --to customers.xlsx
"""


def demo(seed: int = 1) -> None:
    """Start a sandbox, read its everyday tables and show them."""
    say = console().print
    with Sandbox(seed=seed) as sandbox, Stripe(key=sandbox.key, api_base=sandbox.url) as stripe:
        say(f"A sandbox of a small business answers as Stripe does, at {sandbox.url}.")
        rows = {name: _read(stripe, name) for name in TABLES}
    table(["table", "rows", "columns"], [(name, f"{t.num_rows:,}", t.num_columns) for name, t in rows.items()], [1, 2])
    preview(rows["customers"].slice(0, _SHOWN_ROWS), "customers, the newest")
    say("invoices, the newest, in major units")
    table(["number", "status", "customer", "total", "currency"], _totals(rows["invoices"]), numbers=[3])
    preview(rows["balance"], "balance, in minor units as Stripe keeps it")
    click.echo(_NEXT)


def _read(stripe: Stripe, name: str) -> pa.Table:
    with Progress(name) as progress:
        return stripe.extract(name, progress=progress).to_arrow()


def _totals(invoices: pa.Table) -> list[tuple[Any, ...]]:
    """Return the newest finished invoices with their totals as people write them."""
    columns = ["number", "status", "customer_email", "total", "currency"]
    finished = [row for row in invoices.select(columns).to_pylist() if row["number"]]
    return [
        (row["number"], row["status"], row["customer_email"], major(row["total"], row["currency"]), row["currency"])
        for row in finished[:_SHOWN_ROWS]
    ]


def run_sandbox(settings: Mapping[str, Any]) -> None:
    """Run a sandbox until Ctrl-C, having said how to reach it."""
    given = {name: value for name, value in settings.items() if value is not None}
    try:
        serve_forever(Options(**given), _announce)
    except SandboxError as error:
        raise UsageError(f"The sandbox cannot start: {error}") from error


def _announce(sandbox: Sandbox) -> None:
    click.echo(
        f"The sandbox answers at {sandbox.url} until Ctrl-C.\n\n"
        f"  export STRIPE_API_KEY={sandbox.key} STRIPE_API_BASE={sandbox.url}\n"
        "  connector check\n"
    )
