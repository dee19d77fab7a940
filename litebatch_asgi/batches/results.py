"""What a settled batch leaves: its result files, made of the provider's files and of rows of our own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from litebatch_asgi.batches.rows import InlineRows
from litebatch_asgi.jsonl import Tally
from litebatch_asgi.models import (
    Batch,
    CopyState,
    File,
    FileCopy,
    FileKind,
    FilePart,
    FileStatus,
    Job,
    Lane,
    PartKind,
    ProviderBatch,
)
from litebatch_asgi.models.ids import FILE_PREFIX, new_id
from litebatch_asgi.models.shards import place_of


class NamedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A result file that a provider's batch names, or that the rows of a live job are."""

    kind: FileKind
    deployment_id: str
    provider_file_id: str
    """of a live job: its own id"""
    lane: Lane = Lane.NATIVE
    """live: there is no such file, but rows that we have written"""


class ReadFile(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's result file that was read from end to end."""

    named: NamedFile
    size: int
    """bytes"""
    digest: str
    """see `FileDigest`"""
    ends_in_newline: bool
    found: Tally
    """of all its rows"""
    kept: Tally
    """of those that are to be published"""
    rows: Mapping[FileKind, InlineRows] = {}
    """those, where they were kept on disk, by the file that they belong into"""
    is_translated: bool = False
    """whether these rows are not the provider's own"""
    is_torn: bool = False
    """whether its last row is none and has no newline: more of it may come"""

    @property
    def is_right(self) -> bool:
        """Whether the file is published as it is, for all its rows are."""
        return self.found == self.kept and not self.is_translated

    @property
    def own_rows(self) -> Mapping[FileKind, InlineRows]:
        """The rows that are published in place of the file; none where it is published as it is."""
        return {} if self.is_right else self.rows


_Piece: TypeAlias = ReadFile | InlineRows


def named_files(
    deployment_id: str | None, snapshot: ProviderBatch | None, lane: Lane = Lane.NATIVE
) -> tuple[NamedFile, ...]:
    """The result files that a deployment's batch names; none where there is no batch."""
    if deployment_id is None or snapshot is None:
        return ()
    ids = ((FileKind.OUTPUT, snapshot.output_file_id), (FileKind.ERROR, snapshot.error_file_id))
    return tuple(
        NamedFile(kind=kind, deployment_id=deployment_id, provider_file_id=file_id, lane=lane)
        for kind, file_id in ids
        if file_id is not None
    )


class ResultFiles:
    """The output and the error file of one batch, with what one of its jobs has left.

    They grow with each job that is settled, and nobody sees them before the batch has ended. `before` has
    them as they were. `own`, rows of ours, come last. `ends`: whether the batch ends with this job; what it
    leaves is published as it is where nothing was before, otherwise each piece ends with its line.
    """

    def __init__(
        self,
        batch: Batch,
        job: Job,
        now: datetime,
        *,
        before: Sequence[File] = (),
        read: Sequence[ReadFile] = (),
        own: InlineRows | None = None,
        ends: bool = True,
    ) -> None:
        self._batch = batch
        self._job = job
        self._now = now
        self._named = () if job.lane is Lane.LIVE else named_files(job.deployment_id, job.snapshot)
        self._before = {file.kind: file for file in before}
        self._is_last = ends and not before
        self._pieces: dict[FileKind, list[_Piece]] = {FileKind.OUTPUT: [], FileKind.ERROR: []}
        for each in read:
            for kind, rows in each.own_rows.items():
                self._add(kind, rows)
            if not each.own_rows:
                self._add(each.named.kind, each)
        if own is not None:
            self._add(FileKind.ERROR, own)
        self._files = {kind: self._grown(kind, pieces) for kind, pieces in self._pieces.items() if pieces}
        if self._named and not (self._files or before):
            self._files[FileKind.ERROR] = self._new(FileKind.ERROR)  # so that somebody knows of them

    def _add(self, kind: FileKind, piece: _Piece) -> None:
        if piece.size:
            self._pieces[kind].append(piece)

    def _grown(self, kind: FileKind, pieces: Sequence[_Piece]) -> File:
        file = self._before.get(kind) or self._new(kind)
        count = sum(_count(piece) for piece in pieces)
        size = sum(piece.size + self._ends_line(piece, pieces) for piece in pieces)
        return replace(
            file, bytes=file.bytes + size, lines=file.lines + count, id_count=file.id_count + count
        )

    def _new(self, kind: FileKind) -> File:
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
            batch_id=self._batch.id,
        )

    def rows(self) -> dict[str, Any]:
        """The batch, files, copies and parts to write; copies of all that the provider has, given or not."""
        files = {**self._before, **self._files}
        ids = {kind: files[kind].id if kind in files else None for kind in FileKind}
        batch = replace(self._batch, output_file_id=ids[FileKind.OUTPUT], error_file_id=ids[FileKind.ERROR])
        return {
            "batch": batch,
            "files": tuple(self._files.values()),
            "copies": tuple(self._copy(number, each) for number, each in enumerate(self._named)),
            "parts": self._parts(),
        }

    def _copy(self, number: int, named: NamedFile) -> FileCopy:
        """A provider's file goes with the file that it is part of, or with the other if it is in none."""
        files = {**self._before, **self._files}
        file = files.get(named.kind) or next(iter(files.values()))
        return FileCopy(
            file_id=file.id,
            shard=2 * self._job.shard + number,
            deployment_id=named.deployment_id,
            owner=file.owner,
            provider_file_id=named.provider_file_id,
            state=CopyState.READY,
        )

    def _parts(self) -> Iterator[FilePart]:
        """One in memory at a time."""
        place = place_of(self._job.root, self._job.shard)
        for kind, pieces in self._pieces.items():
            numbers = itertools.count()
            for piece in pieces:
                file_id = self._files[kind].id
                if isinstance(piece, ReadFile):
                    end_line = self._ends_line(piece, pieces)
                    yield _provider_part(file_id, next(numbers), place, piece, end_line=end_line)
                    continue
                for part in piece.parts(file_id, numbers):
                    yield replace(part, place=place)

    def _ends_line(self, piece: _Piece, pieces: Sequence[_Piece]) -> bool:
        """Whether a newline has to be added, for more rows follow or may."""
        if not isinstance(piece, ReadFile) or piece.ends_in_newline:
            return False
        return not self._is_last or piece is not pieces[-1]


def _count(piece: _Piece) -> int:
    return piece.count if isinstance(piece, InlineRows) else piece.found.rows


def _provider_part(file_id: str, seq: int, place: int, read: ReadFile, *, end_line: bool) -> FilePart:
    if read.named.lane is Lane.LIVE:
        return FilePart(
            file_id=file_id,
            seq=seq,
            kind=PartKind.ROWS,
            bytes=read.size,
            job_id=read.named.provider_file_id,
            provider_bytes=read.size,
            place=place,
            digest=read.digest,
        )
    return FilePart(
        file_id=file_id,
        seq=seq,
        kind=PartKind.PROVIDER,
        bytes=read.size + end_line,
        deployment_id=read.named.deployment_id,
        provider_file_id=read.named.provider_file_id,
        provider_bytes=read.size,
        end_line=end_line,
        place=place,
        digest=read.digest,
    )
