"""The command line: one command per verb. It parses, calls and prints; what is done is done elsewhere."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from connector.errors import ConnectorError

if TYPE_CHECKING:
    from connector.result import Result
    from connector.stripe import Stripe

Command = TypeVar("Command", bound=Callable[..., Any])
FORMATS = ("table", "csv", "jsonl", "parquet", "xlsx")
PREVIEW_ROWS = 20
INTERRUPTED = 130  # what a shell reports for Ctrl-C


def main() -> None:
    """Run the command line and leave with its exit code: 0 done, 1 failed, 2 not understood."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; every expected error is one clear line on stderr."""
    try:
        code = commands.main(arguments, prog_name="connector", standalone_mode=False)
    except click.exceptions.Exit as exited:
        return exited.exit_code
    except click.Abort:
        return _failed("stopped; what was not whole has not been written.", INTERRUPTED)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ConnectorError as error:
        return _failed(str(error), error.exit_code)
    except Exception as error:  # the last resort: people get a line, not a traceback
        if os.environ.get("CONNECTOR_DEBUG"):
            raise
        return _failed(
            f"this should not happen: {type(error).__name__}: {error}\nIt is a fault of the connector's, not yours. "
            "CONNECTOR_DEBUG=1 shows where; please report it.",
            1,
        )
    return code if isinstance(code, int) else 0


def _failed(message: str, code: int) -> int:
    from connector.config import hide_keys

    click.echo(f"connector: {hide_keys(message)}", err=True)
    return code


