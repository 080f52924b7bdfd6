"""The command for any other call."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.cli.options import (
    Output,
    connection_options,
    output_options,
    progress,
    quiet_option,
    say,
    tell,
    with_options,
)
from connector.errors import ConnectorError, TargetError
from connector.words import count_of

if TYPE_CHECKING:
    from connector.request.send import RequestResult
    from connector.stripe import Stripe

_SAYS_WHAT_TO_SEND = (
    click.option("--query", multiple=True, metavar="KEY=VALUE", help="A parameter of the address; again for more."),
    click.option(
        "-H",
        "--header",
        "headers",
        multiple=True,
        metavar="'NAME: VALUE'",
        help="A header; again for more, or several in one text with || between them.",
    ),
    click.option("--body", metavar="TEXT|@FILE", help="The body: JSON, pairs or text, its type guessed; or a file."),
    click.option("--form", multiple=True, metavar="KEY=VALUE", help="A pair of the body; again for more."),
    click.option("--multipart", is_flag=True, help="Send --form as form data, where KEY=@FILE sends a file."),
    click.option("--stripe-version", metavar="VERSION", help="Another API version, for this request."),
    click.option("--idempotency-key", metavar="KEY", help="The key under which Stripe does this once."),
    click.option("--no-auth", is_flag=True, help="Send it without the key; any host will do then."),
    click.option(
        "--from",
        "source",
        metavar="FILE",
        help="Send it for each row of a file or table, with {column} in URL, query, headers and body filled in.",
    ),
)
_ALLOWS_IT = (
    click.option("--apply", is_flag=True, help="Send it: anything but a GET is only shown without."),
    click.option("--allow", multiple=True, metavar="money,delete,access", help="What it may do besides."),
    click.option("--allow-live", is_flag=True, help="Send it with a live key."),
)
_SAYS_WHAT_TO_KEEP = (
    click.option("--filter", metavar="JSONPATH", help="Which objects of the response are rows, as '$.data[*]'."),
    click.option("--explode", metavar="PATH", help="A row for each item of an array in the records, as lines.data."),
    click.option("--paginate", is_flag=True, help="Read the pages that follow, too."),
    click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most N rows."),
    click.option("--raw", is_flag=True, help="The body as it came, not as rows."),
    click.option("--save", metavar="NAME", help="Keep the request as a table of yours, by an endpoint file."),
)


@click.command(short_help="Send any other call.")
@click.argument("method")
@click.argument("url")
@with_options(*_SAYS_WHAT_TO_SEND, *_ALLOWS_IT, *_SAYS_WHAT_TO_KEEP)
@output_options
@quiet_option
@connection_options
def request(stripe: Stripe, output: Output, **options: Any) -> int:
    """Send any call: a path of the API, or a full URL. The response is flattened into typed columns.

    A GET is sent at once. Anything else is shown first, and sent with --apply: a DELETE also needs --allow delete, a
    POST --allow money unless it is known to move none.

    \b
    connector request GET /v1/events --query type=invoice.paid --filter '$.data[*]' --paginate --to events.parquet
    connector request GET customers --query 'created[gte]=1790812800' --limit 3
    connector request GET /v1/balance --raw
    connector request POST /v1/customers/cus_123 --form 'metadata[team]=blue'
    """
    raw, limit = options.pop("raw"), options.pop("limit")
    _check(output, options, raw=raw)
    key, is_replaced = output.key, output.replace
    if output.to is None or output.is_file:
        output = replace(output, key=(), replace=False)  # they are for --save alone, then
    if options["method"].upper() != "GET" and not raw:
        output.check(options["save"])  # a write is not sent for rows that have no place to go
    wanted = limit if raw or options["save"] else output.limit(limit)
    name = f"{options['method'].upper()} {options['url']}"
    with progress(name) as watch:
        options |= {"authenticate": not options.pop("no_auth"), "limit": wanted, "progress": watch}
        options |= {"key": key if options["save"] else (), "replace": is_replaced}
        result = stripe.request(options.pop("method"), options.pop("url"), **options)
        has_rows = not (result.plan or raw or result.is_binary)
        if has_rows:
            _give_rows(result, output, options["save"], stripe.connection.time_zone)
    if result.plan:
        click.echo(result.plan)
        return 0
    if not has_rows:
        _give_raw(result, output, is_wanted_raw=raw)
        return 0
    output.show(result, limit)
    tell(output.report_lines(result), result.report.failed())
    return 1 if result.report.failures else 0


def _give_rows(result: RequestResult, output: Output, table: str | None, time_zone: str) -> None:
    try:
        output.read_or_write(result, table, time_zone)
    except ConnectorError:
        say(result.report.failed())
        raise


def _check(output: Output, options: dict[str, Any], *, raw: bool) -> None:
    """Refuse what cannot go together, before anything is sent."""
    if raw and (options["paginate"] or options["source"] or options["filter"] or options["explode"] or options["save"]):
        raise click.UsageError("--raw is one response as it came: leave out what is about rows.")
    if raw and output.to and not output.is_file:
        raise click.UsageError("--raw goes to a file or to standard output, not to a database.")
    if output.key and not options["save"] and (output.to is None or output.is_file):
        raise click.UsageError("--key is for --save, or for merging into a table with --to DATABASE.")
    if output.replace and not options["save"] and (output.to is None or output.is_file):
        raise click.UsageError("--replace is for --save, or for the table of --to DATABASE.")


def _give_raw(result: RequestResult, output: Output, *, is_wanted_raw: bool) -> None:
    """Write the body to a file or a pipe; a file is never written to a terminal."""
    is_piped = not sys.stdout.isatty() and (is_wanted_raw or output.to == "-")
    if output.to in (None, "-") and (is_piped or not result.is_binary):
        _print_raw(result.raw)
        return
    to = None if output.to in (None, "-") else output.to
    if to and not output.is_file:
        raise click.UsageError(
            f"The response is a file, of {count_of(len(result.raw), 'byte')}; --to must name a file for it."
        )
    path = result.download(Path(to) if to else None)
    kind = result.headers.get("Content-Type", "unknown type")
    say([f"{result.name}: {count_of(len(result.raw), 'byte')} of {kind} saved as {path}"])


def _print_raw(content: bytes) -> None:
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise TargetError(f"Standard output could not be written: {error.strerror or error}.") from None
