"""A large file costs the simulator what a small one does."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from .journeys import jsonl, line, plain_http

MEGABYTE = 1 << 20
SIZE = 200 * MEGABYTE
STATUS = Path("/proc/self/status")
SCRIPT = """
from pathlib import Path
from litebatch_asgi.simulator import run
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    print(*(line.split()[1] for line in lines if line.startswith("VmHWM")), flush=True)
def started(address):
    print(address, flush=True)
    peak()
run(port=0, started=started)
peak()
"""


async def body(head: bytes, tail: bytes, size: int) -> AsyncIterator[bytes]:
    yield head
    block = jsonl(line("a" * 4000)) * 64
    for start in range(0, size, len(block)):
        yield block[: size - start]
    yield tail


async def pass_through(address: str) -> None:
    """Upload so much, and download it again."""
    around = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n',
        b'\r\n--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x--\r\n',
    )
    headers = {"content-type": "multipart/form-data; boundary=x", "authorization": "Bearer k"}
    async with plain_http(base_url=address, headers=headers) as client:
        response = await client.post("/v1/files", content=body(*around, SIZE))
        assert response.json()["bytes"] == SIZE
        path = f"/v1/files/{response.json()['id']}/content"
        async with client.stream("GET", path) as download:
            assert sum([len(piece) async for piece in download.aiter_raw()]) == SIZE


@pytest.mark.skipif(not STATUS.exists(), reason="the peak is read from /proc")
async def test_200_megabytes_pass_in_little_memory() -> None:
    command = [sys.executable, "-c", SCRIPT]
    async with await anyio.open_process(command, stdin=None, stderr=None) as child:
        assert child.stdout is not None
        lines = BufferedByteReceiveStream(child.stdout)
        try:
            address = (await lines.receive_until(b"\n", 100)).decode()
            idle = int(await lines.receive_until(b"\n", 100))
            await pass_through(address)
        finally:
            child.terminate()
        peak = int(await lines.receive_until(b"\n", 100))
    assert (peak - idle) * 1024 < 24 * MEGABYTE
