"""The command that brings any source's rows into a database."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import click

from connector.cli.options import MODES, expanded, is_quiet, pairs, quiet_option, tell
from connector.files.formats import FORMATS, ReadOptions


@click.command(short_help="Merge any table into a database, by key.")
@click.argument("source")
@click.option(
    "--to", required=True, metavar="URL|FILE", help="postgresql://…, mssql://…, duckdb:///crm.duckdb, a file."
)
@click.option("--table", metavar="NAME", help="Where it goes: NAME or SCHEMA.NAME.")
@click.option("--key", multiple=True, metavar="COLUMN", help="What tells rows apart; again, or A,B, for several.")
@click.option("--mode", type=click.Choice(MODES), default="upsert", show_default=True, help="What becomes of the rows.")
@click.option("--map", "mapping", multiple=True, metavar="TARGET=SOURCE", help="Names that differ; again for more.")
@click.option("--columns", metavar="A,B", help="Only these columns of the table, beside the key.")
@click.option("--create/--no-create", default=True, help="Make the table where there is none. [--create]")
@click.option(
    "--on-new-column", type=click.Choice(["add", "ignore", "fail"]), default="fail", show_default=True,
    help="What becomes of columns that the table lacks.",
)  # fmt: skip
@click.option(
    "--on-wider-type", type=click.Choice(["widen", "fail"]), default="fail", show_default=True,
    help="What becomes of a column that is too narrow for the source's values.",
)  # fmt: skip
@click.option(
    "--duplicates", type=click.Choice(["last", "error"]), default="last", show_default=True,
    help="What it means when a key stands twice in the source.",
)  # fmt: skip
@click.option("--scope", multiple=True, metavar="COLUMN=VALUE", help="Let mirror delete only such rows.")
@click.option("--swap", is_flag=True, help="Let replace put a new table in the place of the old one.")
@click.option("--allow-empty", is_flag=True, help="Let replace and mirror empty the table when the source is empty.")
@click.option(
    "--lock-wait", default=60.0, show_default=True, metavar="SECONDS", help="How long to wait for other loads."
)
@click.option("--format", "form", type=click.Choice([*FORMATS]), help="Of a source file whose name does not say it.")
@click.option("--encoding", metavar="NAME", help="Of a text file, as cp1252. [UTF-8]")
@click.option("--delimiter", metavar="C", help="Between the fields of a CSV file. [,]")
@click.option("--decimal", metavar="SIGN", help="How a CSV file writes numbers: --decimal , for 1.234,56. [.]")
@click.option("--date-format", metavar="FORMAT", help="How a CSV file writes dates, as dd.mm.yyyy. [2024-12-31]")
@click.option("--sheet", metavar="NAME", help="Of an Excel file. [the first]")
@click.option("--query", metavar="SELECT", help="What to read from a source database, instead of a table.")
@click.option("--source-table", metavar="NAME", help="The table of a source database, where its URL names none.")
@quiet_option
def load(source: str, to: str, **options: Any) -> int:
    """Merge any table into a database, by key: insert what is new, update what differs, all or nothing.

    \b
    connector load leads.csv --to '${PG_URL}' --table crm.leads --key email
    connector load 'duckdb:///stripe.duckdb?table=customers' --to '${MSSQL_URL}' --table dbo.customers --key id
    connector load orders.xlsx --to duckdb:///crm.duckdb --table orders --key id --mode mirror --scope region=eu
    connector load prices.parquet --to '${PG_URL}' --table prices --mode replace
    connector load leads.csv --to leads.parquet --mode replace
    """
    from connector.cli.progress import LoadProgress
    from connector.load.loading import Loading
    from connector.load.run import load as load_rows

    loading = Loading(
        mode=options["mode"],
        key=_names(options["key"]),
        columns=_names([options["columns"]]) if options["columns"] else None,
        mapping=pairs("--map", options["mapping"]),
        create=options["create"],
        on_new_column=options["on_new_column"],
        on_wider_type=options["on_wider_type"],
        duplicates=options["duplicates"],
        scope=pairs("--scope", options["scope"]),
        swap=options["swap"],
        allow_empty=options["allow_empty"],
        lock_wait_seconds=options["lock_wait"],
    )
    reading = ReadOptions(
        format=options["form"],
        encoding=options["encoding"],
        delimiter=options["delimiter"],
        sheet=options["sheet"],
        table=options["source_table"],
        query=options["query"],
        decimal=options["decimal"],
        date_format=options["date_format"],
    )
    with contextlib.nullcontext() if is_quiet() else LoadProgress("load") as progress:
        report = load_rows(
            expanded(source, "SOURCE"), expanded(to, "--to"), options["table"], loading,
            reading=reading, progress=progress,
        )  # fmt: skip
    tell(report.lines(), report.lines() if report.counts.rejected else ())
    return 1 if report.counts.rejected else 0


def _names(texts: Sequence[str]) -> list[str]:
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]
