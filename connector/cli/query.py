"""The command that answers SQL over Stripe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.cli.options import Output, connection_options, output_options, progress, say

if TYPE_CHECKING:
    from connector.stripe import Stripe


@click.command(short_help="Answer SQL over Stripe, live.")
@click.argument("sql")
@click.option("--explain", is_flag=True, help="Print the calls that it would make, and make none.")
@click.option(
    "--max-calls", type=click.IntRange(min=1), default=500, show_default=True, metavar="N",
    help="Stop when so many calls have been made.",
)  # fmt: skip
@click.option(
    "--attach", multiple=True, type=click.Path(path_type=Path), metavar="FILE.duckdb",
    help="A DuckDB file whose tables are known as FILE.TABLE, read only; again for more.",
)  # fmt: skip
@output_options
@connection_options
def query(stripe: Stripe, output: Output, sql: str, *, explain: bool, **options: Any) -> None:
    """Answer one SELECT of DuckDB's over Stripe, with the calls that it needs; all endpoints are tables.

    SQL is text, or - for standard input. Dates are those of extract (created >= 'monthstart-1d'), major(amount,
    currency) is an amount in major units, and files are read where they are named: read_csv('leads.csv').

    \b
    connector query "select status, count(*) from invoices where created >= 'monthstart' group by status"
    connector query --explain "select * from charges where created = 'yesterday'"
    connector query "select id, amount_due from invoices where status = 'open' and total > 9900" --to open.csv
    """
    sql = sys.stdin.read() if sql == "-" else sql
    with progress("query") as watch:
        result = stripe.query(sql, **options, progress=watch)
        if explain:
            click.echo(result.explain())
            return
        output.read_or_write(result, "query", stripe.connection.time_zone)
    output.show(result, result.report.rows)
    say(result.report.lines())
