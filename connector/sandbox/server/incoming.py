"""What is looked at before a request is one: whom it is for, where it comes from, and how long its body is.

A web page can make a browser send requests to this machine; so only those are answered that name this machine as
their host, and that no page of another host has sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NoReturn
from urllib.parse import urlsplit

from connector.sandbox.document.refusals import refusal
from connector.sandbox.options import LOOPBACK
from connector.sandbox.server.heads import Head, Stream

LONGEST_FORM, LONGEST_FILE = 1 << 20, 16 << 20
"""Bytes that a body may have; files are longer than forms."""

_OWN_NAMES = frozenset({*LOOPBACK, "::1"})
_LONGEST_LINE = 1024  # bytes of the line before a chunk
_MOST_TRAILERS = 100
_LENGTH, _CHUNK_SIZE = re.compile("[0-9]{1,18}"), re.compile(b"[0-9A-Fa-f]{1,16}")


def check_names(headers: Mapping[str, str]) -> None:
    """Refuse a request that names another host, or that a page of another host has sent."""
    host, origin = headers.get("host"), headers.get("origin")
    if host is not None and _name_in(f"//{host}") not in _OWN_NAMES:
        raise refusal("foreign_host", host=host)
    if origin is not None and _name_in(origin) not in _OWN_NAMES:
        raise refusal("foreign_origin", origin=origin)


def read_body(stream: Stream, head: Head, let_go_on: Callable[[], None]) -> bytes:
    """Return the body of a request; Refusal for one that is too long or broken off.

    `let_go_on` is called before it is read: a client that waits for it need not send what would be refused.
    """
    most = LONGEST_FILE if head.path == "/v1/files" else LONGEST_FORM
    if "transfer-encoding" in head.headers:
        if head.headers["transfer-encoding"].lower() != "chunked" or "content-length" in head.headers:
            raise refusal("broken_body")
        let_go_on()
        return _chunked(stream, most)
    length = head.headers.get("content-length", "0")
    if not _LENGTH.fullmatch(length):
        raise refusal("broken_body")
    if int(length) > most:
        raise refusal("too_long_body", bound=most)
    let_go_on()
    return _whole(stream, int(length))


def _chunked(stream: Stream, most: int) -> bytes:
    body = bytearray()
    while size := _size(stream.readline(_LONGEST_LINE)):
        if len(body) + size > most:
            raise refusal("too_long_body", bound=most)
        body += _whole(stream, size)
        if stream.readline(_LONGEST_LINE) != b"\r\n":
            raise refusal("broken_body")
    for _ in range(_MOST_TRAILERS):  # they say nothing that is needed, but the last line is the body's end
        line = stream.readline(_LONGEST_LINE)
        if line in {b"\r\n", b"\n"}:
            return bytes(body)
        if not line.endswith(b"\n"):
            break
    return _broken()


def _whole(stream: Stream, size: int) -> bytes:
    """Read so many bytes; Refusal where they end before, since half of a request must not be acted on."""
    read = stream.read(size)
    return read if len(read) == size else _broken()


def _size(line: bytes) -> int:
    """Return the length of the chunk that a line announces."""
    digits = line.partition(b";")[0].strip()
    return int(digits, 16) if line.endswith(b"\n") and _CHUNK_SIZE.fullmatch(digits) else _broken()


def _broken() -> NoReturn:
    raise refusal("broken_body")


def _name_in(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
