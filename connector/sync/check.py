"""Would a config's sync run? Its target, its time zone, the key, the account, and each endpoint; no data is moved."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pyarrow as pa

from connector.api.account import Api
from connector.api.check import Check, check
from connector.databases.base import Database
from connector.databases.merge import Table
from connector.errors import ConnectorError
from connector.places import open_database
from connector.sync.journal import Journal
from connector.sync.runfile import RunFile, file_of
from connector.sync.tasks import tasks_of

_SCHEMA = pa.schema([pa.field("written", pa.int64())])


class _TakenBackError(Exception):
    """Ends a transaction that was only a try."""


def check_run(api: Api, run: RunFile) -> Iterator[Check]:
    """Yield the checks of what a config's sync needs; a key that Stripe does not know raises AuthenticationFailed."""
    tasks, _ = tasks_of(api, run)
    yield _check_target(api, run)
    zone, now = api.calendar.zone, api.calendar.now
    yield Check("time zone", good=True, found=f"{zone}: it is {now.astimezone(zone):%Y-%m-%d %H:%M} there")
    yield from check(api, [task.name for task in tasks])


def _check_target(api: Api, run: RunFile) -> Check:
    try:
        with open_database(run.to) as database:
            schema = run.schema or database.default_schema
            _try_to_write(database, schema, api.client.connection.livemode)
            place = f"{file_of(run.to) or database.label}, schema {schema}"
    except ConnectorError as error:
        return Check("target", good=False, found=str(error))
    return Check("target", good=True, found=f"{place}: can be written")


def _try_to_write(database: Database, schema: str, livemode: bool | None) -> None:
    """Make a table, fill it, and take all of that back."""
    table = Table(schema, "_sync_check")
    with contextlib.suppress(_TakenBackError), database.transaction() as session:
        journal = Journal(session, schema)
        if livemode is not None and journal.exists():
            journal.check_mode(livemode=livemode)
        session.prepare(table, _SCHEMA)
        session.append(session.full(table), pa.table({"written": [1]}, schema=_SCHEMA))
        session.execute(f"DROP TABLE {session.full(table)}")  # some databases take back no CREATE
        raise _TakenBackError