class _Commands(click.Group):
    """A group whose commands stand in the order in which people meet them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return list(self.commands)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="stripe-connector", prog_name="connector")
def commands() -> None:
    """Stripe as flat, typed tables.

    \b
    connector demo                                  try everything, no key needed
    connector check                                 is my key good, and what may it read?
    connector extract invoices --where status=paid --where 'created>=monthstart-1d' --to invoices.csv
    """


def connection_options(command: Command) -> Command:
    """Add the options that say which account is meant, and hand the command a `stripe` made from them."""

    @click.option("--connection", metavar="NAME", help="A connection of connector.toml, instead of STRIPE_API_KEY.")
    @click.option("--config", type=click.Path(), metavar="FILE", help="Where connections stand. [connector.toml]")
    @click.option("--account", metavar="acct_…", help="Act for a connected account.")
    @click.option("--api-base", metavar="URL", help="Another host: https, or loopback (a sandbox).")
    @click.option("--time-zone", metavar="ZONE", help="The zone that days are meant in, as Europe/Berlin. [UTC]")
    @click.option("--week-start", default="monday", metavar="DAY", help="The first day of the week. [monday]")
    @click.option(
        "--definitions", multiple=True, type=click.Path(), metavar="FOLDER",
        help="A folder of endpoint files of your own; again for more.",
    )  # fmt: skip
    @functools.wraps(command)
    def with_stripe(
        connection: str | None, config: str | None, week_start: str, definitions: tuple[str, ...], **options: Any
    ) -> Any:
        from connector.stripe import Stripe

        settings = {name: options.pop(name) for name in ("account", "api_base", "time_zone")}
        with Stripe(connection, config=config, definitions=definitions, week_start=week_start, **settings) as stripe:
            return command(stripe=stripe, **options)

    return with_stripe  # type: ignore[return-value]


@commands.command()
@click.option("--seed", default=1, show_default=True, help="Another seed, another business.")
def demo(seed: int) -> None:
    """Try the connector on a sandbox of its own: no key, no account, nothing to set up."""
    from connector.demo import demo

    demo(seed)


@commands.command()
@click.option("--port", default=12111, show_default=True, help="0 takes a free one.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same business.")
@click.option("--size", default="small", show_default=True, type=click.Choice(["small", "1m"]))
@click.option("--latency-ms", default=0, show_default=True, help="How long each answer takes at least.")
@click.option("--rps", default=None, type=float, help="Requests per second and account; 0 lifts every limit. [25]")
@click.option("--faults", default=None, metavar="PLAN", help="For example drop=0.02,429=0.05,500=0.01.")
@click.option("--keys", default=None, type=click.Path(), metavar="FILE", help="Restricted keys and what they may do.")
@click.option("--busy", default=None, type=float, metavar="N", help="N realistic changes a second, by the seed.")
@click.option(
    "--webhook", default=None, metavar="URL", help="Deliver every event there, signed; the secret is printed."
)
@click.option("--webhook-trouble", default=None, metavar="PLAN", help="As late=0.1,duplicate=0.1,disorder=0.2.")
@click.option(
    "--search-lag-seconds", default=None, type=int, metavar="N", help="How long new objects miss in searches."
)
def sandbox(**options: Any) -> None:
    """Run a local Stripe to try things on, until Ctrl-C.

    \b
    connector sandbox --port 12111
    STRIPE_API_KEY=sk_test_sandbox connector extract customers --api-base http://127.0.0.1:12111
    """
    from connector.demo import run_sandbox

    run_sandbox(options)


@commands.command()
@click.option("--only", multiple=True, metavar="ENDPOINT", help="Try this one; again for more.")
@connection_options
def check(stripe: Stripe, only: tuple[str, ...]) -> int:
    """Try the key: whose account it opens, in which mode, and which endpoints it may read.

    Sends one small request per endpoint and moves no data. The exit code is 1 when one of them cannot be read.

    \b
    connector check
    connector check --only customers --only invoices
    """
    bad = 0
    for each in stripe.check(only):
        bad += not each.good
        click.echo(f"{'ok  ' if each.good else 'FAIL'} {each.what:<30} {each.found}")
    return 1 if bad else 0


@commands.command()
@click.argument("name", required=False)
@click.option("--definitions", multiple=True, type=click.Path(), metavar="FOLDER", help="A folder of your own files.")
def endpoints(name: str | None, definitions: tuple[str, ...]) -> None:
    """List the tables that can be read, or one table's columns and filters.

    \b
    connector endpoints
    connector endpoints invoices
    """
    from connector.show import show_endpoint, show_endpoints
    from connector.stripe import find_endpoints

    known = find_endpoints(definitions)
    if name is None:
        show_endpoints(known)
    else:
        show_endpoint(known[name])


@commands.command()
@click.argument("token")
@click.option("--time-zone", default="UTC", metavar="ZONE", help="The zone that days are meant in. [UTC]")
@click.option("--week-start", default="monday", metavar="DAY", help="The first day of the week. [monday]")
def dates(token: str, time_zone: str, week_start: str) -> None:
    """Print what a date token means now.

    \b
    connector dates monthstart-1d
    connector dates yearstart-1y --time-zone Europe/Berlin
    connector dates '2022-01-31 23:59:59'
    """
    from connector.dates import Clock, describe
    from connector.show import show_dates

    show_dates(describe(token, Clock.system(time_zone, week_start)), time_zone)


@commands.command()
@click.argument("endpoint")
@click.option(
    "--where", multiple=True, metavar="CONDITION",
    help="status=paid, 'created>=monthstart-1d', status=open,paid (any of them), description= (is null); "
    "several must all hold.",
)  # fmt: skip
@click.option("--columns", metavar="A,B", help="Only these columns, in this order.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most N rows, after all conditions.")
@click.option(
    "--to", metavar="FILE|URL", help="invoices.csv, .parquet, .jsonl, .xlsx, duckdb:///file.duckdb, - (stdout)."
)
@click.option("--format", "form", type=click.Choice(FORMATS), help="Where the name of the file does not say it.")
@click.option("--table", metavar="NAME", help="The table to fill in a database. [the endpoint's name]")
@click.option("--csv-excel", is_flag=True, help="CSV that Excel opens well: a byte order mark, formulas defused.")
@click.option("--strict", is_flag=True, help="Refuse conditions that Stripe cannot narrow by.")
@connection_options
def extract(stripe: Stripe, endpoint: str, **options: Any) -> None:
    """Read one endpoint into a flat, typed table: a file, a database table, or the terminal.

    \b
    connector extract customers
    connector extract invoices --where status=paid --where 'created>=monthstart-1d' --to invoices.csv
    connector extract charges --columns id,created,amount,currency --where 'created>=yesterday' --to charges.xlsx
    connector extract invoice_lines --where invoice=in_123 --format jsonl
    """
    to, form = options.pop("to"), options.pop("form")
    limit = options.pop("limit")
    shown = to is None and (form or ("table" if sys.stdout.isatty() else "csv")) == "table"
    columns = options.pop("columns")
    with _progress(endpoint) as progress:
        result = stripe.extract(
            endpoint,
            options.pop("where"),
            columns=[name.strip() for name in columns.split(",")] if columns else None,
            limit=PREVIEW_ROWS if shown and limit is None else limit,
            strict=options.pop("strict"),
            progress=progress,
        )
        if shown:
            result.to_arrow()
        else:
            written = {"excel_csv": options["csv_excel"], "table": options["table"] or endpoint}
            _write(result, to or "-", form, {**written, "time_zone": stripe.connection.time_zone})
    if shown:
        _show(result, all_wanted=limit is not None)
    _say(result.report.lines())


@commands.command()
@click.argument("config", type=click.Path())
@click.option("--only", multiple=True, metavar="ENDPOINT", help="Sync this one; again for more.")
@click.option("--full", is_flag=True, help="Begin anew, also where the last run was stopped in the middle.")
@click.option("--dry-run", is_flag=True, help="Say what would be read, and send nothing.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="JSON for machines. [text]")
@click.option("--connection", metavar="NAME", help="Another connection than the config names.")
@click.option("--api-base", metavar="URL", help="Another host: https, or loopback (a sandbox).")
def sync(config: str, only: tuple[str, ...], full: bool, dry_run: bool, log_format: str, **given: Any) -> int:
    """Keep a database equal to Stripe: merge what has changed, mark what is gone.

    \b
    connector sync sample_configs/duckdb.toml
    connector sync sample_configs/duckdb.toml --only customers --only invoices
    connector sync sample_configs/duckdb.toml --dry-run
    """
    from connector.progress import SyncProgress
    from connector.show import show_sync, show_tasks
    from connector.stripe import forget, history, of_runfile

    run, stripe = of_runfile(config, only, given)
    with stripe:
        if dry_run:
            tasks, notes = stripe.tasks(run)
            show_tasks(tasks, history(run.to, run.schema))
            _say(notes)
            return 0
        if full:
            forget(run.to, [task.name for task in stripe.tasks(run)[0]], run.schema)
        with SyncProgress(stripe, log_format) as watch:
            report = stripe.sync_by(run, watch)
    if log_format == "text":
        show_sync(report.runs)
    _say(report.notes)
    return 1 if report.failed else 0


@commands.command()
@click.argument("config", type=click.Path())
@click.option("--reset", multiple=True, metavar="ENDPOINT", help="Forget how far this one has come; its rows stay.")
def state(config: str, reset: tuple[str, ...]) -> None:
    """Show the last run of each endpoint that a config syncs.

    \b
    connector state sample_configs/duckdb.toml
    connector state sample_configs/duckdb.toml --reset invoices
    """
    from connector.runfile import read_runfile
    from connector.show import show_sync
    from connector.stripe import forget, history

    run = read_runfile(Path(config))
    runs = history(run.to, run.schema)
    for name in reset:
        if name not in [each.endpoint for each in runs]:
            raise click.UsageError(f"{name} has never been synced into {run.to}.")
    forget(run.to, reset, run.schema)
    show_sync(runs)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line, err=True)


def _write(result: Result, to: str, form: str | None, options: Mapping[str, Any]) -> None:
    from connector.targets import WriteOptions

    if form == "table":
        raise click.UsageError("A table is for the terminal: leave --to out, or choose another --format.")
    result.to(to, WriteOptions(format=form or ("csv" if to == "-" else None), **options))


def _show(result: Result, *, all_wanted: bool) -> None:
    from connector.show import preview

    rows = result.to_arrow()
    hidden = preview(rows, result.name)
    if hidden:
        click.echo(f"{hidden} more columns: --columns picks, --to FILE writes them all.", err=True)
    if not all_wanted and rows.num_rows == PREVIEW_ROWS:
        click.echo(f"The first {PREVIEW_ROWS} rows: --limit N shows more, --to FILE writes them all.", err=True)


def _progress(name: str) -> Any:
    from connector.progress import Progress

    return Progress(name)


if __name__ == "__main__":
    main()
