"""One call of a client, from its arrival to the end of its answer: key, faults, journal, sending."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from .account import Account
from .faults import ArmedFault, CallName, Fault, marks_of
from .journal import JournalEntry
from .serving import cut
from .wire import ApiError

if TYPE_CHECKING:
    from .simulator import Simulator

CHUNK = 1 << 18
"""bytes of a file that are read and sent at once"""


class FileBody(msgspec.Struct, frozen=True, kw_only=True):
    """A body that lies on the disk."""

    path: Path
    bytes: int


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer before it is sent."""

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes | FileBody

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return self.body.bytes if isinstance(self.body, FileBody) else len(self.body)


def json_reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """`value` as a JSON answer."""
    return Reply(
        status=status,
        headers={"content-type": "application/json", **(headers or {})},
        body=msgspec.json.encode(value),
    )


class Interrupted(Exception):
    """A fault puts an end to the call: `reply` is its answer, None cuts the connection."""

    def __init__(self, reply: Reply | None) -> None:
        super().__init__()
        self.reply = reply


class Call:
    """One call in progress. Handlers fill in what the journal should know as they learn it."""

    def __init__(self, simulator: Simulator, account: Account, name: CallName, request: Request) -> None:
        self.simulator = simulator
        self.account = account
        self.name: CallName = name
        self.request = request
        self.object_id: str | None = request.path_params.get("object_id")
        self.filename: str | None = None
        self.metadata: dict[str, str] | None = None
        self.bytes: int | None = None
        self.sha256: str | None = None
        self.asked: dict[str, Any] = dict(request.query_params)
        self.fault = Fault()
        self._armed: ArmedFault | None = None
        self._api_key: str | None = None
        self._left = False

    async def begin(self) -> None:
        """To be awaited by the handler when it has understood the request, before it does anything.

        Raises Interrupted when a fault wants it so.
        """
        await self._strike(early=False)

    async def answer(self, handler: Handler, receive: Receive, send: Send) -> None:
        """Do the work, note it in the journal and send the answer."""
        started = time.perf_counter()
        reply, done = await self._work(handler)
        late = self._armed if done and self.fault.when == "after" else None
        if late is not None:
            reply = self._fault_reply(reply)
        self._note(reply, done)
        if late is not None:
            await self._wait(late)
        if reply is None:
            await self._cut(receive)
            return
        headers = self._headers(int((time.perf_counter() - started) * 1000)) | reply.headers
        try:
            await self._send(reply, headers, receive, send)
        except FileNotFoundError:
            # deleted since the answer was made
            await self._cut(receive)

    async def _work(self, handler: Handler) -> tuple[Reply | None, bool]:
        try:
            self._authenticate()
            await self._strike(early=True)
            return await handler(self), True
        except ApiError as error:
            return json_reply(error.body, error.status), False
        except Interrupted as fault:
            return fault.reply, False
        except ClientDisconnect:
            self._left = True
            return None, False

    async def _cut(self, receive: Receive, *, flush: bool = False) -> None:
        if not self._left:
            await cut(self.request.scope, receive, flush=flush)

    def _authenticate(self) -> None:
        scheme, _, token = self.request.headers.get("authorization", "").partition(" ")
        self._api_key = token.strip() if scheme.lower() == "bearer" else None
        if not self._api_key:
            message = (
                "You didn't provide an API key. You need to provide your API key in an Authorization header "
                "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
            )
            raise ApiError(401, message, code="invalid_api_key")
        known = self.account.settings.api_keys
        if known is not None and self._api_key not in known:
            raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")

    async def _strike(self, *, early: bool) -> None:
        marks = [text for text in (self.object_id, self.filename) if text] + marks_of(self.metadata)
        armed = self.account.faults.strike(self.name, self.account.name, marks, early=early)
        if armed is None:
            return
        self._armed, self.fault = armed, armed.fault
        if self.fault.when == "after":
            return
        await self._wait(armed)
        if self.fault.drop or self.fault.status is not None or self.simulator.closing:
            raise Interrupted(None if self.simulator.closing else self._fault_reply(None))

    async def _wait(self, armed: ArmedFault) -> None:
        simulator = self.simulator
        if armed.fault.delay:
            await simulator.bell.until_or(lambda: simulator.closing, armed.fault.delay)
        if armed.fault.stall:
            await simulator.until(lambda: armed.removed or simulator.closing)

    def _fault_reply(self, reply: Reply | None) -> Reply | None:
        fault = self.fault
        if fault.drop:
            return None
        if fault.status is None:
            return reply
        if isinstance(fault.body, str):
            return Reply(status=fault.status, headers=fault.headers, body=fault.body.encode())
        body = fault.body
        if body is None:
            kind = "server_error" if fault.status >= 500 else "invalid_request_error"
            body = ApiError(fault.status, f"Asked for by a fault: {fault.status}.", kind=kind).body
        return json_reply(body, fault.status, fault.headers)

    def _note(self, reply: Reply | None, done: bool) -> None:
        journal = self.simulator.journal
        cut_short = done and self.fault.cut_after is not None
        journal.append(
            JournalEntry(
                seq=len(journal) + 1,
                time=time.time(),
                account=self.account.name,
                call=self.name,
                object_id=self.object_id,
                filename=self.filename,
                metadata=self.metadata,
                bytes=self.bytes,
                sha256=self.sha256,
                request=self.asked,
                api_key=self._api_key,
                status="dropped" if reply is None or cut_short else reply.status,
                done=done,
            )
        )

    def _headers(self, milliseconds: int) -> dict[str, str]:
        return {
            "x-request-id": f"req_{uuid.uuid4().hex}",
            "openai-organization": self.account.settings.organization,
            "openai-processing-ms": str(milliseconds),
            "openai-version": "2020-10-01",
            "x-ratelimit-limit-requests": "10000",
            "x-ratelimit-limit-tokens": "30000000",
            "x-ratelimit-remaining-requests": "9999",
            "x-ratelimit-remaining-tokens": "29999999",
            "x-ratelimit-reset-requests": "6ms",
            "x-ratelimit-reset-tokens": "0s",
        }

    async def _send(self, reply: Reply, headers: dict[str, str], receive: Receive, send: Send) -> None:
        fault = self.fault
        size = reply.size if fault.short_after is None else min(reply.size, fault.short_after)
        ends = size if fault.cut_after is None else min(size, fault.cut_after)
        raw = [(key.lower().encode(), value.encode()) for key, value in headers.items()]
        raw.append((b"content-length", str(size).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        async for piece in self._pieces(reply.body, ends):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if fault.cut_after is not None:
            await self._cut(receive, flush=True)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pieces(self, body: bytes | FileBody, ends: int) -> AsyncIterator[bytes]:
        if isinstance(body, bytes):
            yield body[:ends]
            return
        disk = self.account.disk
        file = await disk.run(body.path.open, "rb")
        try:
            while ends and (piece := await disk.run(file.read, min(CHUNK, ends))):
                ends -= len(piece)
                yield piece
        finally:
            await disk.run(file.close)


Handler = Callable[[Call], Awaitable[Reply]]


class Endpoint:
    """The ASGI application of one kind of call."""

    def __init__(self, simulator: Simulator, name: CallName, handler: Handler) -> None:
        self._simulator = simulator
        self._name: CallName = name
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        account = self._simulator.account(request.path_params.get("account", "default"))
        await Call(self._simulator, account, self._name, request).answer(self._handler, receive, send)
