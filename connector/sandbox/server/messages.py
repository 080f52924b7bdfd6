"""One call as it came in, and one answer as it goes out: the values between the server and everything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from connector.sandbox.document.refusals import Refusal

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Request:
    """A request: method, path and query as sent, headers by lower-case name, the body, and the id it was given."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    request_id: str = ""


@dataclass
class Response:
    """A response. `drop` sends nothing at all; `truncate` breaks off inside the body, `trickle_ms` slows it."""

    status: int
    body: bytes | Iterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    truncate: bool = False
    trickle_ms: float = 0


def answer(record: dict[str, Any], livemode: bool = False) -> Response:
    """Return the answer that shows `record` as Stripe prints it: indented by two, in the mode of the key."""
    body = pretty(record)
    if livemode:  # quotes inside a JSON string are escaped, so this touches fields only
        body = body.replace(b'"livemode": false', b'"livemode": true')
    return Response(200, body)


def refused(refusal: Refusal) -> Response:
    """Return the answer that says no."""
    return Response(refusal.rule.status, pretty(refusal.body()), dict(refusal.rule.headers))


def pretty(record: dict[str, Any]) -> bytes:
    """Return `record` as JSON, indented by two."""
    return msgspec.json.format(_encode(record), indent=2) + b"\n"
