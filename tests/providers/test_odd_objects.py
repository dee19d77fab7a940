"""Objects that are not quite JSON: what one of them has wrong costs no other one."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.errors import NoClearAnswer
from litebatch_asgi.models import BatchError, BatchStatus, ProviderBatch, ProviderFile
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.providers.openai.objects import parse_batch, parse_file
from litebatch_asgi.providers.openai.reading import parse_object, parse_page

from .wire import Answer, adapter_for, answer, raw_server

START = 1_700_000_000
SINCE = datetime.fromtimestamp(START, UTC)
ODD_VALUES = {
    "a lone surrogate": rb'"a\ud800b"',
    "two in the wrong order": rb'"\udc00\ud800"',
    "bytes that are no UTF-8": b'"\xff\xfe\xed\xa0\x80"',
    "a control character": b'"a\x01\n\tb"',
    "an escape that is none": rb'"C:\path"',
    "half an escape": rb'"\u12"',
    "no number": b"NaN",
    "a number with a zero too many": b"01",
    "a huge number": b"1" + b"0" * 5_000,
    "an infinite number": b"1e999",
    "a deep value": b"[" * 5_000 + b"]" * 5_000,
}
odd_values = pytest.mark.parametrize("odd", ODD_VALUES.values(), ids=ODD_VALUES.keys())


def ours(name: str, *, more: bytes = b"") -> bytes:
    """A batch with our tag, as the provider writes it."""
    metadata = json.dumps({TAG_JOB: f"job-{name}", TAG_INSTALLATION: "here"}).encode()
    return b'{"id":"%s","created_at":%d,"metadata":%s%s}' % (name.encode(), START, metadata, more)


def odd_one(name: str, odd: bytes) -> bytes:
    """Somebody else's object with odd values where a name and metadata are."""
    return (
        b'{"id":"%s","created_at":%d,"filename":%s,"metadata":{"name":%s},"errors":{"data":[{"message":%s}]}}'
        % (name.encode(), START, odd, odd, odd)
    )


def page(*objects: bytes, has_more: bool = False) -> Answer:
    more = b"true" if has_more else b"false"
    return answer(raw=b'{"object":"list","data":[%s],"has_more":%s}' % (b",".join(objects), more))


async def batches_in(*pages: Answer) -> list[ProviderBatch]:
    async with raw_server(*pages) as server, adapter_for(server.base_url) as adapter:
        return [batch async for batch in adapter.list_batches(since=SINCE)]


async def files_in(*pages: Answer) -> list[ProviderFile]:
    async with raw_server(*pages) as server, adapter_for(server.base_url) as adapter:
        return [file async for file in adapter.list_files(since=SINCE)]


@odd_values
async def test_an_odd_object_hides_no_other_one(odd: bytes) -> None:
    pages = page(odd_one("b1", odd), ours("b2"), odd_one("b3", odd), has_more=True), page(ours("b4"))
    batches = await batches_in(*pages)
    assert [batch.id for batch in batches] == ["b1", "b2", "b3", "b4"]
    assert [batch.metadata.get(TAG_JOB) for batch in batches] == [None, "job-b2", None, "job-b4"]


@odd_values
async def test_an_odd_name_of_a_file_hides_no_other_one(odd: bytes) -> None:
    tagged = b'{"id":"f2","created_at":%d,"filename":"file-lb1-here.jsonl","bytes":3}' % START
    files = await files_in(page(odd_one("f1", odd), tagged, odd_one("f3", odd)))
    assert [(file.id, file.filename, file.bytes) for file in files[1:2]] == [("f2", "file-lb1-here.jsonl", 3)]
    assert [file.id for file in files] == ["f1", "f2", "f3"]


@odd_values
async def test_our_own_object_is_read_whatever_stands_in_it(odd: bytes) -> None:
    more = b',"endpoint":%s,"usage":{"a":%s},"output_file_id":"file-out","status":"completed"' % (odd, odd)
    async with (
        raw_server(answer(raw=ours("b1", more=more))) as server,
        adapter_for(server.base_url) as adapter,
    ):
        batch = await adapter.retrieve_batch("b1")
    assert (batch.id, batch.status, batch.output_file_id) == ("b1", BatchStatus.COMPLETED, "file-out")
    assert batch.metadata == {TAG_JOB: "job-b1", TAG_INSTALLATION: "here"}


