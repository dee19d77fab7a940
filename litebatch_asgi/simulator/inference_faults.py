"""What a fault does to one request to an inference server."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.types import Receive, Send

from .directives import Directive
from .faults import ArmedFault, CallName, Fault
from .inference_rules import error_body
from .inference_server import InferenceServer
from .intake import Intake
from .pace import Pace
from .replies import Interrupted, Reply
from .sending import fault_reply, send_reply
from .waiting import unless_left
from .wire import ApiError

NO_FAULT = Fault()


class Trouble:
    """The fault that one request runs into: the first that strikes it, or none."""

    def __init__(self, server: InferenceServer, call: CallName | None, receive: Receive) -> None:
        self._server = server
        self._book = server.account.faults
        self._call: CallName | None = call
        self._receive = receive
        self._armed: ArmedFault | None = None

    @property
    def fault(self) -> Fault:
        """What it is; a fault that does nothing if there is none."""
        return NO_FAULT if self._armed is None else self._armed.fault

    @property
    def struck(self) -> bool:
        """Whether there is one."""
        return self._armed is not None

    async def strike(self, marks: Sequence[str], *, early: bool = False, model: str | None = None) -> None:
        """Run into the fault that is in force for this request, if any.

        Raises Interrupted if it puts an end to the request, and ClientDisconnect if the client does.
        """
        if self._armed is None and self._call is not None and not self._book.is_empty:
            name = self._server.account.name
            armed = self._book.strike(self._call, name, marks, early=early, model=model)
            await self._begin(armed)

    async def strike_line(self, directive: Directive, sha256: str) -> None:
        """Run into the fault that the line orders. Raises ApiError if it is none, and as `strike` does."""
        if self._armed is not None or directive.fault is None:
            return
        try:
            fault = msgspec.convert(directive.fault, Fault)
        except msgspec.ValidationError as error:
            raise ApiError(400, f"The fault that this request asks for is none: {error}") from None
        armed = self._book.of_line(f"line-{self._server.account.name}-{sha256[:16]}", fault)
        await self._begin(armed if self._book.strikes(armed) else None)

    async def finish(self, reply: Reply) -> Reply:
        """The answer to a request that was run with `reply` as its result. Raises what `strike` raises."""
        if self._armed is not None and self.fault.when == "after":
            await self._befall(self._armed, reply)
        return reply

    def intake(self) -> Receive:
        """What takes the body of the request."""
        if self._armed is None:
            return self._receive
        intake = Intake(self._receive)
        intake.cut_after = self.fault.cut_request_after
        intake.pace = self._pace(self.fault.request_rate)
        return intake

    async def send(self, reply: Reply, send: Send) -> bool:
        """Send the answer; whether it was all of it. Raises ClientDisconnect."""
        pace = self._pace(self.fault.answer_rate)
        disk = self._server.account.disk
        sending = send_reply(reply, reply.headers, self.fault, pace, disk, send)
        return await unless_left(sending, self._receive)

    async def _begin(self, armed: ArmedFault | None) -> None:
        self._armed = armed
        if armed is not None and armed.fault.when != "after":
            await self._befall(armed, None)

    async def _befall(self, armed: ArmedFault, reply: Reply | None) -> None:
        fault = armed.fault
        if fault.delay or fault.stall:
            await unless_left(self._book.wait(armed, _never), self._receive)
        if fault.down is not None:
            await self._server.outages.begin(fault.down, self._server.account.name)
            raise Interrupted(None)
        if fault.drop or fault.status is not None:
            raise Interrupted(fault_reply(fault, reply, error_body))

    def _pace(self, rate: float | None) -> Pace:
        return Pace(rate, self._armed, self._book, _never)


def _never() -> bool:
    return False
