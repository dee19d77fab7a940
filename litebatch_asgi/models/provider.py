"""What a provider tells of its own objects."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from litebatch_asgi.models.usage import Counts, Usage

TAG_JOB = "litebatch_job"
"""metadata key of a provider's batch: the id of our job"""
TAG_INSTALLATION = "litebatch_installation"
"""metadata key of a provider's batch: the installation that made it"""
MOST_ERRORS = 100
"""of a failed batch's errors, which may be one for each of its lines, the first so many are kept"""
LONGEST_MESSAGE = 2_000
"""characters of an error's message that are kept"""
LONGEST_NAME = 200
"""characters of an error's code and param that are kept"""


class BatchStatus(StrEnum):
    """The eight statuses of an OpenAI batch."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return self in _FINAL


_ANY_TIME = datetime.min.replace(tzinfo=UTC)
_FINAL = frozenset({BatchStatus.FAILED, BatchStatus.COMPLETED, BatchStatus.EXPIRED, BatchStatus.CANCELLED})


class ProviderFileStatus(StrEnum):
    """What a provider's file can be used for."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class BatchError(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a batch's `errors`."""

    code: str | None = None
    line: int | None = None
    message: str | None = None
    param: str | None = None


class ProviderFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as a provider describes it."""

    id: str
    filename: str
    bytes: int | None
    """None where the provider does not say"""
    status: ProviderFileStatus
    created_at: datetime | None
    expires_at: datetime | None = None
    status_details: str | None = None
    purpose: str | None = None
    """OpenAI's word; None where the provider does not say"""


class ProviderBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as a provider describes it; an empty id of a file is None.

    What stands below `metadata` is told to whoever asks for the provider's own object, where the provider
    says it; nothing is decided by it.
    """

    id: str
    status: BatchStatus
    created_at: datetime | None = None
    in_progress_at: datetime | None = None
    finalizing_at: datetime | None = None
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    counts: Counts | None = None
    errors: tuple[BatchError, ...] = ()
    """the first ones, at most `MOST_ERRORS`"""
    metadata: dict[str, str] = {}
    endpoint: str | None = None
    completion_window: str | None = None
    model: str | None = None
    expires_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    expired_at: datetime | None = None
    cancelling_at: datetime | None = None
    cancelled_at: datetime | None = None
    usage: Usage | None = None

    @property
    def names_results(self) -> bool:
        """Whether it has result files."""
        return self.output_file_id is not None or self.error_file_id is not None

    def after(self, earlier: ProviderBatch | None) -> ProviderBatch:
        """This word, told after an earlier one, with the higher counts of both.

        What was done once stays done; some providers count from 0 again when they cancel a batch.
        """
        if earlier is None or earlier.id != self.id or earlier.counts is None:
            return self
        if self.counts is not None and self.counts.done >= earlier.counts.done:
            return self
        return replace(self, counts=earlier.counts)


Made = TypeVar("Made", ProviderFile, ProviderBatch)


def oldest_first(objects: Iterable[Made]) -> list[Made]:
    """A provider's objects in the order they were made in; those without a time come last."""
    return sorted(objects, key=lambda each: (each.created_at is None, each.created_at or _ANY_TIME))
