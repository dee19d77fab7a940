"""Receivers of webhooks on real sockets, and what sends to them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import anyio.abc

from litebatch_asgi.threads import Threads
from litebatch_asgi.webhooks.secrets import WebhookKeys
from litebatch_asgi.webhooks.sender import SenderLimits, WebhookSender
from litebatch_asgi.webhooks.signing import SignedEvent, event_text, signed
from tests.certificates import certificate_for
from tests.providers.wire import Answer, RawServer, listening

NAME = "hooks.example.com"
EVENT, BATCH = "evt_lb00000000000000000000000001", "batch_lb00000000000000000000000001"
SECRET = WebhookKeys(["k" * 32], "installation").secret(
    WebhookKeys(["k" * 32], "installation").newest or "", "we_lb1", 1
)
HASTY = SenderLimits(seconds=0.4, lookup_seconds=5, connect_seconds=5)
"""gives up soon"""
ABRUPT = SenderLimits(seconds=20, lookup_seconds=0.1, connect_seconds=0.1)
"""gives up connecting soon"""
BRIEF = SenderLimits(seconds=20, lookup_seconds=5, connect_seconds=1)
PATIENT = SenderLimits(seconds=20, lookup_seconds=5, connect_seconds=5)


class Names:
    """Looks names up in a script: the n-th answer is the n-th list, and the last one from then on."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Receiver(RawServer):
    """A receiver, known by any name that leads to 127.0.0.1."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(answers)
        self.names: list[str] = []
        """what TLS was asked for, by connection"""

    def url(self, name: str = NAME, path: str = "/hooks?token=in-the-query") -> str:
        """Where it is, by a name."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{name}:{parts.port}{path}"


@asynccontextmanager
async def receiver(*answers: Answer, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Receiver]:
    """A receiver that gives each of the answers once."""
    running = Receiver(list(answers))
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: running.names.append(name)
    async with listening(running.serve, tls) as running.base_url:
        yield running


@asynccontextmanager
async def sender(
    *,
    names: Names | None = None,
    to_private: bool = True,
    authority: Path | None = None,
    limits: SenderLimits = PATIENT,
) -> AsyncGenerator[WebhookSender]:
    """What sends; it trusts the one certificate, and finds every name at 127.0.0.1."""
    threads = Threads()
    try:
        yield WebhookSender(
            threads,
            to_private=to_private,
            resolve=names or Names(["127.0.0.1"]),
            tls=lambda: ssl.create_default_context(cafile=authority),
            limits=limits,
        )
    finally:
        assert await threads.aclose(5)


def an_event() -> SignedEvent:
    """One that is to be sent now."""
    now = datetime.now(UTC)
    assert SECRET is not None
    return signed(EVENT, event_text(EVENT, "batch.completed", BATCH, now), [SECRET], at=now)


def trusted(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """A certificate for these names."""
    return certificate_for(folder, *(names or (NAME,)))


def endless(first: bytes, again: bytes, *, every_seconds: float = 0.0) -> Answer:
    """An answer that never ends."""

    async def give(stream: anyio.abc.SocketStream) -> None:
        await stream.send(first)
        while True:
            await stream.send(again)
            await anyio.sleep(every_seconds)

    return give
