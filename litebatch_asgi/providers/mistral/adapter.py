"""The adapter for Mistral."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import datetime
from functools import partial
from uuid import UUID

from litebatch_asgi.dialects import Dialect
from litebatch_asgi.dialects.mistral import MistralDialect, MistralModel
from litebatch_asgi.errors import ProviderNotFound
from litebatch_asgi.lifetimes import FileLife
from litebatch_asgi.models import Deployment, ProviderBatch, ProviderFile, Settings
from litebatch_asgi.provider import BatchSubmission
from litebatch_asgi.providers._connection import Access, connection, keyed_access
from litebatch_asgi.providers.mistral.jobs import as_batch, job_fields
from litebatch_asgi.providers.mistral.pages import NumberedPages
from litebatch_asgi.providers.openai.api import FilesAndBatches
from litebatch_asgi.providers.openai.listing import list_since
from litebatch_asgi.providers.openai.reading import ListPage, Object

MISTRAL_BASE = "https://api.mistral.ai/v1"


class MistralAdapter(FilesAndBatches):
    """A deployment at Mistral: files as at OpenAI, and jobs of one model in place of batches.

    The address defaults to Mistral's own. Raises `ConfigError` for what is missing or cannot be used.

    Sources: Mistral's OpenAPI document (ids are UUIDs, 512 MB a file) and its guide to batches (1,000,000
    requests a job). Results do not expire; how long an input lives is not asked for, since its unit is not
    told.
    """

    max_requests: int | None = 1_000_000
    max_bytes: int | None = 512_000_000
    file_life: FileLife | None = None
    batches_path: str = "/batch/jobs"
    purposes: Collection[str] = frozenset({"batch"})
    may_mean_lost_file: Collection[int] = frozenset({400, 404, 422})

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        super().__init__(connection(deployment, settings, mistral_access(deployment)))

    def dialect(self, model: str) -> Dialect | None:
        """Mistral's own form of lines and rows."""
        return MistralDialect(MistralModel.named(model))

    def list_files(self, *, since: datetime) -> AsyncIterator[ProviderFile]:
        """All files made at or after `since`; ends normally only if the list was complete."""
        return list_since(self._pages("/files").next, self._file, since)

    def list_batches(self, *, since: datetime) -> AsyncIterator[ProviderBatch]:
        """All jobs made at or after `since`, newest first; ends normally only if the list was complete."""
        return list_since(self._pages(self.batches_path).next, self._batch, since)

    async def retrieve_file(self, file_id: str) -> ProviderFile:
        """Look at a file; one that is told to be deleted is not there."""
        content = await self._read("GET", self._file_path(file_id))
        if content.get("deleted") is True:
            raise ProviderNotFound("the file is deleted")
        return self._file(content)

    def _pages(self, path: str) -> NumberedPages:
        return NumberedPages(partial(self._numbered, path), self.page_size)

    async def _numbered(self, path: str, number: int) -> ListPage:
        return await self._page(path, {"page": number, "page_size": self.page_size}, None)

    def _batch_fields(self, submission: BatchSubmission) -> dict[str, object]:
        return job_fields(submission)

    def _batch(self, content: Object) -> ProviderBatch:
        return super()._batch(as_batch(content))

    def _file_path(self, file_id: str) -> str:
        return super()._file_path(_checked(file_id))

    def _batch_path(self, batch_id: str) -> str:
        return super()._batch_path(_checked(batch_id))


def mistral_access(deployment: Deployment) -> Access:
    """See `MistralAdapter`."""
    return keyed_access(deployment, base=MISTRAL_BASE, variable="MISTRAL_API_KEY")


def _checked(name: str) -> str:
    """The id of a file or job. Anything else Mistral would call a wrong request, not something not found."""
    if not _is_uuid(name):
        raise ProviderNotFound("the id is none of Mistral's, which are UUIDs")
    return name


def _is_uuid(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True
