"""What a sync keeps in its target beside the rows: progress, history and the lease, in tables that people can query.

_sync_progress    per endpoint: the spans of creation time held, as of when, by what settings, live or test
_sync_runs        a row per run and endpoint, and one per run: status, counts, requests, seconds, error
_sync_columns     per table: which columns are written, and which are left out for good
_sync_lease       which run may write now
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from msgspec.json import decode, encode

from connector.api.spans import Spans
from connector.databases.base import Session
from connector.databases.merge import Table
from connector.errors import TargetError
from connector.rows.types import arrow_field
from connector.sync.columns import ColumnChoice
from connector.sync.lease import Judge, Lease, new_lease
from connector.sync.provenance import instant

WHOLE_RUN = "_run"
STOPPED = "It was stopped in the middle."
_PROGRESS = {"_account_id": "text", "endpoint": "text", "livemode": "boolean", "covered": "json",
             "as_of": "timestamp", "fingerprint": "text", "load_began_at": "timestamp",
             "unread": "json"}  # fmt: skip
_STATE = ("endpoint", "covered", "as_of", "fingerprint", "load_began_at", "unread")
_RUNS = {"run_id": "text", "_account_id": "text", "endpoint": "text", "status": "text", "started_at": "timestamp",
         "seconds": "number", "rows_read": "integer", "inserted": "integer", "updated": "integer",
         "unchanged": "integer", "deleted": "integer", "requests": "integer", "retries": "integer",
         "error": "text", "full_requests": "integer"}  # fmt: skip
_LEASE = {"name": "text", "run_id": "text", "host": "text", "pid": "integer", "heartbeat_at": "timestamp",
          "machine": "text"}  # fmt: skip
_COLUMNS = {"endpoint": "text", "written": "json", "excluded": "json"}
_PROGRESS_KEYS = ("_account_id", "endpoint")
_RUNS_KEYS = ("run_id", "_account_id", "endpoint")
_COLUMNS_KEYS = ("endpoint",)
_LEASE_KEYS = ("name",)
_LEASE_NAME = "sync"


@dataclass(frozen=True)
class State:
    """What is held of one endpoint: the spans of creation time whose rows are there as of a time.

    `as_of` is in unix seconds of Stripe's clock: of the spans held, nothing that changed before is missing. That is
    when the last whole run started, or a load that is not finished; None: the endpoint is to be read in full.
    `load_began_at` is when that load began, as `_synced_at` tells; None where there is none. `fingerprint` stands for
    the settings that rows were read by. `unread` are parents whose lists could not be read.
    """

    endpoint: str
    covered: Spans = field(default_factory=Spans)
    as_of: int | None = None
    fingerprint: str | None = None
    load_began_at: datetime | None = None
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """One reading of one endpoint, or of all (WHOLE_RUN), as history keeps it; times in unix seconds.

    `status` is one of STATUSES. `account` is "" where a run ended before it was known. `full_requests` is what reading
    the endpoint in full would have taken; None where that is what was done.
    """

    run_id: str
    endpoint: str
    status: str
    started_at: float
    seconds: float = 0.0
    rows_read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    requests: int = 0
    retries: int = 0
    error: str | None = None
    account: str | None = None
    full_requests: int | None = None


STATUSES = ("running", "succeeded", "failed", "skipped")


class Journal:
    """The state tables of one schema, through the transaction that changes the rows."""

    def __init__(self, session: Session, schema: str) -> None:
        self._session = session
        self._progress = Table(schema, "_sync_progress")
        self._runs = Table(schema, "_sync_runs")
        self._columns = Table(schema, "_sync_columns")
        self._lease = Table(schema, "_sync_lease")

    def prepare(self) -> None:
        """Create the tables where they are missing; of two runs that begin at once, one waits here."""
        self._session.lock(self._lease)
        for table, columns, keys in (
            (self._progress, _PROGRESS, _PROGRESS_KEYS),
            (self._runs, _RUNS, _RUNS_KEYS),
            (self._columns, _COLUMNS, _COLUMNS_KEYS),
            (self._lease, _LEASE, _LEASE_KEYS),
        ):
            self._session.prepare(table, _schema(columns), keys)

    def exists(self) -> bool:
        """Say whether a sync has ever written here."""
        return bool(self._session.column_types(self._progress))

    def accounts(self) -> set[str]:
        """Return the accounts whose rows were synced here."""
        rows = self._session.rows(f"SELECT DISTINCT _account_id FROM {self._name(self._progress)}")
        return {str(account) for (account,) in rows}

    def check_mode(self, *, livemode: bool) -> None:
        """Refuse to mix the rows of a live key with those of a test key."""
        modes = self._session.rows(f"SELECT DISTINCT livemode FROM {self._name(self._progress)}")
        if modes and (livemode,) not in modes:
            held, given = ("live", "test") if not livemode else ("test", "live")
            raise TargetError(
                f"These tables hold {held} data and the key is a {given} key. Use another schema or another file."
            )

    def progress(self, account: str) -> dict[str, State]:
        """Return how far each endpoint has come, by its name."""
        there = self._session.column_types(self._progress)  # an earlier version had fewer
        columns = ", ".join(name if name in there else "NULL" for name in _STATE)
        rows = self._session.rows(
            f"SELECT {columns} FROM {self._name(self._progress)} WHERE _account_id = ?", (account,)
        )
        return {
            str(name): State(
                str(name),
                Spans.from_json(_text(spans)),
                _seconds(as_of),
                _text(fingerprint),
                instant(began_at),
                tuple(decode(_text(unread) or "[]")),
            )
            for name, spans, as_of, fingerprint, began_at, unread in rows
        }

    def save_progress(self, account: str, progress: State, *, livemode: bool) -> None:
        """Keep how far one endpoint has come."""
        row = {
            "_account_id": account,
            "endpoint": progress.endpoint,
            "livemode": livemode,
            "covered": progress.covered.to_json(),
            "as_of": _instant(progress.as_of),
            "fingerprint": progress.fingerprint,
            "load_began_at": progress.load_began_at,
            "unread": encode(progress.unread).decode() if progress.unread else None,
        }
        self._session.put(self._progress, _schema(_PROGRESS), row, _PROGRESS_KEYS)

    def forget(self, account: str, endpoints: Iterable[str]) -> None:
        """Forget how far these endpoints of an account have come; their rows stay, and whether they are live."""
        nothing = ", ".join(f"{name} = NULL" for name in _STATE if name != "endpoint")
        forget = f"UPDATE {self._name(self._progress)} SET {nothing} WHERE _account_id = ? AND endpoint = ?"
        for endpoint in endpoints:
            self._session.execute(forget, (account, endpoint))

    def columns(self, endpoint: str) -> ColumnChoice:
        """Return which columns of a table earlier runs were told to write, and which to leave out."""
        query = f"SELECT written, excluded FROM {self._name(self._columns)} WHERE endpoint = ?"
        for written, excluded in self._session.rows(query, (endpoint,)):
            names = None if written is None else tuple(decode(str(written)))
            return ColumnChoice(names, tuple(decode(str(excluded))))
        return ColumnChoice()

    def save_columns(self, endpoint: str, choice: ColumnChoice) -> None:
        """Remember which columns of a table are written, until a config says otherwise."""
        written = None if choice.columns is None else encode(choice.columns).decode()
        row = {"endpoint": endpoint, "written": written, "excluded": encode(choice.exclude).decode()}
        self._session.put(self._columns, _schema(_COLUMNS), row, _COLUMNS_KEYS)

    def save_runs(self, account: str, runs: Iterable[Run]) -> None:
        """Keep what became of endpoints in one run."""
        for run in runs:
            row = {**asdict(run), "_account_id": account, "started_at": _instant(run.started_at)}
            del row["account"]
            self._session.put(self._runs, _schema(_RUNS), row, _RUNS_KEYS)

    def last_runs(self) -> list[Run]:
        """Return the newest run of each endpoint, for each account."""
        there = self._session.column_types(self._runs)  # an earlier version had fewer
        held = [name for name in _RUNS if name in there]
        rows = self._session.rows(
            f"SELECT {', '.join(held)} FROM (SELECT *, row_number() OVER (PARTITION BY endpoint, _account_id "
            f"ORDER BY started_at DESC) AS place FROM {self._name(self._runs)}) AS ranked WHERE place = 1 "
            "ORDER BY _account_id, endpoint"
        )
        names = ["account" if name == "_account_id" else name for name in held]
        records = (dict(zip(names, row, strict=True)) for row in rows)
        return [Run(**{**row, "started_at": _seconds(row["started_at"])}) for row in records]  # type: ignore[arg-type]

    def close_runs(self) -> None:
        """Say of the runs that still count as running that they are not: only who holds the lease may ask for this."""
        self._session.execute(
            f"UPDATE {self._name(self._runs)} SET status = 'failed', error = ? WHERE status = 'running'",
            (STOPPED,),
        )

    def take_lease(self, mine: Lease, judge: Judge | None = None) -> Lease | None:
        """Take the lease if nobody holds it, or who does is gone; return who has it, or None when it is ours now."""
        self._session.lock(self._lease)
        judge, now, held = judge or Judge(mine.machine), self._session.now(), self.lease()
        if held is not None and held.run_id != mine.run_id and not judge.is_gone(held, now.timestamp()):
            return held
        row = {**asdict(mine), "name": _LEASE_NAME, "heartbeat_at": now}
        self._session.put(self._lease, _schema(_LEASE), row, _LEASE_KEYS)
        return None

    def renew_lease(self, run_id: str) -> bool:
        """Say that a run is alive; False where the lease is not, or no longer, its own."""
        self._session.lock(self._lease)
        renewal = f"UPDATE {self._name(self._lease)} SET heartbeat_at = ? WHERE run_id = ?"
        return self._session.execute(renewal, (self._session.now(), run_id)) > 0

    def lease(self) -> Lease | None:
        """Return who holds the lease, if anybody."""
        there = self._session.column_types(self._lease)  # an earlier version had fewer
        names = [name for name in _LEASE if name != "name" and name in there]
        rows = self._session.rows(f"SELECT {', '.join(names)} FROM {self._name(self._lease)}")
        if not rows:
            return None
        row: dict[str, Any] = dict(zip(names, rows[0], strict=True))
        at = row["heartbeat_at"]
        return Lease(**{**row, "heartbeat_at": at.timestamp() if isinstance(at, datetime) else 0.0})

    def live_run(self) -> str | None:
        """Return the run that writes now, if there is one that is not gone."""
        held = self.lease()
        is_gone = held is None or Judge(new_lease().machine).is_gone(held, self._session.now().timestamp())
        return None if held is None or is_gone else held.run_id

    def release(self, run_id: str) -> None:
        """Give the lease back, if it is still ours."""
        self._session.execute(f"DELETE FROM {self._name(self._lease)} WHERE run_id = ?", (run_id,))

    def _name(self, table: Table) -> str:
        return self._session.full(table)


def _schema(columns: Mapping[str, str]) -> pa.Schema:
    return pa.schema([arrow_field(name, kind) for name, kind in columns.items()])


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _seconds(value: object) -> int | None:
    at = instant(value)
    return None if at is None else int(at.timestamp())


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
