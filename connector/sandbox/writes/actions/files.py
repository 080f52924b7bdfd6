"""Files: uploaded as multipart, read back as they were; and links to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple
from weakref import WeakKeyDictionary

from connector.sandbox.document import api, forms
from connector.sandbox.document.rules import Record
from connector.sandbox.world.store import Store
from connector.sandbox.writes.engine.handlers import handles, holds
from connector.sandbox.writes.engine.schedule import Due, due
from connector.sandbox.writes.engine.write import Write, apply

holds("file", "file_link")

FILES_HOST = "https://files.stripe.com"
"""Where Stripe says that contents are; answers name the sandbox instead."""

_NAME = re.compile(rb'[; ]name="([^"]*)"')
_FILE_NAME = re.compile(rb'filename="([^"]*)"')
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')

_contents: WeakKeyDictionary[Store, dict[str, bytes]] = WeakKeyDictionary()


class Part(NamedTuple):
    """One field of a multipart body; `filename` is None for plain values."""

    name: str
    content: bytes
    filename: str | None


def content_of(store: Store, file: str) -> bytes | None:
    """Return what is in the file with this id, or None where there is none."""
    return _contents.get(store, {}).get(file)


def parts(body: bytes, content_type: str) -> Iterator[Part]:
    """Yield the fields of a multipart body."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        return
    for piece in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())[1:]:
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name, filename = _NAME.search(head), _FILE_NAME.search(head)
        if name is not None:
            yield Part(name[1].decode(), content, filename[1].decode() if filename else None)


def save(write: Write, content: bytes, filename: str, purpose: str) -> Record:
    """Keep `content` as a file of the sandbox; return the file."""
    id_ = write.new_id("file_")
    file = write.blank(
        "file",
        id=id_,
        filename=filename,
        links={"object": "list", "data": [], "has_more": False, "url": f"/v1/file_links?file={id_}"},
        purpose=purpose,
        size=len(content),
        type=PurePosixPath(filename).suffix.removeprefix(".") or None,
        url=f"{FILES_HOST}/v1/files/{id_}/contents",
    )
    _contents.setdefault(write.store, {})[id_] = content
    write.put("file", file)
    return file


def _base(name: str) -> str:
    """Return the last part of a path, of whichever system."""
    return re.split(r"[/\\]", name)[-1]


@handles("POST /v1/files")
def upload(write: Write) -> Record:
    """Take a file in."""
    sent = {part.name: part for part in parts(write.call.body, write.call.content_type)}
    operation = api.operation("POST", "/v1/files")
    assert operation is not None
    plain = ((part.name, part.content.decode("utf-8", "replace")) for part in sent.values() if part.filename is None)
    form = forms.read(forms.nested(plain), operation.body, ["purpose"])
    if "file" not in sent:
        raise write.refuse("required", "file")
    file = save(write, sent["file"].content, _base(sent["file"].filename or "file"), form["purpose"])
    wanted = form.get("file_link_data", {})
    if wanted.pop("create", False):
        file["links"]["data"].append(_new_link(write, {"file": file["id"], **wanted}))
        write.put("file", file)
    return file


@handles("POST /v1/file_links")
def link(write: Write) -> Record:
    """Make a link to a file."""
    write.get("file", write.form["file"], "file")
    return _new_link(write, write.form)


def _new_link(write: Write, asked: Record) -> Record:
    id_ = write.new_id("link_")
    made = write.blank("file_link", id=id_, url=f"{FILES_HOST}/links/{id_}", expired=False)
    apply(made, asked, "file_link")
    write.put("file_link", made)
    return made


@handles("POST /v1/file_links/{link}")
def update_link(write: Write) -> Record:
    """Change when a link expires, or its metadata; a link that has expired stays as it is."""
    made = write.get("file_link", write.ids["link"])
    apply(made, write.form, "file_link")
    if made["expires_at"] == "now":
        made.update(expires_at=write.now, expired=True)
    write.put("file_link", made)
    return made


@due("file_link")
def _falls_due(made: Record) -> Iterator[Due]:
    """Say when a link expires, of which no event tells."""
    if not made["expired"] and made["expires_at"]:
        yield made["expires_at"], _expire


def _expire(write: Write, made: Record) -> None:
    write.put("file_link", {**made, "expired": True})
