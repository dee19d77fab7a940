"""Cloud Storage's resumable uploads, of content that can be read forward only.

Source: Google's pages on resumable uploads with the JSON API. An upload that does not come to its end leaves
no object.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio

from litebatch_asgi.errors import (
    DeploymentRefused,
    NoClearAnswer,
    ProviderBusy,
    ProviderError,
    ProviderNotFound,
)
from litebatch_asgi.provider import FileUpload
from litebatch_asgi.providers._bodies import BlocksBody, content_of
from litebatch_asgi.providers._http import ProviderHTTP, Reply

CHUNK_BYTES = 8 << 20
"""a multiple of 256 KiB; what is held in memory of an upload"""
MOST_FAILURES = 4
"""in a row, without one more byte"""
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 30.0
_GOES_ON = 308
_PRECONDITION_FAILED = 412


class Chunk:
    """A piece of the content, from byte `start` to before byte `end`."""

    def __init__(self, start: int, blocks: list[bytes], *, is_last: bool) -> None:
        self.start = start
        self.end: int = start + sum(map(len, blocks))
        self.is_last = is_last
        self._blocks = blocks

    def from_byte(self, position: int) -> list[bytes]:
        """What comes from there on."""
        return _split(self._blocks, position - self.start)[1]


class ResumableUpload:
    """One upload under the address that a session was begun at.

    What is sent and not taken is asked for and sent again, as long as something comes of it.
    """

    def __init__(self, http: ProviderHTTP, session: str, upload: FileUpload, content_type: str) -> None:
        self._http = http
        self._session = session
        self._upload = upload
        self._content_type = content_type
        self._may_be_whole = False

    async def run(self, chunk_bytes: int) -> bytes:
        """Send the content; what Google says of the object.

        Raises `NoClearAnswer` if the last byte may have arrived, and `DeploymentRefused` if it has not, so
        that there is no object, without a status where the session alone is gone; what is wrong with the
        content as `content_of` does.
        """
        async with aclosing(chunks_of(self._upload, chunk_bytes)) as chunks:
            async for chunk in chunks:
                answer = await self._take(chunk)
                if answer is not None:
                    return answer
        raise NoClearAnswer("the upload came to no end")

    async def _take(self, chunk: Chunk) -> bytes | None:
        """Have all of a chunk arrive; the answer to the last one."""
        have = best = chunk.start
        failures, is_known = 0, True
        while True:
            try:
                reply = await (self._send(chunk, have) if is_known else self._ask())
            except ProviderError as error:
                failures += 1
                if not _passes(error) or failures > MOST_FAILURES:
                    raise self._given_up(error) from error
                is_known = False
                await anyio.sleep(_pause(failures, error.retry_after))
                continue
            if reply.status != _GOES_ON:
                return reply.content
            have = _persisted(reply)
            if not chunk.start <= have <= chunk.end:
                raise self._given_up(DeploymentRefused(f"the upload stands at byte {have}, which is gone"))
            if have == chunk.end and not chunk.is_last:
                return None
            self._may_be_whole |= have == chunk.end
            failures = 0 if have > best else failures + 1
            best = max(best, have)
            if failures > MOST_FAILURES:
                raise self._given_up(DeploymentRefused(f"the upload does not get beyond byte {have}"))
            if failures:
                await anyio.sleep(_pause(failures))
            is_known = have < chunk.end

    async def _send(self, chunk: Chunk, position: int) -> Reply:
        """Send what is left of a chunk."""
        body = BlocksBody(chunk.from_byte(position), content_type=self._content_type)
        range_ = f"{position}-{chunk.end - 1}" if chunk.end > position else "*"
        try:
            return await self._put(body, range_)
        except ProviderError as error:
            is_open = isinstance(error, (ProviderBusy, NoClearAnswer)) or error.status == _PRECONDITION_FAILED
            self._may_be_whole |= chunk.is_last and is_open
            raise

    async def _ask(self) -> Reply:
        """How far the upload has come."""
        return await self._put(BlocksBody((), content_type=self._content_type), "*")

    async def _put(self, body: BlocksBody, range_: str) -> Reply:
        headers = {"Content-Range": f"bytes {range_}/{self._upload.size}"}
        return await self._http.exchange(
            "PUT", self._session, body, headers=headers, expected=frozenset({_GOES_ON}), names_object=True
        )

    def _given_up(self, error: ProviderError) -> ProviderError:
        if self._may_be_whole:
            return NoClearAnswer(error.message, status=error.status)
        if isinstance(error, ProviderNotFound):  # this upload is lost, and nothing else there: no status
            return DeploymentRefused(f"the upload broke off: {error.message}")
        return DeploymentRefused(
            f"the upload broke off: {error.message}",
            status=error.status,
            code=error.code,
            retry_after=error.retry_after,
        )


async def chunks_of(upload: FileUpload, chunk_bytes: int) -> AsyncGenerator[Chunk]:
    """An upload's content in chunks; the last one comes only once the content has ended as it should."""
    held: list[bytes] = []
    start, length = 0, 0
    async with aclosing(content_of(upload)) as blocks:
        async for block in blocks:
            held.append(block)
            length += len(block)
            while length >= chunk_bytes and start + chunk_bytes < upload.size:
                piece, held = _split(held, chunk_bytes)
                yield Chunk(start, piece, is_last=False)
                start, length = start + chunk_bytes, length - chunk_bytes
    yield Chunk(start, held, is_last=True)


def _split(blocks: list[bytes], position: int) -> tuple[list[bytes], list[bytes]]:
    """What comes before a position, and what comes from it on."""
    before: list[bytes] = []
    for index, block in enumerate(blocks):
        if len(block) > position:
            return [*before, block[:position]], [block[position:], *blocks[index + 1 :]]
        before.append(block)
        position -= len(block)
    return before, []


def _persisted(reply: Reply) -> int:
    """How many bytes there are, as the answer to a part of an upload tells it."""
    first, dash, last = reply.headers.get("range", "").removeprefix("bytes=").partition("-")
    return int(last) + 1 if first == "0" and dash and last.isascii() and last.isdigit() else 0


def _passes(error: ProviderError) -> bool:
    """Whether the same may go well a little later."""
    return isinstance(error, (ProviderBusy, NoClearAnswer)) or error.status in (None, 429)


def _pause(failures: int, asked: float | None = None) -> float:
    seconds = FIRST_PAUSE_SECONDS * 2.0 ** (failures - 1) * random.uniform(0.5, 1.0)  # noqa: S311
    return min(asked or seconds, LONGEST_PAUSE_SECONDS)
