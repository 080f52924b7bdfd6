"""The command that reads one endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from connector.cli.options import (
    Output,
    connection_options,
    max_rps_option,
    output_options,
    progress,
    quiet_option,
    tell,
)

if TYPE_CHECKING:
    from connector.stripe import Stripe


@click.command(short_help="Read one endpoint into a flat, typed table.")
@click.argument("endpoint")
@click.option(
    "--where", multiple=True, metavar="CONDITION",
    help="status=paid, 'created>=monthstart-1d', status=open,paid (any of them), description= (is null); "
    "several must all hold.",
)  # fmt: skip
@click.option("--columns", metavar="A,B", help="Only these columns, in this order.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most N rows, after all conditions.")
@click.option("--strict", is_flag=True, help="Refuse conditions that Stripe cannot narrow by.")
@click.option("--major", is_flag=True, help="Amounts in major units, as 19.99 for 1999 usd; JPY has none, KWD three.")
@click.option(
    "--search", metavar="QUERY", help="Ask Stripe's search, not its list: \"metadata['tier']:'gold'\". It may lag."
)
@output_options
@quiet_option
@max_rps_option
@connection_options
def extract(stripe: Stripe, output: Output, endpoint: str, limit: int | None, **options: Any) -> None:
    """Read one endpoint into a flat, typed table: a file, a database table, or the terminal.

    \b
    connector extract customers
    connector extract invoices --where status=paid --where 'created>=monthstart-1d' --to invoices.csv
    connector extract charges --columns id,created,amount,currency --where 'created>=yesterday' --to charges.xlsx
    connector extract invoice_lines --where invoice=in_123 --format jsonl
    connector extract customers --search "metadata['tier']:'gold'"
    """
    columns = options.pop("columns")
    with progress(endpoint) as watch:
        result = stripe.extract(
            endpoint,
            options.pop("where"),
            columns=[name.strip() for name in columns.split(",")] if columns else None,
            limit=output.limit(limit),
            strict=options.pop("strict"),
            major=options.pop("major"),
            search=options.pop("search"),
            progress=watch,
        )
        output.read_or_write(result, endpoint, stripe.connection.time_zone)
    output.show(result, limit, "--columns picks, --to FILE writes them all")
    tell(output.report_lines(result), result.report.failed())
