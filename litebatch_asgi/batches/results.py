"""What a settled batch leaves: its result files, made of the provider's files and of rows of our own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from litebatch_asgi.files.service import BATCH_LIVES_SECONDS
from litebatch_asgi.jsonl import MissingRows, Tally
from litebatch_asgi.models import (
    Batch,
    CopyState,
    Counts,
    File,
    FileCopy,
    FileKind,
    FilePart,
    FileStatus,
    PartKind,
    Usage,
)
from litebatch_asgi.models.ids import FILE_PREFIX, new_id
from litebatch_asgi.runtime import Runtime

PIECE_BYTES = 256 << 10
"""about how much of our own rows is kept in one part"""


class InlineRows:
    """Rows that we write ourselves, kept on disk until the transaction takes them."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._spool = runtime.spooler.new()
        self._ends: list[int] = [0]
        self.count: int = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._spool.aclose()

    @property
    def size(self) -> int:
        """Bytes of all rows together."""
        return self._spool.size

    async def pour(self, blocks: AsyncIterator[bytes], missing: MissingRows) -> None:
        """Write a row for each line of the input that `missing` says, and finish."""
        async for block in blocks:
            await self._add(await self._runtime.in_executor(missing.feed, block))
        await self._add(missing.finish())
        if self._ends[-1] != self._spool.size:
            self._ends.append(self._spool.size)
        await self._spool.finish()
        self.count = missing.rows

    async def _add(self, rows: bytes) -> None:
        await self._spool.write(rows)
        if self._spool.size - self._ends[-1] >= PIECE_BYTES:
            self._ends.append(self._spool.size)

    def parts(self, file_id: str, first: int) -> Iterator[FilePart]:
        """The rows as parts of a file, numbered from `first`; one in memory at a time."""
        for index, (start, end) in enumerate(zip(self._ends, self._ends[1:], strict=False)):
            rows = self._spool.read(start, end)
            yield FilePart(
                file_id=file_id, seq=first + index, kind=PartKind.INLINE, bytes=len(rows), rows=rows
            )


class ProviderPart(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's result file that was read from end to end."""

    kind: FileKind
    deployment_id: str
    provider_file_id: str
    provider_bytes: int
    digest: str
    """of the whole file, see `FileDigest`"""
    tally: Tally
    """of what is kept of it"""
    drop: tuple[int, ...] = ()
    """0-based indexes of the lines that are not"""


class ResultFiles:
    """The output and the error file of one batch, as they are written when it ends."""

    def __init__(self, batch: Batch, now: datetime) -> None:
        self._batch = batch
        self._now = now
        self._files: dict[FileKind, File] = {}
        self._parts: list[FilePart] = []
        self._copies: list[FileCopy] = []
        self._inline: InlineRows | None = None

    def add(self, parts: list[ProviderPart], inline: InlineRows | None) -> None:
        """Take in what was read, and rows of our own, which end the error file; empty files are left out."""
        for part in parts:
            if part.tally.bytes:
                follows = inline is not None and part.kind is FileKind.ERROR
                self._add_part(part, end_line=follows and not part.tally.ends_in_newline)
        if inline is not None:
            self._inline = inline
            self._extend(FileKind.ERROR, inline.size, Tally(rows=inline.count))
        for part in parts:
            self._add_copy(part)

    def _add_part(self, part: ProviderPart, *, end_line: bool) -> None:
        size = part.tally.bytes + end_line
        file = self._extend(part.kind, size, part.tally)
        self._parts.append(
            FilePart(
                file_id=file.id,
                seq=len(self._parts),
                kind=PartKind.PROVIDER,
                bytes=size,
                deployment_id=part.deployment_id,
                provider_file_id=part.provider_file_id,
                provider_bytes=part.provider_bytes,
                drop=part.drop,
                end_line=end_line,
                digest=part.digest,
            )
        )

    def _extend(self, kind: FileKind, size: int, tally: Tally) -> File:
        file = self._files.get(kind) or self._new(kind)
        file = replace(
            file,
            bytes=file.bytes + size,
            lines=file.lines + tally.rows,
            id_count=file.id_count + tally.rows,
        )
        self._files[kind] = file
        return file

    def _new(self, kind: FileKind) -> File:
        lives = timedelta(seconds=self._batch.output_expires_after or BATCH_LIVES_SECONDS)
        return File(
            id=new_id(FILE_PREFIX),
            owner=self._batch.owner,
            created_by=self._batch.created_by,
            kind=kind,
            purpose="batch_output",
            filename=f"{self._batch.id}_{kind}.jsonl",
            bytes=0,
            models=(self._batch.model,),
            status=FileStatus.PROCESSED,
            created_at=self._now,
            accepted_at=self._now,
            expires_at=self._now + lives,
            batch_id=self._batch.id,
        )

    def _add_copy(self, part: ProviderPart) -> None:
        """The provider's file is removed with the file it is part of; an empty one with the other."""
        file = self._files.get(part.kind) or next(iter(self._files.values()), None)
        if file is not None:
            self._copies.append(
                FileCopy(
                    file_id=file.id,
                    shard=len(self._copies),
                    deployment_id=part.deployment_id,
                    owner=file.owner,
                    provider_file_id=part.provider_file_id,
                    state=CopyState.READY,
                    next_check_at=file.expires_at,
                )
            )

    def rows(self) -> dict[str, Any]:
        """Files, copies and parts to write."""
        return {
            "files": tuple(self._files.values()),
            "copies": tuple(self._copies),
            "parts": self._all_parts(),
        }

    def _all_parts(self) -> Iterator[FilePart]:
        yield from self._parts
        if self._inline is not None:
            yield from self._inline.parts(self._files[FileKind.ERROR].id, len(self._parts))

    def name_in(self, batch: Batch, *, counts: Counts, usage: Usage | None) -> Batch:
        """The batch with its results."""
        output, error = self._files.get(FileKind.OUTPUT), self._files.get(FileKind.ERROR)
        return replace(
            batch,
            counts=counts,
            usage=usage,
            output_file_id=output.id if output else None,
            error_file_id=error.id if error else None,
        )
