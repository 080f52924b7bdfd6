"""Nothing that a client sends hangs the sandbox, fills the memory, or moves its clock from a web page."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from connector.sandbox import Sandbox
from connector.sandbox.server.incoming import LONGEST_FORM
from tests.serving import a_sandbox, its_client

sandbox = pytest.fixture(scope="module")(a_sandbox)
client = pytest.fixture(scope="module")(its_client)

MEGABYTES = 1 << 20
FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_search_with_many_backslashes_is_answered_at_once(client: httpx.Client, quote: str) -> None:
    began = time.monotonic()
    answer = client.get("/v1/customers/search", params={"query": f"name:{quote}" + "\\" * 40})
    assert answer.status_code == 400
    assert time.monotonic() - began < 1


def test_an_escaped_quote_is_part_of_the_value(client: httpx.Client) -> None:
    client.post("/v1/customers", data={"name": "O'Hara \\ Sons"})
    answer = client.get("/v1/customers/search", params={"query": r"name:'O\'Hara \\ Sons'"})
    assert [customer["name"] for customer in answer.json()["data"]] == ["O'Hara \\ Sons"]


def test_a_body_that_no_form_has_is_refused_before_it_is_read(client: httpx.Client) -> None:
    answer = client.post("/v1/customers", content=b"name=" + b"x" * LONGEST_FORM)
    assert answer.status_code == 413
    assert client.get("/v1/balance").status_code == 200


def test_a_body_of_two_hundred_megabytes_does_not_stay_in_memory(sandbox: Sandbox) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def pieces() -> Iterator[bytes]:
        yield from (b"x" * MEGABYTES for _ in range(200))

    length = {"Content-Length": str(200 * MEGABYTES)}
    with httpx.Client(base_url=sandbox.url, auth=(sandbox.key, "")) as client:
        answer = client.post("/v1/files", content=pieces(), headers=length)
    assert answer.status_code == 413
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


def test_a_chunked_body_is_read(client: httpx.Client) -> None:
    answer = client.post(
        "/v1/customers",
        content=iter([b"name=Ada&", b"email=ada%40", b"example.com"]),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert (answer.json()["name"], answer.json()["email"]) == ("Ada", "ada@example.com")
    assert client.get("/v1/balance").status_code == 200


def test_a_chunked_body_without_end_is_refused(client: httpx.Client) -> None:
    endless = (b"x" * 65_536 for _ in range(200))
    assert client.post("/v1/customers", content=endless).status_code == 413


@pytest.mark.parametrize(
    "body",
    [b"zz\r\n", b"\r\n", b"-5\r\n", b"5\r\nname=NOT", b"0x8\r\nname=Ada\r\n0\r\n\r\n", b"8\r\nname=Ada\r\n0\r\na: b"],
)
def test_a_broken_chunk_is_a_400(sandbox: Sandbox, body: bytes) -> None:
    assert status(sandbox, head("POST /v1/customers", "Transfer-Encoding: chunked") + body) == 400


def head(call: str, *headers: str, version: str = "HTTP/1.1") -> bytes:
    """Return the head of a request as bytes, with a host and the sandbox's key."""
    lines = [f"{call} {version}", "Host: localhost", f"Authorization: Bearer {Sandbox.key}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def spoken(sandbox: Sandbox, text: bytes) -> bytes:
    """Return all that the sandbox answers to a text of bytes."""
    port = int(sandbox.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()


def status(sandbox: Sandbox, text: bytes) -> int:
    """Return the status of the first answer to a text of bytes."""
    return int(spoken(sandbox, text).split(b" ", 2)[1])


@pytest.mark.parametrize("host", ["evil.example", "evil.example:12111", "127.0.0.1.evil.example", "[::2]"])
def test_it_answers_to_its_own_names_only(client: httpx.Client, host: str) -> None:
    answer = client.post("/_clock", json={"advance_seconds": 60}, headers={"Host": host})
    assert answer.status_code == 403
    assert host in answer.json()["error"]["message"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_no_web_page_moves_its_clock(sandbox: Sandbox, client: httpx.Client, origin: str) -> None:
    before = sandbox.clock.now()
    answer = client.post("/_clock", json={"advance_seconds": 86_400}, headers={"Origin": origin})
    assert answer.status_code == 403
    assert sandbox.clock.now() - before < 60


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "LOCALHOST:12111", "[::1]:80"])
def test_every_name_of_this_machine_will_do(client: httpx.Client, host: str) -> None:
    assert client.get("/v1/balance", headers={"Host": host, "Origin": f"http://{host}"}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_keys_that_are_nested_without_end_are_refused(client: httpx.Client, method: str) -> None:
    key = "metadata" + "[a]" * 3000
    sent = {"params": {key: "1"}} if method == "GET" else {"data": {key: "1"}}
    answer = client.request(method, "/v1/customers", **sent)  # type: ignore[arg-type]
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "metadata"


def test_two_hundred_half_open_requests_hold_nobody_up(sandbox: Sandbox, client: httpx.Client) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    for connection in held:
        connection.sendall(b"POST /v1/customers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nname")
    try:
        assert client.get("/v1/balance").status_code == 200
    finally:
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    "half",
    [
        b"Content-Length: 40\r\n\r\nname=Ada",
        b"Transfer-Encoding: chunked\r\n\r\n28\r\nname=Ada",
        b"Transfer-Encoding: chunked\r\n\r\n8\r\nname=Ada\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n8\r\nname=Ada\r\n0\r\n",
    ],
    ids=["by length", "in a chunk", "between chunks", "before its last line"],
)
def test_a_write_that_breaks_off_in_its_body_is_not_acted_on(sandbox: Sandbox, half: bytes) -> None:
    before = sandbox.stats()["effects"]
    assert status(sandbox, head("POST /v1/customers")[:-2] + half) == 400
    assert sandbox.stats()["effects"] == before


@pytest.mark.parametrize("missing", [1, 2, 3, 20])
def test_a_delete_that_breaks_off_in_its_head_is_not_acted_on(
    sandbox: Sandbox, client: httpx.Client, missing: int
) -> None:
    path = f"/v1/customers/{client.post('/v1/customers').json()['id']}"
    whole = head(f"DELETE {path}")
    assert status(sandbox, whole[:-missing]) == 400
    assert "deleted" not in client.get(path).json()
    assert status(sandbox, whole) == 200
    assert client.get(path).json()["deleted"]


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 8", "Content-Length: 3"],
        ["Content-Length: 3", "Content-Length: 8"],
        ["Content-Length: 8", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Content-Length : 8"],
        ["Content-Length: -8"],
        ["Content-Length: +8"],
        ["Content-Length: 0x8"],
        ["Content-Length:"],
        ["Content-Length: " + "9" * 5000],
        ["nonsense", "Content-Length: 8"],
        ["Content-Length: 8", " folded: 1"],
        ["Content-Length: 8", "Host: evil.example"],
        ["Content-Length: 8", "Authorization: Bearer sk_test_other"],
        ["Content-Length: 8", "X: a\0b"],
        ["Content-Length: 8", "X: a\rb"],
    ],
)
def test_a_head_with_two_readings_is_refused(sandbox: Sandbox, headers: list[str]) -> None:
    before = sandbox.stats()["effects"]
    assert status(sandbox, head("POST /v1/customers", *headers) + b"name=Ada") == 400
    assert sandbox.stats()["effects"] == before


