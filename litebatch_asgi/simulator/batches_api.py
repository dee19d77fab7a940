"""The batches endpoints as OpenAI has them."""

from __future__ import annotations

from typing import Any

import msgspec

from .account import NewBatch
from .batch_progress import BatchProgress
from .calls import Call
from .dialects import OpenAILikeDialect
from .json_values import JSON, is_object
from .lists import Page, listed, page, page_number
from .objects import BatchObject
from .replies import Reply, json_reply
from .wire import (
    ApiError,
    expires_after,
    metadata_of,
    missing,
    wrong_type,
    wrong_value,
)


async def create_batch(call: Call[OpenAILikeDialect]) -> Reply:
    """`POST /batches`."""
    asked = await _json_of(call)
    new = _new_batch(call.dialect, asked)
    call.metadata = new.metadata
    await call.begin()
    admission = await call.dialect.admit(call.account, new)
    progress = call.account.create_batch(new, admission.examined)
    call.object_id = progress.batch.id
    return json_reply(_shown(call, progress.shown()), call.dialect.created, admission.headers)


def _shown(call: Call[OpenAILikeDialect], batch: BatchObject) -> Any:
    return call.dialect.batch(batch, call.account.settings)


async def _json_of(call: Call[OpenAILikeDialect]) -> JSON:
    try:
        call.asked = msgspec.json.decode(await call.request.body(), type=JSON)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        message = (
            "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload, "
            "but what was sent was not valid JSON."
        )
        raise ApiError(400, message) from exc
    return call.asked


def _new_batch(dialect: OpenAILikeDialect, asked: JSON) -> NewBatch:
    known = ("input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after")
    for key in asked:
        if key not in known:
            raise ApiError(400, f"Unknown parameter: '{key}'.", param=key, code="unknown_parameter")
    for key in known[:3]:
        if asked.get(key) is None:
            raise missing(key)
        if not isinstance(asked[key], str):
            raise wrong_type(key, "a string")
    if asked["endpoint"] not in dialect.endpoints:
        raise wrong_value("endpoint", asked["endpoint"], dialect.endpoints)
    seconds = dialect.window_seconds(asked["completion_window"])
    if seconds is None:
        raise wrong_value("completion_window", asked["completion_window"], ["24h"])
    return NewBatch(
        input_file_id=asked["input_file_id"],
        endpoint=asked["endpoint"],
        completion_window=asked["completion_window"],
        window_seconds=seconds,
        metadata=metadata_of(asked.get("metadata")),
        output_seconds=_output_seconds(dialect, asked.get("output_expires_after")),
    )


def _output_seconds(dialect: OpenAILikeDialect, asked: object) -> int | None:
    if asked is None:
        return None
    if not is_object(asked):
        raise wrong_type("output_expires_after", "an object")
    return expires_after(asked, "output_expires_after", dialect.least_expiry)


async def list_batches(call: Call[OpenAILikeDialect]) -> Reply:
    """`GET /batches`."""
    query = call.dialect.query(call.request.query_params, default=20, most=100)
    account, project = call.account, call.account.settings.project
    after = account.batch_store.find(query.after or "", project)
    call.page = page_number(query, account.batch_store.all(project), after)
    await call.begin()
    present = account.faults.present(account.name, account.batch_store.all(project))
    seen = listed(present, call.fault, account.lists_made[call.name])
    account.lists_made[call.name] += 1
    chosen, more = page(query, seen, after)
    shown = call.garbled(chosen, [_shown(call, each.shown()) for each in chosen])
    ids = [each.batch.id for each in chosen]
    return json_reply(call.dialect.listed(Page(ids=ids, shown=shown, has_more=more, total=len(seen))))


async def retrieve_batch(call: Call[OpenAILikeDialect]) -> Reply:
    """`GET /batches/{id}`."""
    progress = await _begin(call)
    (shown,) = call.garbled([progress], [_shown(call, progress.retrieved())])
    return json_reply(shown)


async def cancel_batch(call: Call[OpenAILikeDialect]) -> Reply:
    """`POST /batches/{id}/cancel`; 409 for a batch that ended in any other way than `cancelled`."""
    progress = await _begin(call)
    if not progress.cancel():
        raise ApiError(409, f"Cannot cancel a batch with status '{progress.batch.status}'.")
    return json_reply(_shown(call, progress.shown()))


async def _begin(call: Call[OpenAILikeDialect]) -> BatchProgress:
    """The batch that the call is about, when faults have had their say."""
    progress = call.account.batch_store.find(call.object_id or "", call.account.settings.project)
    call.is_about_batch(progress)
    await call.begin()
    if progress is None or call.fault.vanish:
        raise ApiError(404, f"No batch found with id '{call.object_id}'.")
    return progress
