"""Buckets: what their servers do to whoever is slow."""

from __future__ import annotations

import anyio

from litebatch_asgi.testing.conformance.content_stores import blocks
from tests.stores import buckets

MIB = 1 << 20


async def test_a_reader_may_take_longer_than_any_request(bucket_server: buckets.Server) -> None:
    """As a client on a slow line does, or a provider that a file is sent on to: no request waits for it."""
    whole = b"".join(bytes([number]) * MIB for number in range(24))
    store = buckets.s3_store(bucket_server.address, "slow")
    await store.put("content", blocks([whole]))
    reader = store.get("content")
    read = await anext(reader)
    with anyio.fail_after(20):
        while not bucket_server.is_idle:  # noqa: ASYNC110 - a server in a thread
            await anyio.sleep(0.02)
    async for block in reader:
        read += block
    assert read == whole
