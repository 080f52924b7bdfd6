"""Commands that write rows back to Stripe: planned first, sent when that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from connector.cli.options import connection_options, expanded, pairs, say, with_options
from connector.words import count_of

if TYPE_CHECKING:
    from connector.apply.planned import Planned
    from connector.apply.report import ApplyReport
    from connector.stripe import Stripe

_INTERRUPTED = 130
_SAYS_WHAT_TO_SEND = (
    click.option("--from", "source", metavar="SOURCE", help="The rows: a file, or a database as a URL."),
    click.option("--map", "mapping", multiple=True, metavar="NAME=COLUMN", help="Names that differ; again."),
    click.option("--set", "constants", multiple=True, metavar="NAME=VALUE", help="The same in all rows; again."),
    click.option("--columns", metavar="A,B", help="Only these columns of the source, beside those that are mapped."),
    click.option("--match", metavar="NAME=COLUMN", help="Find the object by a value that it shows, as email=mail."),
    click.option("--null", type=click.Choice(["omit", "clear"]), default="omit", help="What empty cells mean."),
    click.option("--row-key", metavar="COLUMN", help="What a row is known by. [what it sends]"),
    click.option("--idempotency-key", metavar="COLUMN", help="Keys of the source's own, instead of ours."),
    click.option("--again", is_flag=True, help="Send once more what was done before."),
    click.option("--format", "form", metavar="NAME", help="Of a source file whose name does not say it."),
    click.option("--encoding", metavar="NAME", help="Of a text file, as cp1252. [UTF-8]"),
    click.option("--delimiter", metavar="C", help="Between the fields of a CSV file. [,]"),
    click.option("--sheet", metavar="NAME", help="Of an Excel file. [the first]"),
    click.option("--query", metavar="SELECT", help="What to read from a source database, instead of a table."),
    click.option("--source-table", metavar="NAME", help="The table of a source database, where its URL names none."),
)  # fmt: skip
_SAYS_HOW_TO_SEND = (
    click.option("--allow", multiple=True, metavar="money,delete,access", help="What it may do besides."),
    click.option("--allow-live", is_flag=True, help="Send it with a live key."),
    click.option("--resend", is_flag=True, help="Send again rows of which nothing tells whether they took effect."),
    click.option("--max-errors", type=click.IntRange(min=1), metavar="N", help="Stop when so many rows have failed."),
    click.option("--ledger", metavar="FILE", help="What was sent, and what became of it. [in your state folder]"),
    click.option("--results", metavar="FILE|URL", help="What became of each row: a file, or a table."),
    click.option("--rejects", metavar="FILE|URL", help="The rows that were refused, to correct and feed in again."),
)


@click.command(short_help="Write rows back to Stripe, in bulk.")
@click.argument("object_name", metavar="OBJECT")
@click.argument("action")
@with_options(*_SAYS_WHAT_TO_SEND)
@click.option("--apply", "is_applied", is_flag=True, help="Send it: without, it is only planned.")
@click.option("--plan-file", metavar="FILE", help="Keep the plan, for `connector apply FILE`.")
@with_options(*_SAYS_HOW_TO_SEND)
@connection_options
def write(
    stripe: Stripe, object_name: str, action: str, is_applied: bool, plan_file: str | None, **options: Any
) -> int:
    """Write rows of any source back to Stripe: a plan of what would change, and with --apply the changes.

    An update sends only what differs from the live object. A row's effect happens at most once, however often the
    file is run. `connector endpoints OBJECT` lists the actions, `connector endpoints OBJECT.ACTION` their parameters.

    \b
    connector write customers update --from segments.csv --map metadata.segment=segment
    connector write customers upsert --from crm.csv --match email=mail --map name=full_name --apply
    connector write invoice_items create --from march.xlsx --map amount=cents --apply --allow money
    connector write invoices finalize --set id=in_1 --apply --allow money
    """
    source = options.pop("source")
    how, sending = _writing(options), _sending(options)
    planned = stripe.write(
        object_name, action, expanded(source, "--from") if source else None, ledger=sending.pop("ledger"), **how
    )
    if plan_file:
        planned.save(plan_file)
    if not is_applied:
        for line in planned.lines():
            click.echo(line)
        if options.get("rejects"):
            _write_rejects(planned, None, options["rejects"])
        return 1 if planned.plan.errors else 0
    planned.check(allow=sending["allow"], allow_live=sending["allow_live"])
    say(planned.plan.lines())
    return _apply(planned, sending, options)


@click.command(short_help="Send a plan that was kept in a file.")
@click.argument("plan_file", metavar="PLANFILE")
@with_options(*_SAYS_HOW_TO_SEND)
@connection_options
def apply(stripe: Stripe, plan_file: str, **options: Any) -> int:
    """Send what was reviewed: a plan that `connector write … --plan-file` has made, to its account and mode only.

    \b
    connector write customers update --from segments.csv --map metadata.segment=segment --plan-file march.plan
    connector apply march.plan
    """
    if options["rejects"]:
        raise click.UsageError("--rejects is for `connector write`: a plan does not have the rows of its source.")
    sending = _sending(options)
    planned = stripe.read_plan(plan_file, ledger=sending.pop("ledger"))
    planned.check(allow=sending["allow"], allow_live=sending["allow_live"])
    return _apply(planned, sending, options)


def _apply(planned: Planned, sending: dict[str, Any], options: dict[str, Any]) -> int:
    from connector.cli.progress import WriteProgress

    with WriteProgress(planned.plan.name) as progress:
        report = planned.apply(**sending, watch=progress)
    if options["results"]:
        _write_results(report, options["results"])
    if options["rejects"]:
        _write_rejects(planned, report, options["rejects"])
    say(report.lines())
    return _INTERRUPTED if report.is_interrupted else int(report.failed)


def _write_results(report: ApplyReport, to: str) -> None:
    from connector.apply.plan import private_files
    from connector.files.formats import WriteOptions

    with private_files():
        report.results.to(expanded(to, "--results"), WriteOptions(table="results"), mode="replace")


def _write_rejects(planned: Planned, report: ApplyReport | None, to: str) -> None:
    from connector.apply.report import ApplyReport
    from connector.files.formats import WriteOptions

    if planned.source is None:
        raise click.UsageError("--rejects is about the rows of a source: there is no --from.")
    plan = planned.plan
    report = report or ApplyReport(plan.name, plan.source, errors=plan.errors)
    count = report.write_rejects(planned.source, expanded(to, "--rejects"), WriteOptions(table="rejects"))
    say([f"{count_of(count, 'row')} to correct in {to}"])


def _writing(options: dict[str, Any]) -> dict[str, Any]:
    """Return what the options ask for, as `Stripe.write` takes it."""
    from connector.files.formats import ReadOptions

    columns, match = options.pop("columns"), options.pop("match")
    reading = {"format": options.pop("form"), "table": options.pop("source_table")}
    reading |= {name: options.pop(name) for name in ("encoding", "delimiter", "sheet", "query")}
    how = {name: options.pop(name) for name in ("null", "row_key", "idempotency_key", "again")}
    return how | {
        "map": pairs("--map", options.pop("mapping")),
        "set": pairs("--set", options.pop("constants")),
        "match": pairs("--match", [match]) if match else {},
        "columns": [name.strip() for name in columns.split(",") if name.strip()] if columns else None,
        "reading": ReadOptions(**reading),
    }


def _sending(options: dict[str, Any]) -> dict[str, Any]:
    return {name: options.pop(name) for name in ("allow", "allow_live", "resend", "max_errors", "ledger")}
