"""A target that one run alone may write into: every transaction renews its lease, or finds that another has it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from connector.api.identity import Identity
from connector.databases.base import Database, Session
from connector.databases.merge import Table
from connector.errors import TargetError
from connector.sync.journal import Journal
from connector.sync.lease import Lease, new_lease

_POLL_SECONDS = 1.0
Outcome = TypeVar("Outcome")


class TakenOverError(TargetError):
    """Another run holds the lease now: this one must not write any more."""


class LeasedTarget:
    """A schema of a database while one run may write into it."""

    def __init__(self, database: Database, schema: str, identity: Identity) -> None:
        self.identity = identity
        self.label = database.label
        self._database = database
        self._schema = schema
        self._lease = new_lease()

    @property
    def run_id(self) -> str:
        """The run that writes."""
        return self._lease.run_id

    @property
    def account(self) -> str:
        """The account whose rows are written."""
        return self.identity.account

    def table(self, name: str) -> Table:
        """Return the table of an endpoint."""
        return Table(self._schema, name)

    def take(self, wait_seconds: float) -> Lease | None:
        """Take the lease, waiting for another run as long as allowed; return that of a run that is gone, if any."""
        until = time.monotonic() + wait_seconds
        while True:
            with self._database.transaction() as session:
                before, held = self._try(Journal(session, self._schema))
            if held is None:
                return before
            if time.monotonic() >= until:
                raise TargetError(f"{held} is syncing into {self.label}; wait for it, or set lock_wait.")
            time.sleep(_POLL_SECONDS)

    def _try(self, journal: Journal) -> tuple[Lease | None, Lease | None]:
        """Take the lease if it is free; return who had it before, and who has it now if that is another."""
        journal.prepare()
        journal.check_mode(livemode=self.identity.livemode)
        before = journal.lease()
        self._lease = replace(self._lease, heartbeat_at=time.time())
        held = journal.take_lease(self._lease)
        if held is None:
            journal.close_runs()
        return before, held

    def release(self) -> None:
        """Give the lease back, if it is still ours; what was interrupted is running no more."""
        with self._database.transaction() as session:
            journal = Journal(session, self._schema)
            held = journal.lease()
            if held is not None and held.run_id == self.run_id:
                journal.close_runs()
                journal.release(self.run_id)

    def write(self, work: Callable[[Session, Journal], Outcome]) -> Outcome:
        """Do work in one transaction while the lease is ours, once more where another writer was in its way."""
        return self._database.repeated(lambda session: work(session, self._renewed(session)))

    def _renewed(self, session: Session) -> Journal:
        """Say that this run is alive; one whose lease was taken over must not write any more."""
        journal = Journal(session, self._schema)
        held = journal.lease()
        if held is None or held.run_id != self.run_id:
            raise TakenOverError(f"This run was silent for too long and {held or 'another'} took over; it stops here.")
        self._lease = replace(self._lease, heartbeat_at=time.time())
        journal.take_lease(self._lease)
        return journal
