"""Headers, parameters and bodies as people type them, byte for byte as they are sent."""

from __future__ import annotations

import email.parser
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe._multipart_data_generator import MultipartDataGenerator

from connector.errors import UsageError
from connector.request.multipart import CONTENT_TYPES, form_data, parse_headers, parse_pairs, raw_body
from connector.sandbox import Sandbox

BOUNDARY = "a-boundary"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
PIXEL = b"\x89PNG\r\n\x1a\n\x00\xff--"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def body_of(*pairs: str, text: str | None = None) -> bytes:
    body, content_type = form_data(pairs, text, TYPE)
    assert content_type == TYPE
    return body


def httpx_body(*parts: tuple[str, Any]) -> bytes:
    return httpx.Request("POST", "http://localhost", files=parts, headers={"Content-Type": TYPE}).read()


def stripe_body(parameters: dict[str, Any]) -> bytes:
    """Return what Stripe's own library would send."""
    official: Any = MultipartDataGenerator()
    official.boundary = BOUNDARY
    official.add_params(parameters)
    sent: bytes = official.get_post_data()
    return sent


def parsed(body: bytes, content_type: str) -> list[tuple[str, str | None, bytes]]:
    """Return the name line, content type and content of each part, read by the standard library."""
    whole: Any = email.parser.BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    assert not whole.defects
    return [
        (
            part._headers[0][1].encode("ascii", "surrogateescape").decode(),
            part["Content-Type"],
            part.get_payload(decode=True),
        )
        for part in whole.get_payload()
    ]


def test_values_and_files_are_sent_as_httpx_sends_them(tmp_path: Path) -> None:
    (tmp_path / "receipt.PNG").write_bytes(PIXEL)
    (tmp_path / "notes.odd").write_bytes(b"")
    sent = body_of("purpose=dispute_evidence", "file=@receipt.PNG", f"more=@{tmp_path / 'notes.odd'}", "empty=")
    assert sent == httpx_body(
        ("purpose", (None, "dispute_evidence")),
        ("file", ("receipt.PNG", PIXEL, "image/png")),
        ("more", ("notes.odd", b"", "application/octet-stream")),
        ("empty", (None, "")),
    )


def test_a_file_upload_is_sent_as_stripes_own_library_sends_it(tmp_path: Path) -> None:
    (tmp_path / "scan.bin").write_bytes(PIXEL)
    with Path("scan.bin").open("rb") as file:
        theirs = stripe_body({"purpose": "dispute_evidence", "file": file, "file_link_data": {"create": "true"}})
    assert theirs == body_of("purpose=dispute_evidence", "file=@scan.bin", "file_link_data[create]=true")


def test_an_upload_arrives_whole(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "scan.png").write_bytes(PIXEL)
    body, content_type = form_data(["file=@scan.png"], "purpose = dispute_evidence")
    key = (sandbox.key, "")
    sent = httpx.post(f"{sandbox.url}/v1/files", content=body, headers={"Content-Type": content_type}, auth=key).json()
    assert (sent["filename"], sent["size"], sent["purpose"]) == ("scan.png", len(PIXEL), "dispute_evidence")
    assert httpx.get(sent["url"], auth=key).content == PIXEL


def test_where_stripes_library_differs_a_file_goes_by_its_name_and_type_as_from_a_browser(tmp_path: Path) -> None:
    (tmp_path / "scan.pdf").write_bytes(PIXEL)
    with (tmp_path / "scan.pdf").open("rb") as file:
        theirs = stripe_body({"file": file})
    by_name = theirs.replace(os.fsencode(str(tmp_path) + os.sep), b"")
    assert len(by_name) < len(theirs)
    ours = body_of(f"file=@{tmp_path / 'scan.pdf'}")
    assert ours == by_name.replace(b"application/octet-stream", b"application/pdf")


