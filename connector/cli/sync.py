"""Commands that keep a database equal to Stripe, and tell how far that has come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.cli.options import max_rps_option, say

if TYPE_CHECKING:
    from connector.stripe import Stripe
    from connector.sync.runfile import RunFile


@click.command(short_help="Keep a database equal to Stripe.")
@click.argument("config", type=click.Path())
@click.option("--only", multiple=True, metavar="ENDPOINT", help="Sync this one; again for more.")
@click.option("--full", is_flag=True, help="Read everything again, not only what is new or has changed.")
@click.option("--dry-run", is_flag=True, help="Say what would be read; move no data.")
@click.option("--quiet", is_flag=True, help="Say nothing but what failed, as for cron.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="JSON for machines. [text]")
@max_rps_option
@click.option("--connection", metavar="NAME", help="Another connection than the config names.")
@click.option("--api-base", metavar="URL", help="Another host: https, or loopback (a sandbox).")
def sync(config: str, dry_run: bool, log_format: str, **options: Any) -> int:
    """Keep a database equal to Stripe: merge what has changed, mark what is gone.

    \b
    connector sync stripe.toml
    connector sync stripe.toml --only customers --only invoices
    connector sync stripe.toml --dry-run
    """
    from connector.cli.progress import json_error
    from connector.errors import ConnectorError

    try:
        return _forecast(config, **options) if dry_run else _sync(config, log_format, **options)
    except ConnectorError as error:
        if log_format == "text":
            raise
        json_error(error)
        return error.exit_code


def _forecast(config: str, *, full: bool, quiet: bool, **options: Any) -> int:  # noqa: ARG001 - it speaks or is nothing
    from connector.cli.show import show_forecasts

    run, stripe = _open(config, **options)
    with stripe:
        forecasts, notes = stripe.forecast(replace(run, full=full))
    show_forecasts(forecasts)
    say(notes)
    return 0


def _sync(config: str, log_format: str, *, full: bool, quiet: bool, **options: Any) -> int:
    from connector.cli.progress import SyncProgress, show_failures
    from connector.cli.show import show_sync

    run, stripe = _open(config, **options)
    with stripe, SyncProgress(stripe, "quiet" if quiet else log_format) as watch:
        report = stripe.sync_by(replace(run, full=full), watch)
        watch.note(report.lines())
    if log_format == "text" and not quiet:
        show_sync(report.runs)
        say(report.lines())
    if log_format == "text":
        show_failures(report.runs)
    return 1 if report.failed else 0


def _open(config: str, only: tuple[str, ...], connection: str | None, **settings: Any) -> tuple[RunFile, Stripe]:
    """Return what a config says, and the account that it is about."""
    from connector.stripe import Stripe
    from connector.sync.runfile import read_runfile

    run = read_runfile(Path(config)).only(only).by(connection)
    return run, Stripe(run.connection, config=run.connection_file, account=run.account, **settings)


@click.command(short_help="Show how the last runs of a sync went.")
@click.argument("config", type=click.Path())
@click.option("--older-than", metavar="TIME", help="Fail also when a last run began longer ago, as 26h.")
@click.option("--reset", multiple=True, metavar="ENDPOINT", help="Forget how far this one has come; its rows stay.")
@click.option("--release", is_flag=True, help="Take the lease from a run that is gone for sure.")
def state(config: str, older_than: str | None, reset: tuple[str, ...], release: bool) -> int:
    """Show the last run of each endpoint that a config syncs.

    The exit code is 1 when one of them failed, the whole run did, or is older than --older-than.

    \b
    connector state stripe.toml
    connector state stripe.toml --older-than 26h
    connector state stripe.toml --reset invoices
    """
    from connector.cli.show import show_sync
    from connector.errors import UsageError
    from connector.sync import history
    from connector.sync.runfile import read_runfile

    run = read_runfile(Path(config))
    runs = history.last_runs(run)
    problems = history.problems(runs, run, older_than)
    for name in reset:
        if name not in [run.endpoint for run in runs]:
            raise UsageError(f"{name} has never been synced by {config}.")
    if reset:
        from connector.stripe import Stripe

        Stripe.reset(config, reset)
    if release and (held := history.release(run)):
        say([f"{held} has lost its lease: if it still runs, it stops at its next commit"])
    if runs:
        show_sync(runs, when=True)
    say(problems or ([] if runs else [f"Nothing has been synced by {config} yet."]))
    return 1 if problems else 0
