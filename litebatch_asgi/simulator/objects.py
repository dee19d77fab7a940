"""Files and batches as the API shows them.

Field names and the values of `status` and `purpose` are those of OpenAI's OpenAPI document.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from .json_values import JSON
from .settings import FileStatus, Status

TERMINAL: frozenset[Status] = frozenset({"completed", "failed", "expired", "cancelled"})

STAMPS: dict[Status, str] = {
    "in_progress": "in_progress_at",
    "finalizing": "finalizing_at",
    "completed": "completed_at",
    "failed": "failed_at",
    "expired": "expired_at",
    "cancelling": "cancelling_at",
    "cancelled": "cancelled_at",
}
"""fields that have the time at which a batch came to a status"""


class FileObject(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's File; times are Unix seconds."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: FileStatus = "processed"
    expires_at: int | None
    status_details: str | None = None


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file and where its bytes are."""

    shown: FileObject
    number: int
    """of its account's files, in the order of their making"""
    path: Path
    project: str
    bytes: int
    """of the content, whatever `shown` says"""
    sha256: str
    made_at: float
    """Unix seconds, by the account's clock"""
    listed_at: float
    """monotonic seconds at which it was stored: what a lagging list compares"""
    lists_before: int
    """how often files had been listed then"""
    details: JSON = {}
    """what the flavour knows of the file beside that"""

    def marks(self) -> list[str]:
        """What the `match` of a fault is looked for in."""
        return [self.shown.id, self.shown.filename]


class BatchProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a batch's `errors`; `line` counts from 1."""

    code: str
    line: int | None = None
    message: str
    param: str | None = None


class BatchErrors(msgspec.Struct, frozen=True, kw_only=True):
    """Why a batch is `failed`."""

    object: Literal["list"] = "list"
    data: tuple[BatchProblem, ...]


class RequestCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of a batch and what became of them."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class InputTokensDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Part of `BatchUsage`."""

    cached_tokens: int


class OutputTokensDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Part of `BatchUsage`."""

    reasoning_tokens: int


class BatchUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Sum over the rows that succeeded."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class BatchObject(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's Batch; what is not set yet is null, times are Unix seconds."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    model: str | None = None
    errors: BatchErrors | None = None
    input_file_id: str
    completion_window: str
    status: Status = "validating"
    output_file_id: str | None = None
    error_file_id: str | None = None
    created_at: int
    in_progress_at: int | None = None
    expires_at: int
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    request_counts: RequestCounts = RequestCounts()
    usage: BatchUsage | None = None
    metadata: dict[str, str] | None = None
