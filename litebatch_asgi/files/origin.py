"""Where the bytes of an input come from: the spool while it lasts, then any copy, then the content store."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import TypeAlias

from litebatch_asgi.errors import CopyDiffers, NoClearAnswer, ProviderError, ProviderNotFound, StoreGone
from litebatch_asgi.files.forms import Content, SentAs, dialect_of
from litebatch_asgi.files.rewriting import Rewriting
from litebatch_asgi.files.stored import original_of, stored_blocks
from litebatch_asgi.jsonl import Guesses, LineSelector, LineSet, Selected
from litebatch_asgi.models import CopyState, File, FileCopy, FilePart, FileState, Shard
from litebatch_asgi.runtime import Runtime

_Rest: TypeAlias = Callable[[int], AsyncGenerator[bytes]]
"""begins it at a byte"""

_PREFERENCE: Mapping[CopyState, int] = {
    CopyState.READY: 0,
    CopyState.INTENT: 1,
    CopyState.DELETING: 1,
    CopyState.PENDING: 2,
    CopyState.FAILED: 3,
}
"""the states in which a copy may be read, those that are read first with the lowest number

What a batch cannot use may still have every byte.
"""


class Origin:
    """Reads inputs, with the model name of the client or that of a deployment in their lines."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def copied(self, state: FileState, shard: Shard, model: str | None) -> Content:
        """What was received of a shard, from where it still is; its lines, where it has any, name `model`.

        Raises as `shard_blocks` does.
        """
        if model is None:
            return lambda: self.shard_blocks(state, shard)

        async def rewritten() -> AsyncGenerator[bytes]:
            rewriting = Rewriting(self._runtime, state.file.line_model, model)
            async with (
                aclosing(self.shard_blocks(state, shard)) as blocks,
                aclosing(rewriting.over(blocks)) as rewritten,
            ):
                async for block in rewritten:
                    yield block

        return rewritten

    def sources(self, state: FileState, tile: Shard) -> list[FileCopy]:
        """The copies of a tile that may be read, in the order in which they are tried.

        What is translated never is, and a live deployment has none.
        """
        fleet = self._runtime.fleet
        copies = [
            copy
            for copy in state.copies_of(tile.shard)
            if copy.state in _PREFERENCE and copy.provider_file_id and fleet.has(copy.deployment_id)
            if dialect_of(fleet, copy.deployment_id, state.file) is None
            if not fleet.is_live(copy.deployment_id)
        ]
        return sorted(
            copies, key=lambda copy: (fleet.cooldown_left(copy.deployment_id) > 0, _PREFERENCE[copy.state])
        )

    def _check_deployments(self, state: FileState, tile: Shard) -> None:
        """Raises `DeploymentGone` if a copy is where nobody can read it."""
        for copy in state.copies_of(tile.shard):
            if copy.state in _PREFERENCE and copy.provider_file_id:
                self._runtime.fleet.adapter(copy.deployment_id)

    async def blocks(self, state: FileState) -> AsyncGenerator[bytes]:
        """What was uploaded, byte for byte, tile after tile. Raises as `shard_blocks` does."""
        for tile in state.tiles:
            async with aclosing(self._tile(state, tile)) as blocks:
                async for block in blocks:
                    yield block

    async def shard_blocks(self, state: FileState, shard: Shard) -> AsyncGenerator[bytes]:
        """What was uploaded of a shard, byte for byte: where one copy fails the next one goes on.

        Once no copy of its tile is left the original does. Raises `ProviderError` before the last byte if
        there is no getting it from any copy, and the original is not kept: `ProviderNotFound` if each one is
        gone. Raises `DeploymentGone` if no deployment that has a copy is configured any more; `StoreGone` or
        `StoreUnavailable` if the original cannot be read.
        """
        blocks = self._tile(state, shard) if shard.is_tile else self._derived(state, shard)
        async with aclosing(blocks):
            async for block in blocks:
                yield block

    async def _derived(self, state: FileState, shard: Shard) -> AsyncGenerator[bytes]:
        """The lines of a derived shard, out of those of its tile."""
        root = state.tile(shard.root)
        assert root is not None
        assert shard.lines_of_root is not None
        lines = LineSet(root.lines, shard.lines_of_root)
        whole, held = _Whole(shard.bytes, shard.sha256), b""
        async with aclosing(self._lines(state, root, LineSelector(lines))) as blocks:
            async for block in blocks:
                whole.check(block)
                if held:
                    yield held
                held = block
        if not whole.is_complete:
            raise CopyDiffers(f"the lines of a shard have {whole.count} and not {shard.bytes} bytes")
        yield held

    async def selected(self, state: FileState, tile: Shard, lines: LineSet) -> Selected:
        """What some of the lines of a tile come to, found out by reading them. Raises as `shard_blocks`."""
        settings = self._runtime.settings
        guesses = Guesses(image=settings.estimated_image_tokens, file=settings.estimated_file_tokens)
        selector = LineSelector(lines, guesses=guesses)
        async with aclosing(self._lines(state, tile, selector)) as blocks:
            async for _ in blocks:
                pass
        return selector.selected()

    async def _lines(self, state: FileState, tile: Shard, selector: LineSelector) -> AsyncGenerator[bytes]:
        """The lines of a tile that a selector takes."""
        in_executor = self._runtime.in_executor
        try:
            async with aclosing(self._tile(state, tile)) as blocks:
                async for block in blocks:
                    if taken := await in_executor(selector.feed, block):
                        yield taken
            if taken := await in_executor(selector.finish):
                yield taken
        except ValueError as error:
            raise CopyDiffers(f"a copy is not what was uploaded: {error}") from error

    async def _tile(self, state: FileState, tile: Shard) -> AsyncGenerator[bytes]:
        """A tile, from its copies and its original in turn."""
        failures: list[ProviderError] = []
        whole, held, has_given = _Whole(tile.bytes, tile.sha256), b"", False
        async with aclosing(self._places(state, tile)) as places:
            async for begin in places:
                try:
                    async with aclosing(begin(whole.count)) as rest:
                        async for block in rest:
                            whole.check(block)  # at once: a thread would take longer to begin
                            if held:
                                yield held
                                has_given = True
                            held = block
                    failures.append(NoClearAnswer(f"a copy has {whole.count} of {tile.bytes} bytes"))
                except ProviderError as error:
                    failures.append(error)
                except StoreGone:
                    if all(isinstance(failure, ProviderNotFound) for failure in failures):
                        raise
                if whole.is_complete:
                    yield held
                    return
                if whole.is_wrong:
                    if has_given:
                        break
                    whole, held = _Whole(tile.bytes, tile.sha256), b""
        raise _failure(failures)

    async def _places(self, state: FileState, tile: Shard) -> AsyncGenerator[_Rest]:
        """Where it may be read from, each place beginning at a byte; the original once no copy is left."""
        for copy in self.sources(state, tile):
            assert copy.provider_file_id is not None
            yield partial(self._rest, state.file, copy.deployment_id, copy.provider_file_id, copy.model)
        original = await original_of(self._runtime, state)
        if original is not None:
            yield partial(_of_original, self._runtime, original, tile)
        elif not self.sources(state, tile):
            self._check_deployments(state, tile)

    async def can_be_read(self, state: FileState, shard: Shard) -> bool:
        """Whether there is a place to read it from."""
        root = state.tile(shard.root)
        if root is not None and self.sources(state, root):
            return True
        return await original_of(self._runtime, state) is not None

    async def is_copy(
        self, file: File, shard: Shard, deployment_id: str, provider_file_id: str, sent: SentAs
    ) -> bool:
        """Whether a provider's file holds what was uploaded of a shard, as it was sent there.

        Of what was translated the size tells, and the digest while that is known. Raises `ProviderError` if
        it cannot be read to its end.
        """
        model = None if sent.is_translated else sent.model
        whole = _Whole(sent.bytes, sent.sha256) if sent.is_translated else _Whole(shard.bytes, shard.sha256)
        try:
            async with aclosing(self._rest(file, deployment_id, provider_file_id, model, 0)) as blocks:
                async for block in blocks:
                    whole.check(block)
        except CopyDiffers:
            return False
        return whole.is_complete

    async def _rest(
        self, file: File, deployment_id: str, provider_file_id: str, model: str | None, start: int
    ) -> AsyncGenerator[bytes]:
        """What a provider's file holds from this byte on, as it was uploaded."""
        async with self._runtime.fleet.adapter(deployment_id).stream_file(provider_file_id) as stream:
            blocks = _each(stream.blocks)
            if model is not None:
                blocks = Rewriting(self._runtime, model, file.line_model).over(stream.blocks)
            async with aclosing(blocks):
                async for block in blocks:
                    if start < len(block):
                        yield block[start:]
                    start = max(0, start - len(block))


