"""Resumable uploads to Cloud Storage: what stands on the wire, and what a failure leaves."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import anyio
import msgspec
import pytest

from litebatch_asgi.errors import ContentRefused, DeploymentRefused, NoClearAnswer, ProviderError
from litebatch_asgi.models import ProviderFileStatus
from litebatch_asgi.providers.vertex import resumable
from litebatch_asgi.providers.vertex.resumable import chunks_of

from .vertex import OBJECT, QUARTER, goes_on, google_refusal, session, vertex_for
from .wire import Answer, RawServer, answer, blocks_of, cut, raw_server, says, silence, upload_of

SIZE = 2 * QUARTER + 100
CONTENT = bytes(range(256)) * (SIZE // 256) + bytes(SIZE % 256)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "FIRST_PAUSE_SECONDS", 0.01)


def pieces(size: int = 100_000) -> list[bytes]:
    return [CONTENT[start : start + size] for start in range(0, SIZE, size)]


def ranges(server: RawServer) -> list[str]:
    return [each.headers["content-range"] for each in server.received if each.method == "PUT"]


async def test_a_file_goes_out_in_chunks_of_its_exact_size() -> None:
    async with raw_server() as server, vertex_for(server.root) as adapter:
        server.script(session(server.root), goes_on(QUARTER - 1), goes_on(2 * QUARTER - 1), answer(OBJECT))
        file = await adapter.upload_file(upload_of(*pieces()))
    begin, *chunks = server.received
    target = urlsplit(begin.target)
    query = parse_qs(target.query)
    assert (begin.method, target.path) == ("POST", "/upload/storage/v1/b/my-bucket/o")
    assert (query["uploadType"], query["ifGenerationMatch"]) == (["resumable"], ["0"])
    [name] = query["name"]
    assert re.fullmatch(r"litebatch/vertex-1/in/\d{8}T\d{6}-[0-9a-f]{16}/file-lb1-inst\.jsonl", name)
    assert begin.headers["x-upload-content-length"] == str(SIZE)
    assert {each.headers["authorization"] for each in server.received} == {"Bearer given-token"}
    assert {each.target for each in chunks} == {"/upload/storage/v1/b/my-bucket/o?upload_id=u1"}
    assert b"".join(each.body for each in chunks) == CONTENT
    assert ranges(server) == [
        f"bytes 0-{QUARTER - 1}/{SIZE}",
        f"bytes {QUARTER}-{2 * QUARTER - 1}/{SIZE}",
        f"bytes {2 * QUARTER}-{SIZE - 1}/{SIZE}",
    ]
    assert file.id == f"gs://my-bucket/{OBJECT['name']}"
    assert (file.filename, file.bytes) == ("file-lb1-inst.jsonl", 3)
    assert file.status is ProviderFileStatus.READY
    assert file.created_at is not None


async def test_two_uploads_of_a_file_are_two_objects() -> None:
    async with raw_server() as server, vertex_for(server.root) as adapter:
        for _ in range(2):
            server.script(session(server.root), answer(OBJECT))
            await adapter.upload_file(upload_of(b"{}\n"))
    first, second = (each.target for each in server.received if each.method == "POST")
    assert first != second


async def test_an_empty_file_is_a_file() -> None:
    async with raw_server() as server, vertex_for(server.root) as adapter:
        server.script(session(server.root), answer(OBJECT))
        await adapter.upload_file(upload_of())
    assert ranges(server) == ["bytes */0"]


@pytest.mark.parametrize(
    ("size", "blocks", "starts"),
    [
        (0, [], [0]),
        (1, [b"a"], [0]),
        (4, [b"ab", b"cd"], [0]),
        (5, [b"abcde"], [0, 4]),
        (8, [b"abcdefgh"], [0, 4]),
        (9, [b"a", b"bcdefgh", b"", b"i"], [0, 4, 8]),
    ],
)
async def test_the_last_chunk_is_known_to_be_the_last(
    size: int, blocks: list[bytes], starts: list[int]
) -> None:
    chunks = [chunk async for chunk in chunks_of(upload_of(*blocks, size=size), 4)]
    assert [chunk.start for chunk in chunks] == starts
    assert [chunk.is_last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert b"".join(b"".join(chunk.from_byte(chunk.start)) for chunk in chunks) == b"".join(blocks)
    assert chunks[-1].end == size


async def test_the_address_of_an_upload_is_looked_for_at_our_own_base_only() -> None:
    async with raw_server() as server, vertex_for(server.root) as adapter:
        server.script(session("https://storage.googleapis.com"), answer(OBJECT))
        await adapter.upload_file(upload_of(b"{}\n"))
        server.script(answer(raw=b""))
        with pytest.raises(DeploymentRefused, match="no address for the upload"):
            await adapter.upload_file(upload_of(b"{}\n"))
    assert server.received[1].target == "/upload/storage/v1/b/my-bucket/o?upload_id=u1"


async def test_no_address_of_an_upload_leads_to_another_host() -> None:
    async with raw_server() as server, raw_server() as other, vertex_for(server.root) as adapter:
        host = other.root.removeprefix("http://")
        for location in (f"@{host}/o?upload_id=u1", f".{host}/o?upload_id=u1", "9/o?upload_id=u1"):
            server.script(answer(raw=b"", headers={"Location": location}))
            with pytest.raises(DeploymentRefused, match="no address for the upload"):
                await adapter.upload_file(upload_of(b"{}\n"))
    assert other.received == []


@pytest.mark.parametrize(
    "broken", [cut(), google_refusal(503, "UNAVAILABLE"), google_refusal(500, "INTERNAL")]
)
async def test_a_broken_chunk_goes_on_where_the_upload_stands(broken: Answer) -> None:
    async with raw_server() as server, vertex_for(server.root) as adapter:
        server.script(
            session(server.root),
            goes_on(QUARTER - 1),
            broken,
            goes_on(QUARTER + 999),
            goes_on(2 * QUARTER - 1),
            answer(OBJECT),
        )
        await adapter.upload_file(upload_of(*pieces()))
    puts = [each for each in server.received if each.method == "PUT"]
    assert ranges(server)[1:4] == [
        f"bytes {QUARTER}-{2 * QUARTER - 1}/{SIZE}",
        f"bytes */{SIZE}",
        f"bytes {QUARTER + 1000}-{2 * QUARTER - 1}/{SIZE}",
    ]
    assert puts[2].body == b""
    assert puts[3].body == CONTENT[QUARTER + 1000 : 2 * QUARTER]


async def test_a_chunk_that_is_taken_in_part_is_gone_on_with() -> None:
    async with raw_server() as server, vertex_for(server.root) as adapter:
        server.script(
            session(server.root),
            goes_on(None),
            goes_on(99),
            goes_on(QUARTER - 1),
            goes_on(2 * QUARTER - 1),
            answer(OBJECT),
        )
        await adapter.upload_file(upload_of(*pieces()))
    assert [each.partition("-")[0] for each in ranges(server)] == [
        "bytes 0",
        "bytes 0",
        "bytes 100",
        f"bytes {QUARTER}",
        f"bytes {2 * QUARTER}",
    ]


@pytest.mark.parametrize("broken", [cut(), google_refusal(503, "UNAVAILABLE")])
async def test_a_last_chunk_without_an_answer_is_asked_for(broken: Answer) -> None:
    async with raw_server() as server, vertex_for(server.root) as adapter:
        server.script(session(server.root), broken, answer(OBJECT))
        file = await adapter.upload_file(upload_of(b"{}\n"))
    assert file.id == f"gs://my-bucket/{OBJECT['name']}"
    assert ranges(server) == ["bytes 0-2/3", "bytes */3"]


NEVER: list[tuple[Answer, list[Answer]]] = [
    (cut(), [cut()] * 4),
    (google_refusal(503, "UNAVAILABLE"), [google_refusal(503, "UNAVAILABLE")] * 4),
    (cut(), [answer(raw=b"", status=404)]),
    (cut(), [answer(raw=b"", status=410)]),
    (google_refusal(412, "FAILED_PRECONDITION"), []),
    (cut(), [goes_on(1), *[cut()] * 5]),
    (goes_on(2), [goes_on(2)] * 5),
    (answer(raw=b"<html>"), []),
]


@pytest.mark.parametrize(("first", "then"), NEVER)
async def test_an_upload_whose_last_byte_may_have_arrived_is_in_doubt(
    first: Answer, then: list[Answer]
) -> None:
    async with raw_server() as server, vertex_for(server.root) as adapter:
        server.script(session(server.root), first, *then)
        with pytest.raises(NoClearAnswer):
            await adapter.upload_file(upload_of(b"{}\n"))
    assert len(ranges(server)) == 1 + len(then)


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ([cut()] * 5, None),
        ([google_refusal(503, "UNAVAILABLE")] * 5, 503),
        ([google_refusal(429, "RESOURCE_EXHAUSTED")] * 5, 429),
        ([google_refusal(403, "PERMISSION_DENIED")], 403),
        ([google_refusal(400, "INVALID_ARGUMENT")], 400),
        ([answer(raw=b"", status=404)], None),
        ([answer(raw=b"", status=410)], None),
        ([goes_on(None)] * 5, None),
        ([goes_on(5), *[goes_on(5)] * 5], None),
        ([goes_on(SIZE)], None),
    ],
)
async def test_an_upload_that_broke_off_before_its_last_chunk_is_refused(
    answers: list[Answer], status: int | None
) -> None:
    """It leaves no object, so that another deployment may be tried at once."""
    async with raw_server() as server, vertex_for(server.root) as adapter:
        server.script(session(server.root), *answers)
        with pytest.raises(DeploymentRefused) as caught:
            await adapter.upload_file(upload_of(*pieces()))
    assert caught.value.status == status
    assert len(ranges(server)) == len(answers)


async def test_a_last_chunk_that_is_refused_clearly_made_nothing() -> None:
    async with raw_server() as server, vertex_for(server.root) as adapter:
        server.script(session(server.root), google_refusal(403, "PERMISSION_DENIED", "no rights"))
        with pytest.raises(DeploymentRefused, match=r"the upload broke off: .*403.*no rights"):
            await adapter.upload_file(upload_of(b"{}\n"))


async def test_silence_is_asked_about_too() -> None:
    async with raw_server() as server, vertex_for(server.root, seconds=1.0) as adapter:
        server.script(session(server.root), silence, answer(OBJECT))
        await adapter.upload_file(upload_of(b"{}\n"))
    assert ranges(server) == ["bytes 0-2/3", "bytes */3"]


@pytest.mark.parametrize(
    ("given", "meaning"),
    [
        (google_refusal(404, "NOT_FOUND", "The specified bucket does not exist."), DeploymentRefused),
        (google_refusal(403, "PERMISSION_DENIED"), DeploymentRefused),
        (google_refusal(400, "INVALID_ARGUMENT"), DeploymentRefused),
        (google_refusal(504, "DEADLINE_EXCEEDED"), DeploymentRefused),
        (cut(), DeploymentRefused),
    ],
)
async def test_a_bucket_that_takes_nothing_is_the_deployments_fault(
    given: Answer, meaning: type[ProviderError]
) -> None:
    async with raw_server(given, given, given) as server, vertex_for(server.root) as adapter:
        with pytest.raises(ProviderError) as caught:
            await adapter.upload_file(upload_of(b"{}\n"))
    assert type(caught.value) is meaning


async def test_a_session_may_be_begun_again() -> None:
    async with raw_server(google_refusal(503, "UNAVAILABLE")) as server, vertex_for(server.root) as adapter:
        server.script(session(server.root), answer(OBJECT))
        await adapter.upload_file(upload_of(b"{}\n"))
    assert [each.method for each in server.received] == ["POST", "POST", "PUT"]


@pytest.mark.parametrize("difference", [-1, 1])
async def test_content_of_another_size_never_comes_to_its_last_chunk(difference: int) -> None:
    async with raw_server() as server, vertex_for(server.root) as adapter:
        server.script(session(server.root), goes_on(QUARTER - 1), goes_on(2 * QUARTER - 1))
        with pytest.raises(ContentRefused, match="announced"):
            await adapter.upload_file(upload_of(*pieces(), size=SIZE + difference))
    assert all(int(each.partition("-")[2].partition("/")[0]) < 2 * QUARTER for each in ranges(server))


async def test_no_more_than_a_chunk_and_a_block_is_read_ahead() -> None:
    given = 0

    async def content() -> AsyncIterator[bytes]:
        nonlocal given
        async for block in blocks_of(*pieces(1000)):
            given += len(block)
            yield block

    seen: list[int] = []

    def noting(reply: Answer) -> Answer:
        async def give(stream: anyio.abc.SocketStream) -> None:
            seen.append(given)
            await reply(stream)

        return give

    async with raw_server() as server, vertex_for(server.root) as adapter:
        server.script(
            session(server.root),
            noting(goes_on(QUARTER - 1)),
            noting(goes_on(2 * QUARTER - 1)),
            noting(answer(OBJECT)),
        )
        await adapter.upload_file(msgspec.structs.replace(upload_of(*pieces()), content=content))
    assert QUARTER <= seen[0] <= QUARTER + 1000
    assert 2 * QUARTER <= seen[1] <= 2 * QUARTER + 1000
    assert seen[2] == SIZE


async def test_what_is_no_http_is_asked_about_as_well() -> None:
    async with raw_server() as server, vertex_for(server.root) as adapter:
        server.script(session(server.root), says(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), answer(OBJECT))
        await adapter.upload_file(upload_of(b"{}\n"))
    assert len(ranges(server)) == 2
