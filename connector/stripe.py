"""Stripe as one object, for notebooks and scripts: every verb of the command line is a method here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from connector.config import Connection, connection, definition_folders
from connector.dates import Clock
from connector.endpoint import Endpoint, Endpoints
from connector.errors import ConfigError

if TYPE_CHECKING:
    from connector.check import Check
    from connector.client import Client
    from connector.extract import Progress, Source
    from connector.result import Result


def find_endpoints(definitions: Iterable[str | Path] = (), config: str | Path | None = None) -> Endpoints:
    """Return the definitions: those of the folders given, those of the folders that the config names, ours."""
    given = [Path(folder) for folder in definitions]
    for folder in given:
        if not folder.is_dir():
            raise ConfigError(f"There is no folder {folder} with definitions.")
    return Endpoints([*given, *definition_folders(config=Path(config) if config else None)])


class Stripe:
    """An account of Stripe's, by the key in STRIPE_API_KEY or by the name of a connection in connector.toml.

    Settings given here (key, account, version, api_base, time_zone, max_rps …) win over both. `definitions` are
    folders of endpoint files of your own. Nothing is sent until rows are asked for.
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

    def endpoint(self, name: str) -> Endpoint:
        """Return the definition of one table: its columns, filters and keys."""
        return self.endpoints[name]

    def extract(  # noqa: PLR0913 - what people may ask for, by name
        self,
        endpoint: str,
        where: Sequence[str] | Mapping[str, Any] = (),
        *,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        strict: bool = False,
        progress: Progress | None = None,
        **conditions: Any,
    ) -> Result:
        """Return the rows of an endpoint that meet all conditions, flat and typed.

        `extract("invoices", status="paid", created={"gte": "monthstart-1d"})` is the same as
        `extract("invoices", ["status=paid", "created>=monthstart-1d"])`. `strict` refuses conditions that Stripe
        cannot narrow by.
        """
        from connector.conditions import from_mapping, parse
        from connector.extract import Request, extract

        written = from_mapping(where) if isinstance(where, Mapping) else [parse(text) for text in where]
        request = Request([*written, *from_mapping(conditions)], columns, limit, strict)
        return extract(self._source(), endpoint, request, progress)

    def check(self, only: Collection[str] = ()) -> Iterable[Check]:
        """Try the key: yield what it is, whose account it opens, and whether each endpoint can be read."""
        from connector.check import check

        return check(self._source(), only)

    def _source(self) -> Source:
        from connector.client import Client
        from connector.extract import Source

        if self._client is None:
            self._client = Client(self.connection)
        return Source(self._client, self.endpoints, Clock.system(self.connection.time_zone, self._week_start))
