"""Stripe as one object, for notebooks and scripts: every verb of the command line is a method here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from connector.connected import Connected
from connector.dates import Calendar, Meaning, describe
from connector.definitions.folders import find_endpoints
from connector.words import list_of

if TYPE_CHECKING:
    from connector.api.account import Api
    from connector.api.check import Check
    from connector.apply.planned import Planned
    from connector.extract.run import ReadWatch
    from connector.files.formats import ReadOptions
    from connector.load.loading import LoadReport, LoadWatch
    from connector.query.run import QueryResult
    from connector.request.send import RequestResult
    from connector.result import Result
    from connector.sync.forecast import Forecast
    from connector.sync.journal import Run
    from connector.sync.report import SyncReport, SyncWatch
    from connector.sync.runfile import RunFile


class Stripe(Connected):
    """An account of Stripe's, by the key in STRIPE_API_KEY or by the name of a connection in connector.toml.

    Settings given here (key, account, version, api_base, time_zone, max_rps …) win over both. `definitions` are
    folders of endpoint files of your own. Nothing is sent until rows are asked for, but for a `request`.
    """

    def extract(  # noqa: PLR0913 - what people may ask for, by name
        self,
        endpoint: str,
        where: str | Sequence[str] | Mapping[str, object] = (),
        *,
        columns: str | Sequence[str] | None = None,
        limit: int | None = None,
        strict: bool = False,
        major: bool = False,
        search: str | None = None,
        progress: ReadWatch | None = None,
        **conditions: object,
    ) -> Result:
        """Return the rows of an endpoint that meet all conditions, flat and typed.

        `extract("invoices", status="paid", created={"gte": "monthstart-1d"})` is the same as
        `extract("invoices", ["status=paid", "created>=monthstart-1d"])`. `strict` refuses conditions that Stripe
        cannot narrow by. `major` gives amounts in major units, as decimals: 19.99 for 1999 usd. `search` asks Stripe's
        search instead of its list, in its own words: "metadata['tier']:'gold'"; it may lag behind.
        """
        from connector.extract.conditions import from_mapping, parse
        from connector.extract.run import Extraction, extract

        written = from_mapping(where) if isinstance(where, Mapping) else [parse(text) for text in list_of(where)]
        wanted = None if columns is None else list_of(columns)
        request = Extraction([*written, *from_mapping(conditions)], wanted, limit, strict, major, search)
        return extract(self._api(), endpoint, request, progress)

    def query(
        self,
        sql: str,
        *,
        tables: Mapping[str, object] | None = None,
        attach: str | Path | Sequence[str | Path] = (),
        max_calls: int = 500,
        progress: ReadWatch | None = None,
    ) -> QueryResult:
        """Return the rows of one SELECT over Stripe, live, with the calls that it needs; `.explain()` tells them.

        `tables` are rows of Python's by name, `attach` DuckDB files whose tables are known as FILE.TABLE.
        """
        from connector.query.run import Query, query

        return query(self._api(), Query(sql, attach, tables or {}, max_calls), progress)

    def request(  # noqa: PLR0913 - what people may ask for, by name
        self,
        method: str,
        url: str,
        *,
        query: str | Sequence[str] | Mapping[str, object] = (),
        headers: str | Sequence[str] | Mapping[str, object] = (),
        body: str | bytes | None = None,
        form: str | Sequence[str] | Mapping[str, object] = (),
        json: object = None,
        multipart: bool = False,
        filter: str | None = None,  # noqa: A002 - the name that users know
        explode: str | None = None,
        paginate: bool = False,
        limit: int | None = None,
        source: object = None,
        authenticate: bool = True,
        idempotency_key: str | None = None,
        stripe_version: str | None = None,
        stripe_account: str | None = None,
        apply: bool = False,
        allow: str | Iterable[str] = (),
        allow_live: bool = False,
        save: str | None = None,
        key: str | Sequence[str] = (),
        replace: bool = False,
        progress: ReadWatch | None = None,
    ) -> RequestResult:
        """Send any call and return its response: rows (`.to_pandas()`), the body as it came (`.raw`), status, headers.

        `request("GET", "/v1/events", query={"type": "invoice.paid"}, filter="$.data[*]", paginate=True)`. A GET is
        sent at once. Anything else is returned as a plan to look at, unless it says apply=True (and allow=["money"],
        allow=["delete"] or allow_live=True where it needs that). `query` and `form` are key=value texts or a mapping,
        `headers` 'Name: value' texts or a mapping, `body` is text or "@file", `json` what becomes JSON; `filter` is the
        JSONPath of the rows, `source` the rows whose values fill {placeholders}; `save` keeps it as a table by `key`.
        """
        from connector.apply.ledger import Ledger, ledger_path
        from connector.request.send import request
        from connector.request.template import Request

        template = Request(
            method,
            url,
            query=query,
            headers=headers,
            body=body,
            form=form,
            json=json,
            multipart=multipart,
            filter=filter,
            explode=explode,
            paginate=paginate,
            limit=limit,
            source=source,
            authenticate=authenticate,
            idempotency_key=idempotency_key,
            stripe_version=stripe_version,
            stripe_account=stripe_account,
            apply=apply,
            allow=allow,
            allow_live=allow_live,
            save=save,
            key=key,
            replace=replace,
        )
        return request(self._api(), template, progress, Ledger(ledger_path(None, self._config)))

    def write(  # noqa: PLR0913 - what may be said of a write, by name
        self,
        object_name: str,
        action: str,
        rows: object = None,
        /,
        *,
        map: Mapping[str, str] | None = None,  # noqa: A002 - the word that the command line has
        set: Mapping[str, object] | None = None,  # noqa: A002 - so is this
        columns: str | Sequence[str] | None = None,
        match: Mapping[str, str] | None = None,
        null: str = "omit",
        row_key: str | None = None,
        idempotency_key: str | None = None,
        again: bool = False,
        reading: ReadOptions | None = None,
        ledger: str | Path | None = None,
        **parameters: object,
    ) -> Planned:
        """Return the plan of a write: rows of any source, or one call by its parameters; `.apply()` sends it.

        `write("customers", "update", frame, map={"metadata.segment": "segment"})`; for one call
        `write("refunds", "create", charge="ch_1", amount=500).apply(allow=["money"])`. `set` takes parameters whose
        names Python does not, as {"items[0].price": "price_1"}; the words are those of `connector write`.
        """
        from connector.apply.ledger import Ledger, ledger_path
        from connector.places import open_source
        from connector.write.run import Planning
        from connector.write.writing import Writing

        writing = Writing(
            mapping=map or {},
            constants={**(set or {}), **parameters},
            columns=None if columns is None else list_of(columns),
            match=match or {},
            null=null,
            row_key=row_key,
            idempotency_key=idempotency_key,
            again=again,
        )
        source = None if rows is None else open_source(rows, reading)
        planning = Planning(self._api(), Ledger(ledger_path(ledger, self._config)), writing)
        return planning.planned(object_name, action, source)

    def read_plan(self, path: str | Path, *, ledger: str | Path | None = None) -> Planned:
        """Return the plan that a file holds, to look at and to send."""
        from connector.apply.ledger import Ledger, ledger_path
        from connector.apply.plan import Plan
        from connector.apply.planned import Planned

        plan, where = Plan.load(path, self.actions), ledger_path(ledger, self._config)
        plan.ledger = str(where)
        return Planned(self._api(), Ledger(where), plan)

    def check(self, only: str | Collection[str] = (), config: str | Path | None = None) -> Iterable[Check]:
        """Yield what the key is, whose account it opens, what it may read; with a config, if its sync would run."""
        from connector.api.check import check
        from connector.sync.runfile import read_runfile

        if config is None:
            yield from check(self._api(), list_of(only))
            return
        run = read_runfile(Path(config)).only(list_of(only))
        with self._account_of(run) as account:
            yield from account.check_by(run)

    def dates(self, token: str) -> list[Meaning]:
        """Return what a date token means now, for each comparison; in the connection's time zone and in UTC."""
        return describe(token, Calendar.system(self.connection.time_zone, self._week_start))

    def check_by(self, run: RunFile) -> Iterable[Check]:
        """Try what the sync of a config needs: its target and time zone, this key, its account, each endpoint."""
        from connector.sync.check import check_run

        return check_run(self._api(run), run)

    def sync(  # noqa: PLR0913 - what people may ask for, by name
        self,
        endpoints: str | Path | Sequence[str] = "all",
        to: str | None = None,
        *,
        since: str | None = None,
        schema: str | None = None,
        only: str | Collection[str] = (),
        full: bool = False,
        watch: SyncWatch | None = None,
    ) -> SyncReport:
        """Merge endpoints into a database, and mark what is gone; the report says what became of each.

        `sync(["customers", "invoices"], to="duckdb:///stripe.duckdb")`, `sync("all", to=…)`, or the path of a config.
        `only` takes some of its endpoints; `full` reads everything again. Arguments win over the config. A
        config that names a connection is synced by that one; settings given to this object hold where the connection
        says nothing, but key and account.
        """
        from connector.sync.runfile import run_of

        run = replace(run_of(endpoints, to, since, schema).only(list_of(only)), full=full)
        with self._account_of(run) as account:
            return account.sync_by(run, watch)

    @contextmanager
    def _account_of(self, run: RunFile) -> Iterator[Stripe]:
        """Open the account that a config names; this one, where it names none."""
        if run.connection is None and run.account in (None, self.connection.account):
            yield self
            return
        said = {"account"} if run.connection is None else {"key", "key_file", "account", *run.connection_settings()}
        others = {name: value for name, value in self._settings.items() if name not in said}
        if run.account is not None:
            others["account"] = run.account
        name, config = (run.connection, run.connection_file) if run.connection else (self._name, self._config)
        with Stripe(name, config=config, definitions=self._definitions, **others) as named:
            yield named

    def sync_by(self, run: RunFile, watch: SyncWatch | None = None) -> SyncReport:
        """Sync what a config says, which `connector.sync.runfile` has read, by this account."""
        from connector.sync.run import sync

        return sync(self._api(run), run, watch)

    def forecast(self, run: RunFile) -> tuple[list[Forecast], list[str]]:
        """Return how much a sync would read, and notes on what it leaves out; moves no data."""
        from connector.sync.forecast import forecast

        return forecast(self._api(run), run)

    @staticmethod
    def state(config: str | Path) -> list[Run]:
        """Return the newest run of each endpoint that a config syncs; nothing where none ever was."""
        from connector.sync import history
        from connector.sync import runfile as runs

        return history.last_runs(runs.read_runfile(Path(config)))

    @staticmethod
    def reset(config: str | Path, endpoints: str | Collection[str]) -> None:
        """Forget how far the reading of these endpoints has come; their rows stay, and the next run begins anew.

        Where several accounts share the tables, only the progress of the config's own account is forgotten.
        """
        from connector.api.identity import identify
        from connector.sync import history
        from connector.sync import runfile as runs

        run = runs.read_runfile(Path(config))

        def own_account() -> str:
            with Stripe(run.connection, config=run.connection_file, account=run.account) as account:
                return identify(account._api(run).client).account

        history.forget(run, list_of(endpoints), own_account)

    @staticmethod
    def load(  # noqa: PLR0913 - what people may ask for, by name
        source: object,
        to: str,
        table: str | None = None,
        *,
        key: str | Sequence[str] = (),
        mode: str = "upsert",
        mapping: Mapping[str, str] | None = None,
        columns: str | Sequence[str] | None = None,
        create: bool = True,
        on_new_column: str = "fail",
        on_wider_type: str = "fail",
        duplicates: str = "last",
        scope: Mapping[str, str] | None = None,
        swap: bool = False,
        allow_empty: bool = False,
        lock_wait_seconds: float = 60.0,
        format: str | None = None,  # noqa: A002 - the name of the option
        encoding: str | None = None,
        delimiter: str | None = None,
        sheet: str | None = None,
        query: str | None = None,
        source_table: str | None = None,
        decimal: str | None = None,
        date_format: str | None = None,
        progress: LoadWatch | None = None,
    ) -> LoadReport:
        """Merge any table into a database, by key and in one transaction; no key of Stripe's is needed for it.

        `Stripe.load(frame, "postgresql://…", "crm.leads", key="email")`. The source is a DataFrame, an Arrow table,
        a result of ours, a file name or a URL. `mapping` gives the source's column for a target's; format, encoding,
        delimiter, sheet, decimal (",") and date_format ("dd.mm.yyyy") are about a source that is a file, query and
        source_table about one that is a database.
        """
        from connector.files.formats import ReadOptions
        from connector.load.loading import Loading
        from connector.load.run import load

        loading = Loading(
            mode=mode,
            key=list_of(key),
            columns=None if columns is None else list_of(columns),
            mapping=mapping or {},
            create=create,
            on_new_column=on_new_column,
            on_wider_type=on_wider_type,
            duplicates=duplicates,
            scope=scope or {},
            swap=swap,
            allow_empty=allow_empty,
            lock_wait_seconds=lock_wait_seconds,
        )
        reading = ReadOptions(format, encoding, delimiter, sheet, source_table, query, decimal, date_format)
        return load(source, to, table, loading, reading=reading, progress=progress)

    def _api(self, run: RunFile | None = None) -> Api:
        """Return the account; with a config, what that says of it: definitions of its own, the calendar."""
        from connector.api.account import Api

        endpoints, zone, week_start = self.endpoints, self.connection.time_zone, self._week_start
        if run is not None:
            zone, week_start = run.time_zone or zone, run.week_start
            if run.definitions:
                endpoints = find_endpoints([*self._definitions, *run.definitions])
        return Api(self._opened(), endpoints, Calendar.system(zone, week_start), self.actions)
