"""One call of a client, from its arrival to the end of its answer: key, faults, journal, sending."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from .account import Account
from .batch_progress import BatchProgress
from .dialects import Dialect
from .fault_book import Marked, marks_of
from .faults import ArmedFault, CallName, Fault
from .garbled import garbled
from .intake import Intake
from .journal import JournalEntry
from .objects import StoredFile
from .pace import Pace
from .replies import Interrupted, Reply, json_reply
from .sending import fault_reply, send_reply
from .serving import cut
from .state import SimulatorState
from .wire import ApiError

D_co = TypeVar("D_co", bound=Dialect, covariant=True)


class Call(Generic[D_co]):
    """One call in progress. Handlers fill in what the journal should know as they learn it."""

    def __init__(
        self, simulator: SimulatorState, name: CallName, dialect: D_co, scope: Scope, receive: Receive
    ) -> None:
        self.simulator = simulator
        self.name: CallName = name
        self.dialect = dialect
        self._intake = Intake(receive)
        self.request: Request = Request(scope, self._intake)
        self.account: Account = simulator.account(self.request.path_params.get("account", "default"))
        self.page: int | None = None
        """which page of a list is asked for, from 1"""
        self.object_id: str | None = dialect.object_id(self.request)
        self.filename: str | None = None
        self.metadata: dict[str, str] | None = None
        self._model: str | None = None
        self._made_at: float | None = None
        self.bytes: int | None = None
        self.sha256: str | None = None
        self.asked: dict[str, Any] = dict(self.request.query_params)
        self.fault: Fault = Fault()
        self._path = self.request.url.path + (f"?{self.request.url.query}" if self.request.url.query else "")
        self._armed: ArmedFault | None = None
        self._api_key: str | None = None
        self._left = False

    def is_about_batch(self, progress: BatchProgress | None) -> None:
        """Note which batch the call names; None: one that is not there."""
        if progress is not None:
            self.metadata, self._model = progress.batch.metadata, progress.batch.model

    def is_about_file(self, stored: StoredFile) -> None:
        """Note which file the call names."""
        self.filename, self._made_at = stored.shown.filename, stored.made_at
        self.bytes, self.sha256 = stored.bytes, stored.sha256

    async def begin(self) -> None:
        """To be awaited by the handler when it has understood the request, before it does anything.

        Raises Interrupted when a fault wants it so.
        """
        await self._strike(early=False)

    async def answer(self, handler: Handler[D_co], receive: Receive, send: Send) -> None:
        """Do the work, note it in the journal and send the answer."""
        started = time.perf_counter()
        reply, done = await self._work(handler)
        late = self._armed if done and self.fault.when == "after" else None
        if late is not None:
            reply = self._fault_reply(reply)
        self._note(reply, done)
        if late is not None:
            await self.account.faults.wait(late, self._is_closing)
        if reply is None:
            await self._cut(receive)
            return
        milliseconds = int((time.perf_counter() - started) * 1000)
        headers = self.dialect.headers(self.account.settings, milliseconds) | reply.headers
        try:
            await self._send(reply, headers, receive, send)
        except FileNotFoundError:
            # deleted since the answer was made
            await self._cut(receive)

    def garbled(self, objects: Sequence[Marked], shown: Sequence[Any]) -> list[Any]:
        """What is `shown` of the objects, with those garbled that faults want so."""
        hows = self.account.faults.garbled(self.name, self.account.name, objects)
        return [each if how is None else garbled(each, how) for each, how in zip(shown, hows, strict=True)]

    async def _work(self, handler: Handler[D_co]) -> tuple[Reply | None, bool]:
        try:
            self._authenticate()
            self.dialect.check_request(self.request)
            await self._strike(early=True)
            return await handler(self), True
        except ApiError as error:
            return json_reply(self.dialect.error(error), error.status), False
        except Interrupted as fault:
            return fault.reply, False
        except ClientDisconnect:
            self._left = True
            return None, False

    async def _cut(self, receive: Receive, *, flush: bool = False) -> None:
        if not self._left:
            await cut(self.request.scope, receive, flush=flush)

    def _authenticate(self) -> None:
        self._api_key = self.dialect.api_key(self.request.headers)
        if not self.dialect.passes(self.account, self._api_key):
            raise self.dialect.wrong_key(self._api_key)

    async def _strike(self, *, early: bool) -> None:
        armed = self.account.faults.strike(
            self.name,
            self.account.name,
            [text for text in (self.object_id, self.filename) if text] + marks_of(self.metadata),
            early=early,
            page=self.page,
            model=self._model,
            age=None if self._made_at is None else self.account.now() - self._made_at,
        )
        if armed is None:
            return
        self._armed, self.fault = armed, armed.fault
        self._intake.cut_after = self.fault.cut_request_after
        self._intake.pace = self._pace(self.fault.request_rate)
        if self.fault.when == "after":
            return
        await self.account.faults.wait(armed, self._is_closing)
        if self.fault.drop or self.fault.status is not None or self.simulator.closing:
            raise Interrupted(None if self.simulator.closing else self._fault_reply(None))

    def _pace(self, rate: float | None) -> Pace:
        return Pace(rate, self._armed, self.account.faults, self._is_closing)

    def _is_closing(self) -> bool:
        return self.simulator.closing

    def _fault_reply(self, reply: Reply | None) -> Reply | None:
        return fault_reply(self.fault, reply, self.dialect.error)

    def _note(self, reply: Reply | None, done: bool) -> None:
        journal = self.simulator.journal
        cut_short = done and self.fault.cut_after is not None
        journal.append(
            JournalEntry(
                seq=len(journal) + 1,
                time=time.time(),
                account=self.account.name,
                call=self.name,
                path=self._path,
                object_id=self.object_id,
                filename=self.filename,
                metadata=self.metadata,
                bytes=self.bytes,
                sha256=self.sha256,
                request=self.asked,
                api_key=self._api_key,
                headers=dict(self.request.headers),
                status="dropped" if reply is None or cut_short else reply.status,
                done=done,
            )
        )

    async def _send(self, reply: Reply, headers: dict[str, str], receive: Receive, send: Send) -> None:
        pace = self._pace(self.fault.answer_rate)
        if not await send_reply(reply, headers, self.fault, pace, self.account.disk, send):
            await self._cut(receive, flush=True)


D = TypeVar("D", bound=Dialect)
Handler = Callable[[Call[D]], Awaitable[Reply]]
Naming = CallName | Callable[[Request], CallName]
"""what a call is, or how its request tells"""


class Endpoint(Generic[D]):
    """The ASGI application of one kind of call."""

    def __init__(self, simulator: SimulatorState, name: Naming, handler: Handler[D], dialect: D) -> None:
        self._simulator = simulator
        self._name: Naming = name
        self._handler = handler
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        naming = self._name
        name: CallName = naming(Request(scope)) if callable(naming) else naming
        call = Call(self._simulator, name, self._dialect, scope, receive)
        await call.answer(self._handler, receive, send)
