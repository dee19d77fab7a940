"""The batches endpoints as OpenAI has them."""

from __future__ import annotations

import msgspec

from .account import NewBatch
from .calls import Call, Reply, json_reply
from .json_values import JSON, is_object
from .life import BatchLife
from .lists import list_of, listed, page, query_of
from .wire import (
    ENDPOINTS,
    ApiError,
    expires_after,
    metadata_of,
    missing,
    wrong_type,
    wrong_value,
)


async def create_batch(call: Call) -> Reply:
    """`POST /batches`."""
    asked = await _json_of(call)
    new = _new_batch(asked)
    call.metadata = new.metadata
    await call.begin()
    life = call.account.create_batch(new)
    call.object_id = life.batch.id
    return json_reply(life.shown())


async def _json_of(call: Call) -> JSON:
    try:
        call.asked = msgspec.json.decode(await call.request.body(), type=JSON)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        message = (
            "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload, "
            "but what was sent was not valid JSON."
        )
        raise ApiError(400, message) from exc
    return call.asked


def _new_batch(asked: JSON) -> NewBatch:
    known = ("input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after")
    for key in asked:
        if key not in known:
            raise ApiError(400, f"Unknown parameter: '{key}'.", param=key, code="unknown_parameter")
    for key in known[:3]:
        if asked.get(key) is None:
            raise missing(key)
        if not isinstance(asked[key], str):
            raise wrong_type(key, "a string")
    if asked["endpoint"] not in ENDPOINTS:
        raise wrong_value("endpoint", asked["endpoint"], ENDPOINTS)
    if asked["completion_window"] != "24h":
        raise wrong_value("completion_window", asked["completion_window"], ["24h"])
    return NewBatch(
        input_file_id=asked["input_file_id"],
        endpoint=asked["endpoint"],
        completion_window=asked["completion_window"],
        metadata=metadata_of(asked.get("metadata")),
        output_seconds=_output_seconds(asked.get("output_expires_after")),
    )


def _output_seconds(asked: object) -> int | None:
    if asked is None:
        return None
    if not is_object(asked):
        raise wrong_type("output_expires_after", "an object")
    return expires_after(asked, "output_expires_after")


async def list_batches(call: Call) -> Reply:
    """`GET /batches`."""
    query = query_of(call.request.query_params, default=20, most=100)
    await call.begin()
    lives = listed(call.account.lives(), call.fault)
    chosen, more = page(query, lives, lambda life: life.batch.id)
    return json_reply(list_of([life.shown() for life in chosen], has_more=more))


async def retrieve_batch(call: Call) -> Reply:
    """`GET /batches/{id}`."""
    return json_reply((await _begin(call)).retrieved())


async def cancel_batch(call: Call) -> Reply:
    """`POST /batches/{id}/cancel`; 409 for a batch that ended in any other way than `cancelled`."""
    life = await _begin(call)
    if not life.cancel():
        raise ApiError(409, f"Cannot cancel a batch with status '{life.batch.status}'.")
    return json_reply(life.shown())


async def _begin(call: Call) -> BatchLife:
    """The batch that the call is about, when faults have had their say."""
    life = call.account.life(call.object_id or "")
    call.metadata = None if life is None else life.batch.metadata
    await call.begin()
    if life is None:
        raise ApiError(404, f"No batch found with id '{call.object_id}'.")
    return life
