"""What people type for a request, and the call that it becomes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.api.calls import prepare
from connector.config import Connection, Key
from connector.errors import UsageError
from connector.request.template import Request, address, call_of, nested, placeholders


def asked(url: str = "/v1/things", method: str = "POST", **said: Any) -> Request:
    return Request(method, url, **said)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("customers", "/v1/customers"),
        ("/customers", "/v1/customers"),
        ("v1/customers", "/v1/customers"),
        ("/v1/customers", "/v1/customers"),
        (" /v1/customers ", "/v1/customers"),
        ("customers?limit=3", "/v1/customers?limit=3"),
        ("/v2/core/events", "/v2/core/events"),
        ("v2/core/events", "/v2/core/events"),
        ("v1beta/x", "/v1/v1beta/x"),
        ("v2", "/v2"),
        ("https://api.stripe.com/v1/customers", "https://api.stripe.com/v1/customers"),
        ("HTTPS://API.stripe.com/v1/customers", "HTTPS://API.stripe.com/v1/customers"),
    ],
)
def test_a_path_may_lack_its_slash_and_its_version(written: str, meant: str) -> None:
    assert address(written) == meant


def test_query_pairs_join_those_of_the_address() -> None:
    call = call_of(
        asked("events?limit=3", "GET", query=["type=invoice.paid", "created[gte]=1", "expand[]=a", "q=a=b&c"])
    )
    assert call.url == "/v1/events?limit=3&type=invoice.paid&created[gte]=1&expand[]=a&q=a%3Db%26c"


def test_a_text_where_a_list_is_expected_is_a_list_of_one() -> None:
    written = Request("GET", "x", query="type=a", headers="X-A: 1", form="b=2", allow="money,delete", key="id")
    assert (written.query, written.headers, written.form) == (["type=a"], ["X-A: 1"], ["b=2"])
    assert (written.allow, written.key) == (["money,delete"], ["id"])


def test_python_writes_a_query_as_a_mapping() -> None:
    call = call_of(asked("events", "GET", query={"created": {"gte": 1}, "expand": ["a", "b"], "active": True}))
    assert call.url == "/v1/events?created[gte]=1&expand[0]=a&expand[1]=b&active=true"


@pytest.mark.parametrize("pair", ["type", "=x", " =x"])
def test_what_is_no_pair_is_named(pair: str) -> None:
    with pytest.raises(UsageError, match="write key=value"):
        call_of(asked("events", "GET", query=[pair]))


def test_headers_come_one_by_one_or_several_in_one_text() -> None:
    call = call_of(asked("x", "GET", headers=["A: 1", "B: 2||C: 3\nD: a: b"]))
    assert call.headers == {"A": "1", "B": "2", "C": "3", "D": "a: b"}


def test_version_account_and_idempotency_key_have_options() -> None:
    call = call_of(asked(stripe_version="2025-03-31.basil", stripe_account="acct_1", idempotency_key="once"))
    assert call.headers == {"Stripe-Version": "2025-03-31.basil", "Stripe-Account": "acct_1"}
    assert call.idempotency_key == "once"
    with pytest.raises(UsageError, match="version must be an API version"):
        call_of(asked(stripe_version="latest"))


@pytest.mark.parametrize(
    ("said", "content", "content_type"),
    [
        ({"body": '{"a": 1}'}, b'{"a": 1}', "application/json"),
        ({"body": "a=1&b=%C3%BC"}, b"a=1&b=%C3%BC", "application/x-www-form-urlencoded"),
        ({"body": "hello"}, b"hello", "text/plain"),
        ({"body": b"\x00"}, b"\x00", "application/octet-stream"),
        ({"form": ["metadata[a b]=ü", "x="]}, b"metadata[a+b]=%C3%BC&x=", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_is_text_or_pairs_and_its_type_is_guessed(
    said: dict[str, Any], content: bytes, content_type: str
) -> None:
    call = call_of(asked(**said))
    assert call.content == content
    assert (call.headers or {})["Content-Type"].startswith(content_type)


def test_a_content_type_that_is_given_wins() -> None:
    call = call_of(asked(body="hello", headers=["content-type: text/csv"]))
    assert call.headers == {"content-type": "text/csv"}


def test_a_body_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "body.bin"
    file.write_bytes(b"\x00\x01")
    assert call_of(asked(body=f"@{file}")).content == b"\x00\x01"
    with pytest.raises(UsageError, match=r"no\.bin"):
        call_of(asked(body=f"@{tmp_path / 'no.bin'}"))


def test_v2_gets_json_from_a_file_as_json(tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_bytes(b'{"a": 1}')
    assert call_of(asked("/v2/core/accounts", body=f"@{file}")).headers == {"Content-Type": "application/json"}
    assert call_of(asked("customers", body=f"@{file}")).headers == {"Content-Type": "application/octet-stream"}
    file.write_bytes(b"\xff")
    assert call_of(asked("/v2/x", body=f"@{file}")).headers == {"Content-Type": "application/octet-stream"}


def test_spaces_around_the_value_of_a_header_are_not_sent() -> None:
    call = call_of(Request("GET", "/v1/things", headers=["X-Name: {name}"]), {"name": " Jane "})
    assert prepare(call, Connection(Key("sk_test_123"))).headers["X-Name"] == "Jane"


def test_an_integer_of_pandas_in_a_column_with_a_gap_stays_one() -> None:
    call = call_of(Request("GET", "/v1/things/{number}", query=["a={share}"]), {"number": 7.0, "share": 0.5})
    assert call.url == "/v1/things/7?a=0.5"


def test_form_data_keeps_its_boundary_whatever_type_is_given(tmp_path: Path) -> None:
    file = tmp_path / "receipt.pdf"
    file.write_bytes(b"%PDF")
    said = asked("files", multipart=True, form=["purpose=dispute_evidence", f"file=@{file}"])
    for headers in ([], ["Content-Type: multipart/form-data"]):
        call = call_of(Request(**{**said.__dict__, "headers": headers}))
        found = re.fullmatch(r"multipart/form-data; boundary=(\S+)", (call.headers or {})["Content-Type"])
        assert found
        assert (call.content or b"").startswith(b"--" + found[1].encode())
        assert b'filename="receipt.pdf"' in (call.content or b"")


def test_form_data_may_be_one_text_with_a_pair_a_line() -> None:
    call = call_of(asked("files", multipart=True, body="purpose=x\nnote=y"))
    assert b'name="purpose"\r\n\r\nx\r\n' in (call.content or b"")
    assert b'name="note"\r\n\r\ny\r\n' in (call.content or b"")


def test_multipart_with_a_file_alone_sends_the_file_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "raw.bin"
    file.write_bytes(b"raw")
    call = call_of(asked("files", multipart=True, body=f"@{file}", headers=["Content-Type: image/png"]))
    assert (call.content, call.headers) == (b"raw", {"Content-Type": "image/png"})


def test_a_file_in_a_pair_needs_multipart(tmp_path: Path) -> None:
    file = tmp_path / "receipt.pdf"
    file.write_bytes(b"%PDF")
    with pytest.raises(UsageError, match="add --multipart"):
        call_of(asked("files", form=[f"file=@{file}"]))
    assert call_of(asked("customers", form=["description=@jane"])).content == b"description=%40jane"


@pytest.mark.parametrize(
    ("said", "json"),
    [
        ({"form": ["a[b]=1", "a[c][]=2", "a[c][]=3", "d=x"]}, {"a": {"b": "1", "c": ["2", "3"]}, "d": "x"}),
        ({"form": {"a": 1, "b": None}}, {"a": 1, "b": None}),
        ({"body": "a=1&b[c]=2"}, {"a": "1", "b": {"c": "2"}}),
        ({"json": {"a": [1]}}, {"a": [1]}),
    ],
)
@pytest.mark.parametrize("url", ["/v2/core/accounts", "https://api.stripe.com/v2/core/accounts"])
def test_v2_gets_json(url: str, said: dict[str, Any], json: Any) -> None:
    call = call_of(asked(url, **said))
    assert (call.json, call.content, call.form) == (json, None, None)


def test_pairs_that_contradict_each_other_are_refused() -> None:
    assert nested([("a[1]", "x")]) == {"a": {"1": "x"}}
    with pytest.raises(UsageError, match="has a value already"):
        nested([("a", "1"), ("a[b]", "2")])


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "method": ({"method": "FETCH"}, "There is no method"),
    "no_url": ({"url": " "}, "The URL is empty"),
    "get_with_form": ({"method": "GET", "form": ["a=1"]}, "--query adds parameters"),
    "get_with_multipart": ({"method": "GET", "multipart": True}, "--query adds parameters"),
    "multipart_of_nothing": ({"multipart": True}, "--multipart needs what to send"),
    "pages_of_a_post": ({"paginate": True}, "a POST has none"),
    "negative_limit": ({"limit": -1}, "0 or more"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_meant_is_refused(name: str) -> None:
    said, message = BAD[name]
    with pytest.raises(UsageError, match=message):
        asked(**said).check()


def test_a_request_has_one_body() -> None:
    for said in (
        {"body": "a", "form": ["a=1"]},
        {"form": ["a=1"], "json": {}, "body": "x"},
        {"json": [1], "body": "x"},
    ):
        with pytest.raises(UsageError, match="one body"):
            call_of(asked(**said))


HALF = "\udcff"  # what a shell's argument holds where its bytes are no UTF-8


@pytest.mark.parametrize(
    "said",
    [
        {"url": f"/v1/{HALF}"},
        {"query": [f"a={HALF}"]},
        {"headers": [f"A: {HALF}"]},
        {"form": [f"a={HALF}"]},
        {"form": [f"a={HALF}"], "multipart": True},
        {"body": HALF},
        {"json": {"a": HALF}},
        {"json": {"a": object()}},
    ],
)
def test_what_cannot_be_sent_is_one_clear_line(said: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        prepare(call_of(asked(**said)), Connection(Key("sk_test_1")))


# Placeholders

ROW = {"id": "cus_1", "odd": "a/b?c=d&e#f", "at": datetime(2026, 11, 1, tzinfo=UTC), "n": 7, "none": None, "yes": True}


def filled(id: str = "cus_1", **said: Any) -> Any:  # noqa: A002 - the column is called so
    return call_of(Request("GET", **{"url": "/v1/customers", "source": "x", **said}), {**ROW, "id": id})


def test_a_value_is_escaped_for_where_it_stands() -> None:
    assert filled(url="customers/{id}/tax_ids").url == "/v1/customers/cus_1/tax_ids"
    assert filled(url="customers/{odd}").url == "/v1/customers/a%2Fb%3Fc%3Dd%26e%23f"
    assert filled(url="customers?email={odd}").url == "/v1/customers?email=a%2Fb%3Fc%3Dd%26e%23f"
    assert filled(query=["email={odd}", "n={n}", "at={at}", "yes={yes}"]).url.endswith(
        "?email=a%2Fb%3Fc%3Dd%26e%23f&n=7&at=1793491200&yes=true"
    )
    assert filled(headers=["X-Row: {id}-{n}"]).headers == {"X-Row": "cus_1-7"}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text not in (".", "..")))
def test_no_value_can_leave_its_place(value: str) -> None:
    call = filled(url="/v1/customers/{id}/tax_ids?email={id}", query=["q={id}"], id=value)
    url = prepare(call, Connection(Key("sk_test_1"))).url
    parts = url.raw_path.decode("ascii").partition("?")[0].split("/")
    assert url.host == "api.stripe.com"
    assert [unquote(part) for part in parts] == ["", "v1", "customers", value, "tax_ids"]
    assert parse_qsl(url.query.decode("ascii"), keep_blank_values=True) == [("email", value), ("q", value)]


def test_without_a_source_braces_are_braces() -> None:
    said = Request("GET", "/v1/x", query=["q={id}"])
    assert placeholders(said) == []
    assert call_of(said).url == "/v1/x?q=%7Bid%7D"


@pytest.mark.parametrize("row", [{"id": None}, {"id": ""}, {"id": ".."}, {"id": "."}, {"id": ["a"]}])
def test_a_row_without_a_value_is_never_another_request(row: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        call_of(Request("GET", "/v1/customers/{id}", source="x"), row)


def test_no_row_decides_the_host() -> None:
    with pytest.raises(UsageError, match="cannot stand in the host"):
        call_of(Request("GET", "https://{id}/v1/customers", source="x"), {"id": "evil.example"})


def test_placeholders_are_found_wherever_they_stand() -> None:
    said = Request("GET", "/v1/{a}/{b}", query=["x={c}{a}"], headers=["X: {d}"], source="x")
    assert placeholders(said) == ["a", "b", "c", "d"]
