"""Buckets: what their servers do to whoever is slow."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from litebatch_asgi.testing.conformance.content_stores import blocks
from tests.stores import buckets

MIB = 1 << 20


async def test_a_reader_may_take_longer_than_any_request(
    bucket_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a client on a slow line does, or a provider that a file is sent on to."""
    whole = b"".join(bytes([number]) * MIB for number in range(24))
    await buckets.s3_store(bucket_server, "slow").put("content", blocks([whole]))
    monkeypatch.setattr("litebatch_objects.buckets._GIVE_UP", timedelta(seconds=2))
    reader = buckets.s3_store(bucket_server, "slow", timeout="2s").get("content")
    read = await anext(reader)
    await anyio.sleep(3)
    async for block in reader:
        read += block
    assert read == whole
