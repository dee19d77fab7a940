"""What goes to a provider when a file is created, and what names tell of it afterwards."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.errors import InvalidRequest, ProviderNotFound
from litebatch_asgi.models import ProviderFile
from litebatch_asgi.provider import FileUpload, ProviderAdapter
from litebatch_asgi.sdk import local_files
from litebatch_asgi.sdk.access import Provider
from litebatch_asgi.sdk.inputs import Source
from litebatch_asgi.sdk.translation import Encoded, encode
from litebatch_asgi.threads import in_thread

_AFTER_MODEL = "~"


async def uploaded(
    provider: Provider,
    source: Source,
    purpose: str,
    expires_after_seconds: int | None,
    extra: Mapping[str, Any],
) -> ProviderFile:
    """The file that was made of what a caller gave."""
    send = partial(_send, provider, purpose=purpose, seconds=expires_after_seconds, extra=extra)
    if provider.speaks_openai:
        return await send(source, source.name)
    if purpose not in provider.adapter.purposes:
        known = ", ".join(sorted(provider.adapter.purposes))
        message = f"{provider.name} takes files with purpose {known} alone, not {purpose!r}."
        raise InvalidRequest(message, param="purpose", code="unsupported_purpose")
    if extra:
        message = f"{provider.name} has a form of its own, which has no room for these fields."
        raise InvalidRequest(message, param="extra_body")
    async with encoded(provider, source) as (lines, sent):
        if provider.adapter.keeps_files:
            named = f"{lines.model}{_AFTER_MODEL}{source.name}"
            return replace(await send(sent, named), filename=source.name)
    file_id = await in_thread(lambda: local_files.keep(source.rewound()))
    return replace(await in_thread(partial(local_files.look_at, file_id)), filename=source.name)


async def _send(
    provider: Provider,
    source: Source,
    name: str,
    *,
    purpose: str,
    seconds: int | None,
    extra: Mapping[str, Any],
) -> ProviderFile:
    upload = FileUpload(
        filename=name,
        purpose=purpose,
        size=source.size,
        content=source.blocks,
        expires_after_seconds=seconds,
        extra=extra,
    )
    made = await provider.made(partial(provider.adapter.upload_file, upload))
    return replace(
        made,
        bytes=source.size if made.bytes is None else made.bytes,
        filename=made.filename or name,
        purpose=made.purpose or purpose,
    )


@asynccontextmanager
async def encoded(provider: Provider, source: Source) -> AsyncGenerator[tuple[Encoded, Source]]:
    """The lines of a source in the provider's form. Raises `InvalidFile` with what it cannot be given."""
    adapter = provider.adapter
    lines = await in_thread(
        partial(
            encode,
            source.rewound,
            adapter.dialect,
            provider=provider.name,
            max_requests=adapter.max_requests,
            max_bytes=adapter.max_bytes,
        )
    )
    try:
        yield lines, Source(lines.file, name=source.name, start=0, size=lines.size)
    finally:
        lines.file.close()


async def model_in_name(adapter: ProviderAdapter, file_id: str) -> str | None:
    """The model of an input that was uploaded here, as its name tells it; None for any other file."""
    try:
        file = await adapter.retrieve_file(file_id)
    except ProviderNotFound:
        return None
    model, parting, _ = file.filename.partition(_AFTER_MODEL)
    return model if parting and model else None


def shown(file: ProviderFile) -> ProviderFile:
    """A file with the name that its caller gave it."""
    return replace(file, filename=file.filename.rpartition(_AFTER_MODEL)[2])
