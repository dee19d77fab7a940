"""Multipart bodies as clients put them on the wire."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import httpx2
import pytest

from litebatch_asgi.simulator import Account, Simulator

BOUNDARY = "d0e1f2"
FILE = b'{"custom_id": "a"}\n--d0e1f\r\n--d0e1f3\r\n{}'


def field(name: str, value: str) -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def file(content: bytes = FILE, filename: str = "in.jsonl") -> bytes:
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
HEADERS = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize(
    "parts",
    [
        [field("purpose", "batch"), file()],
        [file(), field("purpose", "batch")],
        [
            field("expires_after.seconds", "7200"),
            file(),
            field("purpose", "batch"),
            field("expires_after[anchor]", "created_at"),
        ],
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_fields_come_in_any_order_with_and_without_a_length(
    http: httpx2.AsyncClient, account: Account, parts: list[bytes], chunked: bool
) -> None:
    body = b"".join(parts) + END
    content = pieces(body, 7) if chunked else body
    response = await http.post("/files", content=content, headers=HEADERS)
    assert response.status_code == 200, response.text
    assert await account.content(response.json()["id"]) == FILE
    assert ("content-length" in response.request.headers) is not chunked


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing of the kind",
        field("purpose", "batch") + file(),
        (field("purpose", "batch") + file())[:-20],
        field("purpose", "batch") + END,
        field("purpose", "b" * 100_000) + file() + END,
    ],
)
async def test_a_body_that_is_no_whole_form_is_refused(
    http: httpx2.AsyncClient, account: Account, body: bytes
) -> None:
    response = await http.post("/files", content=body, headers=HEADERS)
    assert response.status_code == 400
    assert account.files == {}


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data", f"multipart/form-data; boundary={'x' * 300}"]
)
async def test_a_body_without_a_boundary_is_refused(http: httpx2.AsyncClient, kind: str) -> None:
    response = await http.post("/files", content=b"{}", headers={"content-type": kind})
    assert response.status_code == 400


async def test_a_client_that_leaves_leaves_nothing_behind(
    http: httpx2.AsyncClient, simulator: Simulator, account: Account
) -> None:
    async def dying() -> AsyncIterator[bytes]:
        yield field("purpose", "batch") + file()
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await http.post("/files", content=dying(), headers=HEADERS)
    await simulator.until(lambda: len(simulator.journal) == 1)
    entry = simulator.journal[0]
    assert (entry.call, entry.status, entry.done) == ("upload_file", "dropped", False)
    assert account.files == {}


async def test_large_files_arrive_whole(http: httpx2.AsyncClient, simulator: Simulator) -> None:
    content = b"{}\n" * (3 << 20)
    response = await http.post("/files", data={"purpose": "batch"}, files={"file": ("a.jsonl", content)})
    assert response.json()["bytes"] == len(content)
    assert simulator.journal[0].sha256 == hashlib.sha256(content).hexdigest()
    back = await http.get(f"/files/{response.json()['id']}/content")
    assert back.content == content
