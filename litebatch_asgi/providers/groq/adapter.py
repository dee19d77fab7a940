"""The adapter for Groq."""

from __future__ import annotations

from collections.abc import Collection

from litebatch_asgi.lifetimes import FileLife
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.providers._connection import Access, connection, keyed_access
from litebatch_asgi.providers.openai.api import FilesAndBatches
from litebatch_asgi.providers.openai.reading import ListPage

GROQ_BASE = "https://api.groq.com/openai/v1"


class GroqAdapter(FilesAndBatches):
    """A deployment at Groq; batches are of chat completions alone, in a window of `24h` to `7d`.

    The address defaults to Groq's own. Raises `ConfigError` for what is missing or cannot be used.

    Source: the `groq` package's types. They know no `expires_after` of files, and lists come whole.
    """

    max_requests: int | None = 50_000
    max_bytes: int | None = 100_000_000
    file_life: FileLife | None = None
    purposes: Collection[str] = frozenset({"batch"})

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        super().__init__(connection(deployment, settings, groq_access(deployment)))

    async def _page_of_files(self, after: str | None) -> ListPage:
        return await self._whole_list("/files", after)

    async def _page_of_batches(self, after: str | None) -> ListPage:
        return await self._whole_list(self.batches_path, after)


def groq_access(deployment: Deployment) -> Access:
    """See `GroqAdapter`."""
    return keyed_access(deployment, base=GROQ_BASE, variable="GROQ_API_KEY")
