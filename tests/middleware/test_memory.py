"""What passes through costs no memory, however large it is and whoever's it turns out to be."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.http.forms import CONTENT_TYPE, field, file, form

MEGABYTE = 1 << 20
SIZE = 100 * MEGABYTE
LIMIT = 120 * MEGABYTE
BLOCK = bytes(range(256)) * 256
STATUS = Path("/proc/self/status")
SCRIPT = """
import asyncio, sys
from pathlib import Path
from msgspec.structs import replace
from litebatch_asgi.middleware import LiteBatchMiddleware
from litebatch_asgi.server.listen import until_told_to_stop
from tests.harness import QUICK
from tests.http.sockets import served
from tests.middleware.stage import litebatch
from tests.middleware.wires import Echo
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    print(*(line.split()[1] for line in lines if line.startswith("VmHWM")), flush=True)
async def main():
    settings = replace(QUICK, max_file_bytes=int(sys.argv[2]))
    running = litebatch(Path(sys.argv[1]), settings=settings)
    async with running.lifespan(), served(LiteBatchMiddleware(Echo(), litebatch=running)) as address:
        print(address, flush=True)
        peak()
        await until_told_to_stop()
        peak()
asyncio.run(main())
"""


async def blocks(around: bytes, size: int, note: Callable[[bytes], object]) -> AsyncIterator[bytes]:
    """An upload whose file, one block, has so many bytes instead."""
    head, _, tail = around.partition(BLOCK)
    for block in (head, *[BLOCK] * (size // len(BLOCK)), tail):
        note(block)
        yield block


async def pass_through(address: str, around: bytes, size: int) -> None:
    """Upload it, and have it told what came."""
    digest = hashlib.sha256()
    headers = {"content-type": CONTENT_TYPE, "authorization": "Bearer alice"}
    async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=60) as http:
        told = (await http.post("/v1/files", content=blocks(around, size, digest.update))).json()
    assert (told["sha256"], told["end"]) == (digest.hexdigest(), "http.request")


@pytest.mark.skipif(not STATUS.exists(), reason="the peak is read from /proc")
async def test_large_uploads_of_the_app_behind_pass_in_little_memory(tmp_path: Path) -> None:
    """One that is kept whole, and one that is larger than what could be managed."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(LIMIT)]
    async with await anyio.open_process(command, stdin=None, stderr=None) as child:
        assert child.stdout is not None
        output = BufferedByteReceiveStream(child.stdout)
        try:
            address = (await output.receive_until(b"\n", 100)).decode()
            idle = int(await output.receive_until(b"\n", 100))
            await pass_through(address, form(file(BLOCK), field("purpose", "assistants")), SIZE)
            await pass_through(address, form(field("purpose", "batch"), file(BLOCK)), LIMIT + SIZE // 2)
        finally:
            child.terminate()
        peak = int(await output.receive_until(b"\n", 100))
    assert (peak - idle) * 1024 < 24 * MEGABYTE
