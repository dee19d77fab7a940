"""Taking forms apart: whatever the order and the pieces, the same comes out, and nonsense is refused."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from litebatch_asgi.errors import FileTooLarge, InvalidRequest, PermissionDenied
from litebatch_asgi.models.limits import FileCap
from litebatch_asgi.routes.multipart import (
    MAX_FIELD_BYTES,
    MAX_FORM_BYTES,
    MAX_PARTS,
    Received,
    UploadParser,
    boundary_of,
)
from litebatch_asgi.wire.filenames import DEFAULT_FILENAME, MAX_FILENAME, clean_filename
from litebatch_asgi.wire.names import Pairs
from tests.http.forms import BOUNDARY, field, file, form, part

PURPOSE = field("purpose", "batch")


def parse(body: bytes, cuts: Sequence[int] = (), *, most: int = 1 << 20) -> tuple[Received, bytes]:
    """The form and the file's bytes, of a body that comes in pieces."""
    parser = UploadParser(BOUNDARY, cap=FileCap(bytes=most))
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    content = bytearray()
    for start, end in pairwise(edges):
        for piece in parser.feed(body[start:end]):
            content += piece
    return parser.received(), bytes(content)


def refused(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(body)
    return caught.value


@pytest.mark.parametrize("parts", [(PURPOSE, file(b"{}\n")), (file(b"{}\n"), PURPOSE)])
def test_fields_come_in_any_order(parts: tuple[bytes, bytes]) -> None:
    received, content = parse(form(*parts))
    assert received == Received(filename="in.jsonl", fields=(("purpose", "batch"),))
    assert content == b"{}\n"


def test_fields_keep_their_order_and_repeat() -> None:
    received, _ = parse(form(field("b", "1"), file(b""), field("a", ""), field("b", "ünï")))
    assert received.fields == (("b", "1"), ("a", ""), ("b", "ünï"))


LOOKALIKES = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n-",
    b"\r\n--",
    b"\r\n--" + BOUNDARY[:5],
    b"--" + BOUNDARY,
    b"\n--" + BOUNDARY,
    b"\r\r\n--" + BOUNDARY[:-1],
    b'{"custom_id": "one"}',
    bytes(range(256)),
]
contents = st.lists(st.sampled_from(LOOKALIKES) | st.binary(max_size=30), max_size=12).map(b"".join)


@given(content=contents, cuts=st.lists(st.integers(0, 600), max_size=12), file_first=st.booleans())
@example(content=b"", cuts=list(range(600)), file_first=False)
@example(content=b"x" * 200 + b"\r\n--fron", cuts=list(range(600)), file_first=True)
@example(content=b"no return in sight " * 20, cuts=[150, 200, 250, 300], file_first=True)
def test_any_content_in_any_pieces_comes_out(content: bytes, cuts: list[int], file_first: bool) -> None:
    if b"\r\n--" + BOUNDARY in content:
        return  # no client would choose this boundary
    parts = [file(content), PURPOSE] if file_first else [PURPOSE, file(content)]
    received, taken = parse(form(*parts), cuts)
    assert taken == content
    assert received.fields == (("purpose", "batch"),)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_the_bytes_of_a_file_are_not_copied(newline: bytes) -> None:
    parser = UploadParser(BOUNDARY, cap=FileCap(bytes=1 << 20))
    parser.feed(form(file(b""))[: -len(BOUNDARY) - 8])
    chunk = (b"a line of the file" + newline) * 1000 + b"the next"
    for _ in range(2):
        (piece,) = parser.feed(chunk)
        assert piece.obj is chunk
        assert piece.nbytes == len(chunk)


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_what_comes_before_a_file_is_looked_at_first(size: int) -> None:
    seen: list[Pairs] = []

    def refuse(fields: Pairs) -> None:
        seen.append(fields)
        raise PermissionDenied("Not with these fields.")

    body = form(PURPOSE, file(b"{}"), field("token", "too late"))
    parser = UploadParser(BOUNDARY, cap=FileCap(bytes=1 << 20), before_file=refuse)
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    with pytest.raises(PermissionDenied):
        assert not any(map(parser.feed, pieces))
    assert seen == [(("purpose", "batch"),)]
    assert not parser.pieces


@pytest.mark.parametrize("end", [b"", b"--", b"\r\n", b"\r\nan epilogue"])
def test_what_follows_the_end_is_passed_over(end: bytes) -> None:
    body = form(PURPOSE, file(b"x")).removesuffix(b"\r\n")
    assert parse(body + end)[1] == b"x"


