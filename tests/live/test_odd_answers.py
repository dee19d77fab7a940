"""Answers of every kind: each line comes out once, and what is odd in one answer harms no other one."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from pathlib import Path

from msgspec.structs import replace

from litebatch_asgi.live import LiveRunner
from tests.database import Database
from tests.harness import LIVE_MODEL, MODEL, rows_of
from tests.live.raw import answered, answering, using
from tests.live.stage import SETTINGS, asking, each_once, live_gateway, nothing_is_left

TWICE = replace(SETTINGS, live_attempts=2)
FINE = using("1")
BARE = b"{}"
_ZIPPED = "content-encoding: gzip"
ODD: dict[str, tuple[str | None, bytes]] = {
    "half of a surrogate pair": (None, answered(b'{"a": "\\ud800", "model": "\\ud800"}')),
    "the character zero": (None, answered(b'{"a": "\\u0000", "model": "\\u0000"}')),
    "a key twice": (None, answered(b'{"usage": {"total_tokens": 1}, "usage": {}, "a": 1, "a": 2}')),
    "no object": (None, answered(b"[]")),
    "null": (None, answered(b"null")),
    "other line ends": (None, answered(b'{\r\n"a":\r1\n}\r\n')),
    "line ends of Unicode": (None, answered('{"a": "\u2028\u0085\u2029"}'.encode())),
    "compressed": (None, answered(gzip.compress(BARE), _ZIPPED)),
    "compressed without a wrapping": (None, answered(zlib.compress(BARE)[2:-4], "content-encoding: deflate")),
    "in chunks": (None, b"HTTP/1.1 200 So\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: y\r\n\r\n"),
    "news before it": (None, b"HTTP/1.1 100 So\r\n\r\nHTTP/1.1 103 So\r\n\r\n" + FINE),
    "an id that has to be escaped": (None, answered(BARE, 'x-request-id: \x80"\\')),
    "negative tokens": (None, using("-9" + 9 * "9")),
    "more tokens than any": (None, using("9" * 18)),
    "more tokens than a float can be": (None, using("9" * 400)),
    "a text of many digits": (None, answered(b'"%b"' % (b"9" * 9000))),
    "tokens as text": (None, using('"5"')),
    "tokens in parts": (None, using("5.5")),
    "no tokens": (None, using("null")),
    "an hour that is no number": (None, answered(BARE, "retry-after: nan", "x-ratelimit-reset-tokens: -1s")),
    "limits that cannot be read": (
        None,
        answered(BARE, "x-ratelimit-remaining-tokens: 0", "x-ratelimit-reset-tokens: 1e999"),
    ),
    "a refusal with half of a pair": ("400", answered(b'{"error": "\\ud800"}', status=400)),
    "an error with a status of success": (
        "server_error",
        answered(b'{"error": {"code": 502, "message": "x"}}'),
    ),
    "not a number": ("invalid_answer", answered(b'{"a": NaN}')),
    "more digits than Python reads": ("invalid_answer", using("9" * 4301)),
    "no UTF-8": ("invalid_answer", answered(b'{"a": "\xff"}')),
    "depths that no reader bears": ("invalid_answer", answered(b"[" * 100_000 + b"]" * 100_000)),
    "a stream of events": ("invalid_answer", answered(b"data: {}\n\ndata: [DONE]\n\n")),
    "another form of compression": ("invalid_answer", answered(b"\x01\x02", "content-encoding: br")),
    "plain text that says it is compressed": ("invalid_answer", answered(BARE, _ZIPPED)),
    "nothing": ("invalid_answer", b"HTTP/1.1 204 So\r\n\r\n"),
    "not modified": ("request_refused", b"HTTP/1.1 304 So\r\n\r\n"),
    "a redirect": ("invalid_answer", answered(BARE, "location: http://127.0.0.1:1/", status=307)),
    "a refusal that is not UTF-8": ("request_refused", answered(b"\xff", status=400)),
    "a refusal of nothing, compressed": ("request_refused", answered(b"", _ZIPPED, status=400)),
    "a failure of nothing, compressed": ("request_refused", answered(b"", _ZIPPED, status=500)),
    "a conflict": ("409", answered(BARE, status=409)),
    "too early": ("425", answered(BARE, status=425)),
    "a status that there is not": ("999", answered(BARE, status=999)),
}
_NAMES = list(ODD)


def _answer(number: int) -> bytes:
    return ODD[_NAMES[number]][1] if number < len(ODD) else FINE


async def test_whatever_an_answer_is_it_is_one_lines(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    count = len(ODD) + 40
    codes = {name: code for name, (code, _) in ODD.items() if code is not None}
    async with answering(_answer) as server:
        options = {"api_base": server.base_url, "tpm": 100_000_000}
        async with live_gateway(tmp_path, database, settings=TWICE, live_options=options) as gateway:
            file = await gateway.upload(b"".join(asking(number) for number in range(count)))
            ended = await gateway.ended((await gateway.create(file.id)).id)
            assert await each_once(gateway, ended, count) == Counter(codes.values())
            rows = rows_of(await gateway.content(ended.error_file_id))
            numbers = sorted(int(row["custom_id"].removeprefix("request-")) for row in rows)
            assert [_NAMES[number] for number in numbers] == list(codes)
            await nothing_is_left(gateway, runners)


async def test_no_error_shows_whose_server_it_is(tmp_path: Path, database: Database) -> None:
    told = f'{{"error": "no {LIVE_MODEL} for sk-live-secret at SERVER, said {MODEL}"}}'

    def answer(number: int) -> bytes:
        body = told.replace("SERVER", server.base_url).encode()
        return answered(body, status=(400, 401, 500)[number])

    async with answering(answer) as server:
        options = {"api_base": server.base_url}
        async with live_gateway(tmp_path, database, settings=TWICE, live_options=options) as gateway:
            file = await gateway.upload(b"".join(asking(number) for number in range(3)))
            ended = await gateway.ended((await gateway.create(file.id)).id)
            assert await each_once(gateway, ended, 3) == {"400": 1, "request_refused": 1, "500": 1}
            shown = (await gateway.content(ended.error_file_id)).decode()
            assert shown.count(f"no {MODEL} for ") == 2
            assert LIVE_MODEL not in shown
            assert "secret" not in shown
            assert server.base_url not in shown


async def test_a_long_error_still_says_why(tmp_path: Path, database: Database) -> None:
    told = f'{{"error": {{"message": "{200 * "too long "}for Bearer key", "code": 400}}}}'
    async with answering(lambda _: answered(told.encode(), status=400)) as server:
        options = {"api_base": server.base_url}
        async with live_gateway(tmp_path, database, settings=TWICE, live_options=options) as gateway:
            file = await gateway.upload(asking(0))
            ended = await gateway.ended((await gateway.create(file.id)).id)
            (row,) = rows_of(await gateway.content(ended.error_file_id))
            assert row["response"]["body"]["error"]["message"].startswith("too long too long ")
            assert row["response"]["body"]["error"]["code"] == 400
