"""Files of a provider that keeps none."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime

from litebatch_asgi.errors import ProviderNotFound
from litebatch_asgi.models import ProviderFile, ProviderFileStatus
from litebatch_asgi.provider import FileUpload, ProviderStream


class NoFiles:
    """The calls of a `ProviderAdapter` that are about files: see its `keeps_files`."""

    keeps_files: bool = False

    async def upload_file(self, upload: FileUpload) -> ProviderFile:
        """A ready file whose id is its name. Nothing is sent, and the content is not begun."""
        return _file(upload.filename, upload.size)

    async def retrieve_file(self, file_id: str) -> ProviderFile:
        """A file of any name is ready."""
        return _file(file_id)

    async def list_files(self, *, since: datetime) -> AsyncIterator[ProviderFile]:
        """None."""
        files: tuple[ProviderFile, ...] = ()
        for file in files:
            yield file

    async def delete_file(self, file_id: str) -> None:
        """It is gone already."""

    def stream_file(self, file_id: str) -> AbstractAsyncContextManager[ProviderStream]:
        """There is none: raises `ProviderNotFound`."""
        return _none()


@asynccontextmanager
async def _none() -> AsyncGenerator[ProviderStream]:
    raise ProviderNotFound("the provider keeps no files")
    yield


def _file(name: str, size: int | None = None) -> ProviderFile:
    return ProviderFile(id=name, filename=name, bytes=size, status=ProviderFileStatus.READY, created_at=None)
