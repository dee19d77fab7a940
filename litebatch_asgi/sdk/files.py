"""Files of one provider: the functions that callers use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import IO, Any, Unpack

from litebatch_asgi.dialects import Dialect
from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models import ProviderFile
from litebatch_asgi.sdk import local_files
from litebatch_asgi.sdk.access import DEFAULT_PROVIDER, Access, Provider, provider_of
from litebatch_asgi.sdk.content import FileContent
from litebatch_asgi.sdk.disk import kept, unnamed_file, write_blocks
from litebatch_asgi.sdk.inputs import FileInput, opened
from litebatch_asgi.sdk.objects import FileDeleted, FileObject, FilePage, file_object
from litebatch_asgi.sdk.pages import EVER, page_of
from litebatch_asgi.sdk.translation import custom_ids, decode
from litebatch_asgi.sdk.uploads import model_in_name, shown, uploaded
from litebatch_asgi.threads import in_thread
from litebatch_asgi.wire import checks
from litebatch_asgi.wire.queries import MAX_FILES_PAGE


async def acreate_file(
    file: FileInput,
    purpose: str,
    expires_after: Mapping[str, Any] | None = None,
    custom_llm_provider: str = DEFAULT_PROVIDER,
    extra_body: Mapping[str, Any] | None = None,
    **access: Unpack[Access],
) -> FileObject:
    """Upload a file.

    Args:
        file: bytes, a path (`pathlib.Path`), a file opened with `rb`, or a tuple of a name and one of these.
        purpose: such as `batch`.
        expires_after: `{"anchor": "created_at", "seconds": N}`.
        custom_llm_provider: such as `openai`, `azure`, `hosted_vllm`.
        extra_body: more fields of the form, where the provider speaks OpenAI.
        **access: see `Access`.

    Raises:
        InvalidFile: lines cannot be given to a provider that does not speak OpenAI; `problems` has them all.
        NoAnswer: the file may be there.
        RequestError: what else the provider or the arguments are to blame for.

    """
    seconds = None if expires_after is None else _seconds(expires_after)
    name = "batch.jsonl" if purpose == "batch" else "upload"
    async with (
        provider_of(custom_llm_provider, access, creates="file") as provider,
        opened(file, default_name=name) as source,
    ):
        return file_object(await uploaded(provider, source, purpose, seconds, extra_body or {}))


async def aretrieve_file(
    file_id: str, custom_llm_provider: str = DEFAULT_PROVIDER, **access: Unpack[Access]
) -> FileObject:
    """Look at a file. Raises `NotFound`, and `RequestError` for all else."""
    async with provider_of(custom_llm_provider, access) as provider:
        if _is_local(provider, file_id):
            return file_object(await in_thread(partial(local_files.look_at, file_id)))
        return file_object(shown(await provider.adapter.retrieve_file(file_id)))


async def adelete_file(
    file_id: str, custom_llm_provider: str = DEFAULT_PROVIDER, **access: Unpack[Access]
) -> FileDeleted:
    """Delete a file; one that is gone already is no error. Raises `RequestError`."""
    async with provider_of(custom_llm_provider, access) as provider:
        if _is_local(provider, file_id):
            await in_thread(partial(local_files.remove, file_id))
        else:
            await provider.adapter.delete_file(file_id)
    return FileDeleted(id=file_id)


async def alist_files(
    custom_llm_provider: str = DEFAULT_PROVIDER,
    purpose: str | None = None,
    limit: int | None = None,
    after: str | None = None,
    **access: Unpack[Access],
) -> FilePage:
    """Files in the provider's order, which is the newest first at all that are known.

    Args:
        custom_llm_provider: such as `openai`.
        purpose: files of this one alone.
        limit: from 1 to 10,000, which it is unless told otherwise.
        after: the id of the last file of the page before.
        **access: see `Access`.

    Raises:
        RequestError: see `acreate_file`.

    """
    async with provider_of(custom_llm_provider, access) as provider:
        found, has_more = await page_of(
            _listed(provider),
            limit=MAX_FILES_PAGE if limit is None else limit,
            most=MAX_FILES_PAGE,
            after=after,
            wanted=lambda file: purpose is None or file.purpose in (purpose, None),
        )
    data = [file_object(shown(file)) for file in found]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return FilePage(data=data, first_id=first, last_id=last, has_more=has_more)


async def afile_content(
    file_id: str,
    custom_llm_provider: str = DEFAULT_PROVIDER,
    model: str | None = None,
    input: FileInput | str | None = None,
    translate: bool = True,
    **access: Unpack[Access],
) -> FileContent:
    """The content of a file. Results of a provider that does not speak OpenAI come in OpenAI's form.

    Args:
        file_id: of an input, or of the results that a batch names.
        custom_llm_provider: such as `openai`.
        model: of results, where their rows do not tell it.
        input: what the batch was made of, or the id of that file: gives results the custom ids that were too
            long for the provider to carry.
        translate: False leaves everything as the provider has it.
        **access: see `Access`.

    Raises:
        NotFound: the provider has no such file.
        InvalidRequest: a row's custom_id is not known; see `input`.
        RequestError: see `acreate_file`.

    """
    async with provider_of(custom_llm_provider, access) as provider:
        if _is_local(provider, file_id):
            with local_files.opened(file_id) as file:
                return await kept(_read(file))
        name = (model or "").removeprefix(f"{provider.name}/")
        dialect = provider.adapter.dialect(name) if translate else None
        if dialect is None or await _is_input(provider, file_id):
            async with provider.adapter.stream_file(file_id) as stream:
                return await kept(stream.blocks)
        ids = None if input is None else await _custom_ids(provider, input)
        return await _translated(provider, file_id, dialect, ids)


async def _is_input(provider: Provider, file_id: str) -> bool:
    return provider.adapter.keeps_files and await model_in_name(provider.adapter, file_id) is not None


async def _translated(
    provider: Provider, file_id: str, dialect: Dialect, ids: Mapping[int, str] | None
) -> FileContent:
    with unnamed_file() as rows:
        async with provider.adapter.stream_file(file_id) as stream:
            await write_blocks(stream.blocks, rows)
        rows.seek(0)
        target = unnamed_file()
        try:
            size = await in_thread(partial(decode, rows, target, dialect, ids, job=file_id))
        except BaseException:
            target.close()
            raise
    return FileContent(target, size)


async def _custom_ids(provider: Provider, given: FileInput | str) -> Mapping[int, str]:
    if not isinstance(given, str):
        async with opened(given, default_name="input.jsonl") as source:
            return await in_thread(lambda: custom_ids(source.rewound()))
    if _is_local(provider, given):
        with local_files.opened(given) as file:
            return await in_thread(partial(custom_ids, file))
    with unnamed_file() as lines:
        async with provider.adapter.stream_file(given) as stream:
            await write_blocks(stream.blocks, lines)
        lines.seek(0)
        return await in_thread(partial(custom_ids, lines))


async def _listed(provider: Provider) -> AsyncIterator[ProviderFile]:
    if not provider.adapter.keeps_files:
        for file in await in_thread(local_files.listed):
            yield file
    async for file in provider.adapter.list_files(since=EVER):
        yield file


async def _read(file: IO[bytes]) -> AsyncIterator[bytes]:
    while block := await in_thread(partial(file.read, 1 << 20)):
        yield block


def _is_local(provider: Provider, file_id: str) -> bool:
    return not provider.adapter.keeps_files and local_files.is_local(file_id)


def _seconds(expires_after: Mapping[str, Any]) -> int:
    if expires_after.get("anchor") != "created_at" or set(expires_after) != {"anchor", "seconds"}:
        message = "expires_after has an 'anchor', which is 'created_at', and a number of 'seconds'."
        raise InvalidRequest(message, param="expires_after")
    return checks.whole_number(expires_after["seconds"], "expires_after.seconds")
