"""The seam to whoever keeps spans, and what stands there while nobody does."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol, TypeAlias

from litebatch_asgi.models import Batch, File, FileCopy, Job, OutboxItem


class Upstream(NamedTuple):
    """Who is asked, and for which model."""

    provider: str
    """what `model` of the deployment begins with"""
    model: str | None
    """the provider's name for it; None: for none"""


class ListRound(NamedTuple):
    """A look at many jobs of a deployment by its list."""

    deployment_id: str
    jobs: int
    listed: int | None = None
    """how many of them the list has shown"""


Subject: TypeAlias = Batch | Job | File | FileCopy | OutboxItem | Upstream | ListRound
"""What a span is about. Its attributes name it, and hold neither content nor metadata nor secrets of it."""


class Span(Protocol):
    """A piece of work while it goes on."""

    def about(self, *subjects: Subject) -> None:
        """Add what it is about, known only now; what is told later stands in place of what was told."""
        ...

    def failed(self, error: BaseException) -> None:
        """It has failed by an error that is not raised out of it."""
        ...


class Tracing(Protocol):
    """Keeps spans. No method raises, waits, or costs more than some microseconds."""

    def span(self, name: str, *subjects: Subject, link: str | None = None) -> AbstractContextManager[Span]:
        """A span, the current one while the context lasts; what is raised out of it makes it a failed one.

        Its parent is the one that was current: in background work there is none. `link` is the `traceparent`
        of the request that has caused the work.
        """
        ...

    def calling(self, name: str, *subjects: Subject, link: str | None = None) -> AbstractContextManager[Span]:
        """`span`, of work that is a call to a provider."""
        ...

    def request(self, headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[None]:
        """Spans within belong to the client's trace, unless the host has one under way already."""
        ...

    def traceparent(self) -> str | None:
        """The current span as a header of W3C's Trace Context, 55 characters; None: there is none."""
        ...

    def outgoing(self) -> dict[str, str]:
        """The headers by which a provider learns of the current span: `traceparent` and `tracestate`."""
        ...

    def leave_request(self) -> None:
        """Let this task, and those that it starts, belong to no request."""
        ...


class _NoSpan:
    def about(self, *subjects: Subject) -> None:
        """See `Span.about`."""

    def failed(self, error: BaseException) -> None:
        """See `Span.failed`."""


_NOWHERE: AbstractContextManager[Span] = nullcontext(_NoSpan())
_NOTHING: AbstractContextManager[None] = nullcontext()


class NoTracing:
    """Keeps nothing."""

    def span(self, name: str, *subjects: Subject, link: str | None = None) -> AbstractContextManager[Span]:
        """Nothing is kept of it."""
        return _NOWHERE

    calling = span

    def request(self, headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[None]:
        """Nothing is read."""
        return _NOTHING

    def traceparent(self) -> str | None:
        """There is none."""
        return None

    def outgoing(self) -> dict[str, str]:
        """There are none."""
        return {}

    def leave_request(self) -> None:
        """It belongs to none."""


NO_TRACING: Tracing = NoTracing()
