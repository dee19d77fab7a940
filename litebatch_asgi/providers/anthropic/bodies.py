"""The body of a create, which has the requests of a batch."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from litebatch_asgi.errors import ContentRefused
from litebatch_asgi.provider import FileUpload
from litebatch_asgi.providers._bodies import Body, content_of
from litebatch_asgi.providers.anthropic.marks import MARK_BYTES, LineMarker

_HEAD, _TAIL = b'{"requests":[', b"]}"


def body_bytes(size: int, requests: int) -> int:
    """The length of the body for so many lines of so many bytes in all, each with its newline."""
    # a comma in place of each newline but the last
    return len(_HEAD) + size - 1 + requests * MARK_BYTES + len(_TAIL)


class RequestsBody(Body):
    """Lines of requests as the JSON object that makes a batch of them, marked and read as they are sent.

    What is wrong with the content, see `content_of`, and another number of lines than announced, is raised
    before the last bytes, and the connection is cut.

    Args:
        content: begins the lines.
        size: of them all, in bytes.
        requests: how many they are.
        mark: for their custom ids.

    """

    def __init__(
        self, content: Callable[[], AsyncIterator[bytes]], *, size: int, requests: int, mark: bytes
    ) -> None:
        self._upload = FileUpload(
            filename="", purpose="batch", size=size, content=content, expires_after_seconds=None
        )
        self._requests = requests
        self._mark = mark
        super().__init__(content_type="application/json", length=body_bytes(size, requests))

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        yield _HEAD
        marker = LineMarker(self._mark)
        async with aclosing(content_of(self._upload)) as blocks:
            async for block in blocks:
                marked = marker.feed(block)
                if marker.lines > self._requests:
                    break
                if marked:
                    yield marked
        if marker.lines != self._requests or not marker.is_complete:
            raise ContentRefused(
                f"the content has {marker.lines} lines, or more, or its last one has no newline; "
                f"{self._requests} were announced"
            )
        self._end()
        yield _TAIL
