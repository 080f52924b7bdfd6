"""What came back from a generic request: a document or a file, and what follows it."""

from __future__ import annotations

import mimetypes
import re
import secrets
from codecs import BOM_UTF8
from decimal import Decimal
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import msgspec

from connector.api.calls import same_origin
from connector.api.records import LIST_OBJECTS, clean_content
from connector.api.responses import Response
from connector.errors import DataError, TargetError

PAGE_ROWS = 100  # Stripe's greatest `limit`
_DECODER = msgspec.json.Decoder(float_hook=Decimal)  # no digit is lost before the columns are known
_FILES = ("application/octet-stream", "application/pdf", "application/zip", "application/gzip")
_FILE_KINDS = ("image", "audio", "video", "font")
_LONGEST_STEM, _LONGEST_SUFFIX = 60, 15  # in characters: 255 bytes of UTF-8 are what a file's name may have
# What this connector or Python would read from a folder without being told to: never a name for what a server sends.
_READ_BY_PROGRAMS = (".toml", ".py", ".pth", ".so", ".pyd", ".dll", ".cfg", ".ini", ".env")
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)\.", re.IGNORECASE)


def document_of(response: Response) -> Any:
    """Return the response parsed as JSON, None where it is empty; a DataError where it is something else."""
    if not response.content.strip():
        return None
    try:
        return _DECODER.decode(clean_content(response).removeprefix(BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        kind = _content_type(response) or "without a content type"
        raise DataError(
            f"{response.name} is {kind}, not JSON, so it has no rows: {error}. --raw gives it as it came."
        ) from None


def is_binary(response: Response) -> bool:
    """Return whether the response is a file, to be saved, rather than text, to be read."""
    kind = _content_type(response)
    if kind.partition("/")[0] in _FILE_KINDS or kind in _FILES:
        return True
    try:
        return "\0" in response.content.decode("utf-8")
    except UnicodeDecodeError:
        return True


def write_content(response: Response, url: str, to: str | Path | None = None) -> Path:
    """Write the body as it came; without `to`, under the response's own name in this folder, over no other file."""
    path = Path(to).expanduser() if to is not None else Path(_file_name(response, url))
    if path.is_dir() or (to is None and path.exists()):
        what = "is a folder" if path.is_dir() else "is there already"
        raise TargetError(f"{path} {what}: say --to FILE for where the response goes.")
    write_whole(path, response.content)
    return path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it when it is whole; a TargetError where that cannot be done."""
    part = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise TargetError(f"{path} could not be written: {error.strerror or type(error).__name__}.") from None


def goes_on(document: object) -> bool:
    """Return whether a list says that more of it follows."""
    return isinstance(document, dict) and (document.get("has_more") is True or bool(document.get("next_page_url")))


def following(url: str, document: object, origin: str = "The response") -> str | None:
    """Return the address of the page after this one: by cursor, by a page's name, or by URL; None at the end.

    `origin` is what errors call the response.
    """
    if not isinstance(document, dict) or not goes_on(document):
        if isinstance(document, dict) and document.get("object") in LIST_OBJECTS and "has_more" not in document:
            raise DataError(f"{origin} does not say has_more, so it may not be the whole list.")
        return None
    here = httpx.URL(url)
    named = document.get("next_page_url")
    if isinstance(named, str) and named:
        further = _joined(here, named, origin)
    elif isinstance(document.get("next_page"), str):
        further = here.copy_set_param("page", document["next_page"])
    else:
        further = _behind(here, document.get("data"), origin)
    return str(further)


def with_page_size(url: str, wanted: int | None) -> str:
    """Return the address with as many rows a page as Stripe gives, no more than wanted, unless it says how many."""
    if re.search(r"[?&]limit=", url):
        return url
    rows = PAGE_ROWS if wanted is None else max(1, min(PAGE_ROWS, wanted))
    return f"{url}{'&' if '?' in url else '?'}limit={rows}"


def _joined(here: httpx.URL, named: str, origin: str) -> httpx.URL:
    """Return the page that a response names; never one on another host, which would get what this one was sent."""
    try:
        further = here.join(named)
        is_same = same_origin(str(here), str(further))
    except (httpx.InvalidURL, ValueError):
        raise DataError(f"{origin} names a next page whose address cannot be read.") from None
    if not is_same:
        raise DataError(
            f"{origin} names a next page on another host, {further.netloc.decode('ascii') or '?'}; it is not "
            f"requested, since it would get what {here.netloc.decode('ascii')} is sent."
        )
    return further


def _behind(here: httpx.URL, listed: object, origin: str) -> httpx.URL:
    """Return the page behind the last record, or before the first one where the list is walked upwards."""
    is_upwards = "ending_before" in here.params
    last = listed[0 if is_upwards else -1] if isinstance(listed, list) and listed else None
    cursor = last.get("id") if isinstance(last, dict) else None
    if not isinstance(cursor, str):
        raise DataError(f"{origin} has more, but gave no record to go on from.")
    return here.copy_set_param("ending_before" if is_upwards else "starting_after", cursor)


def _content_type(response: Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _file_name(response: Response, url: str) -> str:
    """Return the name that the response has for its file, as a name in this folder alone."""
    header = Message()
    header["Content-Disposition"] = response.headers.get("Content-Disposition", "")
    suggested = header.get_filename() or _last_part(url)
    name = re.sub(r"[^\w.()+ -]", "_", re.split(r"[/\\]", suggested)[-1]).strip(". ") or "answer"
    name = name if "." in name else name + (mimetypes.guess_extension(_content_type(response)) or ".bin")
    stem, dot, suffix = name.rpartition(".")
    name = stem[:_LONGEST_STEM] + dot + suffix[:_LONGEST_SUFFIX]
    return f"{name}.download" if f".{suffix.lower()}" in _READ_BY_PROGRAMS or _DEVICE.match(name) else name


def _last_part(url: str) -> str:
    """Return the part of a path that names something: the id of /v1/files/ID/contents."""
    parts = [unquote(part) for part in url.partition("?")[0].split("/") if part]
    return parts[-2] if len(parts) > 1 and parts[-1] in ("contents", "pdf", "download") else (parts or ["answer"])[-1]
