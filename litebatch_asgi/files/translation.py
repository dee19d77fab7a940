"""Translating: a file in the form of a provider that does not speak OpenAI, written to disk off the loop."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial

import anyio

from litebatch_asgi.dialects import Dialect, FileEncoder
from litebatch_asgi.dialects.encoding import EncodedLine
from litebatch_asgi.errors import CopyDiffers, Problem
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.spool import Spool


class Translation:
    """What became of a file in one dialect; closed by whoever has it made."""

    def __init__(self, spool: Spool | None) -> None:
        self.spool = spool
        """the lines, each with its newline; None: they were not to be kept"""
        self.size: int = 0
        """bytes of all lines"""
        self.problems: Sequence[Problem] = ()
        """why the provider cannot be given the file; there is no content then"""
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Hex, of all lines."""
        return self._digest.hexdigest()

    def add(self, lines: bytes) -> None:
        """Count the next lines."""
        self._digest.update(lines)
        self.size += len(lines)

    async def aclose(self) -> None:
        """Give the disk space back, once nobody else has a share of it."""
        if self.spool is not None:
            with anyio.CancelScope(shield=True):
                await self.spool.aclose()


async def translated(
    runtime: Runtime, blocks: AsyncIterator[bytes], dialect: Dialect, *, is_kept: bool
) -> Translation:
    """Translate the lines of an accepted file.

    Raises what reading the blocks raises; `SpoolFull`, `FileTooLarge` or `Unavailable` if the lines are to be
    kept and the disk does not take them; `CopyDiffers` for lines that were never accepted.
    """
    encoder = FileEncoder(dialect)
    translation = Translation(runtime.spooler.new() if is_kept else None)

    def encode(work: Callable[[], list[EncodedLine]]) -> bytes:
        lines = _joined(work())
        translation.add(lines)
        return lines

    try:
        async for block in blocks:
            await _keep(translation, await runtime.in_executor(encode, partial(encoder.feed, block)))
        await _keep(translation, await runtime.in_executor(encode, encoder.finish))
        if translation.spool is not None:
            await translation.spool.finish()
    except BaseException as error:
        await translation.aclose()
        if isinstance(error, ValueError):
            raise CopyDiffers(f"a copy is not what was uploaded: {error}") from error
        raise
    translation.problems = tuple(encoder.problems)
    return translation


async def translating(
    runtime: Runtime, blocks: AsyncGenerator[bytes], dialect: Dialect
) -> AsyncGenerator[bytes]:
    """The same lines as they come, for what takes them without knowing their size."""
    encoder = FileEncoder(dialect)
    async with aclosing(blocks):
        async for block in blocks:
            yield _joined(await runtime.in_executor(encoder.feed, block))
    yield _joined(await runtime.in_executor(encoder.finish))


async def _keep(translation: Translation, lines: bytes) -> None:
    if translation.spool is not None and lines:
        await translation.spool.write(lines)


def _joined(lines: Sequence[EncodedLine]) -> bytes:
    return b"".join([part for line in lines for part in (line.text, b"\n")])
