"""What is odd and yet right: it is taken, kept byte for byte, and goes on to the providers unharmed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.badinput.probe import CALLER, OTHER, PURPOSE, Probe, a_line, create_batch, upload_head
from tests.harness import ENDPOINT, MODEL, UPSTREAM, ids_of
from tests.http.forms import BOUNDARY, CONTENT_TYPE, field, file, form, part
from tests.http.sockets import chunked

A, B = a_line("a"), a_line("b")
SCRIPTS = ["日本語", "🚀", "\u00e9", "e\u0301", "שלום", "\u200d"]
ESCAPES = r"\"\\\/\b\f\n\r\t\u0041\ud83d\ude80\u0000"


def raw(inner: str = "", custom_id: str = '"a"') -> bytes:
    """A line with values spelled as given."""
    body = f'{{"messages": []{inner}, "model": "{MODEL}"}}'
    return f'{{"custom_id": {custom_id}, "method": "POST", "url": "{ENDPOINT}", "body": {body}}}'.encode()


CONTENTS: dict[str, tuple[bytes, list[str]]] = {
    "no final newline": (A + b"\n" + B, ["a", "b"]),
    "final newline": (A + b"\n" + B + b"\n", ["a", "b"]),
    "CRLF": (A + b"\r\n" + B + b"\r\n", ["a", "b"]),
    "mixed line ends": (A + b"\r\n" + B + b"\n", ["a", "b"]),
    "blank lines": (A + b"\n\n  \n\t\r\n" + B + b"\n\n\n", ["a", "b"]),
    "blanks around a line": (b"  \t" + A + b" \t \n", ["a"]),
    "whitespace between all tokens": (
        b' {\t"custom_id"  :\r "a" ,"method":\t"POST","url" : "%b","body" :{ "model" : "%b" } } '
        % (ENDPOINT.encode(), MODEL.encode()),
        ["a"],
    ),
    "no whitespace": (json.dumps(json.loads(A), separators=(",", ":")).encode(), ["a"]),
    "keys in another order": (json.dumps(dict(reversed(json.loads(A).items()))).encode(), ["a"]),
    "another order on each line": (
        A + b"\n" + json.dumps(dict(reversed(json.loads(B).items()))).encode(),
        ["a", "b"],
    ),
    "further keys": (a_line("a", note={"custom_id": "x", "body": {"model": "y"}}, tags=[]), ["a"]),
    "escaped keys that do not count": (raw(inner=r', "\u0075ser": "me"'), ["a"]),
    "doubled keys that do not count": (raw(inner=', "user": 1, "user": 2'), ["a"]),
    "the wanted keys deeper down": (
        raw(inner=', "x": {"model": "gpt-5", "stream": true, "custom_id": 1, "custom_id": 2}'),
        ["a"],
    ),
    "wanted keys inside strings": (raw(inner=r', "user": "{\"model\": \"gpt-5\", \"stream\": true}"'), ["a"]),
    "a body in a list": (raw(inner=', "x": [{"model": "gpt-5"}, [[{"stream": true}]]]'), ["a"]),
    "stream false": (raw(inner=', "stream": false'), ["a"]),
    "stream null": (raw(inner=', "stream": null'), ["a"]),
    "numbers in every valid form": (
        raw(inner=', "n": [0, -0, 1.0, 1e5, 1E+5, 1e-400, 123456789012345678901234567890, -1.5E-7]'),
        ["a"],
    ),
    "every escape": (raw(inner=f', "user": "{ESCAPES}"'), ["a"]),
    "every escape in an id": (raw(custom_id=f'"{ESCAPES}"'), [json.loads(f'"{ESCAPES}"')]),
    "ids in every script": (
        "\n".join(raw(custom_id=json.dumps(name, ensure_ascii=False)).decode() for name in SCRIPTS).encode(),
        SCRIPTS,
    ),
    "ids that differ by a blank": (
        a_line("a") + b"\n" + a_line(" a") + b"\n" + a_line("a "),
        ["a", " a", "a "],
    ),
    "a long id": (a_line("x" * 100_000), ["x" * 100_000]),
    "ids like numbers": (a_line("1") + b"\n" + a_line("01") + b"\n" + a_line("1.0"), ["1", "01", "1.0"]),
    "line separators in a string": (raw(inner=', "user": "\u2028\u2029\u0085"'), ["a"]),
    "deep but not too deep": (raw(inner=', "x": ' + "[" * 200 + "]" * 200), ["a"]),
    "a long line": (a_line("a", note="x" * 400_000), ["a"]),
    "many lines": (b"\n".join(a_line(str(n)) for n in range(150)), [str(n) for n in range(150)]),
    "an empty message": (a_line("a", body={"model": MODEL}), ["a"]),
}


@pytest.mark.parametrize("kind", CONTENTS)
async def test_content_is_kept_byte_for_byte(probe: Probe, kind: str) -> None:
    content, ids = CONTENTS[kind]
    made = await probe.accepts(form(PURPOSE, file(content)))
    assert made["bytes"] == len(content)
    async with probe.gateway.http(CALLER) as http:
        kept = await http.get(f"/files/{made['id']}/content")
    assert kept.content == content
    for account, model in UPSTREAM.items():
        sent = await copy_of(probe, account, made["id"])
        assert sent == content.replace(f'"{MODEL}"'.encode(), f'"{model}"'.encode())
        lines = [json.loads(line) for line in sent.decode().split("\n") if line.strip()]
        assert [line["custom_id"] for line in lines] == ids
        assert {line["body"]["model"] for line in lines} == {model}


async def copy_of(probe: Probe, name: str, file_id: str) -> bytes:
    """The bytes that a simulated deployment has of a file."""
    account = probe.gateway.simulator.account(name)
    (found,) = [key for key, each in account.files.items() if file_id in each.filename]
    return await account.content(found)


FORMS: dict[str, list[bytes]] = {
    "file last": [PURPOSE, file(A)],
    "file first": [file(A), PURPOSE],
    "unknown fields": [field("user", "me"), PURPOSE, field("x", ""), file(A), field("metadata[a]", "b")],
    "empty target models": [PURPOSE, field("target_model_names", ""), file(A)],
    "target models with blanks": [PURPOSE, field("target_model_names", f" , {MODEL} ,"), file(A)],
    "target models in brackets": [PURPOSE, field("target_model_names[]", MODEL), file(A)],
    "several target models": [PURPOSE, field("target_model_names", f"{OTHER},{MODEL}"), file(A)],
    "expiry in brackets": [
        PURPOSE,
        field("expires_after[anchor]", "created_at"),
        field("expires_after[seconds]", "3600"),
        file(A),
    ],
    "expiry with dots": [
        PURPOSE,
        field("expires_after.anchor", "created_at"),
        field("expires_after.seconds", "0003600"),
        file(A),
    ],
    "a type for every part": [
        part('form-data; name="purpose"', b"batch", "Content-Type: text/plain; charset=utf-8"),
        part('form-data; name="file"; filename="in.jsonl"', A, "Content-Type: application/jsonl"),
    ],
    "headers in any case": [
        PURPOSE.replace(b"Content-Disposition", b"cOnTeNt-dIsPoSiTiOn"),
        file(A).replace(b"form-data", b"Form-Data"),
    ],
    "names without quotes": [
        part("form-data; name=purpose", b"batch"),
        part("form-data; name=file; filename=in.jsonl", A),
    ],
    "no blanks in a header": [
        part('form-data;name="purpose"', b"batch"),
        part('form-data;filename="in.jsonl";name="file"', A),
    ],
    "encodings that are none": [
        PURPOSE,
        part('form-data; name="file"; filename="in.jsonl"', A, "Content-Transfer-Encoding: binary"),
    ],
}


@pytest.mark.parametrize("kind", FORMS)
async def test_forms_in_every_spelling(probe: Probe, kind: str) -> None:
    made = await probe.accepts(form(*FORMS[kind]))
    assert (made["purpose"], made["bytes"], made["filename"]) == ("batch", len(A), "in.jsonl")
    lives = made["expires_at"] - made["created_at"]
    assert lives == (3600 if "expiry" in kind else 2_592_000)


@pytest.mark.parametrize(
    "content_type",
    [
        CONTENT_TYPE,
        f'multipart/form-data; boundary="{BOUNDARY.decode()}"',
        f"multipart/form-data;boundary={BOUNDARY.decode()}",
        f"Multipart/Form-Data; charset=utf-8; Boundary={BOUNDARY.decode()}",
        f"multipart/form-data; boundary={BOUNDARY.decode()}; charset=utf-8",
    ],
)
async def test_boundaries_in_every_spelling(probe: Probe, content_type: str) -> None:
    await probe.accepts(form(PURPOSE, file(A)), content_type=content_type)


@pytest.mark.parametrize("boundary", ["-" * 40, "'()+_,-./:=?", "x" * 70, "0"])
async def test_boundaries_of_every_kind(probe: Probe, boundary: str) -> None:
    body = form(PURPOSE, file(A)).replace(b"--" + BOUNDARY, b"--" + boundary.encode())
    await probe.accepts(body, content_type=f'multipart/form-data; boundary="{boundary}"')


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('filename="in.jsonl"', "in.jsonl"),
        ("filename=in.jsonl", "in.jsonl"),
        ('filename="my requests.jsonl"', "my requests.jsonl"),
        ('filename="日本語.jsonl"', "日本語.jsonl"),
        ("filename*=utf-8''%E6%97%A5%E6%9C%AC.jsonl", "日本.jsonl"),
        ("filename*=UTF-8'en'a%20b.jsonl", "a b.jsonl"),
        ("filename=\"plain.jsonl\"; filename*=utf-8''%E6%97%A5.jsonl", "日.jsonl"),
        ("filename*=iso-8859-1''%E9t%E9.jsonl", "été.jsonl"),
        ('filename="a;b.jsonl"', "a;b.jsonl"),
        ('filename="a%22b.jsonl"', "a%22b.jsonl"),
        ("filename=\"a; filename*=utf-8''b\"", "a; filename*=utf-8''b"),
        ("filename=\"a\"; filename*=klingon''b", "a"),
        ("filename*=utf-8''%ff.jsonl", "\ufffd.jsonl"),
        ('filename="in"', "in"),
        ('filename="../../etc/passwd"', "passwd"),
        ('filename="..\\..\\in.jsonl"', "in.jsonl"),
        ('filename="C:\\Users\\me\\in.jsonl"', "in.jsonl"),
        ('filename="/"', "upload"),
        ('filename=".."', "upload"),
        ('filename=".hidden"', ".hidden"),
        ("filename*=utf-8''..%2f..%2fetc%2fpasswd", "passwd"),
        ("filename*=utf-8''%00%0d%0aa.jsonl", "a.jsonl"),
        ("filename*=utf-8''%e2%80%aeinfo.jsonl", "info.jsonl"),
        (f'filename="{"n" * 1000}.jsonl"', "n" * 249 + ".jsonl"),
        ('filename="$(reboot).jsonl"', "$(reboot).jsonl"),
        ('filename="\'; DROP TABLE files; --"', "'; DROP TABLE files; --"),
    ],
)
async def test_filenames_in_every_spelling(probe: Probe, disposition: str, filename: str) -> None:
    made = await probe.accepts(form(PURPOSE, part(f'form-data; name="file"; {disposition}', A)))
    assert made["filename"] == filename
    async with probe.gateway.http(CALLER) as http:
        content = await http.get(f"/files/{made['id']}/content")
    assert content.content == A
    assert content.headers["content-disposition"].startswith("attachment; filename")
    sent = [each.filename for each in probe.gateway.provider_files("east") if made["id"] in each.filename]
    assert sent[0].endswith(".jsonl")
    assert "/" not in sent[0]


async def test_an_odd_file_runs_like_any_other(probe: Probe) -> None:
    content = b"\r\n".join([A, b"", raw(custom_id='"\\u00e9"'), b"  ", *map(a_line, SCRIPTS[:2])])
    made = await probe.accepts(form(PURPOSE, file(content)))
    batch = await probe.gateway.create(made["id"], key=CALLER)
    done = await probe.gateway.ended(batch.id, key=CALLER)
    output, errors = await probe.gateway.results(done, key=CALLER)
    assert (done.status, errors) == ("completed", b"")
    assert ids_of(output) == sorted(["a", "\u00e9", *SCRIPTS[:2]])


async def test_a_client_may_be_slow(probe: Probe) -> None:
    body = form(file(A), PURPOSE)
    for length, pieces in (
        (len(body), [bytes([byte]) for byte in body]),
        (None, list(chunked(*(bytes([byte]) for byte in body)))),
    ):
        answer = await probe.ask(upload_head(length), *pieces)
        assert answer.status == 200


async def test_what_stands_around_a_form_is_passed_over(probe: Probe) -> None:
    await probe.accepts(form(PURPOSE, file(A)) + b"\r\nan epilogue\r\n")
    await probe.accepts(form(PURPOSE, file(A)).removesuffix(b"\r\n"))
    await probe.accepts(b"\r\n" + form(PURPOSE, file(A)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"metadata": None, "output_expires_after": None},
        {"metadata": {}},
        {"metadata": {"": ""}},
        {"metadata": {"k" * 64: "v" * 512} | {f"🚀{n}": "日本語\n" for n in range(15)}},
        {"output_expires_after": {"seconds": 2_592_000, "anchor": "created_at"}},
    ],
    ids=lambda options: str(options)[:40],
)
async def test_batches_in_every_spelling(probe: Probe, options: dict[str, Any]) -> None:
    made = await probe.accepts(form(PURPOSE, file(A)))
    body = {"completion_window": "24h", "endpoint": ENDPOINT, "input_file_id": made["id"]} | options
    answer = await probe.ask(create_batch(json.dumps(body, indent=2).encode()))
    assert answer.status == 200, answer.body
    assert answer.json()["metadata"] == options.get("metadata")
    await probe.gateway.ended(answer.json()["id"], key=CALLER)


async def test_a_batch_in_escapes_and_with_doubled_keys(probe: Probe) -> None:
    """JSON readers take the last of two equal keys, and so do we, for nothing is passed on as it came."""
    made = await probe.accepts(form(PURPOSE, file(A)))
    body = (
        r'{"\u0065ndpoint": "/v1/nope", "endpoint": "\/v1\/chat/completions", '
        f'"input_file_id": "{made["id"]}", "completion_window": "24h"}}'
    )
    answer = await probe.ask(create_batch(body.encode()))
    assert answer.status == 200, answer.body
    await probe.gateway.ended(answer.json()["id"], key=CALLER)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "?limit=1",
        "?limit=0001",
        "?after=",
        "?limit=5&limit=1",
        "?unknown=1",
        "?target_model_names=",
        "?target_model_names[]=a&target_model_names[]=b",
        "?&&&",
        "?=",
    ],
)
async def test_lists_in_every_spelling(probe: Probe, query: str) -> None:
    async with probe.gateway.http(CALLER) as http:
        for path in ("/files", "/batches"):
            answer = await http.get(path + query)
            assert answer.status_code == 200, answer.text
            assert answer.json()["object"] == "list"
