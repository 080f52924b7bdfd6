"""A real HTTP server on loopback that does what a test's script says, one step per request.

    with ScriptedServer([Answer(503), DROP, Answer(200, body='{"id": "cus_1"}')]) as server:
        ...                                  # talk to server.url
        assert [request.path for request in server.requests] == ...

A step is an `Answer`, one of the faults below, or a function from the request to one of these. When the script is
over, the last step is repeated. Requests that a fault lets through unread are not in `requests`.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit


class Fault(Enum):
    """What can happen instead of an answer."""

    DROP = "the connection is closed before the request is read"
    DROP_AFTER_READING = "the request is read, the connection closed"
    CUT_BODY = "the answer begins and the connection closes in the middle"
    HANG = "the request is read, and nothing follows"
    SLOW_HEAD = "the answer begins, and its head goes on and on"
    ENDLESS_BODY = "the answer begins, and its body goes on and on"


DROP = Fault.DROP
DROP_AFTER_READING = Fault.DROP_AFTER_READING
CUT_BODY = Fault.CUT_BODY
HANG = Fault.HANG
SLOW_HEAD = Fault.SLOW_HEAD
ENDLESS_BODY = Fault.ENDLESS_BODY


@dataclass(frozen=True)
class Answer:
    """A whole answer; a body that is not text or bytes is written as JSON."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return text.encode("utf-8")


@dataclass(frozen=True)
class Received:
    """A request as it came over the wire; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8"), keep_blank_values=True))


Step = Answer | Fault | Callable[[Received], Answer | Fault]


class ScriptedServer:
    """Serves the script until the `with` block ends."""

    def __init__(self, script: Sequence[Step] | Step) -> None:
        self._script = list(script) if isinstance(script, Sequence) else [script]
        self._lock = threading.Lock()
        self._taken = 0
        self.requests: list[Received] = []
        self.closing = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def next_step(self) -> Step:
        with self._lock:
            step = self._script[min(self._taken, len(self._script) - 1)]
            self._taken += 1
        return step

    def record(self, request: Received) -> None:
        with self._lock:
            self.requests.append(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, owner: ScriptedServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner
        self._open: set[socket.socket] = set()

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        assert isinstance(request, socket.socket)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        assert isinstance(request, socket.socket)
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that goes away in the middle is what many tests are about."""

    def close_connections(self) -> None:
        """End the threads that still wait for another request on a connection that is kept open."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass

    def handle_one_request(self) -> None:
        if not self.connection.recv(1, socket.MSG_PEEK):
            self.close_connection = True
            return
        self._step = self.server.owner.next_step()
        if self._step is Fault.DROP:
            self.close_connection = True
            return
        super().handle_one_request()

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Received(self.command, self.path, headers, self.rfile.read(length))
        self.server.owner.record(request)
        step = self._step(request) if callable(self._step) else self._step
        if isinstance(step, Answer):
            self._write(step)
        elif step is Fault.CUT_BODY:
            self._write_half(Answer(body={"object": "list", "data": [], "has_more": False}))
        elif step is Fault.SLOW_HEAD:
            self._go_on(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x")
        elif step is Fault.ENDLESS_BODY:
            self._go_on(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")
        elif step is Fault.HANG:
            self.server.owner.closing.wait(timeout=30)
        self.close_connection |= isinstance(step, Fault)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = do_HEAD = _answer  # noqa: N815  # names set by http.server

    def _write(self, answer: Answer) -> None:
        self._write_head(answer)
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    def _go_on(self, beginning: bytes, piece: bytes) -> None:
        self.wfile.write(beginning)
        while not self.server.owner.closing.wait(timeout=0.02):
            self.wfile.write(piece)

    def _write_half(self, answer: Answer) -> None:
        self._write_head(answer)
        self.wfile.write(answer.content[: len(answer.content) // 2])

    def _write_head(self, answer: Answer) -> None:
        own = {name.lower() for name in answer.headers}
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "content-type" not in own:
            self.send_header("Content-Type", "application/json")
        if "content-length" not in own:
            self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
