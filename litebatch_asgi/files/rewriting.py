"""A stream of JSONL with another model name, off the event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from litebatch_asgi.errors import CopyDiffers
from litebatch_asgi.jsonl import ModelRewriter
from litebatch_asgi.runtime import Runtime


class Rewriting:
    """Writes the model name `new` where the lines say `old`; every other byte stays."""

    def __init__(self, runtime: Runtime, old: str, new: str) -> None:
        self._runtime = runtime
        self._rewriter = ModelRewriter(old, new)

    async def over(self, blocks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """The blocks, rewritten. Raises `CopyDiffers` when a line does not name `old`."""
        try:
            async for block in blocks:
                rewritten = await self._runtime.in_executor(self._rewriter.feed, block)
                if rewritten:
                    yield rewritten
            rest = self._rewriter.finish()
        except ValueError as error:
            raise CopyDiffers(f"a copy is not what was uploaded: {error}") from error
        if rest:
            yield rest
