"""The command line: one command per verb. It parses, calls and prints; what is done is done elsewhere."""

from __future__ import annotations

import io
import os
import sys
import warnings

import click

from connector.cli.check import check
from connector.cli.dates import dates
from connector.cli.demo import demo
from connector.cli.endpoints import endpoints
from connector.cli.extract import extract
from connector.cli.init import init
from connector.cli.load import load
from connector.cli.query import query
from connector.cli.request import request
from connector.cli.sandbox import sandbox
from connector.cli.sync import state, sync
from connector.cli.write import apply, write
from connector.errors import ConnectorError, ConnectorWarning
from connector.masking import masked

_MAY_BE_EMPTY = {"body"}
INTERRUPTED = 130  # what a shell reports for Ctrl-C


def main() -> None:
    """Run the command line and leave with its exit code: 0 done, 1 failed, 2 not understood."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; every expected error is one clear line on stderr."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConnectorWarning)  # the commands print them, in their own words
            code = commands.main(arguments, prog_name="connector", standalone_mode=False)
    except click.exceptions.Exit as exited:
        return exited.exit_code
    except click.Abort:
        return _failed("stopped; what was not whole has not been written.", INTERRUPTED)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        click.echo(masked(shown.getvalue()), err=True, nl=False)
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
    click.echo(f"connector: {masked(message)}", err=True)
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
    connector query "select status, count(*) from invoices group by status"
    connector init                                  write a config, stripe.toml
    connector sync stripe.toml                      keep a database equal to Stripe by it
    connector load leads.csv --to duckdb:///crm.duckdb --table leads --key email
    connector write customers update --from crm.csv --columns id,email      a plan; --apply sends it
    connector request GET /v1/events --filter '$.data[*]' --to events.parquet
    """


def _refuse_empty(context: click.Context, option: click.Parameter, value: object) -> object:  # noqa: ARG001 - click's
    """Refuse an option that is given and says nothing: `--to "$TO"` where there is no TO."""
    if value == "":
        raise click.BadParameter("it is empty.")
    return value


# A new verb: a file of its own beside this one, and its place in this order.
for command in (demo, sandbox, check, endpoints, dates, extract, query, init, sync, state, load, write, apply, request):
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name not in _MAY_BE_EMPTY:
            parameter.callback = parameter.callback or _refuse_empty
    commands.add_command(command)
