"""Lines that we run ourselves, request by request, where a deployment has no batches of its own."""

from __future__ import annotations

import builtins
from datetime import datetime
from enum import StrEnum

import msgspec

from litebatch_asgi.models.files import FileKind


class Lane(StrEnum):
    """How a deployment runs the lines of a job."""

    NATIVE = "native"
    """as a batch of its provider"""
    LIVE = "live"
    """request by request, by us"""


class LineRange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Some requests of a live job that follow each other. A `Claim`; its key is (job_id, seq).

    Ranges of one job do not overlap. One of a derived shard may reach over requests of its tile that are
    not the job's.
    """

    job_id: str
    seq: int
    """its place among the ranges of its job, from 0"""
    batch_id: str
    owner: str
    """the batch's"""
    deployment_id: str
    first_line: int
    """index of its first request within the tile, from 0"""
    end_line: int
    """index behind its last one"""
    lines: int
    """requests of the job between these"""
    start: int
    """byte of the input's original at which its first request begins"""
    bytes: int
    """from there to the end of its last request"""
    expires_at: datetime
    """the batch's"""
    done: int = 0
    """its requests that have a result"""
    failed: int = 0
    """those of them without success"""
    one_by_one: bool = False
    """whether one request runs at a time, for whoever held it before was lost while it held it"""
    trying: int | None = None
    """the request (its index within the tile) that its holder is running alone; None: none was"""
    tries: int = 0
    """how often a holder has begun with that one"""
    next_check_at: datetime | None = None
    """when somebody is to go on with it; None: there is nothing left to be done"""
    claimed_by: str | None = None
    claimed_until: datetime | None = None
    epoch: int = 0
    """counts claims; a write that carries an old epoch is refused"""

    @property
    def key(self) -> tuple[str, int]:
        """What identifies the row."""
        return self.job_id, self.seq

    @property
    def name(self) -> str:
        """See `Claim`."""
        return f"range {self.job_id}/{self.seq}"


class LineResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What has become of one request of a live job."""

    line: int
    """its index within the tile"""
    kind: FileKind
    """which result file the row belongs into: `FileKind.OUTPUT` or `FileKind.ERROR`"""
    row: builtins.bytes
    """as it stands in that file, with its newline"""


class RangeWrite(msgspec.Struct, frozen=True, kw_only=True):
    """What the holder of a range writes of it."""

    range: LineRange
    """as it was claimed, or last written: fenced by its epoch and its holder"""
    results: tuple[LineResult, ...] = ()
    trying: int | None = None
    """the request that its holder begins to run alone; None: no news"""
    give_back: datetime | None = None
    """when somebody may go on with it, its claim being given back; None: it stays ours"""


class LineProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a live job is."""

    lines: int
    """requests that it has"""
    done: int
    """those that have a result"""
    failed: int
    """of these: without success"""
    is_closed: bool
    """whether no result can come any more"""


class Sharing(msgspec.Struct, frozen=True, kw_only=True):
    """Who else runs lines at a live deployment."""

    holders: int
    """workers with running claims on ranges of it"""
    alone: str | None = None
    """the worker that wants nothing else to run there for a while; None: nobody does"""
