"""What a live page sends, read as a browser reads it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import httpx2

from tests.page.markup import parsed

ACCEPT = {"accept": "text/event-stream"}


class Events:
    """A stream."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self._blocks = self._read()

    async def next(self) -> tuple[str, str]:
        """The next event: its name and the text of the page in it. Raises `StopAsyncIteration` at the end."""
        return await anext(self._blocks)

    async def rest(self) -> list[str]:
        """The names of all events that still come."""
        return [name async for name, _ in self._blocks]

    async def aclose(self) -> None:
        """Read no more."""
        await self._blocks.aclose()

    async def _read(self) -> AsyncGenerator[tuple[str, str]]:
        block: dict[str, str] = {}
        async for line in self.answer.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                block[name] = value
                continue
            if "data" in block:
                yield block["event"], parsed(json.loads(block["data"])).text
            elif block:
                yield "retry", block["retry"]
            block = {}


@asynccontextmanager
async def following(http: httpx2.AsyncClient, address: str) -> AsyncGenerator[Events]:
    """The stream of a page; left with the block, as by a browser that goes elsewhere."""
    async with http.stream("GET", address, headers=ACCEPT) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = Events(answer)
        async with aclosing(events):
            yield events
