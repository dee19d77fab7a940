"""The seam to a deployment's provider: its files and batches, or its answers to single requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol, TypeAlias

import msgspec

from litebatch_asgi.dialects import Dialect
from litebatch_asgi.models import Deployment, ProviderBatch, ProviderFile, Settings
from litebatch_asgi.models import RateHints as RateHints


class FileUpload(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be given to a provider."""

    filename: str
    """our tag: what finds the file again when the answer is lost"""
    purpose: str
    size: int
    """bytes; exact"""
    content: Callable[[], AsyncIterator[bytes]]
    """begins the content from its start, in blocks of some 256 KiB"""
    expires_after_seconds: int | None
    """the shortest time it has to live; the adapter makes it what the provider allows; None: for ever"""
    extra: Mapping[str, Any] = {}
    """more fields of the form, for providers that speak OpenAI; others leave them out"""


class BatchSubmission(msgspec.Struct, frozen=True, kw_only=True):
    """A batch to be made at a provider."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str]
    """our tag, and the client's own pairs as far as they fit beside it"""
    timeout_seconds: float | None
    """the call ends by then, in whatever way; None: each step of it has the time that a call has"""
    model: str | None = None
    """the provider's own name for it, for those whose batches name it beside their file"""
    requests: int | None = None
    """how many lines the input has"""
    size: int | None = None
    """bytes of `content`; exact"""
    content: Callable[[], AsyncIterator[bytes]] | None = None
    """begins the input's lines, for a provider that keeps no files; None for all others"""
    extra: Mapping[str, Any] = {}
    """more fields of the body, for providers that speak OpenAI; others leave them out"""


class ProviderStream(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's file on its way."""

    size: int | None
    """bytes, if the provider says"""
    blocks: AsyncIterator[bytes]
    """ends only when all bytes have come; otherwise raises `NoClearAnswer`"""


class ProviderAdapter(Protocol):
    """Speaks one provider's language for one deployment.

    Every method raises a `ProviderError`, of the class that tells what the answer means, and nothing else.
    Reading is tried again a bounded number of times; `upload_file` and `create_batch` never are, for a
    repeat could make a second one.
    """

    min_poll_seconds: float
    """the provider's own floor for looking at a batch again"""
    max_metadata_pairs: int
    """how many pairs a batch's metadata may have, ours included"""
    keeps_files: bool
    """whether the provider has a place for files

    Where it has none, `upload_file` sends and reads nothing: it gives a ready file whose id is the name, and
    the lines go out with each batch, as `BatchSubmission.content`. What a batch leaves has ids of files all
    the same, which can be streamed and deleted.
    """
    tells_tags: bool
    """whether a batch's metadata comes back with it; if not, `is_tagged` is asked"""
    is_exclusive: bool
    """whether the operator has said that nobody else makes batches with these credentials"""
    tells_progress: bool = True
    """whether the counts of a batch grow while it runs; if not, nobody knows whether it is late"""
    ends_at_expiry: bool = True
    """whether the provider ends batches of itself once the window is over that they were made with"""
    max_requests: int | None
    """lines of one batch; None: no limit beside our own"""
    max_bytes: int | None
    """of the input of one batch, as the provider gets it; None: no limit beside our own"""

    def dialect(self, model: str) -> Dialect | None:
        """How lines and rows of an upstream model are translated; None for a provider that speaks OpenAI.

        Where there is a dialect, files go out in the provider's form, and `stream_file` gives results in it.
        """
        ...

    @property
    def purposes(self) -> Collection[str]:
        """OpenAI's `purpose`s of files that the provider can use."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...

    async def upload_file(self, upload: FileUpload) -> ProviderFile:
        """Send a file, with its exact Content-Length. What else its content raises passes through."""
        ...

    async def retrieve_file(self, file_id: str) -> ProviderFile:
        """Look at a file."""
        ...

    def list_files(self, *, since: datetime) -> AsyncIterator[ProviderFile]:
        """All files made at or after `since`, as the provider orders them; complete, or it raises.

        Names and other texts of one file that cannot be read as written hide neither it nor another one.
        """
        ...

    async def delete_file(self, file_id: str) -> None:
        """Delete a file; one that is gone already is no error."""
        ...

    def stream_file(self, file_id: str) -> AbstractAsyncContextManager[ProviderStream]:
        """The content of a file."""
        ...

    async def create_batch(self, submission: BatchSubmission) -> ProviderBatch:
        """Make a batch."""
        ...

    async def retrieve_batch(self, batch_id: str) -> ProviderBatch:
        """Look at a batch."""
        ...

    def list_batches(self, *, since: datetime) -> AsyncIterator[ProviderBatch]:
        """All batches made at or after `since`, as the provider orders them; complete, or it raises.

        Metadata and other texts of one batch that cannot be read as written hide neither it nor another one.
        """
        ...

    async def cancel_batch(self, batch_id: str) -> ProviderBatch:
        """Ask for a batch to be cancelled and return it as it is then; one that has ended is no error."""
        ...

    async def is_tagged(self, batch: ProviderBatch, metadata: Mapping[str, str]) -> bool | None:
        """Whether a batch was made with the tag in this metadata; None: that cannot be told yet."""
        ...


AdapterFactory: TypeAlias = Callable[[Deployment, Settings], ProviderAdapter]
"""What an entry point of the group `litebatch_asgi.providers` names."""


class AnswerRoom(Protocol):
    """Where the bytes of one answer are counted, so that all of a process are not too many."""

    def add(self, size: int) -> bool:
        """So many more bytes have come; whether more may be read now."""
        ...

    async def room(self) -> None:
        """Wait until more may be read."""
        ...


class LiveRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line that is sent as a request of its own."""

    path: str
    """the line's url, such as `/v1/chat/completions`"""
    body: bytes
    """JSON, with the deployment's own name of the model"""
    model: str
    """that name, for providers that have it in the address"""
    timeout_seconds: float
    """of the whole exchange"""
    most_bytes: int
    """that the answer may have"""
    room: AnswerRoom | None = None
    """what its bytes are counted by; the time for which that lets it wait is not the server's"""
    resent: Callable[[], object] | None = None
    """is called where its connection, an idle one, was closed just as it came, so that it is sent anew"""


class LiveAnswer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a server answered, with whatever status."""

    status: int
    body: bytes
    """as it came, uncompressed; at most `most_bytes`"""
    request_id: str | None
    """the server's `x-request-id`, where it says one"""
    limits: RateHints
    """what its headers say of its rate limits"""


class LiveServer(Protocol):
    """Sends single requests to one deployment."""

    async def send(self, request: LiveRequest) -> LiveAnswer:
        """The server's answer.

        Raises `ServerAway` (nothing was sent), `NoAnswer` (it was cut or silent) or `AnswerTooLarge`, and
        nothing else. A request that is cancelled has its connection closed.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections; requests under way end with `NoAnswer`."""
        ...
