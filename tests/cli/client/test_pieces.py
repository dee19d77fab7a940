"""What the client is made of, without a server."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from litebatch_asgi.cli.client.downloads import RowCount
from litebatch_asgi.cli.client.objects import batch_of
from litebatch_asgi.cli.client.pace import Pace, pace_shown
from litebatch_asgi.cli.client.rows import read_row
from litebatch_asgi.cli.client.server import OPENAI, choose
from litebatch_asgi.cli.client.targets import replacing
from litebatch_asgi.cli.client.uploading import Form, Source, source_of
from litebatch_asgi.cli.client.words import dry_run_in_words, estimate_in_words
from litebatch_asgi.cli.failing import CommandFailed
from litebatch_asgi.cli.figures import dollars_shown, size_of, span_of
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.page.parts import amount

OURS = {"LITEBATCH_BASE_URL": "http://gw/v1/", "LITEBATCH_API_KEY": "ours"}
OPENAI_S = {"OPENAI_BASE_URL": "https://other/v1", "OPENAI_API_KEY": "openai-s"}


@pytest.mark.parametrize(
    ("options", "environ", "chosen"),
    [
        ((None, None), OURS | OPENAI_S, ("http://gw/v1", "ours")),
        ((None, None), OPENAI_S, ("https://other/v1", "openai-s")),
        ((None, None), {"OPENAI_API_KEY": "k"}, (OPENAI, "k")),
        ((None, "mine"), OURS, ("http://gw/v1", "mine")),
        (("http://x/v1", None), OURS | OPENAI_S, ("http://x/v1", "ours")),
        (("http://x/v1", None), OPENAI_S, ("http://x/v1", "openai-s")),
        ((None, None), OPENAI_S | {"LITEBATCH_BASE_URL": ""}, ("https://other/v1", "openai-s")),
    ],
)
def test_the_server(
    options: tuple[str | None, str | None], environ: dict[str, str], chosen: tuple[str, str]
) -> None:
    server = choose(*options, environ)
    assert (server.base_url, server.api_key) == chosen
    assert server.api_key not in repr(server)


@pytest.mark.parametrize(
    ("options", "environ", "told"),
    [
        ((None, None), {}, "no key for https://api.openai.com/v1: set OPENAI_API_KEY"),
        ((None, None), {"LITEBATCH_API_KEY": "k"}, "LITEBATCH_API_KEY is set, but not its server"),
        (
            (None, None),
            OPENAI_S | {"LITEBATCH_BASE_URL": "http://gw"},
            "for http://gw: set LITEBATCH_API_KEY",
        ),
        (("gw:4000", "k"), {}, "'gw:4000' is no base URL"),
        (("http://gw/v1?a=b", "k"), {}, "is no base URL"),
        (("http://me:secret@gw/v1", "k"), {}, "the base URL of gw carries credentials"),
        (("http://gw", "a\nb"), {}, "the key holds what no key has"),
    ],
)
def test_no_server(options: tuple[str | None, str | None], environ: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        choose(*options, environ)
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_pace_is_that_of_the_last_minutes() -> None:
    pace = Pace()
    assert pace.per_second is None
    pace.see(0, at=0)
    assert pace.per_second is None
    pace.see(100, at=10)
    assert pace.per_second == 10.0
    for at in range(20, 1000, 10):
        pace.see(100 + at, at=at)
    assert pace.per_second == pytest.approx(1, rel=0.01)
    pace.see(3, at=1000)  # counts may go back where a shard is handed on
    assert pace.per_second is None


@pytest.mark.parametrize(
    ("per_second", "told"), [(1234, "1,234/s"), (0.5, "30/min"), (0.01, "36/h"), (0.0001, "8.6/day")]
)
def test_a_pace_in_words(per_second: float, told: str) -> None:
    assert pace_shown(per_second) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.5, "0s"), (59, "59s"), (60, "1m"), (90, "1m 30s"), (3661, "1h 1m"), (90_000, "1d 1h"), (-3, "0s")],
)
def test_a_span_in_words(seconds: float, told: str) -> None:
    assert span_of(seconds) == told


def test_a_size_in_words() -> None:
    assert [size_of(count) for count in (0, 999, 1000, 3_100_000, 2e9)] == [
        *("0 bytes", "999 bytes", "1.0 kB", "3.1 MB", "2.0 GB")
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_rows_are_counted(size: int) -> None:
    content = b'{"a"}\n\n  \n{"b"}\n{"c"}'
    count = RowCount()
    for start in range(0, len(content), size):
        count.feed(content[start : start + size])
    assert count.rows == 3


CHAT = {"choices": [{"message": {"content": "Hello."}}, {"message": {"content": "Hi."}}]}
PARTS = {"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"type": "x"}]}}]}
RESPONSES = {"output": [{"type": "reasoning"}, {"content": [{"text": "one"}, {"refusal": "two"}]}]}


@pytest.mark.parametrize(
    ("row", "status", "text"),
    [
        ({"response": {"status_code": 200, "body": CHAT}}, "200", "Hello.\nHi."),
        ({"response": {"status_code": 200, "body": json.dumps(CHAT)}}, "200", "Hello.\nHi."),
        ({"response": {"status_code": 200, "body": PARTS}}, "200", "a"),
        ({"response": {"status_code": 200, "body": RESPONSES}}, "200", "one\ntwo"),
        ({"response": {"status_code": 200, "body": {"choices": [{"text": "old"}]}}}, "200", "old"),
        ({"response": {"status_code": 200, "body": {"data": [{"embedding": [1]}]}}}, "200", ""),
        ({"response": {"status_code": 429, "body": {"error": {"message": "Wait."}}}}, "429", "Wait."),
        (
            {"response": None, "error": {"code": "batch_expired", "message": "Late."}},
            "batch_expired",
            "Late.",
        ),
        ({"response": 7, "error": {}}, "error", ""),
        ({"response": {"status_code": "x", "body": [1]}}, "", ""),
    ],
)
def test_what_a_row_says(row: dict[str, object], status: str, text: str) -> None:
    found = read_row(json.dumps({"custom_id": "1"} | row).encode())
    assert found is not None
    assert (found.status, found.text) == (status, text)


@pytest.mark.parametrize("line", [b"", b"[]", b'{"custom_id": 1}', b"{oops", b"\xff", b"[" * 100_000])
def test_what_is_no_row(line: bytes) -> None:
    assert read_row(line) is None


def test_a_file_that_changes_on_its_way_is_not_sent_whole(tmp_path: Path) -> None:
    """The end of the form is missing then: no server makes anything of it."""
    path = tmp_path / "in.jsonl"
    for content in (b"abd", b"ab"):
        path.write_bytes(b"abc")
        found = source_of(path)
        digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of abc
        form = Form(Source(path=path, size=found.size, sha256=digest), [("purpose", "batch")])
        whole = b"".join(form.blocks())
        assert len(whole) == int(form.headers["content-length"])
        path.write_bytes(content)
        sent: list[bytes] = []
        with pytest.raises(CommandFailed, match="was changed while it was sent"):
            sent.extend(form.blocks())
        assert not b"".join(sent).endswith(b"--\r\n")


def test_a_name_cannot_leave_its_place_in_a_form(tmp_path: Path) -> None:
    path = tmp_path / 'a"\r\nx: y'
    path.write_bytes(b"")
    head = next(Form(source_of(path), []).blocks())
    assert b'filename="a%22%0D%0Ax: y"' in head


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    """And a link goes on to lead where it leads."""
    reader, writer = os.pipe()
    with replacing(Path(f"/dev/fd/{writer}")) as target:
        target.write(b"x")
    os.close(writer)
    assert os.read(reader, 9) == b"x"
    os.close(reader)
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with replacing(tmp_path / "link") as target:
        target.write(b"y")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "out").read_bytes() == b"y"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_batch_of_which_little_is_told() -> None:
    batch = batch_of({"id": "b", "status": "Completed", "request_counts": {"total": -1, "failed": "x"}})
    assert (batch.status, batch.total, batch.failed, batch.created_at) == ("completed", 0, 0, None)
    assert batch_of({"id": "b", "status": "x", "created_at": 1 << 62}).created_at is None


@pytest.mark.parametrize(
    ("cost", "told"),
    [
        (None, "unknown"),
        ("0", "$0.00"),
        ("1234.001", "$1,234.01"),
        ("0.12341", "$0.1235"),
        ("0.00999", "$0.0100"),
        ("0.000137850", "$0.00014"),
        ("0.000000042", "$0.000000042"),
    ],
)
def test_dollars_in_words(cost: str | None, told: str) -> None:
    """What is small keeps two digits: rounded to more it would look like a multiple of what it is."""
    assert (dollars_shown(cost), amount(cost)) == (told, told)


def test_an_estimate_is_not_told_twice() -> None:
    told = {
        "input_tokens": 83,
        "estimated_output_tokens": 1000,
        "estimated_cost": "0.5",
        "price_source": "config",
    }
    estimate = estimate_in_words(told)
    assert estimate == "about 83 tokens in, 1,000 out; cost $0.5000 (prices: config)"
    assert list(dry_run_in_words(told, estimate)) == ["the gateway estimates the same"]
    (other,) = dry_run_in_words({**told, "estimated_cost": "0.6"}, estimate)
    assert other.startswith("the gateway's estimate: about 83 tokens in")
