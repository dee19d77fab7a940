"""Reading what a provider's job has left: counted as it passes by, or compared with its input row by row."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Set
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import msgspec
from msgspec.structs import replace

from litebatch_asgi.batches.decoding import ForeignResults
from litebatch_asgi.batches.lines import JobLines
from litebatch_asgi.batches.results import NamedFile, ReadFile, named_files
from litebatch_asgi.batches.rows import InlineRows
from litebatch_asgi.dialects import Dialect
from litebatch_asgi.errors import ProviderError, ProviderNotFound
from litebatch_asgi.files.forms import dialect_of
from litebatch_asgi.files.live_rows import row_blocks
from litebatch_asgi.jsonl import (
    ExactPass,
    FileDigest,
    IdCollector,
    MissingRows,
    RowFate,
    RowTally,
    Tally,
)
from litebatch_asgi.models import FileKind, Job, Lane, ProviderBatch
from litebatch_asgi.runtime import Runtime


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The result files of a job, read once."""

    snapshot: ProviderBatch
    """the provider's last word, which names them"""
    files: tuple[ReadFile, ...] = ()
    withheld: tuple[NamedFile, ...] = ()
    """those that the provider does not give"""

    @property
    def named(self) -> tuple[NamedFile, ...]:
        """All files that the provider names."""
        return (*(file.named for file in self.files), *self.withheld)

    @property
    def size(self) -> int:
        """Bytes that were read."""
        return sum(file.size for file in self.files)

    @property
    def kept(self) -> Tally:
        """Of the rows that are kept, in all files."""
        return sum((file.kept for file in self.files), Tally())

    @property
    def seen(self) -> str:
        """Equal for readings that found the same, told by the same word of the provider."""
        files = [(each.named, each.size, each.found.rows, each.found.id_sum) for each in self.files]
        what = (files, self.withheld, self.snapshot.status, self.snapshot.counts)
        return hashlib.blake2b(msgspec.json.encode(what), digest_size=16).hexdigest()


class ExactReading(msgspec.Struct, frozen=True, kw_only=True):
    """The result files of a job, compared with its input."""

    reading: Reading
    missing: Set[bytes]
    """digests of the custom ids that have no row"""
    published: Set[bytes]
    """digests of the custom ids whose rows are kept"""
    held_back: Set[bytes]
    """digests of the custom ids whose rows are not to be published"""

    @property
    def dropped(self) -> int:
        """Lines that are not kept."""
        files = self.reading.files
        found = sum(each.found.rows + each.found.unparsable - each.kept.rows for each in files)
        return max(found - len(self.held_back), 0)

    @property
    def rows(self) -> int:
        """Lines that are of the input, legible or not, but for those of which only a part came."""
        unparsable = sum(each.found.unparsable - each.is_torn for each in self.reading.files)
        return self.reading.kept.rows + len(self.held_back) + unparsable


