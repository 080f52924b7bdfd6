"""What several commands take: which account is meant, and where rows go. And how they print."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from connector.files.formats import FORMATS, WriteOptions
from connector.masking import masked
from connector.words import count_of

if TYPE_CHECKING:
    from connector.result import Result
    from connector.sync.runfile import RunFile

Command = TypeVar("Command", bound=Callable[..., Any])
MODES = ("upsert", "insert", "update", "delete", "append", "replace", "mirror", "create")
SHOWN = "table"  # the one form of rows that is for the terminal alone
_SUFFIXES = ", ".join(form.suffixes[0] for form in FORMATS.values())
PREVIEW_ROWS = 20
_QUIET = "connector.quiet"


max_rps_option = click.option(
    "--max-rps", type=click.FloatRange(min=0, min_open=True), metavar="N",
    help="At most N requests a second. [what Stripe allows; in live mode 80 % of it]",
)  # fmt: skip


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

        if options.get("run"):
            options["run"] = _read_run(options["run"], connection)
            connection, config = options["run"].connection, config or options["run"].connection_file
            options["account"] = options["account"] or options["run"].account
        settings = {name: options.pop(name, None) for name in ("account", "api_base", "time_zone", "max_rps")}
        with Stripe(connection, config=config, definitions=definitions, week_start=week_start, **settings) as stripe:
            return command(stripe=stripe, **options)

    return with_stripe  # type: ignore[return-value]


def _read_run(config: str, connection: str | None) -> RunFile:
    from connector.sync.runfile import read_runfile

    return read_runfile(Path(config)).by(connection)


def output_options(command: Command) -> Command:
    """Add the options that say where rows go and in which form; the command hands them to `Output`."""

    @click.option(
        "--to", metavar="FILE|URL", help=f"A file ({_SUFFIXES}), a database (duckdb:///file.duckdb), - (stdout)."
    )
    @click.option(
        "--format",
        "file_format",
        type=click.Choice([SHOWN, *FORMATS]),
        help="Where the name of the file does not say it.",
    )
    @click.option("--table", metavar="NAME", help="The table of a database. [the name of what is read]")
    @click.option("--key", metavar="A,B", help="Merge into a table that is there, by these columns.")
    @click.option("--mode", type=click.Choice(MODES), help="What becomes of the rows of a table, as in load.")
    @click.option("--replace", is_flag=True, help="Put the rows in the place of those of a table that is there.")
    @click.option(
        "--on-new-column", type=click.Choice(["add", "ignore", "fail"]),
        help="What becomes of a column that the table lacks. [fail; add where all is replaced]",
    )  # fmt: skip
    @click.option("--csv-excel", is_flag=True, help="CSV that Excel opens well: a byte order mark, formulas defused.")
    @functools.wraps(command)
    def with_output(**options: Any) -> Any:
        settings = {name: options.pop(name) for name in ("table", "mode", "replace", "on_new_column", "csv_excel")}
        to, form, key = (options.pop(name) for name in ("to", "file_format", "key"))
        output = Output(to and expanded(to, "--to"), form=form, key=tuple(words(key)), **settings)
        return command(output=output, **options)

    return with_output  # type: ignore[return-value]


def words(text: str | None) -> list[str]:
    """Return the names of a list with commas."""
    return [word.strip() for word in text.split(",")] if text else []


@dataclass(frozen=True)
class Output:
    """Where the rows of a command go: to the terminal, or to the place that an option names."""

    to: str | None = None
    form: str | None = None
    table: str | None = None
    key: tuple[str, ...] = ()
    mode: str | None = None
    replace: bool = False
    on_new_column: str | None = None
    csv_excel: bool = False

    def __post_init__(self) -> None:
        if self.replace and self.mode not in (None, "replace"):
            raise click.UsageError(f"--replace is --mode replace, and --mode {self.mode} is something else: say one.")

    @property
    def is_shown(self) -> bool:
        """Whether the rows are for people to look at, not for a file or a program."""
        return self.to is None and (self.form or (SHOWN if sys.stdout.isatty() else "csv")) == SHOWN

    @property
    def is_file(self) -> bool:
        """Whether the rows go to a file or to standard output, not to a database."""
        from connector.places import parse

        return self.to is not None and parse(self.to).kind != "database"

    def check(self, table: str | None) -> None:
        """Refuse a place that rows cannot go to, before anything is sent; nothing is written yet."""
        from connector.result import check_place

        if not self.is_shown:
            check_place(self.to or "-", self._options("UTC"), **self._loading(table))

    def limit(self, wanted: int | None) -> int | None:
        """Return how many rows to read: as many as are wanted, a few where they are only looked at."""
        return PREVIEW_ROWS if self.is_shown and wanted is None else wanted

    def read_or_write(self, result: Result, table: str | None, time_zone: str) -> None:
        """Write the rows; where they are to be shown, read them all, so that progress ends before they are."""
        if self.is_shown:
            result.to_arrow()
        else:
            result.to(self.to or "-", self._options(time_zone), **self._loading(table))

    def show(self, result: Result, wanted: int | None, more_columns: str = "--to FILE writes them all") -> None:
        """Show the rows where the terminal is their target; `wanted` is how many, None where no option limits them."""
        if not self.is_shown:
            return
        from connector.cli.show import preview

        rows = result.to_arrow()
        hidden = preview(rows, result.name)
        if hidden:
            click.echo(f"{count_of(hidden, 'column')} more: {more_columns}.", err=True)
        if wanted is None and rows.num_rows == PREVIEW_ROWS:
            click.echo(f"The first {PREVIEW_ROWS} rows: --limit N shows more, --to FILE writes them all.", err=True)

    def _loading(self, table: str | None) -> dict[str, Any]:
        """Return the settings of a table; its name is that of --table, else of the URL, else of what is read."""
        from connector.places import parse

        own = parse(self.to).table if self.to else None
        mode = "replace" if self.replace else self.mode
        named = self.table or own or table
        return {"table": named, "key": self.key, "mode": mode, "on_new_column": self.on_new_column}

    def _options(self, time_zone: str) -> WriteOptions:
        if self.form == SHOWN:
            raise click.UsageError("A table is for the terminal: leave --to out, or choose another --format.")
        form = self.form or ("csv" if self.to in (None, "-") else None)
        return WriteOptions(format=form, excel_csv=self.csv_excel, time_zone=time_zone, table=self.table)

    def report_lines(self, result: Result) -> list[str]:
        """Return the lines of a report, the first with the file that was written; a load reports its table itself."""
        first, *others = result.report.lines()
        return [f"{first}, written to {self.to}" if self.is_file and self.to != "-" else first, *others]


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that adds options to a command, in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Return NAME=VALUE texts of an option as a mapping."""
    values = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (name.strip() and sign):
            raise click.UsageError(f"{option} {text}: write it as NAME=VALUE.")
        values[name.strip()] = value.strip()
    return values


