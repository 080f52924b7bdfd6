"""Nothing that a client sends hangs the sandbox, fills the memory, or moves its clock from a web page."""

from __future__ import annotations

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


@pytest.mark.parametrize("line", [b"zz\r\n", b"\r\n", b"-5\r\n", b"5\r\nname=NOT"])
def test_a_broken_chunk_is_a_400(sandbox: Sandbox, line: bytes) -> None:
    assert b" 400 " in spoken(sandbox, b"POST /v1/customers HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + line)


def spoken(sandbox: Sandbox, text: bytes) -> bytes:
    """Return the first line that the sandbox answers to a text of bytes."""
    port = int(sandbox.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").readline()


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
    ],
    ids=["by length", "in a chunk", "between chunks"],
)
def test_a_write_that_breaks_off_in_its_body_is_not_acted_on(sandbox: Sandbox, half: bytes) -> None:
    before = sandbox.stats()["effects"]
    port = int(sandbox.url.rpartition(":")[2])
    head = f"POST /v1/customers HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {sandbox.key}\r\n"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head.encode() + half)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").readline()
    assert b" 400 " in answer
    assert sandbox.stats()["effects"] == before
