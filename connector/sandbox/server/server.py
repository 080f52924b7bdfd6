"""The HTTP server: one thread a connection, kept alive, on this machine only."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from socketserver import StreamRequestHandler
from typing import Any
from urllib.parse import unquote

from connector.sandbox.document.refusals import Refusal
from connector.sandbox.server.heads import Head, read_head
from connector.sandbox.server.incoming import check_names, read_body
from connector.sandbox.server.messages import Request, Response, refused
from connector.sandbox.server.service import Service

_LOOK_SECONDS = 0.5  # how often a server that nobody wakes looks whether it is to stop
_CLOSE_SECONDS = 5.0
_PARTS = 10  # of a body that comes slowly
_DRAIN_SECONDS, _DRAINED_BYTES, _PIECE_BYTES = 0.2, 256 << 20, 1 << 16
_UNREAD = Head("", "", "", "HTTP/1.1")
_log = logging.getLogger("connector.sandbox")


class Server:
    """Listens from its making on, and answers with `service` between `start` and `stop`."""

    def __init__(self, service: Service, host: str, port: int) -> None:
        self._service = service
        self._http = _Http((host, port), service)
        self._thread = threading.Thread(target=self._http.take_connections, name="sandbox", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._http.server_address[1])

    def start(self) -> None:
        """Begin to answer, in threads of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and close every connection that is still open."""
        self._service.closing.set()
        if self._thread.is_alive():
            self._http.wake()
            self._thread.join()
        self._http.server_close()
        self._http.hang_up()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    timeout = _LOOK_SECONDS
    allow_reuse_address = os.name != "nt"  # on Windows it would let two servers share a port

    def __init__(self, address: tuple[str, int], service: Service) -> None:
        self.service = service
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, _Connection)

    def take_connections(self) -> None:
        """Take one connection after the other, until the service is closing."""
        while not self.service.closing.is_set():
            self.handle_request()

    def wake(self) -> None:
        """Let it see at once that the service is closing: by a connection."""
        host, port = str(self.server_address[0]), int(self.server_address[1])
        address = ("127.0.0.1" if host == "0.0.0.0" else host, port)  # noqa: S104 - any address is this machine's, too
        with contextlib.suppress(OSError), socket.create_connection(address, _LOOK_SECONDS):
            pass

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                self._open.discard(request)
                self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as in the base class
        """Say nothing of a client that went away; anything else is a bug and goes to the log."""
        if not isinstance(sys.exception(), OSError):
            _log.exception("a connection failed")

    def hang_up(self) -> None:
        """Close the connections that are still open, and wait for their threads."""
        with self._changed:
            for connection in self._open:
                _close(connection)
            self._changed.wait_for(lambda: not self._open, timeout=_CLOSE_SECONDS)


class _Connection(StreamRequestHandler):
    disable_nagle_algorithm = True
    wbufsize = 0
    server: _Http

    def handle(self) -> None:
        """Answer one request after the other, until there is no other."""
        self._is_last, self._head = False, _UNREAD
        while not self._is_last:
            self._answer_one()

    def _answer_one(self) -> None:
        try:
            request = self._next()
        except Refusal as no:
            self._is_last = True  # what of it has not been read is no request
            self._send(refused(no))
            self._drain()
            return
        if request is not None:
            self._send(self.server.service.respond(request))

    def _next(self) -> Request | None:
        """Read the next request; None where the client has no more."""
        self._head = _UNREAD
        head = read_head(self.rfile)
        self._is_last = head is None or head.is_last
        if head is None:
            return None
        self._head = head
        check_names(head.headers)
        body = read_body(self.rfile, head, self._let_go_on)
        method = "GET" if head.method == "HEAD" else head.method
        return Request(method, unquote(head.path), head.query, head.headers, body)

    def _let_go_on(self) -> None:
        if self._head.waits:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _send(self, answer: Response) -> None:
        if answer.drop:
            self._hang_up()
        elif isinstance(answer.body, bytes):
            self._send_whole(answer, answer.body)
        elif self._head.version == "HTTP/1.0":
            self._send_whole(answer, b"".join(answer.body))
        else:
            self.wfile.write(self._status_and_headers(answer, "Transfer-Encoding: chunked"))
            for chunk in _chunks(answer.body if self._head.method != "HEAD" else iter(())):
                self.wfile.write(chunk)

    def _send_whole(self, answer: Response, whole: bytes) -> None:
        head = self._status_and_headers(answer, f"Content-Length: {len(whole)}")
        body = b"" if self._head.method == "HEAD" else whole[: len(whole) // 2] if answer.truncate else whole
        if answer.trickle_ms:
            self._trickle(head, body, answer.trickle_ms / 1000)
        else:
            self.wfile.write(head + body)
        if answer.truncate:
            self._hang_up()

    def _trickle(self, head: bytes, body: bytes, seconds: float) -> None:
        """Send the head at once, and the body in ten parts over so many seconds."""
        self.wfile.write(head)
        size = len(body) // _PARTS + 1
        for start in range(0, len(body), size):
            self.server.service.closing.wait(seconds / _PARTS)
            self.wfile.write(body[start : start + size])

    def _status_and_headers(self, answer: Response, length: str) -> bytes:
        phrase = HTTPStatus(answer.status).phrase
        headers = {"Server": "sandbox", "Content-Type": "application/json", **answer.headers}
        if self._is_last:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {text}" for name, text in headers.items())]
        return "\r\n".join([*lines, length, "", ""]).encode("latin-1", "replace")

    def _drain(self) -> None:
        """Throw away some of what is still coming: a client that is cut off while it sends never sees the answer."""
        self.connection.settimeout(_DRAIN_SECONDS)
        with contextlib.suppress(OSError):
            for _ in range(_DRAINED_BYTES // _PIECE_BYTES):
                if not self.connection.recv(_PIECE_BYTES):
                    return

    def _hang_up(self) -> None:
        self._is_last = True
        _close(self.connection)


def _close(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the other side was faster
        connection.close()


def _chunks(parts: Iterator[bytes], size: int = 65_536) -> Iterator[bytes]:
    """Yield `parts` as the chunks of a chunked body, gathered to about `size`."""
    gathered = bytearray()
    for part in parts:
        gathered += part
        if len(gathered) >= size:
            yield b"%x\r\n%s\r\n" % (len(gathered), bytes(gathered))
            gathered.clear()
    if gathered:
        yield b"%x\r\n%s\r\n" % (len(gathered), bytes(gathered))
    yield b"0\r\n\r\n"
