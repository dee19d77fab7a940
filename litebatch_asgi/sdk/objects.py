"""OpenAI's objects, with what a provider tells of its own: attributes, and members by their names.

Source: OpenAI's OpenAPI document, and what the objects of the `openai` package and of LiteLLM can be asked.
Times are Unix seconds. What the provider does not tell is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

from litebatch_asgi.models import BatchStatus, ProviderBatch, ProviderFile, ProviderFileStatus, Usage

T = TypeVar("T")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What all objects can be asked."""

    def __getitem__(self, name: str) -> Any:
        if name not in self.__struct_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def __contains__(self, name: object) -> bool:
        return name in self.__struct_fields__

    def get(self, name: str, default: Any = None) -> Any:
        """A member, or something else where there is none."""
        return getattr(self, name) if name in self else default

    def model_dump(self) -> dict[str, Any]:
        """All of it as plain values."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def model_dump_json(self) -> str:
        """All of it as JSON."""
        return msgspec.json.encode(self).decode()


class FileObject(Answer, frozen=True, kw_only=True):
    """OpenAI's file."""

    id: str
    object: Literal["file"] = "file"
    bytes: int | None
    created_at: int | None
    expires_at: int | None = None
    filename: str
    purpose: str | None
    status: Literal["uploaded", "processed", "error"]
    status_details: str | None = None


class FileDeleted(Answer, frozen=True, kw_only=True):
    """The answer to deleting a file."""

    id: str
    object: Literal["file"] = "file"
    deleted: bool = True


class BatchError(Answer, frozen=True, kw_only=True):
    """One thing that is wrong with a batch."""

    code: str | None
    line: int | None
    message: str | None
    param: str | None


class BatchErrors(Answer, frozen=True, kw_only=True):
    """Why a batch failed."""

    object: Literal["list"] = "list"
    data: list[BatchError]


class RequestCounts(Answer, frozen=True, kw_only=True):
    """How many requests a batch has, and how many of them have ended in which way."""

    total: int
    completed: int
    failed: int


class InputTokensDetails(Answer, frozen=True, kw_only=True):
    """A breakdown of the input tokens."""

    cached_tokens: int


class OutputTokensDetails(Answer, frozen=True, kw_only=True):
    """A breakdown of the output tokens."""

    reasoning_tokens: int


class BatchUsage(Answer, frozen=True, kw_only=True):
    """Tokens of the successful requests of a batch."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class Batch(Answer, frozen=True, kw_only=True):
    """OpenAI's batch."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str | None
    model: str | None
    errors: BatchErrors | None
    input_file_id: str | None
    completion_window: str | None
    status: BatchStatus
    output_file_id: str | None
    error_file_id: str | None
    created_at: int | None
    in_progress_at: int | None
    expires_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts | None
    usage: BatchUsage | None
    metadata: dict[str, str] | None


class _Page(Answer, Generic[T], frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[T]
    first_id: str | None
    last_id: str | None
    has_more: bool
    """whether the list goes on, with `after=last_id`"""

    def __iter__(self) -> Iterator[T]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


class FilePage(_Page[FileObject], frozen=True, kw_only=True):
    """Some of a list of files; can be iterated over."""


class BatchPage(_Page[Batch], frozen=True, kw_only=True):
    """Some of a list of batches; can be iterated over."""


_STATUSES: dict[ProviderFileStatus, Literal["uploaded", "processed", "error"]] = {
    ProviderFileStatus.PENDING: "uploaded",
    ProviderFileStatus.READY: "processed",
    ProviderFileStatus.FAILED: "error",
}


def file_object(file: ProviderFile) -> FileObject:
    """A provider's file as OpenAI's object."""
    return FileObject(
        id=file.id,
        bytes=file.bytes,
        created_at=_unix(file.created_at),
        expires_at=_unix(file.expires_at),
        filename=file.filename,
        purpose=file.purpose,
        status=_STATUSES[file.status],
        status_details=file.status_details,
    )


def batch_object(batch: ProviderBatch) -> Batch:
    """A provider's batch as OpenAI's object."""
    errors = [
        BatchError(code=each.code, line=each.line, message=each.message, param=each.param)
        for each in batch.errors
    ]
    counts = batch.counts
    return Batch(
        id=batch.id,
        endpoint=batch.endpoint,
        model=batch.model,
        errors=BatchErrors(data=errors) if errors else None,
        input_file_id=batch.input_file_id,
        completion_window=batch.completion_window,
        status=batch.status,
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        created_at=_unix(batch.created_at),
        in_progress_at=_unix(batch.in_progress_at),
        expires_at=_unix(batch.expires_at),
        finalizing_at=_unix(batch.finalizing_at),
        completed_at=_unix(batch.completed_at),
        failed_at=_unix(batch.failed_at),
        expired_at=_unix(batch.expired_at),
        cancelling_at=_unix(batch.cancelling_at),
        cancelled_at=_unix(batch.cancelled_at),
        request_counts=None
        if counts is None
        else RequestCounts(total=counts.total, completed=counts.completed, failed=counts.failed),
        usage=_usage(batch.usage),
        metadata=batch.metadata or None,
    )


def _usage(usage: Usage | None) -> BatchUsage | None:
    if usage is None:
        return None
    return BatchUsage(
        input_tokens=usage.input_tokens,
        input_tokens_details=InputTokensDetails(cached_tokens=usage.cached_tokens),
        output_tokens=usage.output_tokens,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=usage.reasoning_tokens),
        total_tokens=usage.total_tokens,
    )


def _unix(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