def test_a_text_has_a_pair_on_each_line_with_spaces_around_and_blank_lines_between(tmp_path: Path) -> None:
    (tmp_path / "a b.csv").write_bytes(b"x")
    sent = body_of("first = 1", text="\n  purpose =  two words \r\n\n \t\nfile=  @ a b.csv \rsum=1+1=2\n")
    assert sent == httpx_body(
        ("first", (None, "1")),
        ("purpose", (None, "two words")),
        ("file", ("a b.csv", b"x", "text/csv")),
        ("sum", (None, "1+1=2")),
    )


def test_a_value_has_escapes_and_a_path_has_none(tmp_path: Path) -> None:
    if sys.platform != "win32":
        (tmp_path / r"c:\temp\report.pdf").write_bytes(b"%PDF")
        assert b"\r\n\r\n%PDF\r\n" in body_of(r"file=@c:\temp\report.pdf")
    values = {
        r"one\r\ntwo": "one\r\ntwo",
        r"a\tb": "a\tb",
        r"\@handle": "@handle",
        r"\d\\x": r"\d\\x",
        "a@b.c": "a@b.c",
    }
    for typed, meant in values.items():
        assert body_of(f"v={typed}") == httpx_body(("v", (None, meant)))


def test_each_part_can_have_a_type_of_its_own_and_values_have_none(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    sent = body_of('json={"a": 1}', "json.Content-Type = application/json", "f=@a.pdf", "f.content-type=text/x", "v=1")
    assert sent == httpx_body(
        ("json", (None, '{"a": 1}', "application/json")), ("f", ("a.pdf", b"%PDF", "text/x")), ("v", (None, "1"))
    )


def test_an_empty_type_leaves_it_out(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (part,) = parsed(body_of("f.Content-Type=", "f=@a.pdf"), TYPE)
    assert part == ('form-data; name="f"; filename="a.pdf"', None, b"%PDF")


def test_parts_of_one_name_share_a_type_or_have_one_each() -> None:
    shared = parsed(body_of("a=1", "a=2", "a.Content-Type=text/x"), TYPE)
    assert [part[1] for part in shared] == ["text/x", "text/x"]
    each = parsed(body_of("a=1", "a.Content-Type=text/x", "a=2", "a.Content-Type=text/y"), TYPE)
    assert [part[1] for part in each] == ["text/x", "text/y"]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["a=1", "no sign"], "^Parameter 2 is not of the form name=value"),
        (["=1"], "Parameter 1 is not"),
        (["f=@missing.pdf"], r"^There is no file missing\.pdf\.$"),
        (["f=@."], r"^\. is a folder"),
        (["f=@"], "not followed by the path"),
        (["f=@a\0b"], "no file's name"),
        (["b.Content-Type=text/x"], "given 1 times for 0 parts called b"),
        (["a=1", "a=2", "a=3"] + ["a.Content-Type=x/y"] * 2, "given 2 times for 3 parts"),
        (["a=1", "a.Content-Type=text/x\r\nX-Evil: 1"], "cannot have these characters"),
        (["a=\ud800"], "^Parameter 1 holds half of a surrogate pair"),
        (["a=--a-boundary"], "boundary in Content-Type occurs"),
    ],
)
def test_a_form_that_cannot_be_sent_says_where(pairs: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        form_data(pairs, None, TYPE)
    assert "\n" not in str(caught.value)


def test_a_line_of_a_text_is_named_by_its_number_not_by_what_it_holds() -> None:
    with pytest.raises(UsageError, match=r"^Line 3 of the form is not") as caught:
        form_data([], "a=1\n\nsk_live_secret")
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="may read all")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "locked").write_bytes(b"")
    (tmp_path / "locked").chmod(0)
    with pytest.raises(UsageError, match="locked cannot be read: Permission denied"):
        raw_body("@locked")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that fails when it is read")
