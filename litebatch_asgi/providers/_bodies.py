"""Request bodies that know whether they went out whole."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import httpx2
import msgspec

from litebatch_asgi.errors import ContentRefused, DeploymentRefused, ProviderError
from litebatch_asgi.provider import FileUpload


class Body(httpx2.AsyncByteStream):
    """A request's body of known length.

    It is sent once; one that `can_be_begun_again` may be sent another time, where that does no harm. As the
    last piece goes to the connection, `handed_over` turns true and `on_end` is called. Before that the
    provider has at most a torn request, which it cannot have acted upon; from then on it may have.
    """

    can_be_begun_again: bool = False

    def __init__(self, *, content_type: str, length: int) -> None:
        self.content_type = content_type
        self.length = length
        self.handed_over: bool = False
        self.on_end: Callable[[], None] | None = None

    def _end(self) -> None:
        self.handed_over = True
        if self.on_end is not None:
            self.on_end()


class JSONBody(Body):
    """A value as JSON."""

    can_be_begun_again = True

    def __init__(self, value: object) -> None:
        self._content = msgspec.json.encode(value)
        super().__init__(content_type="application/json", length=len(self._content))

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        self._end()
        yield self._content


class BlocksBody(Body):
    """Bytes that are kept in several blocks."""

    can_be_begun_again = True

    def __init__(self, blocks: Sequence[bytes], *, content_type: str) -> None:
        self._blocks = blocks
        super().__init__(content_type=content_type, length=sum(map(len, blocks)))

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        last = len(self._blocks) - 1
        if last < 0:
            self._end()
        for index, block in enumerate(self._blocks):
            if index == last:
                self._end()
            yield block


class MultipartBody(Body):
    """A form with text fields and, as its last part, a file whose blocks pass through untouched.

    What is wrong with the content, see `content_of`, is raised before the closing boundary, and the
    connection is cut.
    """

    def __init__(self, fields: Sequence[tuple[str, str]], upload: FileUpload) -> None:
        boundary = secrets.token_hex(16)
        self._upload = upload
        self._head = _head(boundary, fields, upload.filename)
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        super().__init__(
            content_type=f"multipart/form-data; boundary={boundary}",
            length=len(self._head) + upload.size + len(self._tail),
        )

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        yield self._head
        async with aclosing(content_of(self._upload)) as blocks:
            async for block in blocks:
                yield block
        self._end()
        yield self._tail


async def content_of(upload: FileUpload) -> AsyncGenerator[bytes]:
    """The blocks of an upload's content, begun once, of which the end comes only if the size is right.

    Content that is longer or shorter than `upload.size` raises `ContentRefused`; a `ProviderError` of the
    content, which may come from another deployment, raises `DeploymentRefused`, and any other error of the
    content goes on as it is.
    """
    left = upload.size
    async with aclosing(_begun(upload)) as blocks:
        async for block in blocks:
            left -= len(block)
            if left < 0:
                raise ContentRefused(f"the content is longer than the {upload.size} bytes announced")
            yield block
    if left:
        raise ContentRefused(f"the content is {left} bytes short of the {upload.size} announced")


async def _begun(upload: FileUpload) -> AsyncGenerator[bytes]:
    content = upload.content()
    try:
        async for block in content:
            yield block
    except ProviderError as exc:
        raise DeploymentRefused(f"the content broke off before it was sent whole: {exc.message}") from exc
    finally:
        close = getattr(content, "aclose", None)
        if close is not None:
            await close()


def _head(boundary: str, fields: Sequence[tuple[str, str]], filename: str) -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{value}\r\n'
        for name, value in fields
    ]
    kind = "application/jsonl" if filename.endswith(".jsonl") else "application/octet-stream"
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{_quoted(filename)}"\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    )
    return "".join(parts).encode()


def _quoted(name: str) -> str:
    # As browsers do it: https://html.spec.whatwg.org/#multipart-form-data
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
