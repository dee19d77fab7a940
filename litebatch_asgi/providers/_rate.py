"""A lower limit to how quickly a provider's file comes: one that trickles would hold its reader for days."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio

from litebatch_asgi.errors import NoClearAnswer


async def at_least(
    blocks: AsyncGenerator[bytes], *, bytes_per_second: float, grace_seconds: float
) -> AsyncGenerator[bytes]:
    """The blocks, each `bytes_per_second * grace_seconds` bytes of which, and the end, come within the grace.

    Only waiting for a block counts, not what the reader does with it. Raises `NoClearAnswer` if they do not.
    """
    wanted = bytes_per_second * grace_seconds
    received, waited = 0, 0.0
    while True:
        asked, block = anyio.current_time(), None
        with anyio.move_on_after(grace_seconds - waited):
            try:
                block = await anext(blocks)
            except StopAsyncIteration:
                return
        if block is None:
            raise NoClearAnswer(f"fewer than {wanted:g} bytes in {grace_seconds:g} s of a file that goes on")
        waited += anyio.current_time() - asked
        received += len(block)
        if received >= wanted:
            received, waited = 0, 0.0
        yield block