def test_a_file_that_fails_when_it_is_read_is_named() -> None:
    with pytest.raises(UsageError, match=r"^/proc/self/mem cannot be read: .*error\.$"):
        raw_body("@/proc/self/mem")


def test_a_multipart_header_replaces_the_type_and_keeps_its_boundary() -> None:
    body, content_type = form_data(["a=1"], None, ' multipart/related; boundary="x y"; type=text/xml ')
    assert content_type == 'multipart/related; boundary="x y"; type=text/xml'
    assert body.startswith(b"--x y\r\n")
    assert body.endswith(b"--x y--\r\n")
    body, content_type = form_data(["a=1"], None, "Multipart/Mixed;")
    made = content_type.removeprefix("Multipart/Mixed; boundary=")
    assert body.startswith(b"--" + made.encode() + b"\r\n")


def test_a_boundary_of_our_own_is_never_the_same() -> None:
    assert form_data(["a=1"])[1].startswith("multipart/form-data; boundary=")
    assert form_data(["a=1"]) != form_data(["a=1"])


@pytest.mark.parametrize(
    "content_type", ["application/json", "multipart/form-data; boundary=", f"multipart/x; boundary={'x' * 71}"]
)
def test_a_type_that_no_form_can_have_is_refused(content_type: str) -> None:
    with pytest.raises(UsageError, match=r"multipart/…, not as application/json|one that can be sent"):
        form_data(["a=1"], None, content_type)


def test_no_type_is_taken_from_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mimetypes.guess_type", lambda *_: ("application/x-msdownload", None))
    for extension, expected in {
        **CONTENT_TYPES,
        ".unheard": "application/octet-stream",
        "": "application/octet-stream",
    }.items():
        (tmp_path / f"file{extension}").write_bytes(b"")
        assert parsed(body_of(f"f=@file{extension}"), TYPE)[0][1] == expected


names = st.text(min_size=1).map(str.strip).filter(lambda name: name and "=" not in name)
no_type = names.filter(lambda name: not name.lower().endswith(".content-type"))
values = st.text().map(str.strip).filter(lambda value: "\\" not in value and not value.startswith("@"))


@given(st.lists(st.tuples(no_type, values), max_size=4))
def test_any_values_are_sent_as_httpx_sends_them(parts: list[tuple[str, str]]) -> None:
    sent = body_of(*(f"{name}={value}" for name, value in parts))
    if parts:
        assert sent == httpx_body(*((name, (None, value)) for name, value in parts))


@given(st.text(min_size=1, max_size=60), st.binary())
def test_any_name_of_a_file_is_escaped_as_httpx_escapes_it(name: str, content: bytes) -> None:
    def read(_: Path) -> bytes:
        return content

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", read)
        patch.setattr(Path, "is_dir", lambda _: False)
        name = name.strip()
        if Path(name).name == name != "":
            assert body_of(f"f=@{name}") == httpx_body(
                ("f", (name, content, CONTENT_TYPES.get(Path(name).suffix.lower(), "application/octet-stream")))
            )


@pytest.mark.skipif(sys.platform != "linux", reason="no such names elsewhere")
def test_a_file_whose_name_has_quotes_and_line_breaks_and_is_no_text(tmp_path: Path) -> None:
    (tmp_path / 'say "ü"\n.pdf').write_bytes(b"x")
    assert b'filename="say %22\xc3\xbc%22%0A.pdf"\r\nContent-Type: application/pdf\r\n' in body_of('f=@say "ü"\n.pdf')
    (tmp_path / os.fsdecode(b"a\xff.txt")).write_bytes(b"x")
    assert b'filename="a?.txt"' in body_of(f"f=@{os.fsdecode(b'a' + bytes([255]))}.txt")


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-zé][a-zé0-9 \[\]_]{0,8}[a-z]", fullmatch=True), st.binary()),
        min_size=1,
        max_size=4,
    )
)
def test_the_standard_library_reads_the_same_parts_back(parts: list[tuple[str, bytes]]) -> None:
    contents = iter([content for _, content in parts])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: next(contents))
        patch.setattr(Path, "is_dir", lambda _: False)
        body, content_type = form_data([f"{name}=@{name}.pdf" for name, _ in parts])
    assert parsed(body, content_type) == [
        (f'form-data; name="{name}"; filename="{name}.pdf"', "application/pdf", content) for name, content in parts
    ]


