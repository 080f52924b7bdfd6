"""The head of a request, as RFC 9112 has it: what can be read in two ways, or broke off, is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from connector.sandbox.document.refusals import refusal

_LONGEST_LINE = 64 << 10  # bytes
_MOST_HEADERS = 100
_METHOD = re.compile(r"[A-Z]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_VERSION = re.compile(r"HTTP/1\.\d")
_ONCE = frozenset({"authorization", "content-length", "content-type", "host", "transfer-encoding"})
"""Headers of which a second one would leave open what is meant; those of other names are joined by a comma."""


class Stream(Protocol):
    """Where a request is read from."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes, fewer at the end."""

    def readline(self, size: int, /) -> bytes:
        """Return a line, or its first `size` bytes."""


@dataclass(frozen=True)
class Head:
    """What a request says before its body: headers are by lower-case name."""

    method: str
    path: str
    query: str
    version: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_last(self) -> bool:
        """Whether the connection is closed after the answer."""
        return self.version == "HTTP/1.0" or "close" in self.headers.get("connection", "").lower()

    @property
    def waits(self) -> bool:
        """Whether the client sends its body only once it is told to go on."""
        return self.version != "HTTP/1.0" and self.headers.get("expect", "").lower() == "100-continue"


def read_head(stream: Stream) -> Head | None:
    """Return the head of the next request, None where there is no other; Refusal for one that cannot be read."""
    line = stream.readline(_LONGEST_LINE)
    while line in {b"\r\n", b"\n"}:  # some clients end a body with an empty line more
        line = stream.readline(_LONGEST_LINE)
    if not line:
        return None
    method, target, version = _request_line(_text(line))
    headers = _headers(stream)
    if not target.startswith("/") and target != "*":
        target = _own_form(target, headers)
    if "host" not in headers and version != "HTTP/1.0":
        raise refusal("broken_head", why="it does not name its host")
    path, _, query = target.partition("?")
    return Head(method, path, query, version, headers)


def _request_line(line: str) -> tuple[str, str, str]:
    words = line.split(" ")
    if len(words) != 3 or not _METHOD.fullmatch(words[0]) or not _VERSION.fullmatch(words[2]):  # noqa: PLR2004
        raise refusal("broken_head", why="its first line is not METHOD PATH HTTP/1.1")
    return words[0], words[1], words[2]


def _headers(stream: Stream) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_MOST_HEADERS + 1):
        line = _text(stream.readline(_LONGEST_LINE))
        if not line:
            return headers
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name):
            raise refusal("broken_head", why="a header is not NAME: VALUE")
        name = name.lower()
        if name in headers and name in _ONCE:
            raise refusal("broken_head", why=f"it has two headers {name}")
        headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    raise refusal("broken_head", why=f"it has more than {_MOST_HEADERS} headers")


def _text(line: bytes) -> str:
    """Return a line without its end; a line that has none is too long, or broken off."""
    if not line.endswith(b"\n"):
        long = len(line) >= _LONGEST_LINE
        raise refusal("broken_head", why="a line is too long" if long else "it breaks off in its head")
    text = line.decode("latin-1").removesuffix("\n").removesuffix("\r")
    if _CONTROL.search(text):
        raise refusal("broken_head", why="it has control characters")
    return text


def _own_form(target: str, headers: dict[str, str]) -> str:
    """Return the path of a target that names its host, as proxies are sent it; that host is the one that counts."""
    try:
        url = urlsplit(target)
    except ValueError:
        url = urlsplit("")
    if url.scheme not in {"http", "https"} or not url.netloc:
        raise refusal("broken_head", why="its target is no path")
    headers["host"] = url.netloc
    return (url.path or "/") + (f"?{url.query}" if url.query else "")
