"""Keep tables equal to Stripe, run after run: read, merge by key, mark what is gone, remember how far it came.

A run reads what is new and what has changed, or all where that cannot be told; one that was stopped is taken up by the
next.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from connector.api.account import Api
from connector.api.identity import identify
from connector.api.pace import Pace
from connector.databases.base import Database, Session
from connector.errors import ConnectorError, UsageError
from connector.places import open_database
from connector.sync.clocks import clock_notes
from connector.sync.family import Family
from connector.sync.journal import STOPPED, WHOLE_RUN, Journal, Run
from connector.sync.lease import new_lease
from connector.sync.leased import LeasedTarget
from connector.sync.passes import Pass, Planner
from connector.sync.report import SyncReport, SyncWatch, failed_run, saving_notes, whole_run
from connector.sync.room import Room
from connector.sync.runfile import RunFile, file_of
from connector.sync.side_by_side import one_at_a_time, side_by_side
from connector.sync.tasks import Task, families, tasks_of

AT_ONCE = 4  # endpoints: as many large lists as a live account's limit serves, and few enough for the memory


def sync(api: Api, run: RunFile, watch: SyncWatch | None = None) -> SyncReport:
    """Sync what a config says; an endpoint that fails is reported and the others go on."""
    tasks, notes = tasks_of(api, run)
    with open_database(run.to) as database:
        return _Sync(api, database, run, watch or _nobody).run(tasks, notes)


def _neighbours(account: str, accounts: Collection[str]) -> list[str]:
    """Return a note where rows of an account begin to stand beside those of others."""
    if not accounts or account in accounts:
        return []
    return [f"rows of {account} now stand beside those of {', '.join(sorted(accounts))}: _account_id tells them apart"]


def _nobody(_name: str, _run: object) -> None:
    """Watch nothing."""


class _Sync:
    """One run of a sync: an account's endpoints into one schema of a database."""

    def __init__(self, api: Api, database: Database, run: RunFile, watch: SyncWatch) -> None:
        self._api = api
        self._database = database
        self._run = run
        self._watch = one_at_a_time(watch)
        self._schema = run.schema or database.default_schema
        self._lease = new_lease()
        self._whole = Run(self._lease.run_id, WHOLE_RUN, "running", time.time(), account="")

    def run(self, tasks: Sequence[Task], notes: Sequence[str]) -> SyncReport:
        """Sync all tasks; a run that ends before its first table leaves a row, too."""
        try:
            return self._sync(tasks, notes)
        except BaseException as error:  # also one that is stopped by hand
            self._record(error)
            raise

    def _sync(self, tasks: Sequence[Task], notes: Sequence[str]) -> SyncReport:
        target_name = file_of(self._run.to) or self._database.label
        report = SyncReport(target_name, notes=[*self._run.notes, *notes])
        before = self._api.client.statistics
        identity = identify(self._api.client)
        self._whole = replace(self._whole, account=identity.account)
        target = LeasedTarget(self._database, self._schema, identity, self._lease)
        ended = target.take(self._run.lock_wait_seconds)
        if ended is not None:
            report.notes.append(f"{ended} ended without giving its lease back; this run goes on from there")
        try:
            with Planner(self._api, self._run, identity, self._schema) as planner:
                accounts, passes = target.write(partial(self._begin, planner, tasks))
                report.notes += _neighbours(identity.account, accounts)
                self._sync_families(planner.informed(passes), target, report)
            report.notes += [] if identity.livemode else clock_notes(self._api, tasks)
            now = self._api.client.statistics
            requests, retries = now.requests - before.requests, now.retries - before.retries
            self._whole = replace(whole_run(self._whole, report), requests=requests, retries=retries)
            report.notes += saving_notes(self._whole, report)
            report.pace = Pace.since(before, self._api.client, self._whole.rows_read, self._whole.seconds)
            target.write(lambda _, journal: journal.save_runs(target.account, [self._whole]))
        finally:
            target.release()
        return report

    def _begin(
        self, planner: Planner, tasks: Sequence[Task], session: Session, journal: Journal
    ) -> tuple[set[str], list[Pass]]:
        """Say in history that the run has begun; return whose rows are there, and how each family is read."""
        account = self._whole.account or ""
        journal.save_runs(account, [self._whole])
        if self._run.full:
            journal.forget(account, [task.name for task in tasks])
        return journal.accounts(), [*planner.passes(session, journal, families(tasks))]

    def _record(self, error: BaseException) -> None:
        """Keep in history that this run failed, where that can be; a config that is wrong makes no new file."""
        failed = failed_run(self._whole, str(error) if isinstance(error, Exception) else STOPPED)
        with contextlib.suppress(ConnectorError):
            if isinstance(error, UsageError) and not self._database.exists():
                return
            with self._database.transaction() as session:
                journal = Journal(session, self._schema)
                journal.prepare()
                journal.save_runs(self._whole.account or "", [failed])

    def _sync_families(self, passes: Sequence[Pass], target: LeasedTarget, report: SyncReport) -> None:
        """Sync endpoints side by side, each with the children that are read with it; report them in their order."""
        room = Room()
        done = side_by_side(lambda planned: self._synced(planned, target, room), passes, AT_ONCE)
        for planned, family in zip(passes, done, strict=True):
            report.runs += [reading.run for reading in family.readings]
            report.notes += [*planned.notes, *family.notes]

    def _synced(self, planned: Pass, target: LeasedTarget, room: Room) -> Family:
        """Sync one endpoint and the children that are read with it, and say what became of each."""
        api = replace(self._api, client=self._api.client.counting_apart())
        family = Family(planned, api, target, room, self._watch)
        family.sync()
        return family