@given(st.lists(st.tuples(no_type, values), max_size=3), st.text(max_size=20))
def test_a_form_is_either_sent_or_refused_in_words(parts: list[tuple[str, str]], text: str) -> None:
    try:
        body, content_type = form_data([f"{name}={value}" for name, value in parts], text.replace("@", ""))
    except UsageError:
        return
    assert content_type.rpartition("=")[2].encode() in body


@pytest.mark.parametrize(
    ("text", "content_type"),
    [
        ('{"a": 1}', "application/json"),
        ("[]", "application/json"),
        ("12", "application/json"),
        ("a=1", "application/x-www-form-urlencoded"),
        ("items[0][price]=price_1&description=two words&empty=", "application/x-www-form-urlencoded"),
        ("token=YWI==&b=1", "application/x-www-form-urlencoded"),
        ("a=1&b", "text/plain; charset=utf-8"),
        ("if a = b", "text/plain; charset=utf-8"),
        ("a=1\nb=2", "text/plain; charset=utf-8"),
        ("{not json", "text/plain; charset=utf-8"),
        ("NaN", "text/plain; charset=utf-8"),
        ("grüß dich", "text/plain; charset=utf-8"),
        ("[" * 100_000, "text/plain; charset=utf-8"),
        ("", None),
    ],
)
def test_a_body_is_sent_as_it_is_with_the_type_that_it_looks_like(text: str, content_type: str | None) -> None:
    assert raw_body(text) == (text.encode(), content_type)


def test_a_body_from_a_file_is_bytes(tmp_path: Path) -> None:
    (tmp_path / "scan.pdf").write_bytes(PIXEL)
    assert raw_body(f"@{tmp_path / 'scan.pdf'}") == (PIXEL, "application/octet-stream")
    with pytest.raises(UsageError, match="no file missing"):
        raw_body("@missing")


def test_headers_are_read_one_by_one_or_several_in_a_text() -> None:
    assert parse_headers(["A: 1", "b:2||C : x:y \n\n d:", "a: 3"]) == {"b": "2", "C": "x:y", "d": "", "a": "3"}
    assert parse_headers([]) == {}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["A: 1", "Bearer secret"], "^Header 2 has no colon"),
        (["Bearer secret: 1"], "^Header 1 has a name that cannot be sent"),
        ([": secret"], "^Header 1 has a name"),
        (["A: secret\x00"], "value of header A"),
        (["A: sec\u2028ret"], "value of header A"),
    ],
)
def test_a_header_that_cannot_be_sent_is_told_without_what_it_holds(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_headers(texts)
    assert "secret" not in str(caught.value)


@given(st.lists(st.text(max_size=12)))
def test_httpx_takes_every_header_that_we_take(texts: list[str]) -> None:
    try:
        headers = parse_headers(texts)
    except UsageError:
        return
    assert dict(httpx.Headers(headers)) == {name.lower(): value for name, value in headers.items()}


def test_parameters_given_again_make_lists_and_brackets_stay() -> None:
    texts = ["limit=3", " expand[] = a ", "expand[]=b", "created[gte]=1=1", "expand[]=c", "empty=", r"raw=\t@x"]
    assert parse_pairs(texts) == {
        "limit": "3",
        "expand[]": ["a", "b", "c"],
        "created[gte]": "1=1",
        "empty": "",
        "raw": r"\t@x",
    }
    with pytest.raises(UsageError, match="Parameter 1"):
        parse_pairs(["limit"])
