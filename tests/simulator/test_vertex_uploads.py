"""Uploads to Cloud Storage: in one request, and over several that may be interrupted."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Literal

import httpx2
import pytest

from litebatch_asgi.simulator import Account, Fault, Simulator

from .vertex import BUCKET, GRANULE, at, listed, put, start, upload, vertex_http

CONTENT = bytes(range(256)) * 2048 * 2  # four granules
UPLOADS = f"/upload/storage/v1/b/{BUCKET}/o"


@pytest.fixture
def account(account: Account) -> Account:
    account.configure(flavour="vertex")
    return account


@pytest.fixture
async def http(address: str, account: Account) -> AsyncIterator[httpx2.AsyncClient]:
    async with vertex_http(address, account) as http:
        yield http


async def content(http: httpx2.AsyncClient, name: str) -> bytes:
    response = await http.get(at(name), params={"alt": "media"})
    assert response.status_code == 200, response.text
    return response.content


async def test_an_object_is_told_as_cloud_storage_tells_it(http: httpx2.AsyncClient) -> None:
    told = await upload(http, b"123456789", "in/a b.jsonl")
    generation = told["generation"]
    assert told["id"] == f"{BUCKET}/in/a b.jsonl/{generation}"
    assert (told["name"], told["bucket"], told["size"]) == ("in/a b.jsonl", BUCKET, "9")
    assert int(generation) > 10**15
    assert told["timeCreated"].endswith("Z")
    assert told["md5Hash"] == base64.b64encode(hashlib.md5(b"123456789").digest()).decode()
    assert base64.b64decode(told["crc32c"]).hex() == "e3069283"  # the check value of CRC-32C
    assert (await http.get(at("in/a b.jsonl"))).json() == told
    for link in ("selfLink", "mediaLink"):
        assert (await http.get(told[link])).status_code == 200


async def test_a_simple_upload(http: httpx2.AsyncClient) -> None:
    response = await http.post(
        UPLOADS,
        params={"uploadType": "media", "name": "a/b.jsonl"},
        content=CONTENT,
        headers={"content-type": "application/jsonl"},
    )
    told = response.json()
    assert (told["name"], told["contentType"], told["size"]) == (
        "a/b.jsonl",
        "application/jsonl",
        str(len(CONTENT)),
    )
    assert await content(http, "a/b.jsonl") == CONTENT


def related(metadata: bytes, media: bytes) -> bytes:
    head = b"--x\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n"
    return head + metadata + b"\r\n--x\r\ncontent-type: text/x-lines\r\n\r\n" + media + b"\r\n--x--\r\n"


async def post_related(http: httpx2.AsyncClient, body: bytes) -> httpx2.Response:
    headers = {"content-type": "multipart/related; boundary=x"}
    return await http.post(UPLOADS, params={"uploadType": "multipart"}, content=body, headers=headers)


@pytest.mark.parametrize("media", [CONTENT, b"one line\n", b""])
async def test_a_multipart_upload(http: httpx2.AsyncClient, media: bytes) -> None:
    metadata = json.dumps({"name": "in/c.jsonl", "metadata": {"owner": "me"}}).encode()
    told = (await post_related(http, related(metadata, media))).json()
    assert (told["name"], told["contentType"]) == ("in/c.jsonl", "text/x-lines")
    assert told["metadata"] == {"owner": "me"}
    assert await content(http, "in/c.jsonl") == media


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x\r\n",
        related(b'{"name": "a"}', b"a")[:-6],
        related(b"[]", b"a"),
        related(b"{}", b"a"),
        related(b'{"name": ""}', b"a"),
    ],
)
async def test_a_multipart_body_that_is_none(http: httpx2.AsyncClient, body: bytes) -> None:
    response = await post_related(http, body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, 400)
    assert await listed(http) == []


async def test_a_resumable_upload_goes_on_where_it_is(http: httpx2.AsyncClient, account: Account) -> None:
    location = await start(http, "in/d.jsonl")
    assert location.startswith(str(http.base_url).rstrip("/"))
    response = await put(http, location, b"", total="*")
    assert (response.status_code, "range" in response.headers) == (308, False)
    response = await put(http, location, CONTENT[: 2 * GRANULE], total="*")
    assert (response.status_code, response.headers["range"]) == (308, f"bytes=0-{2 * GRANULE - 1}")
    assert (await http.get(at("in/d.jsonl"))).status_code == 404
    response = await put(http, location, CONTENT[2 * GRANULE : 3 * GRANULE], 2 * GRANULE, len(CONTENT))
    assert response.headers["range"] == f"bytes=0-{3 * GRANULE - 1}"
    response = await put(http, location, CONTENT[3 * GRANULE :], 3 * GRANULE)
    assert response.status_code == 200
    assert await content(http, "in/d.jsonl") == CONTENT
    again = await put(http, location, b"", total=len(CONTENT))
    assert (again.status_code, again.json()) == (200, response.json())
    assert len(account.files) == 1


async def test_an_upload_may_be_ended_by_telling_its_size(http: httpx2.AsyncClient) -> None:
    location = await start(http, "in/e.jsonl")
    await put(http, location, CONTENT[:GRANULE], total="*")
    response = await put(http, location, b"", total=GRANULE)
    assert (response.status_code, response.json()["size"]) == (200, str(GRANULE))


async def test_an_upload_without_a_range_is_the_whole_object(http: httpx2.AsyncClient) -> None:
    response = await http.put(await start(http, "in/f.jsonl"), content=b"all of it")
    assert (response.status_code, response.json()["size"]) == (200, "9")


async def test_bytes_that_are_there_already_are_skipped(http: httpx2.AsyncClient) -> None:
    location = await start(http, "in/g.jsonl")
    await put(http, location, CONTENT[: 2 * GRANULE], total="*")
    assert (await put(http, location, CONTENT[GRANULE:], GRANULE)).status_code == 200
    assert await content(http, "in/g.jsonl") == CONTENT


@pytest.mark.parametrize(
    ("header", "size", "status"),
    [
        ("bytes 0-99/*", 100, 400),  # no multiple of 256 KiB, and not the last
        ("bytes 0-99/200", 100, 400),
        ("bytes 0-99/100", 50, 400),
        ("bytes 0-99/100", 101, 400),
        (f"bytes {GRANULE}-{GRANULE + 99}/{GRANULE + 100}", 100, 503),
        ("bytes 9-0/10", 1, 400),
        ("lines 0-9/10", 10, 400),
        ("bytes 0-/10", 10, 400),
    ],
)
async def test_a_chunk_that_is_none_changes_nothing(
    http: httpx2.AsyncClient, header: str, size: int, status: int
) -> None:
    location = await start(http, "in/h.jsonl")
    response = await http.put(location, content=b"x" * size, headers={"content-range": header})
    assert response.status_code == status, response.text
    assert (await put(http, location, b"", total="*")).headers.get("range") is None
    assert (await put(http, location, b"fine")).status_code == 200
    assert await content(http, "in/h.jsonl") == b"fine"


async def test_a_session_that_is_not_known(http: httpx2.AsyncClient) -> None:
    response = await http.put(f"{UPLOADS}?upload_id=x", content=b"a")
    assert response.status_code == 404
    location = await start(http, "in/i.jsonl")
    assert (await http.delete(location)).status_code == 499
    assert (await put(http, location, b"a")).status_code == 404


async def test_an_object_that_must_not_be_there(http: httpx2.AsyncClient, account: Account) -> None:
    first = await start(http, "in/j.jsonl", ifGenerationMatch=0)
    second = await start(http, "in/j.jsonl", ifGenerationMatch=0)
    assert (await put(http, first, b"first")).status_code == 200
    refused = await put(http, second, b"second")
    assert (refused.status_code, refused.json()["error"]["errors"][0]["reason"]) == (412, "conditionNotMet")
    params = {"uploadType": "resumable", "name": "in/j.jsonl", "ifGenerationMatch": "0"}
    assert (await http.post(UPLOADS, params=params)).status_code == 412
    assert await content(http, "in/j.jsonl") == b"first"
    assert len(account.files) == 1


async def test_an_object_is_replaced(http: httpx2.AsyncClient, account: Account) -> None:
    before = await upload(http, b"before", "in/k.jsonl")
    after = await upload(http, b"after", "in/k.jsonl")
    assert int(after["generation"]) > int(before["generation"])
    assert await content(http, "in/k.jsonl") == b"after"
    assert list(account.files) == [f"gs://{BUCKET}/in/k.jsonl"]
    assert len(list(account.disk.path("").iterdir())) == 1
    stale = {"ifGenerationMatch": before["generation"]}
    assert (await http.delete(at("in/k.jsonl"), params=stale)).status_code == 412
    assert (await http.get(at("in/k.jsonl"), params={"generation": before["generation"]})).status_code == 404


async def test_a_checksum_that_does_not_fit(http: httpx2.AsyncClient) -> None:
    response = await post_related(http, related(b'{"name": "a", "crc32c": "AAAAAA=="}', b"a"))
    assert response.status_code == 400
    assert await listed(http) == []


async def test_too_much_is_refused_as_it_arrives(http: httpx2.AsyncClient, account: Account) -> None:
    account.configure(max_file_bytes=GRANULE)
    location = await start(http, "in/l.jsonl")
    assert (await put(http, location, CONTENT)).status_code == 413
    params = {"uploadType": "media", "name": "in/l.jsonl"}
    assert (await http.post(UPLOADS, params=params, content=CONTENT)).status_code == 413
    assert await listed(http) == []


async def test_what_cannot_be_an_upload(http: httpx2.AsyncClient, account: Account) -> None:
    assert (await http.post(UPLOADS, content=b"a")).status_code == 400
    assert (await http.post(UPLOADS, params={"uploadType": "media"}, content=b"a")).status_code == 400
    account.configure(buckets=["another"])
    params = {"uploadType": "media", "name": "a"}
    assert (await http.post(UPLOADS, params=params, content=b"a")).status_code == 404


# interrupted


async def test_a_chunk_that_is_cut_short_is_kept_in_granules(
    http: httpx2.AsyncClient, simulator: Simulator
) -> None:
    location = await start(http, "in/m.jsonl")
    simulator.add_fault(Fault(call="upload_file", cut_request_after=3 * GRANULE))
    with pytest.raises(httpx2.TransportError):
        await put(http, location, CONTENT)
    response = await put(http, location, b"", total=len(CONTENT))
    assert response.status_code == 308
    told = int(response.headers["range"].rpartition("-")[2]) + 1
    assert told % GRANULE == 0
    assert 2 * GRANULE <= told < len(CONTENT)
    assert (await put(http, location, CONTENT[told:], told)).status_code == 200
    assert await content(http, "in/m.jsonl") == CONTENT
    assert [entry.call for entry in simulator.journal.select(object_id=f"gs://{BUCKET}/in/m.jsonl")] == [
        "start_upload",
        "upload_file",
        "upload_chunk",
        "upload_file",
        "stream_file",
    ]


When = Literal["early", "before", "after"]


@pytest.mark.parametrize("when", ["early", "before", "after"])
@pytest.mark.parametrize("how", [{"drop": True}, {"status": 503}])
async def test_faults_of_an_upload_strike_at_its_last_chunk(
    http: httpx2.AsyncClient, simulator: Simulator, account: Account, when: When, how: dict[str, object]
) -> None:
    armed = simulator.add_fault(Fault(**{"call": "upload_file", "when": when, **how}))  # type: ignore[arg-type]
    location = await start(http, "in/n.jsonl")
    assert (await put(http, location, CONTENT[:GRANULE], total=len(CONTENT))).status_code == 308
    assert armed.struck == 0
    with suppress(httpx2.TransportError):
        assert (await put(http, location, CONTENT[GRANULE:], GRANULE)).status_code == 503
    assert armed.struck == 1
    done = when == "after"
    assert len(account.files) == done
    (entry,) = simulator.journal.select("upload_file")
    assert (entry.done, entry.status) == (done, how.get("status", "dropped"))
    response = await put(http, location, b"", total=len(CONTENT))
    assert response.status_code == (200 if done else 308)
    if not done:
        assert response.headers["range"] == f"bytes=0-{GRANULE - 1}"
        assert (await put(http, location, CONTENT[GRANULE:], GRANULE)).status_code == 200
    assert await content(http, "in/n.jsonl") == CONTENT
    assert (entry.bytes, entry.sha256) == (
        (None, None) if when == "early" else (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    )


async def test_other_steps_have_faults_of_their_own(http: httpx2.AsyncClient, simulator: Simulator) -> None:
    simulator.add_fault(Fault(call="start_upload", status=500))
    params = {"uploadType": "resumable", "name": "in/o.jsonl"}
    assert (await http.post(UPLOADS, params=params)).status_code == 500
    location = await start(http, "in/o.jsonl")
    simulator.add_fault(Fault(call="upload_chunk", status=429, headers={"retry-after": "1"}))
    response = await put(http, location, CONTENT[:GRANULE], total="*")
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    assert response.json()["error"]["errors"][0]["reason"] == "rateLimitExceeded"
    assert "range" not in (await put(http, location, b"", total="*")).headers


async def test_no_file_is_left_of_what_failed(
    http: httpx2.AsyncClient, simulator: Simulator, account: Account
) -> None:
    simulator.add_fault(Fault(call="upload_file", status=500, times=None))
    params = {"uploadType": "media", "name": "a"}
    assert (await http.post(UPLOADS, params=params, content=CONTENT)).status_code == 500
    assert list(account.disk.path("").iterdir()) == []
