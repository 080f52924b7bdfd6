"""A call as a person checks it before it is sent."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import unquote_plus

from connector.api.calls import Prepared
from connector.apply.gates import explained
from connector.config import Connection
from connector.words import count_of

_SHOWN_CHARACTERS = 2_000


def preview(call: Prepared, body: str | None, connection: Connection, lacking: Collection[str]) -> str:
    """Return a call as a person checks it, the key masked, and which flags send it.

    `body` is how the user wrote it, where the bytes themselves are not to be read.
    """
    key = connection.key
    lines = [f"{call.method} {call.url}"]
    lines += [f"{name.title()}: {_shown(name, value, connection)}" for name, value in call.headers.items()]
    if call.body:
        text = body if body is not None else _readable(call.body)
        lines += ["", f"{count_of(len(call.body), 'byte')}:", *([text] if len(text) <= _SHOWN_CHARACTERS else [])]
    if _is_json_for_v1(call, connection):
        lines += ["", "Stripe's v1 takes no JSON but forms: --form key=value, or pairs such as a=1&b[c]=2."]
    lines += ["", f"Not sent. What sends it: {' '.join(lacking)}{explained(lacking)}"]
    return key.hide_in("\n".join(lines))


def _is_json_for_v1(call: Prepared, connection: Connection) -> bool:
    is_json = call.headers.get("Content-Type", "").startswith("application/json")
    return is_json and call.is_for(connection) and call.url.path.startswith("/v1/")


def _shown(name: str, value: str, connection: Connection) -> str:
    """Return a header's value as it may be shown; a secret of the user's own, which no mask knows, is not."""
    if name.lower() == "authorization" and value != f"Bearer {connection.key.reveal()}":
        return "…"
    return value


def _readable(body: bytes) -> str:
    text = unquote_plus(body.decode("utf-8", "replace"))
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)
