"""Mistral's dialect, and the calls for its jobs that are not like OpenAI's for batches.

Source: Mistral's OpenAPI document and the types of its package. What is answered to a job of a file that is
not there, or to the cancellation of a job that has ended, is not recorded.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request

from .account import Account, NewBatch
from .calls import Call
from .dialects import Admission, OpenAIWays, SettingsKeys
from .json_values import JSON
from .lists import Page, Query
from .mistral_rules import Refused, converted
from .mistral_schema import BatchJobIn
from .mistral_validation import check_lines
from .objects import TERMINAL, BatchObject, FileObject
from .openai_api import bearer
from .replies import Reply, json_reply
from .settings import SimulatorSettings, Status
from .wire import HOUR, ApiError, integer

STATUSES: dict[Status, str] = {
    "scheduling": "QUEUED",
    "validating": "QUEUED",
    "in_progress": "RUNNING",
    "finalizing": "RUNNING",
    "completed": "SUCCESS",
    "failed": "FAILED",
    "expired": "TIMEOUT_EXCEEDED",
    "cancelling": "CANCELLATION_REQUESTED",
    "cancelled": "CANCELLED",
}
MOST_OF_A_PAGE = 1000
NOT_OURS = {"unknown_url": "Not Found", "method_not_supported": "Method Not Allowed"}


class MistralDialect(OpenAIWays, SettingsKeys):
    """`OpenAILikeDialect` of `/v1` at Mistral."""

    endpoints: tuple[str, ...] = ()
    least_expiry = HOUR
    created = 200
    purposes: tuple[str, ...] = ("batch", "fine-tune", "ocr")
    most_input_bytes = 512 * 1024 * 1024

    def api_key(self, headers: Mapping[str, str]) -> str | None:
        """The bearer token."""
        return bearer(headers)

    def wrong_key(self, key: str | None) -> ApiError:
        """401."""
        return ApiError(401, "Invalid API Key" if key else "Unauthorized")

    def check_request(self, request: Request) -> None:
        """Ids in paths are UUIDs."""
        name = request.path_params.get("object_id")
        if name is not None and not _is_uuid(name):
            kind = "job_id" if "/batch/jobs/" in request.url.path else "file_id"
            message = "Input should be a valid UUID"
            detail = [{"type": "uuid_parsing", "loc": ["path", kind], "msg": message, "input": name}]
            raise ApiError(422, message, extra={"detail": detail})

    def query(self, params: Mapping[str, str], *, default: int, most: int) -> Query:
        """Pages have numbers."""
        size = integer("page_size", params.get("page_size", 100), 1, MOST_OF_A_PAGE)
        return Query(limit=size, number=integer("page", params.get("page", 0), 0, 1 << 30))

    def listed(self, page: Page) -> JSON:
        """With the number of all."""
        return {"object": "list", "data": page.shown, "total": page.total}

    async def check_input(self, account: Account, path: Path) -> None:
        """All lines."""
        await account.disk.run(check_lines, path)

    def check_upload(self, account: Account, seconds: int | None) -> None:
        """No `expires_after`."""
        if seconds is not None:
            raise ApiError(422, "expires_after: Extra inputs are not permitted")

    async def admit(self, account: Account, asked: NewBatch) -> Admission:
        """Only jobs of files and models that are there."""
        stored = account.file_store.find(asked.input_file_id, account.settings.project)
        if stored is None or stored.shown.purpose != "batch":
            raise ApiError(404, f"File {asked.input_file_id} not found")
        known = account.settings.models
        if known is not None and asked.model not in known:
            raise ApiError(400, f"Invalid model: {asked.model}")
        return Admission()

    def error(self, error: ApiError) -> JSON:
        """`detail`, a text or what is wrong where."""
        message = NOT_OURS.get(error.code or "", error.message)
        return {"detail": error.body.get("detail", message)}

    def headers(self, settings: SimulatorSettings, milliseconds: int) -> dict[str, str]:
        """The headers that Mistral sends."""
        correlation = str(uuid.uuid4())
        return {
            "mistral-correlation-id": correlation,
            "x-kong-request-id": correlation,
            "x-envoy-upstream-service-time": str(milliseconds),
        }

    def location(self, request: Request, object_id: str) -> dict[str, str]:
        """No headers."""
        return {}

    def file(self, shown: FileObject) -> Any:
        """A FileSchema."""
        is_ours = shown.purpose == "batch_output"
        result = "batch_error" if shown.filename.endswith("_error.jsonl") else "batch_result"
        return {
            "id": shown.id,
            "object": "file",
            "bytes": shown.bytes,
            "created_at": shown.created_at,
            "filename": shown.filename,
            "purpose": "batch" if is_ours else shown.purpose,
            "sample_type": result if is_ours else "batch_request",
            "num_lines": None,
            "mimetype": "application/jsonl",
            "source": "mistral" if is_ours else "upload",
            "signature": None,
            "expires_at": shown.expires_at,
            "visibility": "workspace",
            "deleted": False,
        }

    def batch(self, shown: BatchObject, settings: SimulatorSettings) -> Any:
        """A BatchJob; its `completed_requests` are all that were processed."""
        counts = shown.request_counts
        problems = Counter(problem.message for problem in (shown.errors.data if shown.errors else ()))
        ended = (shown.completed_at, shown.failed_at, shown.expired_at, shown.cancelled_at)
        return {
            "id": shown.id,
            "object": "batch",
            "input_files": [shown.input_file_id],
            "metadata": shown.metadata,
            "endpoint": shown.endpoint,
            "model": shown.model,
            "agent_id": None,
            "output_file": shown.output_file_id,
            "error_file": shown.error_file_id,
            "errors": [{"message": message, "count": count} for message, count in problems.items()],
            "outputs": None,
            "status": STATUSES[shown.status],
            "created_at": shown.created_at,
            "total_requests": counts.total,
            "completed_requests": counts.completed + counts.failed,
            "succeeded_requests": counts.completed,
            "failed_requests": counts.failed,
            "started_at": shown.in_progress_at,
            "completed_at": next((moment for moment in ended if moment is not None), None),
        }


def _is_uuid(name: str) -> bool:
    try:
        uuid.UUID(name)
    except ValueError:
        return False
    return True


async def create_job(call: Call[MistralDialect]) -> Reply:
    """`POST /batch/jobs`."""
    new = await _asked(call)
    call.metadata = new.metadata
    await call.begin()
    await call.dialect.admit(call.account, new)
    progress = call.account.create_batch(new)
    call.object_id = progress.batch.id
    return json_reply(call.dialect.batch(progress.shown(), call.account.settings))


async def _asked(call: Call[MistralDialect]) -> NewBatch:
    try:
        call.asked = msgspec.json.decode(await call.request.body(), type=JSON)
        asked = converted(call.asked, BatchJobIn, "body")
    except Refused as refused:
        raise ApiError(refused.status, "", extra=refused.body) from refused
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        detail = [{"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error", "input": None}]
        raise ApiError(422, "", extra={"detail": detail}) from exc
    return NewBatch(
        input_file_id=asked.input_files[0],
        endpoint=asked.endpoint,
        completion_window=f"{asked.timeout_hours}h",
        window_seconds=asked.timeout_hours * HOUR,
        metadata=asked.metadata,
        model=asked.model,
    )


async def delete_job(call: Call[MistralDialect]) -> Reply:
    """`DELETE /batch/jobs/{id}`, of a job that has ended."""
    progress = call.account.batch_store.find(call.object_id or "", call.account.settings.project)
    call.is_about_batch(progress)
    await call.begin()
    if progress is None:
        raise ApiError(404, f"No batch found with id '{call.object_id}'.")
    if progress.batch.status not in TERMINAL:
        raise ApiError(400, "A job that has not ended cannot be deleted.")
    call.account.batch_store.remove(progress.batch.id)
    return json_reply({"id": progress.batch.id, "object": "batch", "deleted": True})
