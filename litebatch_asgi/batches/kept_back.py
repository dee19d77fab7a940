"""Results that the content store did not take: they are read again once it takes something."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from litebatch_asgi.errors import StoreUnavailable
from litebatch_asgi.files.keeping import ContentWriter
from litebatch_asgi.recent import RecentIds
from litebatch_asgi.runtime import Runtime


class NotKept(Exception):
    """The content store does not take what was read: another fault than one that it cannot be read from."""


class KeptBack:
    """The jobs that it befell, as far as this process knows."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._jobs = RecentIds()

    async def check(self, job_id: str) -> None:
        """Raises `NotKept` if it befell a job, and would again: nothing has to be read to find that out."""
        if job_id in self._jobs:
            with self.keeping(job_id):
                await ContentWriter.probe(self._runtime)

    @contextmanager
    def keeping(self, job_id: str) -> Generator[None]:
        """What a job has left is kept in the block. Raises `NotKept` where it cannot be."""
        try:
            yield
        except StoreUnavailable as error:
            self._jobs.add(job_id)
            raise NotKept(error.message) from error
