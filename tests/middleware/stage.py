"""An app that notes what reaches it, requests to send to it, and LiteBatch in front of it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.auth import Authenticator
from litebatch_asgi.middleware import LiteBatchMiddleware
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.models.ids import BATCH_PREFIX, FILE_PREFIX, UPLOAD_PREFIX, WEBHOOK_PREFIX
from litebatch_asgi.testing import MemoryStorage
from tests.harness import MODEL, QUICK, by_key
from tests.http.forms import CONTENT_TYPE

NOWHERE = "http://127.0.0.1:9/v1"
FILE_ID = f"{FILE_PREFIX}01m817a3r5fkw99bczhzxsvyhe"
BATCH_ID = f"{BATCH_PREFIX}01m817a3r5ft1vx0kwyp9gd0jw"
UPLOAD_ID = f"{UPLOAD_PREFIX}01m817a3r5ft1vx0kwyp9gd0jw"
WEBHOOK_ID = f"{WEBHOOK_PREFIX}01m817a3r5ft1vx0kwyp9gd0jw"
SIGNING = replace(QUICK, webhook_keys=("webhook-key-of-the-tests-01234567",))
ALICE = [(b"authorization", b"Bearer alice")]
MULTIPART = [*ALICE, (b"content-type", CONTENT_TYPE.encode())]
DISCONNECT: Message = {"type": "http.disconnect"}


class Seen:
    """One call of the app behind."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.messages: list[Message] = []

    @property
    def body(self) -> bytes:
        """The bytes that came."""
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def ends(self) -> list[str]:
        """How the body ended."""
        last = self.messages[-1]
        assert all(message.get("more_body") for message in self.messages[:-1])
        return ["whole"] if last["type"] == "http.request" else [last["type"]]


class Recorder:
    """Notes each request with its messages, up to the end of the body, and answers 200 `inner`."""

    def __init__(self, *, reads: bool = True) -> None:
        self.seen: list[Seen] = []
        self._reads = reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = Seen(scope, receive, send)
        self.seen.append(seen)
        more = scope["type"] == "http" and self._reads
        while more:
            message = await receive()
            seen.messages.append(message)
            more = message.get("more_body", False)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"x-inner", b"1")]})
            await send({"type": "http.response.body", "body": b"inner"})


class Channel:
    """A server's side of one request: the messages it has, and those that were sent to it."""

    def __init__(self, *messages: Message) -> None:
        self.left = deque(messages)
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        """The next message; when there is none any more, the client has gone."""
        return self.left.popleft() if self.left else DISCONNECT

    async def send(self, message: Message) -> None:
        """Take note."""
        self.sent.append(message)

    @property
    def status(self) -> int:
        """Of the answer."""
        status: int = self.sent[0]["status"]
        return status

    @property
    def is_inner(self) -> bool:
        """Whether it is the app behind that answered."""
        return (b"x-inner", b"1") in self.sent[0]["headers"]


def http_scope(
    method: str, path: str, headers: Iterable[tuple[bytes, bytes]] = ALICE, **fields: Any
) -> Scope:
    """The scope of a request, as uvicorn makes it."""
    raw, _, query = path.encode().partition(b"?")
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "scheme": "http",
        "method": method,
        "root_path": "",
        "path": raw.decode(),
        "raw_path": raw,
        "query_string": query,
        "headers": list(headers),
        "state": {},
    }
    return {**scope, **fields}


def body_messages(body: bytes, size: int = 1 << 16) -> list[Message]:
    """A whole body in pieces of `size` bytes."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False
    return messages


def litebatch(
    folder: Path,
    authenticator: Authenticator = by_key,
    *,
    settings: Settings = QUICK,
    models: Iterable[str] = (MODEL,),
) -> LiteBatch:
    """A LiteBatch whose one deployment is never called."""
    (folder / "spool").mkdir(exist_ok=True)
    return LiteBatch(
        deployments=[
            Deployment(model_name=model, model="openai/x", api_base=NOWHERE, api_key="sk-x")
            for model in models
        ],
        storage=MemoryStorage(),
        authenticator=authenticator,
        settings=replace(settings, spool_dir=str(folder / "spool")),
    )


class Front:
    """The middleware in front of a recorder."""

    def __init__(self, running: LiteBatch, inner: ASGIApp | None = None, **options: Any) -> None:
        self.litebatch = running
        self.recorder = Recorder()
        self.app = LiteBatchMiddleware(inner or self.recorder, litebatch=running, **options)

    async def ask(self, scope: Scope, *messages: Message) -> Channel:
        """Send one request through it."""
        channel = Channel(*(messages or body_messages(b"")))
        await self.app(scope, channel.receive, channel.send)
        return channel

    async def upload(self, body: bytes, path: str = "/v1/files", *, size: int = 1 << 16) -> Channel:
        """Send a form."""
        return await self.ask(http_scope("POST", path, MULTIPART), *body_messages(body, size))


@asynccontextmanager
async def running_front(
    folder: Path,
    authenticator: Authenticator = by_key,
    *,
    settings: Settings = QUICK,
    models: Iterable[str] = (MODEL,),
    inner: ASGIApp | None = None,
    **options: Any,
) -> AsyncGenerator[Front]:
    """The same with its LiteBatch running."""
    running = litebatch(folder, authenticator, settings=settings, models=models)
    async with running.lifespan():
        yield Front(running, inner, **options)
