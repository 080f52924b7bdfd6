"""What people type as headers, parameters and bodies, as the bytes that are sent.

Form data looks byte for byte as httpx sends it. Stripe's own library differs in two things: it sends a file under
the whole path it was opened by, and every file as application/octet-stream; here a file goes by its name alone and
with the type that its extension says, as from a browser.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import msgspec

from connector.errors import UsageError

ANY_BYTES = "application/octet-stream"
# Fixed, since Python's own table takes up what the machine has registered, on Windows from programs installed.
CONTENT_TYPES = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".csv": "text/csv",
    ".doc": "application/msword",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".gif": "image/gif",
    ".gz": "application/gzip",
    ".heic": "image/heic",
    ".htm": "text/html",
    ".html": "text/html",
    ".ico": "image/vnd.microsoft.icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".md": "text/markdown",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".ppt": "application/vnd.ms-powerpoint",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".rtf": "application/rtf",
    ".svg": "image/svg+xml",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xml": "application/xml",
    ".zip": "application/zip",
}
_TYPE_OF_PART = ".content-type"
_LINE_END = re.compile(r"\r\n|\r|\n")
_ESCAPE = re.compile(r"\\([rnt@])")
_ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "@": "@"}
# What a quoted name in a header may not hold, and what stands for it. httpx lets ESC pass: JIS texts need it.
_QUOTING = str.maketrans(
    {'"': "%22", "\\": "\\\\"} | {chr(code): f"%{code:02X}" for code in range(0x20) if chr(code) != "\x1b"}
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORM = re.compile(r"[^\s=&]+=[^\r\n&]*(&[^\s=&]+=[^\r\n&]*)*")


@dataclass
class _Part:
    """One part of a form: a value, or a file when it has a file name."""

    name: str
    content: bytes
    file_name: str | None = None
    content_type: str | None = None

    def rendered(self) -> bytes:
        head = f'Content-Disposition: form-data; name="{self.name.translate(_QUOTING)}"'
        if self.file_name is not None:
            head += f'; filename="{self.file_name.translate(_QUOTING)}"'
        if self.content_type:
            head += f"\r\nContent-Type: {self.content_type}"
        # On Linux the name of a file need not be text; what is not becomes a question mark.
        return head.encode(errors="replace") + b"\r\n\r\n" + self.content + b"\r\n"


def form_data(pairs: Sequence[str], text: str | None = None, content_type: str | None = None) -> tuple[bytes, str]:
    r"""Return a multipart body and its content type, of `name=value` pairs and of a text with a pair on each line.

    A value that begins with @ is the path of a file, taken as written; in other values \r, \n, \t and \@ are
    escapes. `name.Content-Type=…` sets the type of the part of that name, and left empty takes it away; given as
    often as there are parts of that name, each sets its own. A `content_type` that begins with multipart/ replaces
    multipart/form-data, and its boundary is used if it has one.
    """
    parts: list[_Part] = []
    types: dict[str, list[str]] = {}
    for where, name, value in _split(pairs, text):
        if name.lower().endswith(_TYPE_OF_PART):
            types.setdefault(name[: -len(_TYPE_OF_PART)], []).append(_checked_type(where, value))
        elif value.startswith("@"):
            parts.append(_file_part(name, value[1:].strip()))
        else:
            parts.append(_Part(name, _encoded(where, _ESCAPE.sub(lambda match: _ESCAPES[match[1]], value))))
    _set_types(parts, types)
    header, boundary = _boundary(content_type)
    mark = b"--" + boundary.encode()
    body = b"".join(mark + b"\r\n" + part.rendered() for part in parts)
    if any(mark in part.content for part in parts):
        raise UsageError("The boundary in Content-Type occurs in what is sent; leave it out, and a safe one is made.")
    return body + mark + b"--\r\n", header


def raw_body(text: str) -> tuple[bytes, str | None]:
    """Return the body that a text stands for and its likely content type; @path stands for a file's bytes."""
    if text.startswith("@"):
        return _read(text[1:].strip()), ANY_BYTES
    body = _encoded("The body", text)
    if not text:
        return body, None
    if is_json(text):
        return body, "application/json"
    if _FORM.fullmatch(text):
        return body, "application/x-www-form-urlencoded"
    return body, "text/plain; charset=utf-8"


