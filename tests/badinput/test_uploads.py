"""Uploads that are refused for their form, whatever the file says."""

from __future__ import annotations

import pytest

from tests.badinput.probe import CALLER, LIMITS, PURPOSE, Probe, a_line, error_of, upload_head
from tests.harness import MODEL
from tests.http.forms import BOUNDARY, CONTENT_TYPE, field, file, form, part
from tests.http.sockets import chunked, head

GOOD = a_line()
FILE = file(GOOD)
BODY = form(PURPOSE, FILE)


def expiry(anchor: str | None = "created_at", seconds: str | None = "3600") -> list[bytes]:
    """The fields of an expiry."""
    given = {"anchor": anchor, "seconds": seconds}
    return [field(f"expires_after[{name}]", value) for name, value in given.items() if value is not None]


FORMS: dict[str, tuple[list[bytes], str | None, str | None]] = {
    "nothing": ([], "file", "missing_required_parameter"),
    "no file": ([PURPOSE], "file", "missing_required_parameter"),
    "no purpose": ([FILE], "purpose", "missing_required_parameter"),
    "empty purpose": ([FILE, field("purpose", "")], "purpose", "invalid_value"),
    "unknown purpose": ([FILE, field("purpose", "fun")], "purpose", "invalid_value"),
    "purpose in capitals": ([FILE, field("purpose", "BATCH")], "purpose", "invalid_value"),
    "purpose with a space": ([FILE, field("purpose", "batch ")], "purpose", "invalid_value"),
    "purpose of results": ([FILE, field("purpose", "batch_output")], "purpose", "invalid_value"),
    "endless purpose": ([FILE, field("purpose", "b" * 60_000)], "purpose", "invalid_value"),
    "two purposes": ([PURPOSE, FILE, PURPOSE], "purpose", "invalid_value"),
    "purpose not UTF-8": ([FILE, field("purpose", b"\xff")], "purpose", None),
    "purpose as a file": ([FILE, file(b"batch", name="purpose")], "purpose", "unknown_parameter"),
    "two files": ([PURPOSE, FILE, FILE], "file", "invalid_value"),
    "file as text": ([PURPOSE, field("file", GOOD)], "file", "invalid_value"),
    "file without a name": ([PURPOSE, file(GOOD, filename="")], "file", "invalid_value"),
    "file by another name": ([PURPOSE, file(GOOD, name="upload")], "upload", "unknown_parameter"),
    "file in capitals": ([PURPOSE, file(GOOD, name="FILE")], "FILE", "unknown_parameter"),
    "another purpose, but for which model": (
        [FILE, field("purpose", "assistants")],
        "target_model_names",
        "missing_required_parameter",
    ),
    "no anchor": (
        [PURPOSE, FILE, *expiry(anchor=None)],
        "expires_after.anchor",
        "missing_required_parameter",
    ),
    "no seconds": (
        [PURPOSE, FILE, *expiry(seconds=None)],
        "expires_after.seconds",
        "missing_required_parameter",
    ),
    "unknown anchor": ([PURPOSE, FILE, *expiry(anchor="now")], "expires_after.anchor", "invalid_value"),
    "too soon": (
        [PURPOSE, FILE, *expiry(seconds="3599")],
        "expires_after.seconds",
        "integer_below_min_value",
    ),
    "too late": (
        [PURPOSE, FILE, *expiry(seconds="2592001")],
        "expires_after.seconds",
        "integer_above_max_value",
    ),
    "in the past": (
        [PURPOSE, FILE, *expiry(seconds="-1")],
        "expires_after.seconds",
        "integer_below_min_value",
    ),
    **{
        f"seconds are {wrong!r}": (
            [PURPOSE, FILE, *expiry(seconds=wrong)],
            "expires_after.seconds",
            "invalid_type",
        )
        for wrong in ("", "soon", "3600.5", "1e4", "0x1000", " 3600", "3,600", "٣٦٠٠", "9" * 40, "3600\0")
    },
    "seconds twice": (
        [PURPOSE, FILE, *expiry(), *expiry(anchor=None)],
        "expires_after.seconds",
        "invalid_value",
    ),
    "seconds in both spellings": (
        [PURPOSE, FILE, *expiry(), field("expires_after.seconds", "3600")],
        "expires_after.seconds",
        "invalid_value",
    ),
    "too many fields": ([PURPOSE, FILE, *(field(f"x{n}", "") for n in range(100))], None, None),
    "an endless field": ([PURPOSE, FILE, field("x", "x" * 70_000)], "x", None),
    "an endless name of a field": ([PURPOSE, FILE, field("x" * 100_000, "")], None, None),
    "many large fields": ([PURPOSE, FILE, *(field(f"x{n}", "x" * 65_000) for n in range(20))], None, None),
    "an encoded file": (
        [PURPOSE, part('form-data; name="file"; filename="a"', b"e30=", "Content-Transfer-Encoding: base64")],
        "file",
        None,
    ),
    "an attachment": ([PURPOSE, part('attachment; name="file"; filename="a"', GOOD)], None, None),
    "a nameless part": ([PURPOSE, FILE, part("form-data", b"x")], None, None),
    "a part without headers": ([PURPOSE, FILE, b"--" + BOUNDARY + b"\r\n\r\nx\r\n"], None, None),
    "a header without a colon": (
        [PURPOSE, FILE, b"--" + BOUNDARY + b"\r\nnonsense\r\n\r\nx\r\n"],
        None,
        None,
    ),
    "a NUL in a name": (
        [PURPOSE, part('form-data; name="fi\0le"; filename="a"', GOOD)],
        "fi\0le",
        "unknown_parameter",
    ),
    "many headers": ([PURPOSE, part("form-data", b"x", *(f"X-{n}: 1" for n in range(500)))], None, None),
    "an endless header": ([PURPOSE, part("form-data", b"x", "X: " + "x" * 100_000)], None, None),
    "a part whose lines end in LF alone": ([PURPOSE.replace(b"\r\n", b"\n"), FILE], None, None),
    "a form in a form": (
        [part('form-data; name="a"', form(PURPOSE, FILE), f"Content-Type: {CONTENT_TYPE}")],
        "purpose",
        "missing_required_parameter",
    ),
}

