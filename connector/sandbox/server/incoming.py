"""What is looked at before a request is one: whom it is for, where it comes from, and how long its body is.

A web page can make a browser send requests to this machine; so only those are answered that name this machine as
their host, and that no page of another host has sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn, Protocol
from urllib.parse import urlsplit

from connector.sandbox.document.refusals import refusal
from connector.sandbox.options import LOOPBACK

LONGEST_FORM, LONGEST_FILE = 1 << 20, 16 << 20
"""Bytes that a body may have; files are longer than forms."""

_OWN_NAMES = frozenset({*LOOPBACK, "::1"})
_LONGEST_LINE = 1024  # bytes of the line before a chunk


class Stream(Protocol):
    """Where a body is read from."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes, fewer at the end."""

    def readline(self, size: int, /) -> bytes:
        """Return a line, or its first `size` bytes."""


def check_names(headers: Mapping[str, str]) -> None:
    """Refuse a request that names another host, or that a page of another host has sent."""
    host, origin = headers.get("host"), headers.get("origin")
    if host is not None and _name_in(f"//{host}") not in _OWN_NAMES:
        raise refusal("foreign_host", host=host)
    if origin is not None and _name_in(origin) not in _OWN_NAMES:
        raise refusal("foreign_origin", origin=origin)


def read_body(stream: Stream, headers: Mapping[str, str], path: str) -> bytes:
    """Return the body of a request to `path`; Refusal for one that is too long or broken off."""
    most = LONGEST_FILE if path == "/v1/files" else LONGEST_FORM
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _chunked(stream, most)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or "transfer-encoding" in headers:
        raise refusal("broken_body")
    if int(length) > most:
        raise refusal("too_long_body", bound=most)
    return _whole(stream, int(length))


def _chunked(stream: Stream, most: int) -> bytes:
    body = bytearray()
    while size := _size(stream.readline(_LONGEST_LINE)):
        if len(body) + size > most:
            raise refusal("too_long_body", bound=most)
        body += _whole(stream, size)
        if stream.readline(_LONGEST_LINE) != b"\r\n":
            raise refusal("broken_body")
    while stream.readline(_LONGEST_LINE).strip():  # trailers say nothing that is needed
        pass
    return bytes(body)


def _whole(stream: Stream, size: int) -> bytes:
    """Read so many bytes; Refusal where they end before, since half of a request must not be acted on."""
    read = stream.read(size)
    return read if len(read) == size else _broken()


def _size(line: bytes) -> int:
    """Return the length of the chunk that a line announces."""
    digits = line.partition(b";")[0].strip()
    try:
        return int(digits, 16) if digits.isalnum() else _broken()
    except ValueError:
        return _broken()


def _broken() -> NoReturn:
    raise refusal("broken_body")


def _name_in(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
