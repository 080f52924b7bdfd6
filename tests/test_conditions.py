"""Conditions: one meaning in four places; what is sent only narrows, what is kept is decided here."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from connector.dates import Calendar
from connector.definitions.endpoint import Endpoints
from connector.definitions.gone import GONE
from connector.errors import ConditionError, ConnectorError, DateError
from connector.extract.conditions import Plan, from_mapping, parse, plan

CLOCK = Calendar(datetime(2026, 11, 21, 12, 0, tzinfo=UTC), UTC)
NOVEMBER = 1793491200  # 2026-11-01T00:00:00Z
DAY = 86_400


def planned(endpoint: str, *texts: str) -> Plan:
    return plan(Endpoints()[endpoint], [parse(text) for text in texts], CLOCK)


def sent(endpoint: str, *texts: str) -> dict[str, Any]:
    return dict(planned(endpoint, *texts).selection.parameters)


def kept(endpoint: str, rows: list[dict[str, Any]], *texts: str) -> list[int]:
    """Return the positions of the rows that the conditions keep."""
    schema = pa.schema(
        [pa.field("position", pa.int64())]
        + [
            pa.field(name, {"created": pa.timestamp("us", "UTC"), "amount_due": pa.int64()}.get(name, pa.string()))
            for name in rows[0]
        ]
    )
    batch = pa.RecordBatch.from_pylist([{"position": i, **row} for i, row in enumerate(rows)], schema=schema)
    found: list[int] = planned(endpoint, *texts).matches(batch).column("position").to_pylist()
    return found


@pytest.mark.parametrize("value", [[["open"]], [{}], {"gte": {"a": 1}}, {"=": [[[1]]]}])
def test_a_value_that_is_no_single_value_is_refused(value: Any) -> None:
    with pytest.raises(ConditionError, match="status: a value is a text, a number"):
        from_mapping({"status": value})


def test_stripes_word_for_all_statuses_is_no_condition() -> None:
    rows = [{"status": "active"}, {"status": "canceled"}]
    assert kept("subscriptions", rows, "status=all") == [0, 1]
    assert (planned("subscriptions", "status=all").here, sent("subscriptions", "status=all")) == ((), {})
    with pytest.raises(ConditionError, match='never "all"'):
        planned("subscriptions", "status!=all")
    with pytest.raises(ConditionError, match='never "all"'):
        planned("invoices", "status!=all")


@pytest.mark.parametrize("name", ["payouts", "invoices", "quotes", "tax_registrations"])
def test_all_statuses_is_no_condition_on_any_list_that_is_narrowed_by_status(name: str) -> None:
    assert (planned(name, "status=all").here, sent(name, "status=all")) == ((), {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status=paid", ("status", "=", ("paid",))),
        ("status = open , paid", ("status", "=", ("open", "paid"))),
        ("description=", ("description", "=", (None,))),
        ("status=open,", ("status", "=", ("open", None))),
        ("created>=monthstart-1d", ("created", ">=", ("monthstart-1d",))),
        ("created != 2022-01-31 23:59:59", ("created", "!=", ("2022-01-31 23:59:59",))),
        ('name="Smith, John"', ("name", "=", ("Smith, John",))),
        ("name=a=b", ("name", "=", ("a=b",))),
    ],
)
def test_a_condition_is_read_as_people_write_it(text: str, expected: tuple[Any, ...]) -> None:
    found = parse(text)
    assert (found.word, found.operator, found.values) == expected


def test_python_and_toml_say_the_same_as_the_command_line() -> None:
    where = {
        "status": ["open", "paid"],
        "created": {"gte": "monthstart-1d", "<": date(2026, 11, 21)},
        "customer": None,
        "amount_due": {"gt": 5},
        "auto_advance": True,
    }
    texts = ["status=open,paid", "created>=monthstart-1d", "created<2026-11-21", "customer=", "amount_due>5"]
    assert from_mapping(where) == [parse(text) for text in [*texts, "auto_advance=true"]]


@pytest.mark.parametrize(
    ("endpoint", "texts", "expected"),
    [
        ("invoices", ["status=paid"], {"status": "paid"}),
        ("invoices", ["created>=monthstart"], {"created": {"gte": NOVEMBER}}),
        ("invoices", ["created>monthstart"], {"created": {"gte": NOVEMBER + DAY}}),
        ("invoices", ["created<monthstart"], {"created": {"lt": NOVEMBER}}),
        ("invoices", ["created<=monthstart"], {"created": {"lt": NOVEMBER + DAY}}),
        ("invoices", ["created=monthstart"], {"created": {"gte": NOVEMBER, "lt": NOVEMBER + DAY}}),
        ("invoices", ["created>=monthstart", "created<today"],
         {"created": {"gte": NOVEMBER, "lt": NOVEMBER + 20 * DAY}}),
        ("invoices", ["created=monthstart,monthstart+2d"], {"created": {"gte": NOVEMBER, "lt": NOVEMBER + 3 * DAY}}),
        ("invoices", ["created!=monthstart"], {}),
        ("invoices", ["status=open,paid"], {}),
        ("invoices", ["status!=paid"], {}),
        ("invoices", ["amount_due>100"], {}),
        ("invoices", ["subscription=sub_1"], {"subscription": "sub_1"}),
        ("invoice_items", ["created>=monthstart"], {"created": {"gte": NOVEMBER}}),
        ("invoice_items", ["date>=monthstart"], {"created": {"gte": NOVEMBER}}),
        ("invoice_items", ["pending=true"], {"pending": "true"}),
        ("products", ["active=yes"], {"active": True}),
        ("prices", ["recurring_interval=month"], {"recurring[interval]": "month"}),
        ("events", ["type=invoice.paid"], {"type": "invoice.paid"}),
        ("events", ["type=invoice.paid,invoice.voided"], {"types": ["invoice.paid", "invoice.voided"]}),
        ("events", ["type=invoice.*"], {"type": "invoice.*"}),
        ("balance_transactions", ["available_on>=today"], {}),
    ],
)  # fmt: skip
def test_what_stripe_can_narrow_by_is_sent(endpoint: str, texts: list[str], expected: dict[str, Any]) -> None:
    assert sent(endpoint, *texts) == expected


def test_ids_are_retrieved_and_parents_named_not_listed() -> None:
    assert planned("customers", "id=cus_1,cus_2").selection.ids == ("cus_1", "cus_2")
    assert planned("invoice_lines", "invoice=in_1").selection.parents == {"invoice": ("in_1",)}
    assert planned("invoice_items", "id=ii_1", "pending=true").selection.ids is None, "only a list can narrow by it"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["status=paid"], [0]),
        (["status=paid,open"], [0, 1]),
        (["status!=paid"], [1]),
        (["status!=paid,"], [1]),
        (["status="], [2]),
        (["status!="], [0, 1]),
        (["status=paid,"], [0, 2]),
        (["amount_due>=7"], [1]),
        (["amount_due<7"], [0]),
        (["amount_due>1", "status=paid"], [0]),
        (["created>=2026-11-02"], [1]),
        (["created!=2026-11-01"], [1]),
        (["created=2026-11-01,2026-11-02"], [0, 1]),
    ],
)
def test_nulls_and_several_values_mean_what_they_mean_in_sql(texts: list[str], expected: list[int]) -> None:
    rows: list[dict[str, Any]] = [
        {"status": "paid", "amount_due": 5, "created": datetime(2026, 11, 1, 23, 59, 59, tzinfo=UTC)},
        {"status": "open", "amount_due": 7, "created": datetime(2026, 11, 2, tzinfo=UTC)},
        {"status": None, "amount_due": None, "created": None},
    ]
    assert kept("invoices", rows, *texts) == expected


def test_a_group_of_event_types_keeps_its_members() -> None:
    rows = [{"type": "invoice.paid"}, {"type": "invoiceitem.created"}, {"type": "charge.failed"}]
    assert kept("events", rows, "type=invoice.*") == [0]


def test_it_is_said_for_which_conditions_rows_are_read_that_are_not_kept() -> None:
    assert [str(each) for each in planned("invoices", "status=paid", "amount_due>100").here] == ["amount_due>100"]
    assert planned("invoices", "status=paid", "created>=today").here == ()
    assert len(planned("balance_transactions", "available_on>=today").here) == 1


@pytest.mark.parametrize(
    ("endpoint", "text", "message"),
    [
        ("invoices", "staus=paid", 'invoices has no column "staus". Did you mean status'),
        ("invoices", "status=payd", 'is never "payd". Did you mean paid?'),
        ("invoices", "status", '"status" is not a condition'),
        ("invoices", "=paid", '"=paid" is not a condition'),
        ("invoices", "status>open,paid", "compares with exactly one value"),
        ("invoices", "amount_due>", "compares with exactly one value"),
        ("invoices", "amount_due>lots", 'amount_due is a whole number, not "lots"'),
        ("invoices", "amount_due=1.5", 'amount_due is a whole number, not "1.5"'),
        ("invoices", "attempted=maybe", 'attempted is true or false, not "maybe"'),
        ("invoices", "attempted>true", "it can only be = or !="),
        ("invoices", "metadata=x", "metadata holds JSON; it can only be compared with null"),
        ("invoices", "created>=tody", 'there is no word "tody"'),
        ("invoices", "created>=2026-02-30", "2026-02-30"),
        ("invoice_items", "pending=true,false", "only Stripe can decide pending"),
        ("events", "delivery_success!=true", "only Stripe can decide delivery_success"),
        ("billing_meter_event_summaries", "customer=cus_1", "needs a time window"),
        ("billing_meter_event_summaries", "start_time>=today", "needs a time window"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused_before_anything_is_sent(
    endpoint: str, text: str, message: str
) -> None:
    with pytest.raises((ConditionError, DateError)) as refused:
        planned(endpoint, text)
    assert message in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_window_is_sent_as_the_two_parameters_that_the_list_needs() -> None:
    found = sent("billing_meter_event_summaries", "start_time>=monthstart", "start_time<today")
    assert found == {"start_time": NOVEMBER, "end_time": NOVEMBER + 20 * DAY}


def test_an_unknown_comparison_in_python_is_refused() -> None:
    with pytest.raises(ConnectorError, match="Did you mean gte"):
        from_mapping({"created": {"gtee": "today"}})
    with pytest.raises(ConditionError, match="nothing could ever match"):
        from_mapping({"status": []})


@pytest.mark.parametrize("table", GONE)
def test_where_a_field_of_former_versions_went_names_columns_that_are_there(table: str) -> None:
    tables = Endpoints()
    endpoint = tables[table]
    for field, place in GONE[table].items():
        assert endpoint.column(field) is None, field
        known = {column.name for name in (table, "invoice_payments") for column in tables[name].columns}
        for word in re.findall(r"\b[a-z]+(?:_[a-z]+){2,}\b", place):
            assert word in known, (field, word)
