"""Answers of which it is noted whether they went out."""

from __future__ import annotations

from typing import Any, Protocol

from anyio.lowlevel import checkpoint
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from litebatch_asgi.routes.respond import JSONAnswer

REPLAYED_HEADER = "idempotency-replayed"


class Note(Protocol):
    """Takes down what became of an answer."""

    def __call__(self, *, was_sent: bool) -> None:
        """Whether the client was there when its last byte was sent."""
        ...


class Noted:
    """An answer that tells `note` whether the client was still there when its last byte was sent.

    What happens to the bytes afterwards nobody can tell: an answer that is lost on its way counts as sent.
    """

    def __init__(self, answer: ASGIApp, note: Note) -> None:
        self._answer = answer
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        was_sent = False

        async def watched(message: Message) -> None:
            nonlocal was_sent
            is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
            is_heard = is_last and not await _has_gone(scope, receive)
            await send(message)
            was_sent = is_heard

        try:
            await self._answer(scope, receive, watched)
        finally:
            self._note(was_sent=was_sent)


def created(content: Any, note: Note | None, *, is_repeated: bool) -> ASGIApp:
    """The answer to a create, marked where an earlier request had made the object."""
    answer = JSONAnswer(content, headers={REPLAYED_HEADER: "true"} if is_repeated else None)
    return answer if note is None else Noted(answer, note)


async def _has_gone(scope: Scope, receive: Receive) -> bool:
    await checkpoint()  # lets the server see the end of a connection that has come meanwhile
    return await Request(scope, receive).is_disconnected()
