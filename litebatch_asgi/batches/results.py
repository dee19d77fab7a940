"""What a settled batch leaves: its result files, made of the provider's files and of rows of our own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from litebatch_asgi.batches.rows import InlineRows
from litebatch_asgi.files.service import BATCH_LIVES_SECONDS
from litebatch_asgi.jsonl import Tally
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
    ProviderBatch,
    Usage,
)
from litebatch_asgi.models.ids import FILE_PREFIX, new_id


class NamedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A result file that a provider's batch names."""

    kind: FileKind
    deployment_id: str
    provider_file_id: str


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

    @property
    def is_right(self) -> bool:
        """Whether the file is published as it is, for all its rows are."""
        return self.found == self.kept and not self.is_translated

    @property
    def own_rows(self) -> Mapping[FileKind, InlineRows]:
        """The rows that are published in place of the file; none where it is published as it is."""
        return {} if self.is_right else self.rows


_Piece: TypeAlias = ReadFile | InlineRows


def named_files(deployment_id: str | None, snapshot: ProviderBatch | None) -> tuple[NamedFile, ...]:
    """The result files that a deployment's batch names; none where there is no batch."""
    if deployment_id is None or snapshot is None:
        return ()
    ids = ((FileKind.OUTPUT, snapshot.output_file_id), (FileKind.ERROR, snapshot.error_file_id))
    return tuple(
        NamedFile(kind=kind, deployment_id=deployment_id, provider_file_id=file_id)
        for kind, file_id in ids
        if file_id is not None
    )


class ResultFiles:
    """The output and the error file of one batch, as they are written when it ends; empty ones are left out.

    `own`, rows of ours, end the error file.
    """

    def __init__(
        self, batch: Batch, now: datetime, *, read: Sequence[ReadFile] = (), own: InlineRows | None = None
    ) -> None:
        self._batch = batch
        self._now = now
        self._pieces: dict[FileKind, list[_Piece]] = {FileKind.OUTPUT: [], FileKind.ERROR: []}
        for each in read:
            for kind, rows in each.own_rows.items():
                self._add(kind, rows)
            if not each.own_rows:
                self._add(each.named.kind, each)
        if own is not None:
            self._add(FileKind.ERROR, own)
        self._files = {kind: self._new(kind, pieces) for kind, pieces in self._pieces.items() if pieces}

    def _add(self, kind: FileKind, piece: _Piece) -> None:
        if piece.size:
            self._pieces[kind].append(piece)

    def _new(self, kind: FileKind, pieces: Sequence[_Piece]) -> File:
        count = sum(_count(piece) for piece in pieces)
        lives = timedelta(seconds=self._batch.output_expires_after or BATCH_LIVES_SECONDS)
        return File(
            id=new_id(FILE_PREFIX),
            owner=self._batch.owner,
            created_by=self._batch.created_by,
            kind=kind,
            purpose="batch_output",
            filename=f"{self._batch.id}_{kind}.jsonl",
            bytes=sum(piece.size + _ends_line(piece, pieces) for piece in pieces),
            models=(self._batch.model,),
            lines=count,
            id_count=count,
            status=FileStatus.PROCESSED,
            created_at=self._now,
            accepted_at=self._now,
            expires_at=self._now + lives,
            batch_id=self._batch.id,
        )

    def rows(self, named: Sequence[NamedFile] = ()) -> dict[str, Any]:
        """Files, copies and parts to write; `named` are all that the provider has, given to us or not."""
        return {
            "files": tuple(self._files.values()),
            "copies": tuple(self._copy(shard, each) for shard, each in enumerate(named)),
            "parts": self._parts(),
        }

    def _copy(self, shard: int, named: NamedFile) -> FileCopy:
        """A provider's file goes with the file that it is part of, or with the other if it is in none."""
        file = self._files.get(named.kind) or next(iter(self._files.values()))
        return FileCopy(
            file_id=file.id,
            shard=shard,
            deployment_id=named.deployment_id,
            owner=file.owner,
            provider_file_id=named.provider_file_id,
            state=CopyState.READY,
            next_check_at=file.expires_at,
        )

    def _parts(self) -> Iterator[FilePart]:
        """One in memory at a time."""
        for kind, file in self._files.items():
            numbers = itertools.count()
            for piece in self._pieces[kind]:
                if isinstance(piece, ReadFile):
                    end_line = _ends_line(piece, self._pieces[kind])
                    yield _provider_part(file.id, next(numbers), piece, end_line=end_line)
                    continue
                yield from piece.parts(file.id, numbers)

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


def _count(piece: _Piece) -> int:
    return piece.count if isinstance(piece, InlineRows) else piece.found.rows


def _ends_line(piece: _Piece, pieces: Sequence[_Piece]) -> bool:
    """Whether a newline has to be added, for more rows follow."""
    return isinstance(piece, ReadFile) and piece is not pieces[-1] and not piece.ends_in_newline


def _provider_part(file_id: str, seq: int, read: ReadFile, *, end_line: bool) -> FilePart:
    return FilePart(
        file_id=file_id,
        seq=seq,
        kind=PartKind.PROVIDER,
        bytes=read.size + end_line,
        deployment_id=read.named.deployment_id,
        provider_file_id=read.named.provider_file_id,
        provider_bytes=read.size,
        end_line=end_line,
        digest=read.digest,
    )
