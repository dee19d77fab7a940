"""What a live deployment is to whoever places jobs."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from msgspec.structs import replace

from litebatch_asgi.dialects import Dialect
from litebatch_asgi.errors import ConfigError, DeploymentGone, ProviderNotFound
from litebatch_asgi.models import Deployment, Lane, ProviderBatch, Settings
from litebatch_asgi.provider import AdapterFactory, BatchSubmission, ProviderAdapter, ProviderStream
from litebatch_asgi.providers._connection import named
from litebatch_asgi.providers._no_files import NoFiles

_OWN_NAME = re.compile(r"file-lb\w+-.+")
"""what a file is called that was given to us alone, which is its id; other ids are of the provider"""


class LiveAdapter(NoFiles):
    """A provider that keeps no files and has no batches: nothing is remote, and nothing is sent.

    `native` speaks to the same provider natively: what it has kept since a time before this is deleted there.
    Raises `ConfigError` for a deployment whose lane is native.
    """

    min_poll_seconds: float = 2.0
    max_metadata_pairs: int = 16
    tells_tags: bool = True
    is_exclusive: bool = False
    tells_progress: bool = True
    ends_at_expiry: bool = False
    max_requests: int | None = None
    max_bytes: int | None = None
    purposes: Collection[str] = frozenset({"batch"})

    def __init__(
        self, deployment: Deployment, settings: Settings, *, native: AdapterFactory | None = None
    ) -> None:
        if not deployment.is_live:
            raise ConfigError(
                f"{named(deployment)}: lane: native is not possible for {deployment.model}, which has no "
                "batches: leave `lane` out"
            )
        self._native = native
        self._deployment = deployment
        self._settings = settings
        self._opened: ProviderAdapter | None = None

    def dialect(self, model: str) -> Dialect | None:
        """None: requests and answers are OpenAI's."""
        return None

    async def aclose(self) -> None:
        """Close what had to be opened."""
        if self._opened is not None:
            await self._opened.aclose()

    async def delete_file(self, file_id: str) -> None:
        """Delete what its provider keeps since it was not live; nothing else is anywhere.

        Raises `DeploymentGone` where the provider cannot be spoken to natively, and what that raises.
        """
        if not _OWN_NAME.fullmatch(file_id):
            await self._natively().delete_file(file_id)

    def _natively(self) -> ProviderAdapter:
        if self._opened is None:
            try:
                if self._native is not None:
                    self._opened = self._native(replace(self._deployment, lane=Lane.NATIVE), self._settings)
            except ConfigError as error:
                raise _kept_natively() from error
        if self._opened is None:
            raise _kept_natively()
        return self._opened

    @asynccontextmanager
    async def stream_file(self, file_id: str) -> AsyncGenerator[ProviderStream]:
        """Raises `DeploymentGone`: what its provider keeps is of a time when it was not live."""
        raise _kept_natively()
        yield

    async def create_batch(self, submission: BatchSubmission) -> ProviderBatch:
        """Raises `ProviderNotFound`, as the next two do."""
        raise _no_batches()

    async def retrieve_batch(self, batch_id: str) -> ProviderBatch:
        """See `create_batch`."""
        raise _no_batches()

    async def list_batches(self, *, since: datetime) -> AsyncIterator[ProviderBatch]:
        """None."""
        batches: tuple[ProviderBatch, ...] = ()
        for batch in batches:
            yield batch

    async def cancel_batch(self, batch_id: str) -> ProviderBatch:
        """See `create_batch`."""
        raise _no_batches()

    async def is_tagged(self, batch: ProviderBatch, metadata: Mapping[str, str]) -> bool | None:
        """There is no batch that could be."""
        return False


def _kept_natively() -> DeploymentGone:
    return DeploymentGone(
        "This file is at a deployment that runs its requests live now. Ask the gateway's operator to give"
        " the deployment its `lane: native` back, then try again."
    )


def _no_batches() -> ProviderNotFound:
    return ProviderNotFound("the deployment runs its lines live and has no batches")
