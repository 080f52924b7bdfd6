"""The command that runs a sandbox."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from connector.errors import UsageError

if TYPE_CHECKING:
    from connector.sandbox import Sandbox


@click.command(short_help="Run a local Stripe to try things on.")
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
@click.option("--event-trouble", default=None, metavar="PLAN", help="The same, for the list of events.")
@click.option("--older-events", default=None, type=float, metavar="SHARE", help="So many events in API 2023-08-16.")
@click.option(
    "--search-lag-seconds", default=None, type=int, metavar="N", help="How long new objects miss in searches."
)
def sandbox(**options: Any) -> None:
    """Run a local Stripe to try things on, until Ctrl-C.

    \b
    connector sandbox --port 12111
    STRIPE_API_KEY=sk_test_sandbox connector extract customers --api-base http://127.0.0.1:12111
    """
    from connector.sandbox import Options, SandboxError, serve_forever

    settings = {name: value for name, value in options.items() if value is not None}
    webhook = settings.pop("webhook", None)
    try:
        serve_forever(Options(**settings), partial(_announce, webhook=webhook))
    except SandboxError as error:
        raise UsageError(f"The sandbox cannot start: {error}") from error


def _announce(sandbox: Sandbox, webhook: str | None) -> None:
    secret = sandbox.webhook(webhook) if webhook is not None else None  # first: its address may be refused
    click.echo(
        f"The sandbox answers at {sandbox.url} until Ctrl-C.\n\n"
        f"  export STRIPE_API_KEY={sandbox.key} STRIPE_API_BASE={sandbox.url}\n"
        "  connector check\n"
    )
    if secret is not None:
        click.echo(f"Every event is sent to {webhook}, signed with {secret}.\n")
