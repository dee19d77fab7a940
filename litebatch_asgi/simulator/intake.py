"""What arrives of one request, as its fault has it."""

from __future__ import annotations

from starlette.types import Message, Receive

from .pace import Pace
from .replies import Interrupted


class Intake:
    """What arrives of one request; cuts the connection after `cut_after` bytes of the body."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._received = 0
        self.cut_after: int | None = None
        self.pace: Pace | None = None

    async def __call__(self) -> Message:
        """The next message. Raises Interrupted when the body has come that far."""
        message = await self._receive()
        count = len(message.get("body", b""))
        self._received += count
        if self.cut_after is not None and self._received >= self.cut_after:
            raise Interrupted(None)
        if self.pace is not None:
            await self.pace.passed(count)
        return message
