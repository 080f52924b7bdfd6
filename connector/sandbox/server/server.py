"""The HTTP server: one thread a connection, kept alive, on this machine only."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from connector.sandbox.document.refusals import Refusal
from connector.sandbox.server.incoming import check_names, read_body
from connector.sandbox.server.messages import Request, Response, refused
from connector.sandbox.server.service import Service

_POLL_SECONDS = 0.05
_CLOSE_SECONDS = 5.0
_PARTS = 10  # of a body that comes slowly
_DRAIN_SECONDS, _DRAINED_BYTES, _PIECE_BYTES = 0.2, 256 << 20, 1 << 16
_log = logging.getLogger("connector.sandbox")


class Server:
    """Listens from its making on, and answers with `service` between `start` and `stop`."""

    def __init__(self, service: Service, host: str, port: int) -> None:
        self._service = service
        self._http = _Http((host, port), service)
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(_POLL_SECONDS,), name="sandbox", daemon=True
        )

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
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()
        self._http.hang_up()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = os.name != "nt"  # on Windows it would let two servers share a port

    def __init__(self, address: tuple[str, int], service: Service) -> None:
        self.service = service
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, _Connection)

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


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 0
    server: _Http

    def answer_one(self) -> None:
        """Read one request and answer it; the name of every method's handler."""
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            check_names(headers)
            body = read_body(self.rfile, headers, path)
        except Refusal as no:
            self.close_connection = True  # what of the body has not been read is no request
            self._send(refused(no))
            self._drain()
            return
        request = Request(self.command, unquote(path), query, headers, body)
        self._send(self.server.service.respond(request))

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = answer_one  # noqa: N815 - names of the base class

    def _send(self, answer: Response) -> None:
        if answer.drop:
            self._hang_up()
        elif isinstance(answer.body, bytes):
            body = answer.body[: len(answer.body) // 2] if answer.truncate else answer.body
            head = self._head(answer, f"Content-Length: {len(answer.body)}")
            if answer.trickle_ms:
                self._trickle(head, body, answer.trickle_ms / 1000)
            else:
                self.wfile.write(head + body)
            if answer.truncate:
                self._hang_up()
        else:
            self.wfile.write(self._head(answer, "Transfer-Encoding: chunked"))
            for chunk in _chunks(answer.body):
                self.wfile.write(chunk)

    def _trickle(self, head: bytes, body: bytes, seconds: float) -> None:
        """Send the head at once, and the body in ten parts over so many seconds."""
        self.wfile.write(head)
        size = len(body) // _PARTS + 1
        for start in range(0, len(body), size):
            self.server.service.closing.wait(seconds / _PARTS)
            self.wfile.write(body[start : start + size])

    def _head(self, answer: Response, length: str) -> bytes:
        phrase = self.responses[answer.status][0] if answer.status in self.responses else ""
        headers = {"Server": "sandbox", "Content-Type": "application/json", **answer.headers}
        if self.close_connection:
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
        self.close_connection = True
        _close(self.connection)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - signature of the base class
        """Write nothing: requests stand in the log of `Stats`."""


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
