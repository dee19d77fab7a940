"""Files: the managed object, its copies at the deployments, and what an output file is made of."""

from __future__ import annotations

import builtins
from datetime import datetime
from enum import StrEnum

import msgspec

from litebatch_asgi.models.events import Event
from litebatch_asgi.models.shards import Shard


class FileKind(StrEnum):
    """Who wrote a file."""

    INPUT = "input"
    OUTPUT = "output"
    ERROR = "error"


class FileStatus(StrEnum):
    """The statuses of an OpenAI file."""

    UPLOADED = "uploaded"
    PROCESSED = "processed"
    ERROR = "error"


class LongRequests(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of a batch input that are longer than a length at which prices change."""

    above: int
    """tokens: the highest such length that each of them is above"""
    requests: int
    tokens: int
    """of the inputs, estimated, as `File.tokens`"""
    output_tokens: int
    """as `File.output_tokens`"""
    unlimited_answers: int


class File(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A managed file."""

    id: str
    owner: str
    created_by: str | None
    """the principal's `key_id`"""
    kind: FileKind
    purpose: str
    filename: str
    bytes: int
    sha256: str | None = None
    """hex; None for what we did not receive ourselves"""
    models: tuple[str, ...] = ()
    """virtual models; the first is the one of the lines

    A later one that ends in `*` stands for the provider that the request named: the lines of a batch input
    leave out what is before the `*`.
    """
    endpoint: str | None = None
    """the `url` of all lines of a batch input"""
    lines: int = 0
    """requests of a batch input, rows of an output or error file"""
    id_count: int = 0
    id_sum: int = 0
    """sum modulo 2**128 of the blake2b-128 digests of the custom ids"""
    status: FileStatus = FileStatus.UPLOADED
    created_at: datetime
    accepted_at: datetime | None = None
    """None: not acknowledged, listed nowhere"""
    expires_at: datetime | None = None
    deleted_at: datetime | None = None
    batch_id: str | None = None
    """the batch that wrote it"""
    tokens: int = 0
    """of a batch input: how many its requests have, estimated"""
    output_tokens: int | None = None
    """of a batch input: how many its answers may have together, where requests limit them; None: not known"""
    unlimited_answers: int | None = None
    """of a batch input: how many answers no request limits; None: not known"""
    guessed_tokens: int = 0
    """those of `tokens` that are a guess: for images, and for what the requests only name"""
    long_requests: tuple[LongRequests, ...] | None = None
    """those that may cost more a token, the shorter ones first; None: not known"""
    request_fingerprint: str | None = None
    """equal for uploads of one caller with equal content and parameters; None: no retry can ask for it"""
    answering_until: datetime | None = None
    """until when an answer to its upload may be under way"""
    answered_at: datetime | None = None
    """when the answer to its upload was sent whole"""
    next_shard: int = 1
    """what processes of older versions number the next shard by that they derive from it"""
    traceparent: str | None = None
    """the span of the request that has made it, see `litebatch_asgi.tracing`; never shown to clients"""

    @property
    def line_model(self) -> str:
        """The model as the lines of a batch input write it, which is the virtual one or the end of it."""
        model = self.models[0]
        starts = (name[:-1] for name in self.models[1:] if name.endswith("*"))
        return next((model.removeprefix(start) for start in starts if model.startswith(start)), model)

    def is_visible(self, now: datetime) -> bool:
        """Whether clients may see it: acknowledged, not deleted, not expired."""
        return self.accepted_at is not None and self.deleted_at is None and not self.is_expired(now)

    def is_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now


class CopyState(StrEnum):
    """The life of a copy at one deployment."""

    INTENT = "intent"
    """to be uploaded; once `started_at` is set the provider may have it"""
    PENDING = "pending"
    """the provider has it and is not ready to use it"""
    READY = "ready"
    FAILED = "failed"
    """the provider will not take it"""
    DELETING = "deleting"
    DELETED = "deleted"


class FileCopy(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A file's bytes at one deployment. Its key is (file_id, shard, deployment_id)."""

    file_id: str
    shard: int = 0
    """which `Shard` of a batch input; of an output or error file: which part"""
    deployment_id: str
    owner: str
    """the file's"""
    provider_file_id: str | None = None
    model: str | None = None
    """the model name that the lines were sent with; None: not known, or the file has no lines"""
    bytes: int | None = None
    """as it was sent; None: not known yet"""
    expires_at: datetime | None = None
    """when the provider drops it, as far as it said"""
    state: CopyState = CopyState.INTENT
    error: str | None = None
    """what the provider said, for the log"""
    attempts: int = 0
    ready_at: datetime | None = None
    """when the provider first said that it can use the copy; None: never"""
    started_at: datetime | None = None
    """when the first upload began whose answer is not known; None: no upload is in doubt"""
    search_until: datetime | None = None
    """of an upload in doubt: from when on a complete listing without our tag means that it did not happen"""
    watch_until: datetime | None = None
    """until when others with its tag are looked for beside the copy, and deleted; None: there can be none"""
    next_check_at: datetime | None = None
    """when somebody has to look at it; None: never"""
    claimed_by: str | None = None
    claimed_until: datetime | None = None
    epoch: int = 0
    """counts claims; a write that carries an old epoch is refused"""

    @property
    def key(self) -> tuple[str, int, str]:
        """What identifies the row."""
        return self.file_id, self.shard, self.deployment_id

    @property
    def name(self) -> str:
        """See `Claim`."""
        return f"copy {self.file_id}/{self.shard}/{self.deployment_id}"


class PartKind(StrEnum):
    """Where the bytes of a part are."""

    PROVIDER = "provider"
    INLINE = "inline"
    STORED = "stored"
    ROWS = "rows"


class FilePart(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a file; the pieces in the order of (place, seq) are the file.

    Output and error files are made of them. An input has one, its original, where that is kept.
    """

    file_id: str
    seq: int
    kind: PartKind
    bytes: int
    """of the part as it is served"""
    deployment_id: str | None = None
    provider_file_id: str | None = None
    provider_bytes: int | None = None
    """of the provider's file; None where the provider does not say"""
    end_line: bool = False
    """whether a newline is added behind the provider's bytes: they end without one, and more follows"""
    digest: str | None = None
    """hex; SHA-256 of the provider's whole file"""
    rows: builtins.bytes | None = None
    """inline: a piece of the rows themselves, which may end within one"""
    content_key: str | None = None
    """stored: the key of the content that the part is, from its start to its end"""
    store: str | None = None
    """stored: the name of the content store that has it"""
    job_id: str | None = None
    """rows: the live job whose results the part is, in order of their lines

    Which of them, its file's kind says.
    """
    place: int = 0
    """of a result file: which lines it is of, see `place_of`"""


class FileState(msgspec.Struct, frozen=True, kw_only=True):
    """A file with all that hangs on it, read at one moment."""

    file: File
    copies: tuple[FileCopy, ...]
    """of its tiles, and of the derived shards of batches"""
    open_batches: int
    """batches that read it and have not reached their end"""
    shards: tuple[Shard, ...] = ()
    """its tiles, in order; none of what is no batch input"""

    @property
    def tiles(self) -> tuple[Shard, ...]:
        """What its copies at a deployment are of: its tiles, or the whole of what is no batch input."""
        return self.shards or (whole_of(self.file),)

    def tile(self, number: int) -> Shard | None:
        """One of its tiles; None: there is none of this number."""
        tiles = self.tiles
        return tiles[number] if number < len(tiles) else None

    def is_derived(self, copy: FileCopy) -> bool:
        """Whether a copy of an input is of a shard that is no tile, which one batch alone needs."""
        return self.file.kind is FileKind.INPUT and self.tile(copy.shard) is None

    def copies_of(self, shard: int) -> tuple[FileCopy, ...]:
        """The copies of one shard."""
        return tuple(copy for copy in self.copies if copy.shard == shard)


def whole_of(file: File) -> Shard:
    """A whole file as one tile."""
    return Shard(
        file_id=file.id,
        shard=0,
        root=0,
        start=0,
        bytes=file.bytes,
        first_line=0,
        lines=file.lines,
        id_count=file.id_count,
        id_sum=file.id_sum,
        tokens=file.tokens,
        sha256=file.sha256,
    )


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to write in one transaction after looking at a `FileState`."""

    file: File | None = None
    """the row as it shall be; None: unchanged"""
    copies: tuple[FileCopy, ...] = ()
    """rows as they shall be, each fenced by the epoch that it carries"""
    parts: tuple[FilePart, ...] = ()
    """new rows"""
    fence_out: bool = False
    """raise the epoch of the written copies by one: whoever holds a claim on them can write no more"""
    remove: bool = False
    """drop the file, its copies, its parts and its events for good"""
    events: tuple[Event, ...] = ()
    lease_seconds: float | None = None
    """how long the claims run that copies are written with, see `Storage`"""
