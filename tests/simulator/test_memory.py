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
from litebatch_asgi.simulator import SimulatorSettings, run
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    print(*(line.split()[1] for line in lines if line.startswith("VmHWM")), flush=True)
def started(address):
    print(address, flush=True)
    peak()
run(port=0, started=started, settings=SimulatorSettings(flavour="{flavour}", api_keys=frozenset("k")))
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


async def pass_through_a_bucket(address: str) -> None:
    """The same at Vertex, half of it in a chunk of its own."""
    half = SIZE // 2
    async with plain_http(base_url=address, headers={"authorization": "Bearer k"}) as client:
        params = {"uploadType": "resumable", "name": "a"}
        response = await client.post("/upload/storage/v1/b/bucket/o", params=params)
        location = response.headers["location"]
        for first in (0, half):
            headers = {"content-range": f"bytes {first}-{first + half - 1}/{SIZE}"}
            response = await client.put(location, content=body(b"", b"", half), headers=headers)
        assert response.json()["size"] == str(SIZE)
        async with client.stream("GET", "/storage/v1/b/bucket/o/a", params={"alt": "media"}) as download:
            assert sum([len(piece) async for piece in download.aiter_raw()]) == SIZE


@pytest.mark.skipif(not STATUS.exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize("flavour", ["openai", pytest.param("vertex", marks=pytest.mark.long)])
async def test_200_megabytes_pass_in_little_memory(flavour: str) -> None:
    command = [sys.executable, "-c", SCRIPT.replace("{flavour}", flavour)]
    async with await anyio.open_process(command, stdin=None, stderr=None) as child:
        assert child.stdout is not None
        lines = BufferedByteReceiveStream(child.stdout)
        try:
            address = (await lines.receive_until(b"\n", 100)).decode()
            idle = int(await lines.receive_until(b"\n", 100))
            await (pass_through if flavour == "openai" else pass_through_a_bucket)(address)
        finally:
            child.terminate()
        peak = int(await lines.receive_until(b"\n", 100))
    assert (peak - idle) * 1024 < 24 * MEGABYTE
