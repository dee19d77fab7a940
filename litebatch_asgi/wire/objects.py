"""What our values look like as OpenAI's JSON objects.

Source: OpenAI's OpenAPI document, objects OpenAIFile, Batch, ListFilesResponse, ListBatchesResponse and
DeleteFileResponse. As there, a field without a value is null rather than absent. Times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from litebatch_asgi.errors import (
    AboveBudget,
    BudgetExceeded,
    BudgetFigures,
    InvalidFile,
    Problem,
    RequestError,
    dollars,
)
from litebatch_asgi.models import (
    Batch,
    BatchError,
    BatchStatus,
    Counts,
    File,
    FileCopy,
    FileStatus,
    Page,
    Usage,
)
from litebatch_asgi.wire.details import BatchDetails, FileDetails, batch_details, file_details


class FileObject(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's file."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: FileStatus
    status_details: str | None = None
    litebatch: FileDetails


class DeletedFile(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to deleting a file."""

    id: str
    object: Literal["file"] = "file"
    deleted: bool = True


class BatchErrors(msgspec.Struct, frozen=True, kw_only=True):
    """Why a batch failed."""

    object: Literal["list"] = "list"
    data: tuple[BatchError, ...]


class CachedTokens(msgspec.Struct, frozen=True, kw_only=True):
    """A breakdown of the input tokens."""

    cached_tokens: int


class ReasoningTokens(msgspec.Struct, frozen=True, kw_only=True):
    """A breakdown of the output tokens."""

    reasoning_tokens: int


class BatchUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of the successful rows of a batch."""

    input_tokens: int
    input_tokens_details: CachedTokens
    output_tokens: int
    output_tokens_details: ReasoningTokens
    total_tokens: int


class BatchObject(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's batch; `model` is the virtual model."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    model: str
    errors: BatchErrors | None
    input_file_id: str
    completion_window: str
    status: BatchStatus
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: Counts
    usage: BatchUsage | None
    metadata: dict[str, str] | None
    litebatch: BatchDetails


class FileList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of files."""

    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class BatchList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of batches."""

    object: Literal["list"] = "list"
    data: list[BatchObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ModelObject(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual model."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    """OpenAI's clients insist on a number; a virtual model has no birthday"""
    owned_by: str = "litebatch"


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """Virtual models."""

    object: Literal["list"] = "list"
    data: list[ModelObject]


class ModelGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual model with what serves it. Prices are in dollars a token."""

    model_group: str
    providers: tuple[str, ...]
    mode: str | None
    input_cost_per_token_batches: float | None
    output_cost_per_token_batches: float | None


class ModelGroupList(msgspec.Struct, frozen=True, kw_only=True):
    """Virtual models with what serves them."""

    data: list[ModelGroup]


class BudgetDetail(msgspec.Struct, frozen=True, kw_only=True):
    """How a batch that is refused stands to the limit that `param` names, in US dollars: texts of digits."""

    limit: str
    estimate: str
    """of the batch that was asked for"""
    spent: str
    """since the budget last began anew"""
    reserved: str
    """the estimates of open batches"""
    budget_reset_at: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None
    """when the budget begins anew; null: never"""


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None
    errors: tuple[Problem, ...] | msgspec.UnsetType = msgspec.UNSET
    """all problems of a refused input file"""
    budget: BudgetDetail | msgspec.UnsetType = msgspec.UNSET
    """of a batch that is too expensive"""


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer that is an error."""

    error: ErrorDetail


def file_object(
    file: File, *, for_admin: bool = False, copies: tuple[FileCopy, ...] | None = None
) -> FileObject:
    """The file as clients see it; `copies`, where they are at hand, are shown to admins alone."""
    return FileObject(
        id=file.id,
        bytes=file.bytes,
        created_at=_unix(file.created_at),
        expires_at=_unix_or_none(file.expires_at),
        filename=file.filename,
        purpose=file.purpose,
        status=file.status,
        litebatch=file_details(file, for_admin=for_admin, copies=copies),
    )


def file_list(page: Page[File], *, for_admin: bool = False) -> FileList:
    """A page of files as clients see it."""
    data = [file_object(file, for_admin=for_admin) for file in page.items]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return FileList(data=data, first_id=first, last_id=last, has_more=page.has_more)


def batch_object(batch: Batch, *, for_admin: bool = False) -> BatchObject:
    """The batch as clients see it."""
    return BatchObject(
        id=batch.id,
        endpoint=batch.endpoint,
        model=batch.model,
        errors=BatchErrors(data=batch.errors) if batch.errors else None,
        input_file_id=batch.input_file_id,
        completion_window=batch.completion_window,
        status=batch.status,
        output_file_id=batch.output_file_id if batch.status.is_final else None,
        error_file_id=batch.error_file_id if batch.status.is_final else None,
        created_at=_unix(batch.created_at),
        in_progress_at=_unix_or_none(batch.in_progress_at),
        expires_at=_unix(batch.expires_at),
        finalizing_at=_unix_or_none(batch.finalizing_at),
        completed_at=_unix_or_none(batch.completed_at),
        failed_at=_unix_or_none(batch.failed_at),
        expired_at=_unix_or_none(batch.expired_at),
        cancelling_at=_unix_or_none(batch.cancelling_at),
        cancelled_at=_unix_or_none(batch.cancelled_at),
        request_counts=batch.counts,
        usage=_usage(batch.usage),
        metadata=batch.metadata,
        litebatch=batch_details(batch, for_admin=for_admin),
    )


def batch_list(page: Page[Batch], *, for_admin: bool = False) -> BatchList:
    """A page of batches as clients see it."""
    data = [batch_object(batch, for_admin=for_admin) for batch in page.items]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return BatchList(data=data, first_id=first, last_id=last, has_more=page.has_more)


def model_list(names: Iterable[str]) -> ModelList:
    """Virtual models as clients see them."""
    return ModelList(data=[ModelObject(id=name) for name in names])


def model_group_list(groups: Iterable[Mapping[str, object]]) -> ModelGroupList:
    """Virtual models with what serves them, as clients see them."""
    return ModelGroupList(data=[msgspec.convert(group, ModelGroup) for group in groups])


def error_body(error: RequestError) -> ErrorBody:
    """The error as clients see it, with all problems of a refused file, and with the figures of a budget."""
    return ErrorBody(
        error=ErrorDetail(
            message=error.message,
            type=error.type,
            param=error.param,
            code=error.code,
            errors=error.problems if isinstance(error, InvalidFile) else msgspec.UNSET,
            budget=(
                _budget_detail(error.budget)
                if isinstance(error, (AboveBudget, BudgetExceeded))
                else msgspec.UNSET
            ),
        )
    )


def _budget_detail(figures: BudgetFigures) -> BudgetDetail:
    return BudgetDetail(
        limit=dollars(figures.limit),
        estimate=dollars(figures.estimate),
        spent=dollars(figures.spent),
        reserved=dollars(figures.reserved),
        budget_reset_at=None if figures.reset_at is None else figures.reset_at.isoformat(),
    )


def _usage(usage: Usage | None) -> BatchUsage | None:
    if usage is None:
        return None
    return BatchUsage(
        input_tokens=usage.input_tokens,
        input_tokens_details=CachedTokens(cached_tokens=usage.cached_tokens),
        output_tokens=usage.output_tokens,
        output_tokens_details=ReasoningTokens(reasoning_tokens=usage.reasoning_tokens),
        total_tokens=usage.total_tokens,
    )


def _unix(moment: datetime) -> int:
    return int(moment.timestamp())


def _unix_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else _unix(moment)