class _Whole:
    """A shard that is being read from several places, and whether it is what was uploaded."""

    def __init__(self, size: int, sha256: str | None) -> None:
        self._size = size
        self._sha256 = sha256
        self._digest = hashlib.sha256()
        self.count = 0
        """bytes that have come"""
        self.is_complete = not size
        self.is_wrong = False

    def check(self, block: bytes) -> None:
        """Look at the next bytes. Raises `ProviderError` instead of the last ones if the whole is wrong."""
        self._digest.update(block)
        self.count += len(block)
        if self.count < self._size:
            return
        is_right = self.count == self._size and self._sha256 in (None, self._digest.hexdigest())
        self.is_complete = self.is_complete or is_right  # more of it does no harm
        self.is_wrong = not is_right
        if self.is_wrong:
            raise CopyDiffers("a copy is not what was uploaded")


def _of_original(runtime: Runtime, original: FilePart, tile: Shard, start: int) -> AsyncGenerator[bytes]:
    """A tile within the original, from this byte of the tile on."""
    return stored_blocks(runtime, original, tile.start + start, tile.start + tile.bytes)


async def _each(blocks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    async for block in blocks:
        yield block


def _failure(failures: list[ProviderError]) -> ProviderError:
    """Why a file cannot be read: gone only where nobody says otherwise."""
    others = [failure for failure in failures if not isinstance(failure, ProviderNotFound)]
    return next(iter(others or failures), NoClearAnswer("there is no copy to read"))