@odd_values
def test_an_odd_pair_beside_our_tag_costs_only_itself(odd: bytes) -> None:
    tag = b'{"x":%s,"%s":"job-1","y":%s,"%s":"here"}' % (
        odd,
        TAG_JOB.encode(),
        odd,
        TAG_INSTALLATION.encode(),
    )
    metadata = parse_batch(parse_object(b'{"id":"b1","metadata":%s}' % tag)).metadata
    assert (metadata[TAG_JOB], metadata[TAG_INSTALLATION]) == ("job-1", "here")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb'"a\ud800b"', "a?b"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (b'"a\xffb"', "a\ufffdb"),
        (rb'"a\u0000b"', "a\ufffdb"),
        (b'"a\nb"', "a\nb"),
    ],
)
def test_texts_come_out_fit_to_be_stored(written: bytes, read: str) -> None:
    """Without what UTF-8 cannot carry and without NUL, for which PostgreSQL has no room."""
    content = parse_object(b'{"id":"x","errors":[{"message":%s}],"metadata":{%s:%s}}' % ((written,) * 3))
    batch = parse_batch(content)
    assert batch.errors == (BatchError(message=read),)
    assert batch.metadata == {read: read}
    assert msgspec.json.decode(msgspec.json.encode(batch), type=ProviderBatch) == batch


@pytest.mark.parametrize(
    "unreadable", [b"null", b"7", b"[]", b"{}", b'{"id":""}', b'{"id":7}', b'{"id":NaN}']
)
async def test_what_has_no_id_is_passed_over_and_the_list_goes_on(
    unreadable: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    pages = [page(ours("b1"), unreadable, has_more=True), page(unreadable, ours("b2"))]
    async with raw_server(*pages, *pages) as server, adapter_for(server.base_url) as adapter:
        with caplog.at_level(logging.WARNING, "litebatch_asgi"):
            for _ in range(2):
                assert [batch.id async for batch in adapter.list_batches(since=SINCE)] == ["b1", "b2"]
    assert [request.target.partition("&after=")[2] for request in server.received] == ["", "b1"] * 2
    told = [record for record in caplog.records if "passed over" in record.message]
    assert len(told) == 1
    assert vars(told[0])["deployment"] == "openai/upstream"


def test_an_object_of_ours_without_an_id_spoils_the_list() -> None:
    """What carries our tag must not count as not there: it would be made a second time."""
    tagged = (
        ours("b1").replace(b'"b1"', b"null"),
        b'{"filename":"file-lb01m81c757zfxk8wcx8ss6xjsm9-here.jsonl"}',
    )
    for unreadable in tagged:
        with pytest.raises(NoClearAnswer, match="our tag"):
            parse_page(b'{"data":[%s,%s]}' % (ours("b2"), unreadable))


@pytest.mark.parametrize(
    "pages",
    [
        (page(ours("b1"), has_more=True), page(b"{}", b"{}", has_more=True)),
        (answer(raw=b'{"data":[{},null]}'),),
    ],
)
async def test_a_page_that_is_only_passed_over_is_not_the_end(pages: tuple[Answer, ...]) -> None:
    async with raw_server(*pages) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(NoClearAnswer):
            [batch async for batch in adapter.list_batches(since=SINCE)]


@odd_values
@pytest.mark.parametrize("has_more", [True, False])
def test_whether_there_is_more_is_read_beside_anything(odd: bytes, has_more: bool) -> None:
    more = b"true" if has_more else b"false"
    found = parse_page(b'{"x":%s,"data":[%s],"y":%s,"has_more":%s}' % (odd, ours("b1"), odd, more))
    assert (found.has_more, [item["id"] for item in found.items]) == (has_more, ["b1"])


def test_reading_takes_in_all_that_is_told_of_a_batch_and_a_file() -> None:
    """Also where the quick way fails."""
    fields: dict[str, Any] = {
        "id": "x",
        "status": "completed",
        "created_at": START,
        "in_progress_at": START + 1,
        "finalizing_at": START + 2,
        "expires_at": START + 3,
        "input_file_id": "in",
        "output_file_id": "out",
        "error_file_id": "err",
        "request_counts": {"total": 3, "completed": 2, "failed": 1},
        "errors": {"object": "list", "data": [{"code": "c", "line": 3, "message": "m", "param": "p"}]},
        "metadata": {"a": "b"},
        "filename": "a.jsonl",
        "bytes": 7,
        "status_details": "so",
    }
    plain = msgspec.json.encode(fields)
    for text in (plain, plain[:-1] + b',"more":"\\ud800"}', plain[:-1] + b',"more":NaN}'):
        assert parse_batch(parse_object(text)) == parse_batch(fields)
        assert parse_file(parse_object(text)) == parse_file(fields)


@given(st.lists(st.binary(max_size=12), max_size=5))
def test_no_bytes_break_the_reading(pieces: list[bytes]) -> None:
    text = b'{"id":"x","metadata":{"a":"%s"},"data":[%s]}' % (b"".join(pieces), b",".join(pieces))
    for read in (parse_object, parse_page):
        try:
            read(text)
        except NoClearAnswer:
            continue