class ResultReader:
    """Reads the result files of jobs, in our own threads and in bounded memory.

    Raises `ProviderError` or `RequestError` where they, or the input, cannot be read now.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @asynccontextmanager
    async def reading(self, job: Job, snapshot: ProviderBatch, lines: JobLines) -> AsyncGenerator[Reading]:
        """Read all files once and count their rows; what is translated is on disk until the block ends."""
        dialect = self._dialect(job, lines)
        async with AsyncExitStack() as spools:
            foreign = ForeignResults(self._runtime, dialect, job, lines) if dialect is not None else None
            reading = Reading(snapshot=snapshot)
            for named in named_files(job.deployment_id, snapshot, job.lane):
                read = await foreign.read(named, spools) if foreign else await self._counted(named)
                reading = _with(reading, named, read)
            yield reading

    def _dialect(self, job: Job, lines: JobLines) -> Dialect | None:
        if job.lane is Lane.LIVE:
            return None
        assert job.deployment_id is not None
        return dialect_of(self._runtime.fleet, job.deployment_id, lines.file.file)

    async def _counted(self, named: NamedFile) -> ReadFile | None:
        tally = RowTally(thresholds=self._runtime.prices.thresholds)
        digest = await self._stream(named, tally.feed)
        found = tally.finish()
        return _read(named, digest, found=found, kept=found) if digest is not None else None

    @asynccontextmanager
    async def exactly(
        self, job: Job, first: Reading, lines: JobLines, *, hold_back: Collection[RowFate] = ()
    ) -> AsyncGenerator[ExactReading]:
        """Read the input, then all files, and keep what is right of them, on disk until the block ends.

        What was translated is not asked for again: `first` has it.
        """
        dialect = self._dialect(job, lines)
        async with AsyncExitStack() as spools:
            ids = await self._ids(lines)
            exact = ExactPass(ids, hold_back=hold_back, thresholds=self._runtime.prices.thresholds)
            reading = Reading(snapshot=first.snapshot)
            for named in named_files(job.deployment_id, first.snapshot, job.lane):
                if dialect is None:
                    read = await self._compare(named, exact, spools)
                else:
                    before = next((each for each in first.files if each.named == named), None)
                    read = await self._keep_again(before, exact, spools) if before else None
                reading = _with(reading, named, read)
            if exact.superseded:
                exact = exact.again()
                files = [await self._keep_again(each, exact, spools) for each in reading.files]
                reading = replace(reading, files=tuple(files))
            held_back = frozenset[bytes]().union(*exact.held_back.values())
            yield ExactReading(
                reading=reading, missing=exact.missing, published=exact.kept, held_back=held_back
            )

    async def _ids(self, lines: JobLines) -> Set[bytes]:
        """The digests of the custom ids."""
        ids = IdCollector()
        async with aclosing(lines.blocks()) as blocks:
            async for block in blocks:
                await self._runtime.in_executor(ids.feed, block)
        return ids.finish()

    async def _compare(self, named: NamedFile, exact: ExactPass, spools: AsyncExitStack) -> ReadFile | None:
        rows = await spools.enter_async_context(InlineRows(self._runtime))
        exact.start_part()
        digest = await self._stream(named, exact.feed, rows)
        await rows.write(exact.finish_part())
        part = exact.part()
        await rows.finish(part.kept.rows)
        if digest is None:
            return None
        return _read(named, digest, found=part.found, kept=part.kept, rows={named.kind: rows})

    async def _keep_again(self, file: ReadFile, exact: ExactPass, spools: AsyncExitStack) -> ReadFile:
        """Leave out of what was kept of a file the rows that are not right."""
        kept, found = Tally(), dict[FileKind, InlineRows]()
        for kind, before in file.rows.items():
            rows = found[kind] = await spools.enter_async_context(InlineRows(self._runtime))
            exact.start_part()
            async with aclosing(before.blocks()) as blocks:
                async for block in blocks:
                    await rows.write(await self._runtime.in_executor(exact.feed, block))
            await rows.write(exact.finish_part())
            part = exact.part()
            await rows.finish(part.kept.rows)
            kept += part.kept
        return replace(file, kept=kept, rows=found)

    async def _stream(
        self, named: NamedFile, feed: Callable[[bytes], bytes | None], rows: InlineRows | None = None
    ) -> FileDigest | None:
        """Feed a file, and keep the rows that come of it; None if the provider does not give it."""
        digest = FileDigest()

        def take(block: bytes) -> bytes | None:
            digest.feed(block)
            return feed(block)

        try:
            async with self._blocks(named) as blocks:
                async for block in blocks:
                    kept = await self._runtime.in_executor(take, block)
                    if rows is not None and kept:
                        await rows.write(kept)
        except ProviderNotFound:
            return None
        return digest

    @asynccontextmanager
    async def _blocks(self, named: NamedFile) -> AsyncGenerator[AsyncIterator[bytes]]:
        """The bytes of a result file, wherever they are."""
        if named.lane is Lane.LIVE:
            async with aclosing(row_blocks(self._runtime, named.provider_file_id, named.kind)) as rows:
                yield rows
            return
        adapter = self._runtime.fleet.adapter(named.deployment_id)
        async with adapter.stream_file(named.provider_file_id) as stream:
            yield stream.blocks

    async def is_whole(self, reading: Reading) -> bool:
        """Whether the provider gave all files that it names, each of the size that it states, if it does."""
        return not reading.withheld and all([await self._has_stated_size(file) for file in reading.files])

    async def _has_stated_size(self, file: ReadFile) -> bool:
        if file.named.lane is Lane.LIVE:
            return True
        adapter = self._runtime.fleet.adapter(file.named.deployment_id)
        try:
            stated = (await adapter.retrieve_file(file.named.provider_file_id)).bytes
        except ProviderNotFound:
            return True  # some give contents alone
        except ProviderError:
            return False
        return stated in (None, file.size)

    async def write_missing(self, lines: JobLines, missing: MissingRows, rows: InlineRows) -> None:
        """Write rows for those of the lines that `missing` says."""
        async with aclosing(lines.blocks()) as blocks:
            await rows.pour(blocks, missing)


def _with(reading: Reading, named: NamedFile, read: ReadFile | None) -> Reading:
    """The reading with another file, which was not given if it was not read."""
    if read is None:
        return replace(reading, withheld=(*reading.withheld, named))
    return replace(reading, files=(*reading.files, read))


def _read(
    named: NamedFile,
    digest: FileDigest,
    *,
    found: Tally,
    kept: Tally,
    rows: Mapping[FileKind, InlineRows] | None = None,
) -> ReadFile:
    return ReadFile(
        named=named,
        size=digest.size,
        digest=digest.hexdigest(),
        ends_in_newline=digest.ends_in_newline,
        found=found,
        kept=kept,
        rows=rows or {},
    )