def expanded(text: str, where: str) -> str:
    """Return a text with ${NAME} replaced from the environment, so that passwords stay out of the process list."""
    from connector.config import expand

    return str(expand(text, where, os.environ))


def say(lines: Iterable[str]) -> None:
    """Print lines beside the data, on stderr."""
    for line in lines:
        click.echo(masked(line), err=True)


def quiet_option(command: Command) -> Command:
    """Add --quiet, which `progress` and `tell` heed."""

    @click.option("--quiet", is_flag=True, help="Say nothing but what failed, as for cron.")
    @functools.wraps(command)
    def with_quiet(*, quiet: bool, **options: Any) -> Any:
        click.get_current_context().meta[_QUIET] = quiet
        return command(**options)

    return with_quiet  # type: ignore[return-value]


def tell(lines: Iterable[str], failed: Iterable[str] = ()) -> None:
    """Print a report on stderr; with --quiet no more of it than what failed."""
    say(failed if is_quiet() else lines)


def is_quiet() -> bool:
    """Say whether the command was given --quiet."""
    return bool(click.get_current_context().meta.get(_QUIET))


def progress(name: str) -> Any:
    """Return what shows how far the reading of `name` has come; with --quiet nothing does."""
    from connector.cli.progress import ReadProgress

    return contextlib.nullcontext() if is_quiet() else ReadProgress(name)