@pytest.mark.parametrize(
    "text",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
        b"GET /v1/balance\r\n\r\n",
        b"GET /v1/balance HTTP/x\r\n\r\n",
        b"GET /v1/balance HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT api.stripe.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"get /v1/balance HTTP/1.1\r\nHost: localhost\r\n\r\n",
        head("GET /v1/balance?a=" + "y" * 70_000),
        head("GET /v1/balance", "X: " + "y" * 5_000_000),
        head("GET /v1/balance", *["X: y"] * 100_000),
    ],
    ids=["TLS", "0.9", "no version", "no host", "2.0", "CONNECT", "get", "long path", "long header", "many headers"],
)
def test_what_is_no_request_is_a_400_in_json(sandbox: Sandbox, text: bytes, caplog: pytest.LogCaptureFixture) -> None:
    answer, _, body = spoken(sandbox, text).partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert json.loads(body)["error"]["type"] == "invalid_request_error"
    assert not caplog.records


@pytest.mark.parametrize("target", ["http://127.0.0.1/v1/balance?expand[]=x", "http://evil.example/v1/balance"])
def test_the_host_in_a_target_is_the_one_that_counts(sandbox: Sandbox, target: str) -> None:
    assert status(sandbox, head(f"GET {target}")) == (403 if "evil" in target else 400)
    assert status(sandbox, head(f"GET {target.partition('?')[0]}")) == (403 if "evil" in target else 200)


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "TRACE", "BREW"])
def test_a_method_that_stripe_does_not_have_is_an_unknown_request(client: httpx.Client, method: str) -> None:
    answer = client.request(method, "/v1/balance")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"Unrecognized request URL ({method}: /v1/balance)."


def test_a_head_request_has_the_head_of_its_get_and_no_body(sandbox: Sandbox) -> None:
    answer = spoken(sandbox, head("HEAD /_truth/product") + head("HEAD /v1/balance") + head("GET /v1/balance"))
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b'"object": "balance"') == 1


def test_requests_sent_in_one_go_are_answered_in_order_and_once(sandbox: Sandbox) -> None:
    created = head("POST /v1/customers", FORM, "Content-Length: 8") + b"name=Ada\r\n"  # an empty line more does no harm
    before = sandbox.stats()["effects"][""]
    answer = spoken(sandbox, created + head("GET /v1/balance") + created + head("GET /v1/nothing"))
    assert [answer.count(line) for line in (b"HTTP/1.1 200 OK", b"HTTP/1.1 404 ")] == [3, 1]
    assert answer.index(b'"customer"') < answer.index(b'"balance"') < answer.rindex(b'"customer"')
    assert sandbox.stats()["effects"][""] == before + 2


@pytest.mark.parametrize("path", ["/v1/balance", "/_truth/product"])
def test_an_old_client_gets_a_body_that_ends_with_its_connection(sandbox: Sandbox, path: str) -> None:
    answer, _, body = spoken(sandbox, head(f"GET {path}", "Connection: keep-alive", version="HTTP/1.0")).partition(
        b"\r\n\r\n"
    )
    assert b"\r\nConnection: close\r\n" in answer
    assert b"chunked" not in answer
    assert all(isinstance(json.loads(line), dict) for line in ([body] if path == "/v1/balance" else body.splitlines()))


def test_a_client_that_asks_first_is_told_to_go_on(sandbox: Sandbox) -> None:
    asked = head("POST /v1/customers", FORM, "Expect: 100-continue", "Content-Length: 8")
    assert spoken(sandbox, asked + b"name=Ada").startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_a_client_that_asks_first_does_not_send_what_is_refused(sandbox: Sandbox) -> None:
    asked = head("POST /v1/customers", "Expect: 100-continue", f"Content-Length: {LONGEST_FORM + 1}")
    assert spoken(sandbox, asked).startswith(b"HTTP/1.1 413 ")
