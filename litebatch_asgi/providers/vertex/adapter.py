"""The adapter for Vertex AI."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx2
from msgspec.structs import replace

from litebatch_asgi.dialects import Dialect
from litebatch_asgi.dialects.vertex import GeminiModel, VertexDialect
from litebatch_asgi.errors import ContentRefused, NoClearAnswer, ProviderError, ProviderNotFound
from litebatch_asgi.models import (
    BatchError,
    BatchStatus,
    Deployment,
    ProviderBatch,
    ProviderFile,
    ProviderFileStatus,
    Settings,
)
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.provider import BatchSubmission, FileUpload, ProviderStream
from litebatch_asgi.providers._bodies import JSONBody
from litebatch_asgi.providers._connection import Access, base_url, connection
from litebatch_asgi.providers._http import ProviderHTTP, Query, work_on
from litebatch_asgi.providers.vertex.bucket import Bucket
from litebatch_asgi.providers.vertex.credentials import GoogleToken
from litebatch_asgi.providers.vertex.jobs import advised, known_state, read_job, write_job
from litebatch_asgi.providers.vertex.place import (
    STORAGE_BASE,
    filename_of,
    job_path,
    object_of,
    place_of,
    uri_of,
)
from litebatch_asgi.providers.vertex.reading import (
    Object,
    all_pages,
    content_is_not_to_blame,
    count_of,
    read_object,
    text_of,
    time_of,
)
from litebatch_asgi.providers.vertex.resumable import CHUNK_BYTES

logger: logging.Logger = logging.getLogger(__name__)

_EXAMPLE = "https://europe-west4-aiplatform.googleapis.com"
_INPUT_GONE = BatchError(
    code="NOT_FOUND", param="input_file_id", message="The input file does not exist any more."
)


class VertexAdapter:
    """Batches of Gemini in one location of Vertex AI, with inputs and results in one bucket.

    The upstream model is a publisher's model of Google's, such as `gemini-2.5-flash`, or a resource in full:
    `publishers/…`, or a tuned model's `projects/…`. An `api_base` stands for both of Google's hosts. Raises
    `ConfigError` for what is missing or cannot be used.

    A file is an object, whose id is its `gs://` address; results are all `.jsonl` objects of a job's own
    output directory, and have its address as their id. Objects have no end of their own: they are deleted
    when the gateway deletes them.

    Sources: Google's page on batch inference from Cloud Storage (200,000 requests and 1 GB of a job; up to
    72 h in a queue, then 24 h), the discovery documents of aiplatform v1 and storage v1.
    """

    min_poll_seconds: float = 30.0
    max_metadata_pairs: int = 2
    """our tag: labels and names have no room for texts of any kind"""
    keeps_files: bool = True
    tells_tags: bool = True
    is_exclusive: bool = False
    tells_progress: bool = True
    ends_at_expiry: bool = False
    """a job is cut off a day after its start, which may be three days after it was made"""
    max_requests: int | None = 200_000
    max_bytes: int | None = 1_000_000_000
    purposes: Collection[str] = frozenset({"batch"})
    page_size: int = 100
    """how many jobs to ask for at once when listing: the most that Vertex AI gives"""
    objects_per_page: int = 1000
    chunk_bytes: int = CHUNK_BYTES
    """of an upload; a multiple of 256 KiB"""

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        self._place = place_of(deployment)
        self._model = deployment.upstream_model
        self._place_names = deployment.place_names
        self._warned: set[str] = set()
        self._project_number: str | None = None
        tokens = None if deployment.sends("authorization") else GoogleToken(deployment, settings)

        def opened(address: str) -> tuple[ProviderHTTP, httpx2.URL]:
            base = base_url(deployment, deployment.api_base or address, example=_EXAMPLE)
            return connection(deployment, settings, Access(base=base, headers={}, tokens=tokens)), base

        self._http, _ = opened(self._place.jobs_base)
        http, base = opened(STORAGE_BASE)
        self._bucket = Bucket(http, base, page_size=self.objects_per_page, chunk_bytes=self.chunk_bytes)

    def dialect(self, model: str) -> Dialect | None:
        """Gemini's form."""
        number = {} if self._project_number is None else {self._project_number: "the project"}
        names = {**number, **self._place_names}
        return VertexDialect(GeminiModel.named(model.rpartition("/")[2]), names=names)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._bucket.aclose()
        await self._http.aclose()

    async def upload_file(self, upload: FileUpload) -> ProviderFile:
        """Send a file as it comes, as an object that no other upload can make or replace.

        An upload that broke off before its last byte arrived is a `DeploymentRefused`: it leaves nothing.
        """
        name = self._place.new_input(upload.filename, datetime.now(UTC))
        return _file(self._place.bucket, await self._bucket.upload(self._place.bucket, name, upload))

    async def retrieve_file(self, file_id: str) -> ProviderFile:
        """Look at an object, or at a directory of results, whose size nobody tells."""
        bucket, name = object_of(file_id)
        if not name.endswith("/"):
            return _file(bucket, await self._bucket.get(bucket, name))
        await self._shards(bucket, name)
        return ProviderFile(
            id=file_id,
            filename=filename_of(name),
            bytes=None,
            status=ProviderFileStatus.READY,
            created_at=None,
        )

    async def list_files(self, *, since: datetime) -> AsyncIterator[ProviderFile]:
        """All inputs of this deployment made at or after `since`, oldest first."""
        place = self._place
        objects = self._bucket.objects(place.bucket, place.inputs, start=place.inputs_from(since))
        async with aclosing(objects):
            async for content in objects:
                file = _file(place.bucket, content)
                if file.created_at is None or file.created_at >= _horizon(since):
                    yield file

    async def delete_file(self, file_id: str) -> None:
        """Delete an object, or all of a directory; what is gone already is no error."""
        try:
            bucket, name = object_of(file_id)
        except ProviderNotFound:
            return
        names = await self._bucket.sizes(bucket, name) if name.endswith("/") else (name,)
        for each in names:
            await self._bucket.delete(bucket, each)

    @asynccontextmanager
    async def stream_file(self, file_id: str) -> AsyncGenerator[ProviderStream]:
        """The content of an object; of a directory, that of its shards, by name, each ended by a newline.

        What the shards come to is not known beforehand: of some the newline is ours.
        """
        bucket, name = object_of(file_id)
        if not name.endswith("/"):
            async with self._bucket.stream(bucket, name) as stream:
                yield stream
            return
        shards = await self._shards(bucket, name)
        async with aclosing(self._joined(bucket, shards)) as blocks:
            yield ProviderStream(size=None, blocks=blocks)

    async def create_batch(self, submission: BatchSubmission) -> ProviderBatch:
        """Make a job, in one request. Vertex AI looks at neither input nor bucket before the job runs."""
        job = write_job(submission, model=submission.model or self._model, output=self._place.new_output())
        with content_is_not_to_blame():
            answer = await self._http.send(
                self._place.jobs_path, JSONBody(job), timeout=submission.timeout_seconds
            )
        return self._batch(read_object(answer))

    async def retrieve_batch(self, batch_id: str) -> ProviderBatch:
        """Look at a job; of one that failed also whether its input is there, which Vertex AI does not say."""
        batch = self._batch(read_object(await self._http.read("GET", job_path(batch_id))))
        if batch.status is BatchStatus.FAILED and await self._is_gone(batch.input_file_id):
            return replace(batch, errors=(_INPUT_GONE,))
        return batch

    async def list_batches(self, *, since: datetime) -> AsyncIterator[ProviderBatch]:
        """All jobs of the location made at or after `since`."""
        horizon = _horizon(since)
        query: Query = {
            "pageSize": self.page_size,
            "filter": f'create_time>="{horizon.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"',
        }
        with content_is_not_to_blame():
            async with aclosing(all_pages(partial(self._page, query), "batchPredictionJobs")) as jobs:
                async for content in jobs:
                    batch = self._batch(content)
                    if batch.created_at is None or batch.created_at >= horizon:
                        yield batch

    async def cancel_batch(self, batch_id: str) -> ProviderBatch:
        """Ask for a job to be cancelled and return it as it is then; one that has ended is no error.

        Source: Vertex AI answers FAILED_PRECONDITION, with 400, for a job that has ended.
        """
        try:
            await self._http.read("POST", f"{job_path(batch_id)}:cancel")
        except ContentRefused:
            batch = await self.retrieve_batch(batch_id)
            if not batch.status.is_final:
                raise
            return batch
        return await self.retrieve_batch(batch_id)

    async def is_tagged(self, batch: ProviderBatch, metadata: Mapping[str, str]) -> bool | None:
        """Whether the job carries the tag in this metadata."""
        return all(batch.metadata.get(key) == metadata.get(key) for key in (TAG_JOB, TAG_INSTALLATION))

    async def _page(self, query: Query, token: str | None) -> Object:
        params = query if token is None else {**query, "pageToken": token}
        answer = await self._http.read("GET", self._place.jobs_path, params=params, names_object=False)
        return await work_on(answer, read_object)

    async def _shards(self, bucket: str, directory: str) -> dict[str, int | None]:
        """By name the shards of a directory of results, and the size of each where it is told."""
        sizes = await self._bucket.sizes(bucket, directory)
        shards = {name: size for name, size in sizes.items() if name.endswith(".jsonl")}
        if not shards:
            raise ProviderNotFound("there are no results where the job wrote them")
        return shards

    async def _joined(self, bucket: str, shards: Mapping[str, int | None]) -> AsyncGenerator[bytes]:
        for name, size in shards.items():
            last, came = b"\n", 0
            try:
                async with self._bucket.stream(bucket, name) as stream:
                    async for block in stream.blocks:
                        last, came = block[-1:] or last, came + len(block)
                        yield block
            except ProviderNotFound as error:
                raise NoClearAnswer(
                    f"a shard has gone while the results were read: {error.message}"
                ) from error
            if size is not None and came < size:
                raise NoClearAnswer(f"of a shard of the results {came} bytes came, and it has {size}")
            if last != b"\n":
                yield b"\n"

    async def _is_gone(self, file_id: str | None) -> bool:
        try:
            await self._bucket.get(*object_of(file_id or ""))
        except ProviderError as error:
            return isinstance(error, ProviderNotFound)
        return False

    def _batch(self, content: Object) -> ProviderBatch:
        batch = read_job(content)
        if known_state(content) is None:
            self._warn_once(self._http.hide(text_of(content, "state") or "")[:200])
        self._project_number = batch.id.partition("/")[2].partition("/")[0]
        bucket = self._place.bucket
        return replace(batch, errors=tuple(advised(each, batch.id, bucket) for each in batch.errors))

    def _warn_once(self, state: str) -> None:
        if state not in self._warned and len(self._warned) < 20:
            self._warned.add(state)
            told = {"deployment": self._http.deployment, "about": state}
            logger.warning("a batch has an unknown state, which counts as in_progress", extra=told)


def _file(bucket: str, content: Object) -> ProviderFile:
    """An object. Raises `NoClearAnswer` if it has no name."""
    name = text_of(content, "name")
    if name is None:
        raise NoClearAnswer("the answer names no object")
    return ProviderFile(
        id=uri_of(bucket, name),
        filename=filename_of(name),
        bytes=count_of(content, "size"),
        status=ProviderFileStatus.READY,
        created_at=time_of(content, "timeCreated"),
    )


def _horizon(since: datetime) -> datetime:
    """From when on an object counts as made at or after `since`, whose fractions not everybody tells."""
    return since.replace(microsecond=0) - timedelta(seconds=1)
