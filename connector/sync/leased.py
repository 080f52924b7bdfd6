"""A target that one run alone may write into: every transaction renews its lease, or finds that another has it.

Between transactions a thread renews it by the clock, so that a request that is tried for long does not look like the
end of the run.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from connector.api.identity import Identity
from connector.databases.base import Database, Session
from connector.databases.merge import Table
from connector.errors import TargetError
from connector.sync.journal import Journal
from connector.sync.lease import RENEW_SECONDS, WATCHED_SECONDS, Judge, Lease

_POLL_SECONDS = 1.0
_log = logging.getLogger(__name__)
Outcome = TypeVar("Outcome")


class TakenOverError(TargetError):
    """Another run holds the lease now: this one must not write any more."""


class LeasedTarget:
    """A schema of a database while one run may write into it."""

    def __init__(self, database: Database, schema: str, identity: Identity, lease: Lease) -> None:
        self.identity = identity
        self.label = database.label
        self._database = database
        self._schema = schema
        self._lease = lease
        self._judge = Judge(self._lease.machine)
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew_by_clock, name="lease", daemon=True)

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
        """Take the lease, waiting for another run as long as allowed; return that of a run that is gone, if any.

        A lease from the future is always watched for a while, to see whether it is still renewed.
        """
        began = time.monotonic()
        while True:
            with self._database.transaction() as session:
                before, held, is_ahead = self._try(session)
            if held is None:
                self._renewing.start()
                return before
            allowed_seconds = max(wait_seconds, 2 * WATCHED_SECONDS if is_ahead else 0.0)
            if time.monotonic() - began >= allowed_seconds:
                raise TargetError(
                    f"{held} is syncing into {self.label}; wait for it, or set lock_wait. If it is gone for sure: "
                    "connector state CONFIG --release."
                )
            time.sleep(_POLL_SECONDS)

    def _try(self, session: Session) -> tuple[Lease | None, Lease | None, bool]:
        """Take the lease if it is free; return who had it, who has it now if that is another, and if it is ahead."""
        journal = Journal(session, self._schema)
        journal.prepare()
        journal.check_mode(livemode=self.identity.livemode)
        before = journal.lease()
        held = journal.take_lease(self._lease, self._judge)
        if held is None:
            journal.close_runs()
        return before, held, held is not None and self._judge.is_ahead(held, session.now().timestamp())

    def release(self) -> None:
        """Give the lease back, if it is still ours; what was interrupted is running no more."""
        self._ended.set()
        with self._database.turns, self._database.transaction() as session:
            journal = Journal(session, self._schema)
            held = journal.lease()
            if held is not None and held.run_id == self.run_id:
                journal.close_runs()
                journal.release(self.run_id)

    def write(self, work: Callable[[Session, Journal], Outcome]) -> Outcome:
        """Do work in one transaction while the lease is ours, once more where another writer was in its way."""
        with self._database.turns:
            return self._database.repeated(lambda session: work(session, self._renewed(session)))

    def _renewed(self, session: Session) -> Journal:
        """Say that this run is alive; one whose lease was taken over must not write any more."""
        journal = Journal(session, self._schema)
        if not journal.renew_lease(self.run_id):
            held = journal.lease() or "another"
            raise TakenOverError(f"This run was silent for too long and {held} took over; it stops here.")
        return journal

    def _renew_by_clock(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            try:
                with self._database.turns:
                    if not self._ended.is_set():
                        self._database.repeated(self._renewed)
            except Exception as error:
                _log.debug("the lease was not renewed: %s", error)
