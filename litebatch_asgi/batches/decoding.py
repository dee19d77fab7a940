"""Decoding: the rows of a provider that does not speak OpenAI become an output and an error file, on disk."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing

from msgspec.structs import replace

from litebatch_asgi.batches.custom_ids import CustomIds
from litebatch_asgi.batches.lines import JobLines
from litebatch_asgi.batches.results import NamedFile, ReadFile
from litebatch_asgi.batches.rows import InlineRows
from litebatch_asgi.dialects import Dialect, EchoedLines, ResultDecoder, TranslatedRows
from litebatch_asgi.errors import ProviderNotFound
from litebatch_asgi.failpoints import hit
from litebatch_asgi.jsonl import FileDigest, RowTally, Tally
from litebatch_asgi.models import FileKind, Job
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.spool import Spool

logger: logging.Logger = logging.getLogger(__name__)


class ForeignResults:
    """Reads what a job has left at a provider that does not speak OpenAI.

    Nothing is held in memory but a row. Which line a row belongs to is told by its number, or by the request
    that it repeats; the custom_id is read from that line. Rows that belong to no line are left out, and count
    as unparsable.
    """

    def __init__(self, runtime: Runtime, dialect: Dialect, job: Job, lines: JobLines) -> None:
        self._runtime = runtime
        self._dialect = dialect
        self._job = job
        self._lines = lines
        self._custom_ids: CustomIds | None = None

    async def read(self, named: NamedFile, spools: AsyncExitStack) -> ReadFile | None:
        """A result file, translated; None if the provider does not give it.

        Its rows are on disk until `spools` are closed. Raises `ProviderError` or `RequestError` where it, or
        the input, cannot be read now.
        """
        if self._custom_ids is None:
            opened = CustomIds.of(self._runtime, self._lines.blocks())
            self._custom_ids = await spools.enter_async_context(opened)
        kinds = {kind: await _Rows.new(self._runtime, spools) for kind in (FileKind.OUTPUT, FileKind.ERROR)}
        untold = await spools.enter_async_context(self._runtime.result_spooler.new())
        digest, decoder = FileDigest(), self._decoder(self._custom_ids, None)

        def feed(block: bytes) -> TranslatedRows:
            digest.feed(block)
            return decoder.feed(block)

        adapter = self._runtime.fleet.adapter(named.deployment_id)
        try:
            async with adapter.stream_file(named.provider_file_id) as stream:
                async for block in stream.blocks:
                    await self._keep(kinds, untold, await self._runtime.in_executor(feed, block))
        except ProviderNotFound:
            return None
        before = decoder.unknown
        await self._keep(kinds, untold, decoder.finish())
        await untold.finish()
        unknown, is_torn = decoder.unknown, decoder.unknown > before
        if untold.size:
            unknown += await self._find_lines(self._custom_ids, decoder.echoes, kinds, untold)
        tallies = {kind: await rows.finish() for kind, rows in kinds.items()}
        hit("settle.decoded")
        return replace(self._as_read(named, digest, kinds, tallies, unknown), is_torn=is_torn)

    def _as_read(
        self,
        named: NamedFile,
        digest: FileDigest,
        kinds: dict[FileKind, _Rows],
        tallies: dict[FileKind, Tally],
        unknown: int,
    ) -> ReadFile:
        kept = sum(tallies.values(), Tally())
        if unknown:
            told = {"job_id": self._job.id, "deployment": named.deployment_id, "rows": unknown}
            logger.warning("rows of a provider belong to no line of the input", extra=told)
        return ReadFile(
            named=named,
            size=digest.size,
            digest=digest.hexdigest(),
            ends_in_newline=digest.ends_in_newline,
            found=kept + Tally(unparsable=unknown),
            kept=kept,
            rows={kind: each.rows for kind, each in kinds.items()},
            is_translated=True,
        )

    def _decoder(self, custom_ids: CustomIds, echoed: EchoedLines | None) -> ResultDecoder:
        began = self._job.submit_started_at or self._job.created_at
        return ResultDecoder(
            self._dialect,
            custom_ids.get,
            job=self._job.id,
            created=int(began.timestamp()),
            echoed=echoed.take if echoed is not None else None,
        )

    async def _keep(self, kinds: dict[FileKind, _Rows], untold: Spool, found: TranslatedRows) -> None:
        await kinds[FileKind.OUTPUT].add(found.output)
        await kinds[FileKind.ERROR].add(found.error)
        if found.untold:
            await untold.write(found.untold)

    async def _find_lines(
        self, custom_ids: CustomIds, echoes: set[bytes], kinds: dict[FileKind, _Rows], untold: Spool
    ) -> int:
        """Translate the rows that only repeat their requests; how many of them are of no line."""
        in_executor = self._runtime.in_executor
        lines = EchoedLines(self._dialect, echoes)
        async with aclosing(self._lines.blocks()) as blocks:
            async for block in blocks:
                await in_executor(lines.feed, block)
        await in_executor(lines.finish)
        decoder = self._decoder(custom_ids, lines)
        async for rows in _decoded(self._runtime, decoder, untold):
            await self._keep(kinds, untold, rows)
        return decoder.unknown


async def _decoded(runtime: Runtime, decoder: ResultDecoder, spool: Spool) -> AsyncIterator[TranslatedRows]:
    async with aclosing(spool.blocks()) as blocks:
        async for block in blocks:
            yield await runtime.in_executor(decoder.feed, block)
    yield decoder.finish()


class _Rows:
    """Rows on disk, and what they come to."""

    def __init__(self, runtime: Runtime, rows: InlineRows) -> None:
        self.rows = rows
        self._runtime = runtime
        self._tally = RowTally(thresholds=runtime.prices.thresholds)

    @classmethod
    async def new(cls, runtime: Runtime, spools: AsyncExitStack) -> _Rows:
        return cls(runtime, await spools.enter_async_context(InlineRows(runtime)))

    async def add(self, rows: bytes) -> None:
        if rows:
            await self._runtime.in_executor(self._tally.feed, rows)
            await self.rows.write(rows)

    async def finish(self) -> Tally:
        tally = self._tally.finish()
        await self.rows.finish(tally.rows)
        return tally
