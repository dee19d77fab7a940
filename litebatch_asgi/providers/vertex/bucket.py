"""A deployment's bucket: objects are sent, found, read and deleted by Cloud Storage's JSON API."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from urllib.parse import quote, urlencode

import httpx2

from litebatch_asgi.errors import DeploymentRefused, NoClearAnswer, ProviderBusy, ProviderNotFound
from litebatch_asgi.provider import FileUpload, ProviderStream
from litebatch_asgi.providers._bodies import JSONBody
from litebatch_asgi.providers._http import ProviderHTTP, Query
from litebatch_asgi.providers.vertex.reading import (
    Object,
    all_pages,
    content_is_not_to_blame,
    count_of,
    read_object,
    text_of,
)
from litebatch_asgi.providers.vertex.resumable import ResumableUpload

CONTENT_TYPE = "application/jsonl"


class Bucket:
    """Objects of any bucket that the credentials reach. `base`: the address that `http` sends to."""

    def __init__(self, http: ProviderHTTP, base: httpx2.URL, *, page_size: int, chunk_bytes: int) -> None:
        self._http = http
        self._base = base
        self._page_size = page_size
        self._chunk_bytes = chunk_bytes

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def upload(self, bucket: str, name: str, upload: FileUpload) -> Object:
        """Send an object that must not be there yet: see `ResumableUpload.run`."""
        try:
            with content_is_not_to_blame():
                session = await self._begin(bucket, name, upload.size)
        except (NoClearAnswer, ProviderBusy) as error:
            raise DeploymentRefused(
                f"the upload did not begin: {error.message}",
                status=error.status,
                retry_after=error.retry_after,
            ) from error
        return read_object(
            await ResumableUpload(self._http, session, upload, CONTENT_TYPE).run(self._chunk_bytes)
        )

    async def _begin(self, bucket: str, name: str, size: int) -> str:
        """The address of a new upload. To begin one makes no object, so that it may be repeated."""
        query = urlencode({"uploadType": "resumable", "name": name, "ifGenerationMatch": 0})
        reply = await self._http.exchange(
            "POST",
            f"/upload/storage/v1/b/{quote(bucket, safe='')}/o?{query}",
            JSONBody({"name": name, "contentType": CONTENT_TYPE}),
            headers={"X-Upload-Content-Type": CONTENT_TYPE, "X-Upload-Content-Length": str(size)},
            repeat=True,
        )
        return self._session(reply.headers.get("location", ""))

    def _session(self, location: str) -> str:
        """The address of an upload, at our own base: credentials go nowhere else."""
        try:
            told = httpx2.URL(location)
        except httpx2.InvalidURL:
            told = httpx2.URL()
        path = told.raw_path.decode("ascii")
        if not told.query or not path.startswith("/"):  # `https://host` + `.other/` is another host
            raise DeploymentRefused("Cloud Storage gives no address for the upload")
        if (told.scheme, told.netloc) == (self._base.scheme, self._base.netloc):
            return location
        return f"{str(self._base).rstrip('/')}{path}"

    async def get(self, bucket: str, name: str) -> Object:
        """What is said of an object. Raises `ProviderNotFound`."""
        with content_is_not_to_blame():
            return read_object(await self._http.read("GET", _path(bucket, name)))

    async def delete(self, bucket: str, name: str) -> None:
        """Delete an object; one that is gone is no error."""
        try:
            with content_is_not_to_blame():
                await self._http.read("DELETE", _path(bucket, name))
        except ProviderNotFound:
            return

    async def objects(self, bucket: str, prefix: str, *, start: str | None = None) -> AsyncGenerator[Object]:
        """All objects whose names begin with `prefix`, by name, from the name `start` on."""
        query: dict[str, str | int] = {"prefix": prefix, "maxResults": self._page_size}
        if start is not None:
            query["startOffset"] = start
        with content_is_not_to_blame():
            async with aclosing(all_pages(partial(self._page, bucket, query), "items")) as pages:
                async for content in pages:
                    if text_of(content, "name") is None:
                        raise NoClearAnswer("an object of the list has no name")
                    yield content

    async def _page(self, bucket: str, query: Query, token: str | None) -> Object:
        params = query if token is None else {**query, "pageToken": token}
        path = f"/storage/v1/b/{quote(bucket, safe='')}/o"
        return read_object(await self._http.read("GET", path, params=params, names_object=False))

    @asynccontextmanager
    async def stream(self, bucket: str, name: str) -> AsyncGenerator[ProviderStream]:
        """The content of an object."""
        async with self._http.download(_path(bucket, name), params={"alt": "media"}) as stream:
            yield stream

    async def sizes(self, bucket: str, directory: str) -> dict[str, int | None]:
        """By name, sorted, all objects in a directory, which is a name that ends in `/`, and their sizes."""
        async with aclosing(self.objects(bucket, directory)) as objects:
            found = {str(each["name"]): count_of(each, "size") async for each in objects}
        return dict(sorted(found.items()))


def _path(bucket: str, name: str) -> str:
    return f"/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}"
