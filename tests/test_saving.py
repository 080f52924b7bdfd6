"""Saved requests: what is kept, what it becomes as a table, and what cannot be kept."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector import Stripe
from connector.definitions.endpoint import Endpoints
from connector.errors import ConfigError, DataError, StripeError, UsageError
from connector.sandbox import Sandbox
from tests.scripted_server import Answer, ScriptedServer
from tests.serving import SECRET


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_tables").mkdir()
    return tmp_path / "my_tables"


@pytest.fixture
def mine(shared_sandbox: Sandbox, folder: Path) -> Iterator[Stripe]:
    """An account with a folder of definitions of its own."""
    settings: dict[str, Any] = {"max_rps": 100_000, "max_rps_per_endpoint": 100_000, "total_seconds": 5}
    with Stripe(key=shared_sandbox.key, api_base=shared_sandbox.url, definitions=[folder], **settings) as stripe:
        yield stripe


def said(folder: Path, name: str) -> dict[str, Any]:
    return tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))


LISTS: dict[str, dict[str, Any]] = {
    "cursor": {"url": "/v1/payouts"},
    "cursor_with_parameters": {
        "url": "charges?limit=5",
        "query": ["created[gte]=1790000000", "expand[]=data.customer"],
    },
    "page": {"url": "/v1/customers/search", "query": {"query": "created>0"}},
    "url": {"url": "/v2/core/events", "query": ["limit=7"]},
    "none": {"url": "/v1/reporting/report_types", "filter": "$.data[*]"},
    "rows": {"url": "/v1/balance", "filter": "$.available[*]", "key": ["currency"]},
    "rows_deeper": {"url": "/v1/balance", "filter": "$['available'][*]", "key": ["currency"]},
}
PAGING = {"cursor_with_parameters": "cursor", "rows": "none", "rows_deeper": "none"}


@pytest.mark.parametrize("kind", LISTS)
def test_a_saved_request_is_a_table_with_all_of_its_rows(kind: str, mine: Stripe, folder: Path) -> None:
    asked = {"key": ["id"], **LISTS[kind]}
    url = asked.pop("url")
    rows = mine.request("GET", url, paginate=True, **asked).to_arrow()
    saved = mine.request("GET", url, paginate=True, save="kept", **asked)
    assert "my_tables" in saved.report.notes[-1]
    table = mine.extract("kept").to_arrow()
    key = asked["key"][0]
    assert sorted(table.column(key).to_pylist()) == sorted(rows.column(key).to_pylist())
    assert said(folder, "kept")["paging"] == PAGING.get(kind, kind)
    for column in saved.schema:
        if "metadata_" not in column.name:  # some of whose keys no definition can name
            assert table.schema.field(column.name).type == column.type
    assert table.column("_extra").null_count == table.num_rows


def test_the_saved_rows_are_the_rows_that_came(mine: Stripe) -> None:
    came = mine.request("GET", "/v1/payouts", paginate=True, save="kept").to_arrow()
    table = mine.extract("kept").to_arrow()
    assert table.select(came.schema.names).to_pylist() == came.to_pylist()


def test_what_a_definition_says(mine: Stripe, folder: Path) -> None:
    mine.request("GET", "/v1/events", query=["type=invoice.paid"], save="paid_events", key=["id"])
    content = said(folder, "paid_events")
    assert {key: value for key, value in content.items() if key != "columns"} == {
        "description": "Kept from a request: GET /v1/events.",
        "path": "/v1/events",
        "object": "event",
        "primary_key": ["id"],
        "updates": "none",
        "deletes": "compare",
        "paging": "cursor",
        "always": {"type": "invoice.paid"},
    }
    assert content["columns"]["created"] == "timestamp"
    assert content["columns"]["data.object.created"] == "integer"
    assert content["columns"]["data.object.lines.data"] == "json"
    assert Endpoints([folder])["paid_events"].column("data_object_amount_due")


def test_integers_that_look_like_times_are_named(mine: Stripe, folder: Path) -> None:
    thing = {"id": "thing_1", "object": "thing", "opened_at": 1767225600, "updated": 1767225601}
    answer = Answer(body={"object": "list", "data": [thing], "has_more": False})
    with (
        ScriptedServer(answer) as server,
        Stripe(key=SECRET, api_base=server.url, definitions=[folder]) as stripe,
    ):
        notes = stripe.request("GET", "/v1/things", save="kept").report.notes
    assert any(note.startswith("opened_at, updated seem to hold unix seconds") for note in notes), notes
    asked: dict[str, Any] = {"filter": "$.available[*]", "save": "amounts"}
    assert len(mine.request("GET", "/v1/balance", **asked).report.notes) == 1


def test_a_key_of_a_list_without_rows_is_not_what_is_wrong(folder: Path) -> None:
    answer = Answer(body={"object": "list", "data": [], "has_more": False})
    with (
        ScriptedServer(answer) as server,
        Stripe(key=SECRET, api_base=server.url, definitions=[folder]) as stripe,
        pytest.raises(DataError, match="gave no rows, so there are no columns to keep"),
    ):
        stripe.request("GET", "/v1/things", save="things", key=["id"])
    assert list(folder.iterdir()) == []


def test_metadata_of_other_records_has_a_place(mine: Stripe, folder: Path) -> None:
    mine.request("GET", "/v1/customers", query=["limit=100"], save="people")
    assert said(folder, "people")["columns"]["metadata"] == "json"
    result = mine.extract("people")
    result.to_arrow()
    assert not any("metadata" in line for line in result.report.lines())


def test_a_table_with_a_key_is_synced_and_one_without_is_not(mine: Stripe, tmp_path: Path) -> None:
    mine.request("GET", "/v1/payouts", save="keyed", key=["id"])
    mine.request("GET", "/v1/payouts", save="keyless")
    target = f"duckdb:///{(tmp_path / 'stripe.duckdb').as_posix()}"
    report = mine.sync(["keyed"], to=target)
    assert not report.failed
    again = mine.sync(["keyed"], to=target)
    assert (again.runs[0].inserted, again.runs[0].deleted) == (0, 0)
    assert again.runs[0].unchanged == report.runs[0].inserted > 10
    with pytest.raises(ConfigError, match=r"keyless cannot be synced: .*keyless\.toml says no primary_key"):
        mine.sync(["keyless"], to=target)
    assert mine.extract("keyless").to_arrow().num_rows == report.runs[0].inserted


@pytest.mark.parametrize("kind", ["url", "rows"])
def test_every_kind_of_list_is_synced_whole(kind: str, mine: Stripe, tmp_path: Path) -> None:
    asked = {"key": ["id"], **LISTS[kind]}
    mine.request("GET", asked.pop("url"), save="kept", **asked)
    target = f"duckdb:///{(tmp_path / 'stripe.duckdb').as_posix()}"
    (first,) = mine.sync(["kept"], to=target).runs
    (again,) = mine.sync(["kept"], to=target).runs
    assert (first.status, first.inserted) == ("succeeded", mine.extract("kept").to_arrow().num_rows)
    assert (again.inserted, again.updated, again.deleted, again.unchanged) == (0, 0, 0, first.inserted)


def test_all_endpoints_leave_a_table_without_a_key_out(mine: Stripe, tmp_path: Path) -> None:
    from connector.sync.runfile import RunFile
    from connector.sync.tasks import tasks_of

    mine.request("GET", "/v1/payouts", save="keyless")
    tasks, notes = tasks_of(mine._api(), RunFile(to=f"duckdb:///{tmp_path / 's.duckdb'}", everything=True))
    assert "keyless" not in [task.name for task in tasks]
    assert [note for note in notes if note.startswith("left out") and "keyless" in note]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "filter_with_a_condition": ({"filter": "$.data[?(@.amount>5)]"}, "a plain path to one list"),
    "filter_that_descends": ({"filter": "$..data[*]"}, "a plain path to one list"),
    "headers": ({"headers": ["X: 1"]}, "cannot keep headers"),
    "version": ({"stripe_version": "2025-03-31.basil"}, "cannot keep a version"),
    "account": ({"stripe_account": "acct_1"}, "cannot keep an account"),
    "no_key": ({"authenticate": False}, "cannot keep a request without the key"),
    "explode": ({"explode": "lines.data"}, "cannot keep --explode"),
    "bad_name": ({"save": "My Table"}, "is no name for a table"),
    "climbing_name": ({"save": "../x"}, "is no name for a table"),
    "name_of_ours": ({"save": "customers"}, "--replace"),
    "post": ({"method": "POST"}, "cannot keep a POST"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_kept_is_refused_before_anything_is_sent(
    name: str, mine: Stripe, folder: Path, shared_sandbox: Sandbox
) -> None:
    asked, message = REFUSED[name]
    before = shared_sandbox.stats()["requests"]
    with pytest.raises(UsageError, match=message):
        mine.request(**{"method": "GET", "url": "/v1/charges", "save": "kept", **asked})
    assert shared_sandbox.stats()["requests"] == before
    assert list(folder.iterdir()) == []


NO_LISTS: dict[str, tuple[dict[str, Any], str]] = {
    "one_object": ({"url": "/v1/balance"}, "does not list"),
    "position": ({"url": "/v1/charges", "query": ["starting_after={id}"]}, "cannot keep starting_after"),
    "unknown_key": ({"url": "/v1/charges", "key": ["idd"]}, "Did you mean id"),
    "key_that_is_none": ({"url": "/v1/charges", "key": ["currency"]}, "does not tell rows apart: 10 rows"),
    "null_key": ({"url": "/v1/charges", "key": ["id", "shipping"]}, "shipping is null in 10 rows"),
    "nothing_came": ({"url": "/v1/charges", "query": ["created[lt]=1"]}, "no columns to keep"),
    "twice": ({"url": "/v1/charges?created[gte]=1&created[gte]=2"}, "twice"),
}


@pytest.mark.parametrize("name", NO_LISTS)
def test_what_lists_nothing_is_refused(name: str, mine: Stripe, folder: Path) -> None:
    asked, message = NO_LISTS[name]
    first = mine.request("GET", "/v1/charges", limit=1).to_arrow().column("id")[0].as_py()
    asked = {**asked, "query": [each.replace("{id}", first) for each in asked.get("query", [])]}
    with pytest.raises((UsageError, DataError, StripeError), match=message):
        mine.request("GET", save="kept", **asked)
    assert list(folder.iterdir()) == []


def test_without_a_folder_it_says_where_to_name_one(stripe: Stripe) -> None:
    with pytest.raises(
        UsageError, match=r'--definitions FOLDER or in connector\.toml, as definitions = \["my_tables"\]'
    ):
        stripe.request("GET", "/v1/charges", save="kept")


def test_a_table_is_not_lost_to_another_of_its_name(mine: Stripe, folder: Path) -> None:
    mine.request("GET", "/v1/charges", save="kept")
    before = (folder / "kept.toml").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="my_tables already: take another name, or --replace"):
        mine.request("GET", "/v1/payouts", save="kept")
    assert (folder / "kept.toml").read_text(encoding="utf-8") == before
    assert mine.extract("kept", limit=1).to_arrow().column("object").to_pylist() == ["charge"]
    mine.request("GET", "/v1/payouts", save="kept", replace=True)
    assert mine.extract("kept", limit=1).to_arrow().column("object").to_pylist() == ["payout"]


def test_odd_names_and_values_stand_in_the_file_as_they_are(folder: Path) -> None:
    record = {
        'quo"ted': 1,
        "ünï": "x",
        "with space": True,
        "dotted.key": 1,
        "": 2,
        "a": {"b.c": 1, "d": 1.5},
        "\x7f": 1,
    }
    answer = Answer(body={"object": "list", "data": [{"id": "x_1", **record}], "has_more": False})
    with (
        ScriptedServer(answer) as server,
        Stripe(key=SECRET, api_base=server.url, definitions=[folder], total_seconds=5) as stripe,
    ):
        found = stripe.request("GET", "/v1/odd", query={"q": 'a"b\\c\x7fü'}, save="odd", key=["id"])
        assert said(folder, "odd")["always"] == {"q": 'a"b\\c\x7fü'}
        assert any(note.startswith("dotted_key is not in the definition") for note in found.report.notes)
        table = stripe.extract("odd").to_arrow()
    (row,) = table.to_pylist()
    assert (row["ünï"], row["with space"], row["a_d"], row["\x7f"]) == ("x", True, 1.5, 1)
    assert json.loads(row["_extra"]) == {"": 2, "a.b.c": 1, "dotted.key": 1, 'quo"ted': 1}


def test_a_list_without_ids_comes_whole_or_is_refused(folder: Path) -> None:
    for has_more in (False, True):
        answer = Answer(body={"object": "list", "data": [{"name": "a"}], "has_more": has_more})
        with (
            ScriptedServer(answer) as server,
            Stripe(key=SECRET, api_base=server.url, definitions=[folder], total_seconds=5) as stripe,
        ):
            if has_more:
                with pytest.raises(DataError, match="no id to go on from"):
                    stripe.request("GET", "/v1/names", save="names_2")
            else:
                stripe.request("GET", "/v1/names", save="names")
                assert said(folder, "names")["paging"] == "none"
    assert [each.name for each in folder.iterdir()] == ["names.toml"]