def parse_headers(texts: Sequence[str]) -> dict[str, str]:
    """Return headers of `Name: value` texts, several in one between line breaks or ||; the last of a name wins."""
    headers: dict[str, tuple[str, str]] = {}
    lines = (line for text in texts for line in re.split(r"\r\n|\r|\n|\|\|", text) if line.strip())
    for number, line in enumerate(lines, 1):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon:
            raise UsageError(f'Header {number} has no colon; write it as "Name: value".')
        if not _HEADER_NAME.fullmatch(name):
            raise UsageError(f"Header {number} has a name that cannot be sent; names have no spaces.")
        if not value.isascii() or _CONTROL.search(value):
            raise UsageError(f"The value of header {name} has characters that cannot be sent; ASCII alone can.")
        headers.pop(name.lower(), None)
        headers[name.lower()] = (name, value)
    return dict(headers.values())


def parse_pairs(texts: Sequence[str]) -> dict[str, object]:
    """Return parameters of `name=value` texts: a text each, or a list of texts for a name that is given again.

    Values are taken as written but for spaces around them: nothing is an escape, and @ names no file.
    """
    parameters: dict[str, object] = {}
    for _, name, value in _split(texts, None):
        before = parameters.get(name)
        if before is None:
            parameters[name] = value
        else:
            parameters[name] = [*before, value] if isinstance(before, list) else [before, value]
    return parameters


def _split(pairs: Sequence[str], text: str | None) -> Iterator[tuple[str, str, str]]:
    """Return where each pair stands, its name and its value, both trimmed."""
    lines = [(f"Parameter {number}", pair) for number, pair in enumerate(pairs, 1)]
    lines += [(f"Line {number} of the form", line) for number, line in enumerate(_LINE_END.split(text or ""), 1)]
    for where, pair in lines:
        if not pair.strip():
            continue
        name, sign, value = (part.strip() for part in pair.partition("="))
        if not sign or not name:
            raise UsageError(f"{where} is not of the form name=value.")
        yield where, name, value


def _file_part(name: str, path: str) -> _Part:
    file = Path(path)
    return _Part(name, _read(path), file.name, CONTENT_TYPES.get(file.suffix.lower(), ANY_BYTES))


def _set_types(parts: Sequence[_Part], types: dict[str, list[str]]) -> None:
    for name, content_types in types.items():
        named = [part for part in parts if part.name == name]
        if len(content_types) not in (1, len(named)) or not named:
            raise UsageError(
                f"{name}.Content-Type is given {len(content_types)} times for {len(named)} parts called {name}; "
                "give it once for all of them, or once for each."
            )
        for part, content_type in zip(named, content_types * (len(named) // len(content_types)), strict=True):
            part.content_type = content_type


def _checked_type(where: str, content_type: str) -> str:
    if not content_type.isascii() or _CONTROL.search(content_type):
        raise UsageError(f"{where}: a Content-Type cannot have these characters.")
    return content_type


def _boundary(content_type: str | None) -> tuple[str, str]:
    """Return the content type of the whole and the boundary that it names."""
    made = secrets.token_hex(16)
    if content_type is None:
        return f"multipart/form-data; boundary={made}", made
    content_type = _checked_type("The content type of the form", content_type.strip())
    if not content_type.lower().startswith("multipart/"):
        raise UsageError(f"A form with parts is sent as multipart/…, not as {content_type}.")
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_param("boundary")
    if boundary is None:
        return f"{content_type.rstrip('; ')}; boundary={made}", made
    if not isinstance(boundary, str) or not _BOUNDARY.fullmatch(boundary):
        raise UsageError(
            "The boundary in Content-Type is not one that can be sent: 1 to 70 letters, digits or '()+_,-./:=?"
        )
    return content_type, boundary


def _read(path: str) -> bytes:
    if not path:
        raise UsageError("@ is not followed by the path of a file.")
    file = Path(path)
    try:
        if file.is_dir():
            raise UsageError(f"{path} is a folder; name a file in it.")
        return file.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from None
    except ValueError:
        raise UsageError("A path has a character that no file's name can have.") from None


def _encoded(where: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{where} holds half of a surrogate pair, which is no text that can be sent.") from None


def is_json(text: str | bytes) -> bool:
    """Return whether a text is JSON."""
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True
