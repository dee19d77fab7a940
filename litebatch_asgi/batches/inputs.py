"""Inputs that go out with their batch: for providers that keep no files."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import msgspec

from litebatch_asgi.batches.lines import JobLines
from litebatch_asgi.batches.targets import Target
from litebatch_asgi.copy_lifecycle import renewal
from litebatch_asgi.errors import CannotTake
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.forms import Content, dialect_of
from litebatch_asgi.files.origin import Origin
from litebatch_asgi.files.translation import translated
from litebatch_asgi.models import CopyState, FileChange, FileState
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of a batch in its provider's form, on our disk."""

    size: int
    """bytes"""
    content: Content


class Inputs:
    """Brings inputs to where they can be sent from."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._origin = Origin(runtime)

    @asynccontextmanager
    async def of(self, lines: JobLines, target: Target) -> AsyncGenerator[Input | None]:
        """What goes out with a batch at its target, until the block ends; None: the provider has a copy.

        Raises `ProviderError` or `RequestError` if the input cannot be read or translated now, `CannotTake`
        if it cannot be translated at all any more: then the copy is looked at anew.
        """
        fleet, file = self._runtime.fleet, lines.file
        dialect = dialect_of(fleet, target.deployment_id, file.file)
        if dialect is None or fleet.adapter(target.deployment_id).keeps_files:
            yield None
            return
        async with aclosing(self._origin.shard_blocks(file, lines.shard)) as blocks:
            translation = await translated(self._runtime, blocks, dialect, is_kept=True)
        try:
            hit("place.translated")
            if translation.problems:
                await self._look_anew(lines, target)
                raise CannotTake.because(translation.problems)
            assert translation.spool is not None
            yield Input(size=translation.size, content=translation.spool.blocks)
        finally:
            await translation.aclose()

    async def _look_anew(self, lines: JobLines, target: Target) -> None:
        """Have the copy brought there once more, by which it is found out that it cannot be."""
        now = self._runtime.now()

        def decide(current: FileState) -> FileChange | None:
            due = tuple(
                renewal(copy, now)
                for copy in current.copies_of(lines.shard.shard)
                if copy.deployment_id == target.deployment_id and copy.state is CopyState.READY
            )
            return FileChange(copies=due, fence_out=True) if due else None

        await self._runtime.storage.change_file(lines.file.file.id, decide)
        self._runtime.wake()
