"""Message Batches as Anthropic has them. There are no files: a create has the requests in its body.

Source: Anthropic's reference of `/v1/messages/batches`, and the types of the `anthropic` package. Not
recorded are the words of most errors, and what a cancel of an ended batch says.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from .account import NewBatch
from .anthropic_errors import error_body, error_type
from .anthropic_intake import CUSTOM_ID_SUFFIX, receive_requests, suffix_of
from .batch_progress import BatchProgress
from .calls import Call
from .dialects import SettingsKeys
from .json_values import JSON
from .lists import Page, Query, list_of, listed, page, page_number
from .objects import TERMINAL, BatchObject
from .openai_api import bearer
from .replies import Reply, json_reply
from .settings import SimulatorSettings
from .varied_reads import body_of
from .wire import ApiError, integer

MESSAGES = "/v1/messages"
RESULTS_KEPT_SECONDS = 29 * 86_400
POLL_SECONDS = 10
_VERSION = "anthropic-version"


class AnthropicDialect(SettingsKeys):
    """`Dialect` of `/v1/messages/batches`."""

    def api_key(self, headers: Mapping[str, str]) -> str | None:
        """The `x-api-key`, or a bearer token."""
        return headers.get("x-api-key") or bearer(headers)

    def wrong_key(self, key: str | None) -> ApiError:
        """401."""
        return ApiError(401, "x-api-key header is required" if key is None else "invalid x-api-key")

    def check_request(self, request: Request) -> None:
        """A version must be there."""
        if not request.headers.get(_VERSION):
            raise ApiError(400, f"{_VERSION}: header is required")

    def error(self, error: ApiError) -> JSON:
        """`type` and `message`; the `code` of a fault may be the type."""
        return error_body(error_type(error.status, error.code), error.message, uuid.uuid4().hex)

    def headers(self, settings: SimulatorSettings, milliseconds: int) -> dict[str, str]:
        """The headers that Anthropic sends."""
        return {
            "request-id": f"req_{uuid.uuid4().hex[:24]}",
            "anthropic-organization-id": settings.organization,
        }


AnthropicCall = Call[AnthropicDialect]


async def create_batch(call: AnthropicCall) -> Reply:
    """`POST /messages/batches`."""
    account = call.account
    path = account.disk.path(f"{uuid.uuid4().hex}.requests")
    body = await receive_requests(call.request, account.disk, path, account.settings.max_create_bytes)
    call.bytes, call.sha256 = body.bytes, body.sha256
    try:
        examined = await account.examine(path, MESSAGES)
        call.asked = {"requests": len(examined.offsets)}
        if examined.problems:
            raise ApiError(400, examined.problems[0].message)
        suffix = await account.disk.run(suffix_of, path)
        call.metadata = None if suffix is None else {CUSTOM_ID_SUFFIX: suffix}
        await call.begin()
        over = account.queues.over_limit(examined)
        if over is not None:
            raise ApiError(429, over.message)
    except BaseException:
        await account.disk.run(path.unlink)
        raise
    asked = NewBatch(
        input_file_id="",
        endpoint=MESSAGES,
        completion_window="24h",
        metadata=call.metadata,
        model=examined.model,
    )
    progress = await account.create_running_batch(asked, examined, path)
    call.object_id = progress.batch.id
    return json_reply(_shown(call, progress))


async def list_batches(call: AnthropicCall) -> Reply:
    """`GET /messages/batches`, newest first; `before_id` asks for what is newer."""
    params = call.request.query_params
    before = params.get("before_id")
    query = Query(
        limit=integer("limit", params.get("limit", 20), 1, 1000),
        after=params.get("after_id") if before is None else before,
        ascending=before is not None,
    )
    account, project = call.account, call.account.settings.project
    after = account.batch_store.find(query.after or "", project)
    call.page = page_number(query, account.batch_store.all(project), after)
    await call.begin()
    present = account.faults.present(account.name, account.batch_store.all(project))
    seen = listed(present, call.fault, account.lists_made[call.name])
    account.lists_made[call.name] += 1
    chosen, more = page(query, seen, after)
    chosen = chosen[::-1] if query.ascending else chosen
    shown = call.garbled(chosen, [_shown(call, each) for each in chosen])
    ids = [each.batch.id for each in chosen]
    listing = list_of(Page(ids=ids, shown=shown, has_more=more, total=len(seen)))
    return json_reply({key: value for key, value in listing.items() if key != "object"})


async def retrieve_batch(call: AnthropicCall) -> Reply:
    """`GET /messages/batches/{id}`."""
    progress = await _begin(call)
    batch = progress.retrieved()
    (shown,) = call.garbled([progress], [_shown(call, progress, batch)])
    headers = {} if batch.status in TERMINAL else {"retry-after": str(POLL_SECONDS)}
    return json_reply(shown, headers=headers)


async def cancel_batch(call: AnthropicCall) -> Reply:
    """`POST /messages/batches/{id}/cancel`; 400 for a batch that has ended."""
    progress = await _begin(call)
    if progress.batch.status in TERMINAL or not progress.cancel():
        raise ApiError(400, f"Batch {progress.batch.id} cannot be canceled: it has ended.")
    return json_reply(_shown(call, progress))


async def delete_batch(call: AnthropicCall) -> Reply:
    """`DELETE /messages/batches/{id}`, with its results; 400 for a batch that has not ended."""
    progress = await _begin(call)
    if progress.batch.status not in TERMINAL:
        raise ApiError(400, f"Batch {progress.batch.id} cannot be deleted while it is in progress.")
    await call.account.delete_batch(progress.batch.id)
    return json_reply({"id": progress.batch.id, "type": "message_batch_deleted"})


async def stream_results(call: AnthropicCall) -> Reply:
    """`GET /messages/batches/{id}/results`; 404 before the end, and 29 days after the creation."""
    progress = await _begin(call)
    batch = progress.batch
    stored = call.account.file_store.find(batch.output_file_id or "")
    if stored is None or _archived_at(call, batch) is not None:
        raise ApiError(404, f"Batch {batch.id} has no available results.")
    headers = {"content-type": "application/x-jsonl"}
    return Reply(headers=headers, body=await body_of(call.account, stored, call.fault))


async def _begin(call: AnthropicCall) -> BatchProgress:
    """The batch that the call is about, when faults have had their say."""
    account = call.account
    known = account.batch_store.find(call.object_id or "", account.settings.project)
    call.is_about_batch(known)
    results = None if known is None else account.file_store.find(known.batch.output_file_id or "")
    if results is not None and call.name == "stream_file":
        call.is_about_file(results)
    await call.begin()
    progress = account.batch_store.find(call.object_id or "", account.settings.project)
    if progress is None or call.fault.vanish:
        raise ApiError(404, f"Batch {call.object_id} not found.")
    return progress


def _shown(call: AnthropicCall, progress: BatchProgress, batch: BatchObject | None = None) -> JSON:
    batch = progress.shown() if batch is None else batch
    ended = batch.status in TERMINAL
    has_results = batch.output_file_id is not None
    archived_at = _archived_at(call, batch)
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": _status(batch),
        "request_counts": _counts(progress, batch),
        "created_at": _moment(batch.created_at),
        "expires_at": _moment(batch.expires_at),
        "ended_at": _moment(batch.completed_at or batch.expired_at or batch.cancelled_at or batch.failed_at),
        "cancel_initiated_at": _moment(batch.cancelling_at),
        "archived_at": _moment(archived_at),
        "results_url": _results_url(call, batch) if ended and has_results else None,
    }


def _status(batch: BatchObject) -> str:
    if batch.status in TERMINAL:
        return "ended"
    return "canceling" if batch.status == "cancelling" else "in_progress"


def _counts(progress: BatchProgress, batch: BatchObject) -> JSON:
    """How many requests ended in which way; all are `processing` until the batch has ended."""
    counts, ended = batch.request_counts, batch.status in TERMINAL
    unexecuted = min(progress.unexecuted, counts.failed) if ended else 0
    return {
        "processing": 0 if ended else counts.total,
        "succeeded": counts.completed if ended else 0,
        "errored": counts.failed - unexecuted if ended else 0,
        "canceled": unexecuted if batch.status == "cancelled" else 0,
        "expired": unexecuted if batch.status == "expired" else 0,
    }


def _archived_at(call: AnthropicCall, batch: BatchObject) -> int | None:
    at = batch.created_at + RESULTS_KEPT_SECONDS
    return at if call.account.now() >= at else None


def _results_url(call: AnthropicCall, batch: BatchObject) -> str:
    url = call.request.url
    before, _, _ = url.path.partition("/messages/batches")
    return f"{url.scheme}://{url.netloc}{before}/messages/batches/{batch.id}/results"


def _moment(seconds: int | None) -> Any:
    """In RFC 3339."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
