"""Reports: types that can be run, runs that succeed a moment later, and their result as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from connector.sandbox.document.api import Operation
from connector.sandbox.document.refusals import refusal
from connector.sandbox.document.rules import Record
from connector.sandbox.reads.readers import reader
from connector.sandbox.world.store import Store, Stretch
from connector.sandbox.writes.actions.files import save
from connector.sandbox.writes.engine.handlers import handles, holds
from connector.sandbox.writes.engine.handlers import reads as reads_
from connector.sandbox.writes.engine.schedule import Due, due
from connector.sandbox.writes.engine.write import Call, Write, apply, writing

KIND = "reporting.report_run"
TAKES_SECONDS = 1
"""How long a run is pending, on the sandbox's clock."""

_WHOLE = frozenset({"clp", "jpy", "krw", "vnd"})  # currencies without minor units
_DAY = 86_400

holds(KIND)


class _Type(NamedTuple):
    """A report: its name, the objects it tells of, and its columns."""

    name: str
    kind: str
    columns: Mapping[str, Callable[[Record], Any]]


def _time(name: str) -> Callable[[Record], str]:
    return lambda record: datetime.fromtimestamp(record[name], UTC).strftime("%Y-%m-%d %H:%M:%S")


def _amount(name: str) -> Callable[[Record], Decimal]:
    """Return what reads an amount in major units, as report files give it [docs]."""
    return lambda record: Decimal(record[name]) / (1 if record["currency"] in _WHOLE else 100)


TYPES = {
    "balance_change_from_activity.itemized.3": _Type(
        "Balance change from activity, itemized",
        "balance_transaction",
        {
            "balance_transaction_id": lambda record: record["id"],
            "created_utc": _time("created"),
            "available_on_utc": _time("available_on"),
            "currency": lambda record: record["currency"],
            "gross": _amount("amount"),
            "fee": _amount("fee"),
            "net": _amount("net"),
            "reporting_category": lambda record: record["reporting_category"],
            "source_id": lambda record: record["source"],
        },
    ),
    "payouts.itemized.3": _Type(
        "Payouts, itemized",
        "payout",
        {
            "payout_id": lambda record: record["id"],
            "effective_at_utc": _time("arrival_date"),
            "currency": lambda record: record["currency"],
            "gross": _amount("amount"),
            "payout_status": lambda record: record["status"],
        },
    ),
}


def report_type(store: Store, id: str) -> Record:  # noqa: A002 - Stripe's word for it
    """Return a report type; its figures reach to the midnight before now."""
    return {
        "id": id,
        "object": "reporting.report_type",
        "data_available_end": store.clock.now() // _DAY * _DAY,
        "data_available_start": int(store.business.account()["created"]) // _DAY * _DAY,
        "default_columns": list(TYPES[id].columns),
        "livemode": False,
        "name": TYPES[id].name,
        "updated": store.clock.now() // _DAY * _DAY,
        "version": int(id.rpartition(".")[2]),
    }


@reads_("GET /v1/reporting/report_types")
def list_types(store: Store, _operation: Operation, path: str, _parameters: Mapping[str, Any]) -> Record:
    """Return all report types; this list has no pages."""
    return {"object": "list", "data": [report_type(store, id_) for id_ in TYPES], "has_more": False, "url": path}


@reads_("GET /v1/reporting/report_types/{report_type}")
def retrieve_type(store: Store, operation: Operation, path: str, _parameters: Mapping[str, Any]) -> Record:
    """Return one report type."""
    id_ = operation.path_values(path)["report_type"]
    if id_ not in TYPES:
        raise refusal("missing", "report_type", kind="reporting.report_type", id=id_)
    return report_type(store, id_)


@handles("POST /v1/reporting/report_runs")
def create(write: Write) -> Record:
    """Begin a run."""
    id_ = write.form["report_type"]
    if id_ not in TYPES:
        raise write.refuse("missing_reference", "report_type", kind="reporting.report_type", id=id_)
    run = write.blank(KIND, id=write.new_id("frr_"), status="pending")
    apply(run, write.form, KIND)
    asked, known = run["parameters"], report_type(write.store, id_)
    for name in ("interval_start", "interval_end"):
        if (
            not known["data_available_start"]
            <= (asked.get(name) or known["data_available_end"])
            <= known["data_available_end"]
        ):
            raise write.refuse("report_interval", f"parameters[{name}]")
    for column in asked.get("columns") or ():
        if column not in TYPES[id_].columns:
            raise write.refuse("report_column", "parameters[columns]", column=column)
    write.put(KIND, run)
    return run


@due(KIND, looks_back_days=1)
def _finishes(run: Record) -> Iterator[Due]:
    if run["status"] == "pending":
        yield run["created"] + TAKES_SECONDS, finish


def finish(write: Write, run: Record) -> None:
    """Let a run succeed, with a file of what it found."""
    text = _text(write.store, run)
    file = save(write, text.encode(), f"{run['id']}.csv", "finance_report_run")
    run = {**run, "status": "succeeded", "succeeded_at": write.now, "result": file}
    write.put(KIND, run)
    write.emit("file.created", file)
    write.emit("reporting.report_run.succeeded", run)


def _text(store: Store, run: Record) -> str:
    kind, asked = TYPES[run["report_type"]], run["parameters"]
    names = asked.get("columns") or list(kind.columns)
    stretch = Stretch(since=asked.get("interval_start"), until=asked.get("interval_end"))
    out = io.StringIO(newline="")
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(names)
    for record in store.records(kind.kind, stretch):
        if asked.get("currency") in {None, record["currency"]}:
            rows.writerow([kind.columns[name](record) for name in names])
    return out.getvalue()


@reads_("GET /v1/reporting/report_runs")
@reads_("GET /v1/reporting/report_runs/{report_run}")
def read_runs(store: Store, operation: Operation, path: str, parameters: Mapping[str, Any]) -> Record:
    """Serve runs as other objects, after letting those succeed whose time has come."""
    now = store.clock.now()
    for run in list(store.records(KIND, Stretch(since=now - _DAY))):
        if run["status"] == "pending" and run["created"] + TAKES_SECONDS <= now:
            with writing(store, Call(now=now)) as write:
                again = write.get(KIND, run["id"])
                if again["status"] == "pending":
                    finish(write, again)
    general = reader(store, operation)
    assert general is not None
    return general(store, operation, path, parameters)
