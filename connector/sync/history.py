"""What a target remembers of its syncs, for who asks between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from connector.dates import duration_seconds
from connector.places import open_database
from connector.sync.journal import STOPPED, WHOLE_RUN, Journal, Run
from connector.sync.lease import Lease
from connector.sync.report import name_of
from connector.sync.runfile import RunFile


def last_runs(run: RunFile) -> list[Run]:
    """Return the newest run of each endpoint that was synced to where a config says, and the newest of all (WHOLE_RUN).

    Nothing where none ever was. A run that was killed counts as failed.
    """
    with _journal(run) as journal:
        if journal is None:
            return []
        runs, alive = journal.last_runs(), journal.live_run()
    known = max((each.started_at for each in runs if each.account), default=0.0)
    return [_as_it_is(each, alive) for each in runs if each.account or each.started_at > known]


def _as_it_is(run: Run, alive: str | None) -> Run:
    is_gone = run.status == "running" and run.run_id != alive
    return replace(run, status="failed", error=STOPPED) if is_gone else run


def problems(runs: Sequence[Run], run: RunFile, older_than: str | None) -> list[str]:
    """Return, in sentences, what is wrong with the last runs of what a config syncs: failed, too old, or none.

    `older_than` is a time as in 26h.
    """
    runs = [each for each in runs if run.everything or each.endpoint in (WHOLE_RUN, *run.endpoints)]
    failed = [f"{name_of(each)}: {each.error or each.status}" for each in runs if each.status == "failed"]
    if older_than is None:
        return failed
    since = time.time() - duration_seconds(older_than)
    if not runs:
        return ["Nothing has been synced yet."]
    return failed + [
        f"{name_of(each)}: its last run began more than {older_than} ago" for each in runs if each.started_at < since
    ]


def release(run: RunFile) -> Lease | None:
    """Take the lease from whoever holds it, so that the next run does not wait for it; return who held it."""
    with _journal(run) as journal:
        held = journal.lease() if journal else None
        if journal and held:
            journal.release(held.run_id)
    return held


def forget(run: RunFile, names: Collection[str], own_account: Callable[[], str]) -> None:
    """Forget how far the reading of these endpoints has come; their rows stay, and the next run begins anew.

    Where several accounts share the tables, `own_account` says whose progress it is; the others keep theirs.
    """
    with _journal(run) as journal:
        accounts = journal.accounts() if journal else set()
    account = own_account() if len(accounts) > 1 else next(iter(accounts), "")
    with _journal(run) as journal:
        if journal:
            journal.forget(account, names)


@contextmanager
def _journal(run: RunFile) -> Iterator[Journal | None]:
    """Open the journal of a config's target; None where nothing has ever been synced."""
    with open_database(run.to) as database:
        if not database.exists():
            yield None
            return
        with database.transaction() as session:
            journal = Journal(session, run.schema or database.default_schema)
            yield journal if journal.exists() else None
