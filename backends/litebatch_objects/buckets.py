"""Content stores in buckets, through obstore."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from litebatch_asgi.contents import check_key
from litebatch_asgi.errors import ConfigError, ContentMissing, StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PART_BYTES = 6 << 20
"""what is sent or asked for in one go; a bucket takes 10,000 parts of one object"""
_PARTS_AT_ONCE = 2
_GIVE_UP = timedelta(seconds=60)
"""how long a request is tried again"""


class BucketStore:
    """A `ContentStore` in the bucket of a `s3://bucket/prefix` or `gs://bucket/prefix` URL.

    Credentials and endpoints come from where the providers' own tools have them: variables such as
    `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` and `GOOGLE_APPLICATION_CREDENTIALS`, or the machine's role;
    `options` go before them, under obstore's names. Uploads that were not finished are left to a rule of the
    bucket. Raises `ConfigError` for what cannot be used, and without obstore.
    """

    def __init__(self, url: str, **options: Any) -> None:
        parts = urlsplit(url)
        if not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
            raise ConfigError("content_store: a bucket is named as s3://bucket/prefix, without credentials")
        try:
            import obstore
            from obstore.exceptions import BaseError
            from obstore.store import from_url
        except ImportError:
            raise ConfigError(
                "content_store: buckets need obstore: pip install 'litebatch-asgi[store]'"
            ) from None
        self._obstore: Any = obstore
        self._errors: tuple[type[Exception], ...] = (BaseError, OSError)
        try:
            self._store: ObjectStore = from_url(
                url, retry_config={"max_retries": 5, "retry_timeout": _GIVE_UP}, **options
            )
        except BaseError as error:
            raise ConfigError(f"content_store: {_first_line(error)}") from error

    async def open(self) -> None:
        """See `ContentStore.open`: connections are made when they are needed."""

    async def aclose(self) -> None:
        """See `ContentStore.aclose`: they close by themselves."""

    async def put(self, key: str, blocks: AsyncIterator[bytes]) -> int:
        """See `ContentStore.put`: what is larger than a part goes in several."""
        check_key(key)
        size = 0
        with self._translated():
            writer = self._obstore.open_writer_async(
                self._store, key, buffer_size=PART_BYTES, max_concurrency=_PARTS_AT_ONCE
            )
        async for block in blocks:
            if block:
                with self._translated():
                    await writer.write(block)
            size += len(block)
        with self._translated():
            await writer.close()  # only this makes an object of it
        return size

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
        """See `ContentStore.get`: in parts, so that no request lasts as long as its reader takes."""
        check_key(key)
        with self._translated(key):
            size: int = (await self._obstore.head_async(self._store, key))["size"]
        end = size if end is None else min(end, size)
        while start < end:
            upto = min(start + PART_BYTES, end)
            with self._translated(key):
                block = await self._obstore.get_range_async(self._store, key, start=start, end=upto)
            start = upto
            yield bytes(block)

    async def delete(self, key: str) -> None:
        """See `ContentStore.delete`."""
        check_key(key)
        try:
            with self._translated(key):
                await self._obstore.delete_async(self._store, key)
        except ContentMissing:
            return

    @contextmanager
    def _translated(self, key: str | None = None) -> Generator[None]:
        """Errors of the bucket as ours; they may quote URLs, so that nobody but the log is told."""
        try:
            yield
        except FileNotFoundError as error:
            if key is None:
                raise StoreUnavailable("The bucket of the content store is not there.") from error
            raise ContentMissing(f"The bucket of the content store has no {key}.") from error
        except self._errors as error:
            raise StoreUnavailable("The bucket of the content store does not do what it is asked.") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