CONTENT_TYPES = [
    "application/json",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "text/plain",
    "",
    "multipart",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    'multipart/form-data; boundary=""',
    f"multipart/mixed; boundary={BOUNDARY.decode()}",
    "multipart/form-data; boundary=another",
    f"multipart/form-data; boundary={'x' * 300}",
    "multipart/form-data; boundary=two words",
    'multipart/form-data; boundary="never closed',
    "multipart/form-data; boundary*=utf-8''frontier%FF",
    "multipart/form-data, boundary=frontier",
    "multipart/form-data; boundary=f\xfcr",
    ";;;;",
]


@pytest.mark.parametrize("kind", FORMS)
async def test_a_form_that_is_not_right(probe: Probe, kind: str) -> None:
    parts, param, code = FORMS[kind]
    error = await probe.refuses_upload(form(*parts))
    assert (error["param"], error["code"]) == (param, code)


@pytest.mark.parametrize("content_type", CONTENT_TYPES, ids=lambda each: each[:40])
async def test_a_content_type_that_cannot_be(probe: Probe, content_type: str) -> None:
    request = upload_head(len(BODY)).replace(CONTENT_TYPE.encode(), content_type.encode("latin-1"))
    error = await probe.refuses(request, BODY)
    assert "form" in error["message"] or "boundary" in error["message"]


async def test_no_content_type(probe: Probe) -> None:
    await probe.refuses(
        head("POST", "/v1/files", authorization=f"Bearer {CALLER}", content_length=len(BODY)), BODY
    )


@pytest.mark.parametrize("parts", [(PURPOSE, FILE), (FILE, PURPOSE)], ids=["file last", "file first"])
async def test_a_form_that_ends_early_is_refused_wherever_it_ends(
    probe: Probe, parts: tuple[bytes, bytes]
) -> None:
    body = form(*parts).removesuffix(b"\r\n")
    async with probe.unharmed(uploads=True):
        for end in range(0, len(body), 3):
            answer = await probe.ask(upload_head(end), body[:end])
            assert "closing boundary" in error_of(answer, 400)["message"]
            chunks = chunked(body[:end]) if end else chunked()
            answer = await probe.ask(upload_head(None), *chunks)
            assert "closing boundary" in error_of(answer, 400)["message"]


