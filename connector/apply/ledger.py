"""The ledger: which rows were sent, under which key, and what became of them; so that no effect happens twice.

One SQLite file. Before a call it has the row's idempotency key and the names of the fields sent, after it the outcome.
It holds salted hashes, ids, statuses and codes; no values of rows. A row is known by its scope (account, mode and
action) and its identity. While rows of a scope are sent, a lock that ends with its process keeps other runs out.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sqlite3
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from connector.config import CONFIG_NAME, read_toml
from connector.errors import ConfigError, ConnectorError

DONE, FAILED, IN_DOUBT, FREE = "done", "failed", "in doubt", "free"
VARIABLE = "CONNECTOR_LEDGER"
_FOLDER, _FILE = "stripe-connector", "ledger.sqlite"
_AT_ONCE = 500
_COLUMNS = "status, key, attempt, content, fields, sent_at, object_id, http_status, code, request_id"
_MARKS = ", ".join("?" * 12)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rows (
    scope TEXT NOT NULL, identity TEXT NOT NULL, status TEXT NOT NULL, key TEXT NOT NULL, attempt INTEGER NOT NULL,
    content TEXT NOT NULL, fields TEXT NOT NULL, sent_at INTEGER NOT NULL, object_id TEXT, http_status INTEGER,
    code TEXT, request_id TEXT, PRIMARY KEY (scope, identity)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Entry:
    """What the ledger knows of a row: `sent_at` is when its key was first used, on Stripe's clock.

    `content` is a salted hash of what was sent. A row whose call began and has no outcome is in doubt.
    """

    status: str
    key: str
    attempt: int
    content: str
    fields: Sequence[str]
    sent_at: int
    object_id: str | None = None
    http_status: int | None = None
    code: str | None = None
    request_id: str | None = None


def ledger_path(path: str | Path | None = None, config: Path | None = None) -> Path:
    """Return where the ledger is: as given, in CONNECTOR_LEDGER, as connector.toml says, else in the state folder."""
    if named := path or os.environ.get(VARIABLE):
        return Path(named).expanduser()
    file = config or Path(CONFIG_NAME)
    setting = read_toml(file).get("ledger") if file.is_file() else None
    if setting is None:
        return _state_folder() / _FOLDER / _FILE
    if not isinstance(setting, str) or not setting:
        raise ConfigError(f'{file}: ledger must name a file, as in ledger = "ledger.sqlite".')
    return file.parent / Path(setting).expanduser()


def _state_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")


class Ledger:
    """The ledger in one file; made when rows are first sent. Safe to use from several threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._salt = b""

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextlib.contextmanager
    def sending(self, scope: str) -> Iterator[None]:
        """Keep other runs from sending rows of this scope; a ConnectorError where one is at it."""
        self._open()
        lock = self.path.with_name(f"{self.path.name}.{hashlib.sha256(scope.encode()).hexdigest()[:16]}.lock")
        holder = _connect(lock)
        try:
            holder.execute("PRAGMA busy_timeout = 0")
            holder.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            holder.close()
            raise ConnectorError(
                f"Another run is sending {scope.partition(' ')[2]} by the ledger {self.path}. Wait until it has ended."
            ) from None
        try:
            yield
        finally:
            holder.close()

    def entries(self, scope: str, identities: Sequence[str]) -> dict[str, Entry]:
        """Return what is known of rows, by identity; nothing where there is no ledger yet."""
        if not identities or (self._connection is None and not self.path.exists()):
            return {}
        found: dict[str, Entry] = {}
        connection = self._open()
        for start in range(0, len(identities), _AT_ONCE):
            hashes = {self._hash(identity): identity for identity in identities[start : start + _AT_ONCE]}
            marks = ", ".join("?" * len(hashes))
            query = f"SELECT identity, {_COLUMNS} FROM rows WHERE scope = ? AND identity IN ({marks})"  # noqa: S608
            with self._lock, self._trouble():
                rows = connection.execute(query, [scope, *hashes]).fetchall()
            found |= {hashes[row[0]]: _entry(row[1:]) for row in rows}
        return found

    def begin(self, scope: str, identity: str, entry: Entry) -> None:
        """Note that a row is about to be sent; it is in doubt until `finish`."""
        values = [entry.status, entry.key, entry.attempt, entry.content, msgspec.json.encode(entry.fields).decode()]
        outcome = [entry.sent_at, entry.object_id, entry.http_status, entry.code, entry.request_id]
        self._write(
            f"INSERT OR REPLACE INTO rows (scope, identity, {_COLUMNS}) VALUES ({_MARKS})",  # noqa: S608
            [scope, self._hash(identity), *values, *outcome],
        )

    def finish(self, scope: str, identity: str, entry: Entry, **outcome: Any) -> Entry:
        """Note what became of a row, and return its entry as it is now."""
        done = replace(entry, **outcome)
        self.begin(scope, identity, done)
        return done

    def content_hash(self, content: bytes) -> str:
        """Return the salted hash of what a row sends."""
        self._open()
        return hashlib.blake2b(content, key=self._salt, digest_size=16).hexdigest()

    def _hash(self, identity: str) -> str:
        self._open()
        return hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=16).hexdigest()

    def _write(self, statement: str, values: Sequence[object]) -> None:
        connection = self._open()
        with self._lock, self._trouble():
            connection.execute(statement, values)

    def _open(self) -> sqlite3.Connection:
        with self._lock:
            if self._connection is None:
                with self._trouble():
                    self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                    self._connection = _connect(self.path)
                    self._connection.execute("PRAGMA journal_mode = WAL")
                    self._connection.execute("PRAGMA synchronous = FULL")
                    self._connection.executescript(_SCHEMA)
                    self._salt = self._read_salt(self._connection)
            return self._connection

    def _read_salt(self, connection: sqlite3.Connection) -> bytes:
        connection.execute("INSERT OR IGNORE INTO settings VALUES ('salt', ?)", [secrets.token_hex(32)])
        ((salt,),) = connection.execute("SELECT value FROM settings WHERE name = 'salt'").fetchall()
        return bytes.fromhex(salt)

    @contextlib.contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise ConnectorError(
                f"The ledger {self.path} cannot be used: {error}. Name another file by --ledger, or mend this one: "
                "without it, nothing tells which rows were sent."
            ) from None


def _connect(path: Path) -> sqlite3.Connection:
    """Open a database that its owner alone may read, where the system knows owners."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)


def _entry(row: Sequence[Any]) -> Entry:
    status, key, attempt, content, fields, *outcome = row
    return Entry(status, key, attempt, content, msgspec.json.decode(fields), *outcome)


def scope_of(account: str, *, livemode: bool, action: str) -> str:
    """Return the scope of an action's rows: an account and mode, and the action."""
    return f"{account}/{'live' if livemode else 'test'} {action}"
