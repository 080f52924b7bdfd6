"""What a target remembers of its syncs, for who asks between them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from connector.places import open_database
from connector.sync.config import RunFile
from connector.sync.journal import Journal, Run


def last_runs(run: RunFile) -> list[Run]:
    """Return the newest run of each endpoint that was synced to where a config says; nothing where none ever was."""
    with _journal(run) as journal:
        return journal.last_runs() if journal else []


def forget(run: RunFile, names: Collection[str]) -> None:
    """Forget how far the reading of these endpoints has come; their rows stay, and the next run begins anew."""
    with _journal(run) as journal:
        if journal:
            journal.forget(names)


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
