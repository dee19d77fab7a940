"""The adapter for OpenAI and compatible servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial
from urllib.parse import quote

import httpx2

from litebatch_asgi.errors import ConfigError, ContentRefused, ProviderNotFound
from litebatch_asgi.models import Deployment, ProviderBatch, ProviderFile, Settings
from litebatch_asgi.provider import BatchSubmission, FileUpload, ProviderStream
from litebatch_asgi.providers._bodies import JSONBody, MultipartBody
from litebatch_asgi.providers._http import ProviderHTTP
from litebatch_asgi.providers.openai.listing import list_since
from litebatch_asgi.providers.openai.objects import (
    ListPage,
    parse_batch,
    parse_file,
    parse_object,
    parse_page,
)

OPENAI_BASE = "https://api.openai.com/v1"
EXPIRES_AFTER_SECONDS = (3_600, 2_592_000)
"""shortest and longest life of a file that OpenAI allows"""


class OpenAIAdapter:
    """A deployment at OpenAI, or at any server that has OpenAI's `/files` and `/batches`.

    For the provider `openai` the address defaults to OpenAI's own, which needs a key; any other provider,
    such as `hosted_vllm`, needs an `api_base` and no key. Raises `ConfigError` for what is missing or cannot
    be used.
    """

    min_poll_seconds: float = 5.0
    max_metadata_pairs: int = 16
    page_size: int = 100
    """how many objects to ask for at once when listing: the most OpenAI allows for batches"""

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        base = _base_url(deployment)
        # Shorter words are placeholders and local names, and would blot out half of a message.
        hidden = tuple(word for word in (deployment.api_key, base.host) if word and len(word) >= 8)
        self._http = ProviderHTTP(
            str(base),
            headers=_credentials(deployment),
            hidden=hidden,
            settings=settings,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def upload_file(self, upload: FileUpload) -> ProviderFile:
        """Send a file, once.

        A connection or a content that breaks before the last byte was sent is a `DeploymentRefused`: a torn
        body cannot have become a file. An error of the content that is no `ProviderError` goes on as it is.
        """
        fields = [("purpose", upload.purpose)]
        if upload.expires_after_seconds is not None:
            shortest, longest = EXPIRES_AFTER_SECONDS
            seconds = min(max(upload.expires_after_seconds, shortest), longest)
            fields += [("expires_after[anchor]", "created_at"), ("expires_after[seconds]", str(seconds))]
        answer = await self._http.send("/files", MultipartBody(fields, upload))
        return parse_file(parse_object(answer))

    async def retrieve_file(self, file_id: str) -> ProviderFile:
        """Look at a file."""
        return parse_file(parse_object(await self._http.read("GET", _path("files", file_id))))

    def list_files(self, *, since: datetime) -> AsyncIterator[ProviderFile]:
        """All files made at or after `since`, newest first; ends normally only if the list was complete."""
        return list_since(partial(self._page, "/files", {"order": "desc"}), parse_file, since)

    async def delete_file(self, file_id: str) -> None:
        """Delete a file; one that is gone already is no error."""
        try:
            await self._http.read("DELETE", _path("files", file_id))
        except ProviderNotFound:
            return

    def stream_file(self, file_id: str) -> AbstractAsyncContextManager[ProviderStream]:
        """The content of a file."""
        return self._http.download(_path("files", file_id) + "/content")

    async def create_batch(self, submission: BatchSubmission) -> ProviderBatch:
        """Make a batch, in one request.

        OpenAI accepts any input file and fails the batch later if it cannot find it; a server that says so
        at once counts as `DeploymentRefused`, since another deployment has a copy of its own.
        """
        fields: dict[str, object] = {
            "input_file_id": submission.input_file_id,
            "endpoint": submission.endpoint,
            "completion_window": submission.completion_window,
        }
        if submission.metadata:
            fields["metadata"] = submission.metadata
        answer = await self._http.send("/batches", JSONBody(fields), timeout=submission.timeout_seconds)
        return parse_batch(parse_object(answer))

    async def retrieve_batch(self, batch_id: str) -> ProviderBatch:
        """Look at a batch."""
        return parse_batch(parse_object(await self._http.read("GET", _path("batches", batch_id))))

    def list_batches(self, *, since: datetime) -> AsyncIterator[ProviderBatch]:
        """All batches made at or after `since`, newest first; ends normally only if the list was complete."""
        return list_since(partial(self._page, "/batches", {}), parse_batch, since)

    async def cancel_batch(self, batch_id: str) -> ProviderBatch:
        """Ask for a batch to be cancelled and return it as it is then; one that has ended is no error.

        Source: OpenAI answers 409 for a batch that is completed or failed.
        """
        try:
            answer = await self._http.read("POST", _path("batches", batch_id) + "/cancel")
        except ContentRefused as exc:
            batch = await self.retrieve_batch(batch_id)
            if exc.status != 409 and not batch.status.is_final:
                raise
            return batch
        return parse_batch(parse_object(answer))

    async def _page(self, path: str, query: dict[str, str], after: str | None) -> ListPage:
        params: dict[str, str | int] = {**query, "limit": self.page_size}
        if after is not None:
            params["after"] = after
        return parse_page(await self._http.read("GET", path, params=params, names_object=False))


def _path(collection: str, name: str) -> str:
    return f"/{collection}/{quote(name, safe='')}"


def _base_url(deployment: Deployment) -> httpx2.URL:
    base = deployment.api_base or (OPENAI_BASE if deployment.provider == "openai" else None)
    if base is None:
        raise ConfigError(
            f"{_named(deployment)} needs an `api_base`: the address of the server with its `/v1`, "
            "such as `api_base: http://localhost:8000/v1`"
        )
    try:
        url = httpx2.URL(base)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ConfigError(
            f"the `api_base` of {_named(deployment)} must look like `https://host/v1`, "
            "without a query or a fragment"
        )
    if url.userinfo:
        raise ConfigError(
            f"the `api_base` of {_named(deployment)} carries credentials: write them to `api_key`"
        )
    return url


def _credentials(deployment: Deployment) -> dict[str, str]:
    if not deployment.api_key and deployment.api_base is None:
        raise ConfigError(
            f"{_named(deployment)} needs an `api_key`, such as `api_key: os.environ/OPENAI_API_KEY`"
        )
    headers: dict[str, str] = {}
    if deployment.api_key:
        headers["Authorization"] = f"Bearer {deployment.api_key}"
    if deployment.organization:
        headers["OpenAI-Organization"] = deployment.organization
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            raise ConfigError(
                f"{_named(deployment)}: the value for {name} does not fit into a header; look for a line "
                "break, a space at its end or a letter outside ASCII"
            )
    return headers


def _named(deployment: Deployment) -> str:
    return f"the deployment {deployment.id or deployment.model!r} of {deployment.model_name!r}"
