"""The cut API document: what it answers, and that it is what the build makes of Stripe's."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connector.sandbox.document import api
from connector.sandbox.document.build import Places, build, cut, main
from tests.stripe_documents import FOLDER, needs_documents

DATA = Path(__file__).parent / "data"
PACKAGE = Path(api.__file__).parents[2]
ROOM = Path(api.__file__).parent
SAMPLES: dict[str, dict[str, Any]] = json.loads((DATA / "fixtures.json").read_text(encoding="utf-8"))["resources"]


@needs_documents
def test_building_again_gives_what_is_committed(tmp_path: Path) -> None:
    written = build(FOLDER, Places(package=tmp_path, document=tmp_path, samples=tmp_path))
    places = {"fixtures.json": DATA, "invoice_2023.json": DATA, "samples.json.gz": ROOM, "stripe_api.json.gz": PACKAGE}
    assert {path.name for path in written} == places.keys()
    for path in written:
        committed = places[path.name] / path.name
        assert _content(path) == _content(committed), path.name


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def test_cut_drops_prose_but_not_fields_that_are_called_like_prose() -> None:
    node = {"title": "x", "properties": {"description": {"type": "string", "description": "words"}}}
    assert cut(node) == {"properties": {"description": {"type": "string"}}}


def test_the_cut_document_is_small_and_has_no_prose() -> None:
    packed = (PACKAGE / "stripe_api.json.gz").read_bytes()
    assert len(packed) < 250_000
    assert b"x-sdk" not in gzip.decompress(packed)


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["/nowhere"], 1)])
def test_build_says_in_a_line_what_is_wrong(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_every_path_of_the_api_is_there() -> None:
    found = list(api.operations())
    assert len({operation.path for operation in found}) == 396
    assert len(found) == 557
    assert len(api.schemas()) == 153
    assert api.version() == "2026-10-28.endive"


@pytest.mark.parametrize(
    ("method", "path", "template"),
    [
        ("GET", "/v1/customers", "/v1/customers"),
        ("GET", "/v1/customers/cus_1", "/v1/customers/{customer}"),
        ("GET", "/v1/customers/{id}", "/v1/customers/{customer}"),
        ("GET", "/v1/customers/search", "/v1/customers/search"),
        ("POST", "/v1/customers/search", "/v1/customers/{customer}"),
        ("GET", "/v1/credit_notes/preview", "/v1/credit_notes/preview"),
        ("GET", "/v1/invoices/in_1/lines", "/v1/invoices/{invoice}/lines"),
        ("get", "/v1/balance", "/v1/balance"),
    ],
)
def test_a_path_finds_its_call_and_words_beat_parameters(method: str, path: str, template: str) -> None:
    found = api.operation(method, path)
    assert found is not None
    assert found.path == template


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/customer"), ("GET", "/v1/customers/"), ("DELETE", "/v1/customers"), ("GET", "/v2/core/accounts")],
)
def test_a_path_that_stripe_does_not_have_is_none(method: str, path: str) -> None:
    assert api.operation(method, path) is None


def test_a_call_knows_what_it_takes_and_returns() -> None:
    lines = _operation("GET", "/v1/invoices/in_1/lines")
    assert (lines.lists, lines.searches, lines.retrieves) == ("line_item", None, None)
    assert lines.path_values("/v1/invoices/in_1/lines") == {"invoice": "in_1"}
    assert _operation("GET", "/v1/charges/search").searches == "charge"
    assert _operation("GET", "/v1/balance").retrieves == "balance"
    items = _operation("GET", "/v1/subscription_items")
    assert items.required == {"subscription"}
    assert set(items.query) == {"ending_before", "expand", "limit", "starting_after", "subscription"}


def test_parameters_know_their_types_and_choices() -> None:
    invoices = _operation("GET", "/v1/invoices").query
    assert invoices["status"].choices == ("draft", "open", "paid", "uncollectible", "void")
    assert invoices["created"].types == {"object", "integer"}
    assert set(invoices["created"].fields) == {"gt", "gte", "lt", "lte"}
    body = _operation("POST", "/v1/customers").body
    assert body["business_name"].clearable
    assert not body["balance"].clearable
    assert body["metadata"].values is not None


def test_a_field_is_found_through_lists_arrays_and_whole_objects() -> None:
    subscription = api.schema("subscription")
    product = subscription.at("items.data.price.product")
    assert product is not None
    assert product.expandable
    assert product.resources == ("product",)
    assert subscription.at("items.price.product") is product
    assert subscription.at("items.price.nothing") is None
    created = api.schema("charge").at("created")
    assert created is not None
    assert created.format == "unix-time"


KNOWN_DEPARTURES = {
    "dispute": ["dispute.evidence_details.submission_method: missing"],
    "event": ["event.data.object.aggregate_usage: unknown field"],
    "invoice": ["invoice.subscription: unknown field"],
}
"""Stripe's samples are one version older than the document."""


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() & set(api.schemas())))
def test_stripes_own_samples_have_the_shape(name: str) -> None:
    assert api.problems(SAMPLES[name], name) == KNOWN_DEPARTURES.get(name, [])


def _put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        *above, name = path.split(".")
        for step in above:
            record = record[step]
        record[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_put("nonsense", 1), "charge.nonsense: unknown field"),
        (_put("billing_details.nonsense", None), "charge.billing_details.nonsense: unknown field"),
        (_put("amount", "100"), "charge.amount: str '100' is not integer"),
        (_put("amount", 1.0), "charge.amount: float 1.0 is not integer"),
        (_put("amount", True), "charge.amount: bool True is not integer"),
        (_put("amount", None), "charge.amount: null"),
        (_put("created", "2026-01-01"), "charge.created: str '2026-01-01' is not integer"),
        (_put("object", "charges"), "charge.object: 'charges' is not one of charge"),
        (_put("paid", "true"), "charge.paid: str 'true' is not boolean"),
        (_put("metadata.key", 5), "charge.metadata.key: int 5 is not string"),
        (_put("customer", {"object": "price"}), "charge.customer: object 'price' is not customer"),
        (lambda record: record.pop("currency"), "charge.currency: missing"),
    ],
)
def test_each_kind_of_departure_is_named(change: Callable[[dict[str, Any]], None], problem: str) -> None:
    record = copy.deepcopy(SAMPLES["charge"])
    change(record)
    assert api.problems(record, "charge") == [problem]


@pytest.mark.parametrize("customer", ["cus_1", None, {"id": "cus_1", "object": "customer", "deleted": True}])
def test_an_expandable_field_may_be_an_id_nothing_or_a_deleted_stub(customer: Any) -> None:
    assert api.problems({**SAMPLES["charge"], "customer": customer}, "charge") == []


def test_an_expanded_object_is_looked_into() -> None:
    record = {**SAMPLES["charge"], "customer": {**SAMPLES["customer"], "created": None}}
    assert api.problems(record, "charge") == ["charge.customer.created: null"]


def test_the_snapshot_in_an_event_is_looked_into() -> None:
    event = copy.deepcopy(SAMPLES["event"])
    event["data"]["object"] = {**SAMPLES["customer"], "nonsense": 1}
    assert api.problems(event, "event") == ["event.data.object.nonsense: unknown field"]


def _operation(method: str, path: str) -> api.Operation:
    found = api.operation(method, path)
    assert found is not None
    return found
