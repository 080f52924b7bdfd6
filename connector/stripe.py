"""Stripe as one object, for notebooks and scripts: every verb of the command line is a method here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from connector.config import Connection, connection, definition_folders
from connector.dates import Calendar
from connector.definitions.actions import Actions
from connector.definitions.endpoint import Endpoints
from connector.errors import ConfigError

if TYPE_CHECKING:
    from connector.api.account import Api
    from connector.api.check import Check
    from connector.api.client import Client
    from connector.extract.run import ReadWatch
    from connector.load.loading import LoadReport
    from connector.request.send import RequestResult
    from connector.result import Result
    from connector.sync.config import RunFile
    from connector.sync.forecast import Forecast
    from connector.sync.journal import Run
    from connector.sync.report import SyncReport, SyncWatch


def find_endpoints(definitions: Iterable[str | Path] = (), config: str | Path | None = None) -> Endpoints:
    """Return the definitions: those of the folders given, those of the folders that the config names, ours."""
    return Endpoints(_folders(definitions, config))


def find_actions(definitions: Iterable[str | Path] = (), config: str | Path | None = None) -> Actions:
    """Return the actions: those in the folders of definitions given, in those that the config names, ours."""
    return Actions(_folders(definitions, config))


def _folders(definitions: Iterable[str | Path], config: str | Path | None) -> list[Path]:
    given = [Path(folder) for folder in definitions]
    for folder in given:
        if not folder.is_dir():
            raise ConfigError(f"There is no folder {folder} with definitions.")
    return [*given, *definition_folders(config=Path(config) if config else None)]


class Stripe:
    """An account of Stripe's, by the key in STRIPE_API_KEY or by the name of a connection in connector.toml.

    Settings given here (key, account, version, api_base, time_zone, max_rps …) win over both. `definitions` are
    folders of endpoint files of your own. Nothing is sent until rows are asked for, but for a `request`.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        config: str | Path | None = None,
        definitions: Iterable[str | Path] = (),
        week_start: str = "monday",
        **settings: Any,
    ) -> None:
        self.connection: Connection = connection(name, config=Path(config) if config else None, overrides=settings)
        self.endpoints = find_endpoints(definitions, config)
        self.actions = find_actions(definitions, config)
        self._week_start = week_start
        self._client: Client | None = None

    def __repr__(self) -> str:
        return f"Stripe({self.connection.key}, {self.connection.api_base}, version {self.connection.version})"

    def __enter__(self) -> Stripe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to Stripe; the next verb opens them again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def extract(  # noqa: PLR0913 - what people may ask for, by name
        self,
        endpoint: str,
        where: Sequence[str] | Mapping[str, Any] = (),
        *,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        strict: bool = False,
        progress: ReadWatch | None = None,
        **conditions: Any,
    ) -> Result:
        """Return the rows of an endpoint that meet all conditions, flat and typed.

        `extract("invoices", status="paid", created={"gte": "monthstart-1d"})` is the same as
        `extract("invoices", ["status=paid", "created>=monthstart-1d"])`. `strict` refuses conditions that Stripe
        cannot narrow by.
        """
        from connector.extract.conditions import from_mapping, parse
        from connector.extract.run import Extraction, extract

        written = from_mapping(where) if isinstance(where, Mapping) else [parse(text) for text in where]
        request = Extraction([*written, *from_mapping(conditions)], columns, limit, strict)
        return extract(self._api(), endpoint, request, progress)

    def request(self, method: str, url: str, *, progress: ReadWatch | None = None, **asked: Any) -> RequestResult:
        """Send any call and return its answer: as rows (`.to_pandas()`), as it came (`.raw`), with status and headers.

        `request("GET", "/v1/events", query={"type": "invoice.paid"}, filter="$.data[*]", paginate=True)`. A GET is
        sent at once. Anything else is returned as a plan to look at, unless it says apply=True (and allow=["money"],
        allow=["delete"] or allow_live=True where it needs that). All that may be
        said stands in `connector.request.template.Asked`.
        """
        from connector.request.send import request
        from connector.request.template import Request

        return request(self._api(), Request(method, url, **asked), progress)

    def check(self, only: Collection[str] = ()) -> Iterable[Check]:
        """Try the key: yield what it is, whose account it opens, and whether each endpoint can be read."""
        from connector.api.check import check

        return check(self._api(), only)

    def sync(
        self,
        endpoints: str | Path | Sequence[str] = "all",
        to: str | None = None,
        *,
        since: str | None = None,
        schema: str | None = None,
        watch: SyncWatch | None = None,
    ) -> SyncReport:
        """Merge endpoints into a database, and mark what is gone; the report says what became of each.

        `sync(["customers", "invoices"], to="duckdb:///stripe.duckdb")`, `sync("all", to=…)`, or the path of a config.
        """
        from connector.sync.config import run_of

        return self.sync_by(run_of(endpoints, to, since, schema), watch)

    def sync_by(self, run: RunFile, watch: SyncWatch | None = None) -> SyncReport:
        """Sync what a config says, which `connector.sync.config` has read."""
        from connector.sync.run import sync

        return sync(self._api(run.time_zone, run.week_start), run, watch)

    def forecast(self, run: RunFile) -> tuple[list[Forecast], list[str]]:
        """Return how much a sync would read, and notes on what it leaves out; moves no data."""
        from connector.sync.forecast import forecast

        return forecast(self._api(run.time_zone, run.week_start), run)

    @staticmethod
    def state(config: str | Path) -> list[Run]:
        """Return the newest run of each endpoint that a config syncs; nothing where none ever was."""
        from connector.sync.config import read_runfile
        from connector.sync.history import last_runs

        return last_runs(read_runfile(Path(config)))

    @staticmethod
    def reset(config: str | Path, endpoints: Collection[str]) -> None:
        """Forget how far the reading of these endpoints has come; their rows stay, and the next run begins anew."""
        from connector.sync.config import read_runfile
        from connector.sync.history import forget

        forget(read_runfile(Path(config)), endpoints)

    @staticmethod
    def load(source: object, to: str, table: str | None = None, **how: Any) -> LoadReport:
        """Merge any table into a database, by key and in one transaction; no key of Stripe's is needed for it.

        `Stripe.load(frame, "postgresql://…", "crm.leads", key=["email"])`. The source is a DataFrame, an Arrow table,
        a result of ours, a file name or a URL; the other arguments are those of `connector.load.loading.Loading`, and
        of `connector.files.formats.ReadOptions` for files and queries (encoding, delimiter, sheet, query …).
        """
        from dataclasses import fields

        from connector.files.formats import ReadOptions
        from connector.load.loading import Loading
        from connector.load.run import load

        names = {each.name for each in fields(ReadOptions)} & how.keys()
        reading = ReadOptions(**{name: how.pop(name) for name in names})
        return load(source, to, table, Loading(**how), reading=reading)

    def requests_and_limit(self) -> tuple[int, float]:
        """Return how many requests were sent so far, and how many a second the account takes."""
        from connector.api.limits import LIVE_RPS, TEST_RPS

        limit = self.connection.max_rps or (TEST_RPS if self.connection.livemode is False else LIVE_RPS)
        return (self._client.statistics.requests if self._client else 0), limit

    def _api(self, time_zone: str | None = None, week_start: str | None = None) -> Api:
        from connector.api.account import Api
        from connector.api.client import Client

        if self._client is None:
            self._client = Client(self.connection)
        zone = time_zone or self.connection.time_zone
        return Api(self._client, self.endpoints, Calendar.system(zone, week_start or self._week_start))