@pytest.mark.parametrize(
    "end", [b"", b"--" + BOUNDARY, b"--" + BOUNDARY + b"\r\n", b"--" + BOUNDARY[:-1] + b"--"]
)
async def test_a_form_without_its_end(probe: Probe, end: bytes) -> None:
    await probe.refuses_upload(PURPOSE + FILE + end)


@pytest.mark.parametrize("sent", [0, 1, 60, len(BODY) // 2, len(BODY) - 1])
async def test_a_client_that_leaves_in_the_middle(probe: Probe, sent: int) -> None:
    async with probe.unharmed(uploads=True), probe.connection() as client:
        await client.send(upload_head(len(BODY)), BODY[:sent])
        client.cut()


async def test_a_client_that_says_it_sends_more_than_it_does(probe: Probe) -> None:
    async with probe.unharmed(uploads=True), probe.connection() as client:
        await client.send(upload_head(len(BODY) + 1), BODY)
        client.cut()


async def test_a_client_that_sends_more_than_it_says(probe: Probe) -> None:
    """What comes after the announced bytes is no part of this request, and no request either."""
    async with probe.unharmed(uploads=True), probe.connection() as client:
        await client.send(upload_head(len(BODY) - 10) + BODY)
        assert (await client.rest()).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("length", ["-1", "+5", "five", "1e3", "0x10", "99999999999999999999999", "5, 6"])
async def test_a_length_that_is_no_number(probe: Probe, length: str) -> None:
    """The server itself refuses these, before anybody is asked."""
    async with probe.unharmed(uploads=True), probe.connection() as client:
        await client.send(head("POST", "/v1/files", content_type=CONTENT_TYPE, content_length=length), BODY)
        assert (await client.rest()).startswith(b"HTTP/1.1 4")


async def test_a_length_and_chunks_at_once(probe: Probe) -> None:
    """Two readings of where a request ends are how requests are smuggled."""
    request = upload_head(None).replace(b"transfer", b"content-length: 5\r\ntransfer", 1)
    async with probe.unharmed(uploads=True), probe.connection() as client:
        await client.send(request, *chunked(BODY))
        assert (await client.rest()).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "chunk", [b"zz\r\nxx\r\n", b"-1\r\n\r\n", b"5\r\nabc\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n"]
)
async def test_chunks_that_are_none(probe: Probe, chunk: bytes) -> None:
    async with probe.unharmed(uploads=True), probe.connection() as client:
        await client.send(upload_head(None), chunk)
        client.cut()


async def test_a_file_over_the_limit_is_refused_by_its_length(probe: Probe) -> None:
    async with probe.unharmed(uploads=True):
        answer = await probe.ask(upload_head(LIMITS.max_file_bytes + 10_000_000))
    error = error_of(answer, 413)
    assert (error["param"], error["code"]) == ("file", "file_too_large")


@pytest.mark.parametrize("known", [True, False])
async def test_a_file_over_the_limit_is_refused_as_it_comes(probe: Probe, known: bool) -> None:
    body = form(PURPOSE, file(a_line() + b"\n" * LIMITS.max_file_bytes))
    async with probe.unharmed(uploads=True):
        length = len(body) if known else None
        answer = await probe.ask(upload_head(length), *([body] if known else chunked(body)))
    assert error_of(answer, 413)["code"] == "file_too_large"


async def test_a_caller_without_models(probe: Probe) -> None:
    error = await probe.refuses_content(GOOD, key="mallory:none", status=403)
    assert (error["param"], error["code"]) == ("model", "model_access_denied")


@pytest.mark.parametrize(
    "names",
    [f"{MODEL},nope", "x" * 300, "a\tb"],
)
@pytest.mark.parametrize("where", ["query", "header"])
async def test_target_models_that_cannot_be_wherever_they_stand(probe: Probe, names: str, where: str) -> None:
    request = upload_head(len(BODY))
    if where == "query":
        request = request.replace(b"/v1/files", f"/v1/files?target_model_names={names}".encode(), 1)
        request = request.replace(b"\t", b"%09")
    else:
        request = request.replace(b"Host", f"x-litebatch-target-model-names: {names}\r\nHost".encode(), 1)
    error = await probe.refuses(request, BODY)
    assert error["param"] == "target_model_names"