def test_every_shorter_body_is_incomplete() -> None:
    body = form(PURPOSE, file(b"{}\n")).removesuffix(b"\r\n")
    for length in range(len(body)):
        assert "closing boundary" in refused(body[:length]).message


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ([], "file"),
        ([PURPOSE], "file"),
        ([PURPOSE, field("file", "{}")], "file"),
        ([PURPOSE, file(b"{}", filename="")], "file"),
        ([file(b"{}"), PURPOSE, file(b"{}")], "file"),
        ([PURPOSE, file(b"{}", name="image")], "image"),
        ([field("purpose", b"\xff"), file(b"{}")], "purpose"),
        ([field("purpose", "x" * (MAX_FIELD_BYTES + 1)), file(b"{}")], "purpose"),
        (
            [part('form-data; name="file"; filename="a"', b"e30=", "Content-Transfer-Encoding: base64")],
            "file",
        ),
        ([part("form-data", b"nameless")], None),
        ([part('attachment; name="purpose"', b"batch")], None),
        ([b"--" + BOUNDARY + b"\r\n\r\nno headers\r\n"], None),
        ([field(f"x{number}", "") for number in range(MAX_PARTS + 1)], None),
        ([field("x" * 5000, "")], None),
    ],
)
def test_forms_that_are_refused(parts: list[bytes], param: str | None) -> None:
    error = refused(form(*parts))
    assert error.param == param


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"purpose=batch",
        b"--other\r\n\r\n\r\n--other--",
        b"--" + BOUNDARY + b"x\r\n",
        b"--" + BOUNDARY + b"\r\nbad header\r\n\r\n",
        b"--" + BOUNDARY + b"\r\n: no name\r\n\r\n",
    ],
)
def test_bodies_that_are_no_form(body: bytes) -> None:
    assert refused(body).message == "The body is not valid multipart/form-data."


@given(st.binary() | st.lists(st.sampled_from([form(PURPOSE), PURPOSE, *LOOKALIKES])).map(b"".join))
def test_any_body_is_taken_or_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse(body)


def test_the_largest_field_is_taken() -> None:
    received, _ = parse(form(field("x", "x" * MAX_FIELD_BYTES), file(b"{}")))
    assert len(received.fields[0][1]) == MAX_FIELD_BYTES


def test_the_form_beside_the_file_is_limited() -> None:
    many = [field(f"x{number}", "x" * MAX_FIELD_BYTES) for number in range(17)]
    assert "beside its file" in refused(form(file(b"{}"), *many)).message
    assert "beside its file" in refused(form(file(b"{}")) + bytes(MAX_FORM_BYTES)).message


@pytest.mark.parametrize("cuts", [(), range(0, 400, 7)])
def test_a_file_is_too_large_at_its_first_byte_too_many(cuts: Sequence[int]) -> None:
    body = form(PURPOSE, file(b"x" * 100))
    assert parse(body, cuts, most=100)[1] == b"x" * 100
    with pytest.raises(FileTooLarge) as caught:
        parse(body, cuts, most=99)
    assert caught.value.param == "file"
    assert "is 99." in caught.value.message


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("in.jsonl", "in.jsonl"),
        ("my requests.jsonl", "my requests.jsonl"),
        ("日本語 🚀.jsonl", "日本語 🚀.jsonl"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\windows\\in.jsonl", "in.jsonl"),
        ("a/b\\c", "c"),
        ("in\r\nx-evil: 1\0.jsonl", "inx-evil: 1.jsonl"),
        ("\u202einfo.jsonl", "info.jsonl"),
        ("  in.jsonl  ", "in.jsonl"),
        ("", DEFAULT_FILENAME),
        (".", DEFAULT_FILENAME),
        ("..", DEFAULT_FILENAME),
        ("a/", DEFAULT_FILENAME),
        ("\0", DEFAULT_FILENAME),
        ("x" * 300 + ".jsonl", "x" * 249 + ".jsonl"),
        ("x." + "y" * 300, "x." + "y" * 253),
    ],
)
def test_filenames_are_made_harmless(given_name: str, kept: str) -> None:
    assert clean_filename(given_name) == kept


@given(st.text())
def test_every_filename_is_made_harmless(given_name: str) -> None:
    name = clean_filename(given_name)
    assert name
    assert name.isprintable()
    assert len(name) <= MAX_FILENAME
    assert not {"/", "\\"} & set(name)
    assert clean_filename(name) == name


@pytest.mark.parametrize("filename", ["in.jsonl", "日本語.jsonl", "a b;c=d.jsonl", "100%.jsonl"])
def test_filenames_come_through_a_form(filename: str) -> None:
    assert parse(form(file(b"", filename=filename)))[0].filename == filename


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data; boundary=abc", 'Multipart/Form-Data;charset=utf-8; Boundary="abc"']
)
def test_the_boundary_is_found(content_type: str) -> None:
    assert boundary_of(content_type) == b"abc"


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "multipart/mixed; boundary=abc",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "application/x-www-form-urlencoded",
    ],
)
def test_other_content_types_are_refused(content_type: str | None) -> None:
    with pytest.raises(InvalidRequest):
        boundary_of(content_type)


def test_an_endless_boundary_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        UploadParser(b"x" * 300, cap=FileCap(bytes=1))
