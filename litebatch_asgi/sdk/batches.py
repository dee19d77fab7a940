"""Batches of one provider: the functions that callers use."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Unpack

from msgspec.structs import replace

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.provider import BatchSubmission
from litebatch_asgi.sdk import local_files
from litebatch_asgi.sdk.access import DEFAULT_PROVIDER, Access, Provider, provider_of
from litebatch_asgi.sdk.inputs import opened
from litebatch_asgi.sdk.objects import Batch, BatchPage, batch_object
from litebatch_asgi.sdk.pages import EVER, page_of
from litebatch_asgi.sdk.uploads import encoded, model_in_name
from litebatch_asgi.wire.queries import MAX_BATCHES_PAGE

DEFAULT_PAGE = 20


async def acreate_batch(
    completion_window: str,
    endpoint: str,
    input_file_id: str,
    custom_llm_provider: str = DEFAULT_PROVIDER,
    metadata: Mapping[str, str] | None = None,
    extra_body: Mapping[str, Any] | None = None,
    output_expires_after: Mapping[str, Any] | None = None,
    model: str | None = None,
    **access: Unpack[Access],
) -> Batch:
    """Make a batch.

    Args:
        completion_window: `24h`.
        endpoint: of the input's lines, such as `/v1/chat/completions`.
        input_file_id: of a file at the same provider.
        custom_llm_provider: such as `openai`.
        metadata: texts by their names, as many as the provider takes.
        extra_body: more fields of the request, where the provider speaks OpenAI.
        output_expires_after: `{"anchor": "created_at", "seconds": N}`, likewise.
        model: of a provider whose batches name it, where the file was not uploaded by `acreate_file`.
        **access: see `Access`.

    Raises:
        NotFound: the provider has no such file.
        NoAnswer: the batch may be there.
        RequestError: what else the provider or the arguments are to blame for.

    """
    extra = dict(extra_body or {})
    if output_expires_after is not None:
        extra["output_expires_after"] = dict(output_expires_after)
    submission = BatchSubmission(
        input_file_id=input_file_id,
        endpoint=endpoint,
        completion_window=completion_window,
        metadata=dict(metadata or {}),
        timeout_seconds=None,
        model=model,
        extra=extra,
    )
    async with (
        provider_of(custom_llm_provider, access, creates="batch") as provider,
        _completed(provider, submission) as whole,
    ):
        made = await provider.made(partial(provider.adapter.create_batch, whole))
    return batch_object(
        replace(
            made,
            input_file_id=made.input_file_id or input_file_id,
            endpoint=made.endpoint or endpoint,
            completion_window=made.completion_window or completion_window,
        )
    )


async def aretrieve_batch(
    batch_id: str, custom_llm_provider: str = DEFAULT_PROVIDER, **access: Unpack[Access]
) -> Batch:
    """Look at a batch. Raises `NotFound`, and `RequestError` for all else."""
    async with provider_of(custom_llm_provider, access) as provider:
        return batch_object(await provider.adapter.retrieve_batch(batch_id))


async def acancel_batch(
    batch_id: str, custom_llm_provider: str = DEFAULT_PROVIDER, **access: Unpack[Access]
) -> Batch:
    """Ask for a batch to be cancelled; the batch as it is then. One that has ended stays as it is.

    Raises `NotFound`, and `RequestError` for all else.
    """
    async with provider_of(custom_llm_provider, access) as provider:
        return batch_object(await provider.adapter.cancel_batch(batch_id))


async def alist_batches(
    after: str | None = None,
    limit: int | None = None,
    custom_llm_provider: str = DEFAULT_PROVIDER,
    **access: Unpack[Access],
) -> BatchPage:
    """Batches in the provider's order, which is the newest first at all that are known.

    Args:
        after: the id of the last batch of the page before.
        limit: from 1 to 100; 20 unless told otherwise.
        custom_llm_provider: such as `openai`.
        **access: see `Access`.

    Raises:
        RequestError: see `acreate_batch`.

    """
    async with provider_of(custom_llm_provider, access) as provider:
        found, has_more = await page_of(
            provider.adapter.list_batches(since=EVER),
            limit=DEFAULT_PAGE if limit is None else limit,
            most=MAX_BATCHES_PAGE,
            after=after,
        )
    data = [batch_object(batch) for batch in found]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return BatchPage(data=data, first_id=first, last_id=last, has_more=has_more)


@asynccontextmanager
async def _completed(provider: Provider, submission: BatchSubmission) -> AsyncGenerator[BatchSubmission]:
    """The submission with what a provider that does not speak OpenAI needs beside the input's id."""
    if provider.speaks_openai:
        yield submission
        return
    if submission.extra:
        message = (
            f"{provider.name} has requests of its own, which have no room for {min(submission.extra)!r}."
        )
        raise InvalidRequest(message, param=min(submission.extra))
    model = submission.model
    async with AsyncExitStack() as stack:
        if provider.adapter.keeps_files:
            model = model or await model_in_name(provider.adapter, submission.input_file_id)
            if model is None:
                message = "The file's name does not tell its model: call again with `model`."
                raise InvalidRequest(message, param="model")
            yield replace(submission, model=model.removeprefix(f"{provider.name}/"))
            return
        file = stack.enter_context(local_files.opened(submission.input_file_id))
        source = await stack.enter_async_context(opened(file, default_name="batch.jsonl"))
        lines, sent = await stack.enter_async_context(encoded(provider, source))
        yield replace(
            submission,
            model=lines.model,
            requests=lines.requests,
            size=lines.size,
            content=sent.blocks,
        )
