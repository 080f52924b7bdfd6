"""Every shipped definition against the shape of Stripe's API, which the sandbox has from the OpenAPI document.

`departures` says where a definition is wrong; that it would find each kind of mistake is tested too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from connector.definitions import generate
from connector.definitions.endpoint import Endpoint, Endpoints, shipped_folder
from connector.definitions.lists import table_name
from connector.definitions.parts import Column, Filter, Parent, Window
from connector.definitions.specification import Specification
from connector.sandbox.document import api
from tests.stripe_documents import newest

ENDPOINTS = Endpoints()
NAMES = list(ENDPOINTS)

# Values that Stripe takes for a filter and that no row ever has, so that a condition must not name them.
NOT_VALUES = {("subscriptions", "status"): {"all", "ended"}}
SCALARS = {"text": "string", "integer": "integer", "number": "number", "boolean": "boolean", "timestamp": "integer"}


_KNOWN_EVERYWHERE = {("object",), ("deleted",)}


def departures(endpoint: Endpoint) -> list[str]:
    path = endpoint.path or endpoint.retrieve or ""
    operation = api.operation(endpoint.method, path)
    if operation is None or (operation.path != path and endpoint.path):
        return [f"{endpoint.method} {path} is not a call of the API"]
    return [
        *_objects(endpoint, operation),
        *_calls(endpoint),
        *(said for column in endpoint.columns for said in _column(endpoint, column)),
        *_undeclared(endpoint),
        *(said for given in endpoint.filters.values() for said in _filter(endpoint, given, operation)),
        *_parameters(endpoint, operation),
        *_embedded(endpoint),
    ]


def _objects(endpoint: Endpoint, operation: api.Operation) -> Iterator[str]:
    if endpoint.rows:
        if operation.retrieves is None:
            yield f"{endpoint.path} does not return one object"
    elif set(_returned(endpoint, operation)) != set(endpoint.object):
        yield f"{operation.path} gives {_returned(endpoint, operation)}, not {endpoint.object}"


def _returned(endpoint: Endpoint, operation: api.Operation) -> tuple[str, ...]:
    """Return the kinds of objects that a call gives: in its list, or as its one object."""
    shape = operation.returns
    if shape and endpoint.rows_at:
        inside = shape.at(".".join(endpoint.rows_at))
        return inside.items.resources if inside and inside.items else ()
    if shape is None or endpoint.paging == "one" or not endpoint.path:
        return shape.resources if shape else ()
    return shape.elements.resources if shape.elements else ()


def _calls(endpoint: Endpoint) -> Iterator[str]:
    retrieve = api.operation("GET", endpoint.retrieve) if endpoint.retrieve else None
    if endpoint.retrieve and (retrieve is None or (retrieve.retrieves,) != endpoint.object):
        yield f"{endpoint.retrieve} does not retrieve {endpoint.object}"
    search = api.operation("GET", endpoint.search) if endpoint.search else None
    if endpoint.search and (search is None or (search.searches,) != endpoint.object):
        yield f"{endpoint.search} does not search {endpoint.object}"


def _record(endpoint: Endpoint) -> list[api.Shape]:
    """Return the shapes that a record has: one, or one for each place where rows stand, and the object around."""
    if not endpoint.rows:
        return [api.schema(kind) for kind in endpoint.object]
    around = api.schema("balance")
    return [*(shape for row in endpoint.rows if (shape := around.at(row))), around]


def _column(endpoint: Endpoint, column: Column) -> Iterator[str]:
    if not column.path:
        return
    path = ".".join(column.path)
    shape = next((found for each in _record(endpoint) if (found := each.at(path))), None)
    if shape is None:
        if not _inside_open_json(endpoint, column):
            yield f"the API has no {path}"
    elif column.type != _type(shape) and column.type != "json" and len(endpoint.object) < len(("several", "kinds")):
        yield f"{path} is {_type(shape)}, not {column.type}"
    elif column.type == "json" and not shape.resources and shape.types <= {*SCALARS.values()}:
        yield f"{path} is a single value, not JSON"


def _inside_open_json(endpoint: Endpoint, column: Column) -> bool:
    """Say whether the column stands inside an object that can hold anything, such as data.object of an event."""
    for length in range(1, len(column.path)):
        above = [found for each in _record(endpoint) if (found := each.at(".".join(column.path[:length])))]
        if any(not shape.fields and not shape.resources for shape in above):
            return True
    return False


def _type(shape: api.Shape) -> str:
    if shape.format in ("unix-time", "decimal"):
        return {"unix-time": "timestamp", "decimal": "decimal"}[shape.format]
    if shape.expandable or (shape.types == {"string", "object"} and "id" in shape.fields):
        return "text"
    kinds = [kind for kind, json in SCALARS.items() if {json} == shape.types]
    return kinds[0] if kinds else "json"


def _undeclared(endpoint: Endpoint) -> Iterator[str]:
    """Yield the fields of the API that the definition neither makes columns of nor leaves out knowingly."""
    known = {column.path for column in endpoint.columns} | set(endpoint.ignored)
    whole = {column.path for column in endpoint.columns if column.type == "json"} | set(endpoint.ignored)
    roots = {tuple(row.split("."))[:1] for row in endpoint.rows}

    def walk(shape: api.Shape, path: tuple[str, ...]) -> Iterator[str]:
        for name, field in shape.fields.items():
            here = (*path, name)
            if here in whole | roots | _KNOWN_EVERYWHERE or here[:1] in whole:
                continue
            if any(column[: len(here)] == here for column in known - {here}):
                yield from walk(field, here)
            elif here not in known:
                yield f"{'.'.join(here)} is not declared"

    for shape in _record(endpoint):
        yield from walk(shape, ())


def _query(operation: api.Operation, parameter: str) -> api.Shape | None:
    """Return the shape of a query parameter, nested ones as recurring[interval]."""
    name, *inside = re.findall(r"[\w.]+", parameter)
    shape = operation.query.get(name)
    for key in inside:
        shape = shape and shape.fields.get(key)
    return shape


def _filter(endpoint: Endpoint, given: Filter, operation: api.Operation) -> Iterator[str]:
    shape = _query(operation, given.parameter)
    if given.name in {parent.column for parent in endpoint.parents}:
        return  # which parent is meant
    if given.parent:
        above = ENDPOINTS[given.parent].filters.get(given.name)
        if above is None or (above.parameter, above.kind) != (given.parameter, given.kind):
            yield f"{given.parent} takes no {given.parameter}"
        return
    if shape is None:
        yield f"{endpoint.path} takes no {given.parameter}"
        return
    if (given.kind == "range") != ({"gt", "gte", "lt", "lte"} <= set(shape.fields)):
        yield f"{given.parameter} is not a {given.kind}"
    choices = {str(each) for each in shape.choices if each != ""} - NOT_VALUES.get((endpoint.name, given.name), set())
    if "boolean" in shape.types and given.values:
        choices = {"true", "false"}
    if set(given.values) != choices:
        yield f"{given.parameter} takes {sorted(choices)}, not {sorted(given.values)}"
    if given.many and (_query(operation, given.many) or shape).types != {"array"}:
        yield f"{given.many} takes no list"


def _parameters(endpoint: Endpoint, operation: api.Operation) -> Iterator[str]:
    filled = {parent.fills for parent in endpoint.parents}
    if endpoint.window:
        filled |= {endpoint.window.start, endpoint.window.end}
    taken = set(operation.query) | set(operation.body) | set(operation.path_parameters)
    always = {name.partition("[")[0] for name in endpoint.always}
    for name in {*filled, *always, *endpoint.each} - taken:
        yield f"{endpoint.path} takes no {name}"
    sent = filled | always | set(endpoint.each) | ({*operation.path_parameters} if not endpoint.path else set())
    needed = (set(operation.required) | set(operation.path_parameters)) - sent
    for name in needed - {given.parameter.partition("[")[0] for given in endpoint.filters.values() if given.required}:
        yield f"{endpoint.path} needs {name}"
    for name, value in endpoint.always.items():
        shape = operation.query.get(name)
        if shape and shape.choices and value not in shape.choices:
            yield f"{name} is never {value}"
    is_list = endpoint.paging == "cursor" and not endpoint.rows_at
    if endpoint.path and is_list != ("starting_after" in operation.query):
        yield f"{endpoint.path} is not paged by {endpoint.paging}"


def _embedded(endpoint: Endpoint) -> Iterator[str]:
    if not endpoint.embedded:
        return
    parent = ENDPOINTS[endpoint.parents[0].table]
    shape = api.schema(parent.object[0]).at(".".join(endpoint.embedded))
    if shape is None or shape.elements is None or shape.elements.resources != endpoint.object:
        yield f"{parent.name} does not embed {endpoint.object} as {endpoint.embedded}"


def test_a_definition_says_what_the_api_says(subtests: pytest.Subtests) -> None:
    for name in NAMES:
        with subtests.test(name):
            assert departures(ENDPOINTS[name]) == []


def test_every_list_of_the_api_is_a_table_of_the_name_that_the_rule_gives() -> None:
    lists = [each.path for each in api.operations() if each.method == "GET" and each.returns and each.returns.is_list]
    tables = {
        endpoint.path: name for name in NAMES if (endpoint := ENDPOINTS[name]).path and name != "payout_transactions"
    }
    assert {path: tables.get(path) for path in lists} == {path: table_name(path) for path in lists}


def test_every_object_that_is_only_retrieved_is_a_table() -> None:
    listed = {kind for name in NAMES for kind in ENDPOINTS[name].object if ENDPOINTS[name].path}
    computed = {
        "/v1/credit_notes/preview",
        "/v1/apps/secrets/find",
        "/v1/tax/associations/find",
        "/v1/treasury/financial_accounts/{financial_account}/features",
    }  # request does them
    for operation in api.operations():
        if operation.method != "GET" or operation.retrieves is None or operation.path in computed:
            continue
        by_id = {kind for name in NAMES for kind in ENDPOINTS[name].object if ENDPOINTS[name].retrieve}
        assert operation.retrieves in listed | by_id | {"balance"}, operation.path


def test_a_table_is_described_has_a_group_a_link_and_no_more_columns_than_people_look_through(
    subtests: pytest.Subtests,
) -> None:
    for name in NAMES:
        endpoint = ENDPOINTS[name]
        with subtests.test(name):
            assert endpoint.description.endswith((".", "…"))
            assert endpoint.group
            assert endpoint.docs.startswith("https://docs.stripe.com/")
            assert len(endpoint.columns) <= 150


SECRET = re.compile(r"(^|\.)(client_secret|cvc|secret|payload|number|id_number)$")
NO_SECRETS = {(name, "number") for name in ("quotes", "invoices", "upcoming_invoices", "credit_notes")}  # of documents


def test_no_table_holds_a_secret() -> None:
    texts = [(name, column) for name in NAMES for column in ENDPOINTS[name].columns if column.type == "text"]
    paths = {(name, ".".join(column.path)) for name, column in texts}
    assert {(name, path) for name, path in paths if SECRET.search(path)} <= NO_SECRETS


def test_definitions_are_written_for_the_pinned_version() -> None:
    from connector.config import API_VERSION

    assert api.version() == API_VERSION


def _with_column(endpoint: Endpoint, name: str, **changes: object) -> Endpoint:
    columns = tuple(replace(c, **changes) if c.name == name else c for c in endpoint.columns)  # type: ignore[arg-type]
    return replace(endpoint, columns=columns)


def _with_filter(endpoint: Endpoint, name: str, **changes: object) -> Endpoint:
    changed = replace(endpoint.filters[name], **changes)  # type: ignore[arg-type]
    return replace(endpoint, filters={**endpoint.filters, name: changed})


_WRONG_PARENT = Parent("subscriptions", "sub", "sub")
_WRONG_WINDOW = Window("start_time", "from", "to")
MISTAKES: dict[str, tuple[str, Callable[[Endpoint], Endpoint]]] = {
    "wrong_path": ("customers", lambda e: replace(e, path="/v1/costumers")),
    "wrong_object": ("customers", lambda e: replace(e, object=("product",))),
    "wrong_retrieve": ("customers", lambda e: replace(e, retrieve="/v1/products/{id}")),
    "wrong_search": ("customers", lambda e: replace(e, search="/v1/invoices/search")),
    "text_instead_of_integer": ("customers", lambda e: _with_column(e, "balance", type="text")),
    "integer_instead_of_timestamp": ("customers", lambda e: _with_column(e, "created", type="integer")),
    "number_instead_of_decimal": ("prices", lambda e: _with_column(e, "unit_amount_decimal", type="number")),
    "json_instead_of_text": ("customers", lambda e: _with_column(e, "email", type="json")),
    "text_instead_of_json": ("customers", lambda e: _with_column(e, "metadata", type="text")),
    "a_column_that_does_not_exist": ("customers", lambda e: _with_column(e, "email", path=("emial",))),
    "a_column_forgotten": ("customers", lambda e: replace(e, columns=e.columns[:-1])),
    "an_enum_value_too_many": ("invoices", lambda e: _with_filter(e, "status", values=("paid", "x"))),
    "an_enum_value_too_few": ("invoices", lambda e: _with_filter(e, "status", values=("paid",))),
    "a_call_by_the_wrong_method": ("upcoming_invoices", lambda e: replace(e, method="GET")),
    "rows_that_stand_elsewhere": ("upcoming_invoice_lines", lambda e: replace(e, rows_at=("payments", "data"))),
    "a_filter_the_parent_does_not_take": ("upcoming_invoices", lambda e: _with_filter(e, "customer", kind="range")),
    "a_range_that_is_none": ("invoices", lambda e: _with_filter(e, "customer", kind="range")),
    "a_range_forgotten": ("invoices", lambda e: _with_filter(e, "created", kind="equals")),
    "an_unknown_parameter": ("invoices", lambda e: _with_filter(e, "customer", parameter="custmer")),
    "a_list_parameter_that_is_none": ("events", lambda e: _with_filter(e, "type", many="type")),
    "a_value_always_sent_that_is_never_taken": ("subscriptions", lambda e: replace(e, always={"status": "every"})),
    "a_parameter_always_sent_that_is_unknown": ("subscriptions", lambda e: replace(e, always={"state": "all"})),
    "a_parameter_for_each_that_is_unknown": ("prices", lambda e: replace(e, each={"activ": ("true",)})),
    "a_parent_that_fills_nothing": ("subscription_items", lambda e: replace(e, parents=(_WRONG_PARENT,))),
    "an_embedded_list_that_is_none": ("invoice_lines", lambda e: replace(e, embedded=("payments",))),
    "a_window_with_wrong_names": ("billing_meter_event_summaries", lambda e: replace(e, window=_WRONG_WINDOW)),
    "paging_that_does_not_exist": ("balance", lambda e: replace(e, paging="cursor")),
    "rows_of_a_list": ("customers", lambda e: replace(e, rows=("data",))),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_kind_of_mistake_in_a_definition_is_found(mistake: str) -> None:
    name, make = MISTAKES[mistake]
    assert departures(make(ENDPOINTS[name]))


@pytest.fixture(scope="module")
def document() -> Specification:
    file = newest()
    if file is None:
        pytest.skip("STRIPE_SPEC_DIR is not set: the OpenAPI document is not here")
    return Specification.read(file)


def test_generating_again_changes_nothing(document: Specification) -> None:
    for name in NAMES:
        text = (shipped_folder() / f"{name}.toml").read_text(encoding="utf-8")
        assert generate.definition_text(document, text) == text, name


def test_a_new_table_is_drafted_from_its_path_alone(document: Specification) -> None:
    text = generate.definition_text(document, 'path = "/v1/topups"\n')
    assert 'object      = "topup"' in text
    assert 'created = "range"' in text.replace("  ", " ").replace("  ", " ")


def test_a_table_whose_rows_stand_at_a_path_is_drafted_from_there(document: Specification) -> None:
    text = generate.definition_text(document, 'path = "/v1/invoices/{invoice}"\nrows = "lines.data"\n')
    assert 'object      = "line_item"' in text
    assert '"pricing.price_details.price"' in text


def test_generating_adds_what_is_new_drops_what_is_gone_and_keeps_what_a_person_said(
    document: Specification,
) -> None:
    text = (shipped_folder() / "customers.toml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("email ")]
    lines.append('shoe_size = "integer"')
    edited = "# Ours.\n" + "\n".join(lines).replace('"People and businesses you charge."', '"Our people."')
    again = generate.definition_text(document, edited)
    assert again.startswith("# Ours.\n")
    assert "Our people." in again
    assert "shoe_size" not in again
    assert re.search(r'^email += "text"$', again, re.MULTILINE)
