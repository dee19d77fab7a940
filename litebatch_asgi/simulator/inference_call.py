"""One request to an inference server, from its arrival to the end of its answer."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from .answers import Ask, Usage, answer
from .directives import DEFAULT, Directive, directive_in_text, directive_of
from .faults import CallName
from .inference_answers import CREATED, INFERENCE_ANSWERERS, models_of, said_in
from .inference_faults import Trouble
from .inference_rules import DEFAULT_MODEL, PATHS, checked, decoded, error_body
from .inference_server import InferenceServer
from .json_values import JSON, is_object
from .replies import Interrupted, Reply, json_reply
from .request_records import CUT, LEFT
from .serving import connection_of, cut
from .settings import SimulatorSettings
from .waiting import pass_or_leave, unless_left
from .wire import ApiError

HEALTH, MODELS = "/health", "/v1/models"
CALLS: Mapping[str, CallName] = {
    **dict.fromkeys(PATHS, "run_request"),
    HEALTH: "check_health",
    MODELS: "list_models",
}
"""what faults call a request, by its path"""


class InferenceCall:
    """One request in progress, for `path` below the account's."""

    def __init__(
        self, server: InferenceServer, path: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._server = server
        self._path = path
        self._scope = scope
        self._receive = receive
        self._send = send
        self._received = time.time()
        self._key = _bearer(scope["headers"])
        self._trouble = Trouble(server, CALLS.get(path), receive)
        self._number: int | None = None
        self._tokens = 0
        self._headers: dict[str, str] = {}

    async def answer(self) -> None:
        """Run the request, note it in the journal and send the answer."""
        reply: Reply | None
        try:
            reply = await self._reply()
        except ApiError as error:
            reply = json_reply(error_body(error), error.status)
        except Interrupted as end:
            reply = end.reply
        except ClientDisconnect:
            self._end(self._why_gone())
            return
        if reply is None:
            self._end(CUT)
            await cut(self._scope, self._receive)
        else:
            self._end(reply.status if self._trouble.fault.cut_after is None else CUT)
            await self._send_reply(reply)

    @property
    def _settings(self) -> SimulatorSettings:
        return self._server.account.settings

    async def _reply(self) -> Reply:
        await self._trouble.strike([self._path], early=True)
        content = await self._content()
        body = decoded(content)
        said = said_in(body) if is_object(body) else []
        digest = hashlib.sha256(content).digest()
        self._begin(digest, len(content), said[-1] if said else "")
        if self._path != HEALTH:
            self._check_key()
        model = body.get("model") if is_object(body) else None
        await self._trouble.strike([self._path, *said], model=model)
        return await self._trouble.finish(await self._result(body, said, digest.hex()))

    async def _result(self, body: object, said: list[str], sha256: str) -> Reply:
        if self._path == HEALTH:
            return Reply(body=b"")
        method: str = self._scope["method"]
        if self._path == MODELS and method == "GET":
            return json_reply(models_of(self._settings.models or frozenset([DEFAULT_MODEL])))
        run_as = PATHS.get(self._path)
        if run_as is None:
            raise ApiError(404, "Not Found")
        if method != "POST":
            raise ApiError(405, "Method Not Allowed")
        asked = checked(run_as, body, self._settings.models)
        directive = _directive(asked, said)
        await self._trouble.strike_line(directive, sha256)
        if directive.fails:
            raise _failure(directive)
        ask = Ask(
            body=asked,
            directive=directive,
            key=sha256[:32],
            created=CREATED,
            answer_characters=self._settings.answer_characters,
            said=said,
        )
        return await self._run(run_as, ask)

    async def _run(self, run_as: str, ask: Ask) -> Reply:
        answered, usage = answer(INFERENCE_ANSWERERS[run_as], ask)
        self._tokens = usage.input_tokens + usage.output_tokens
        self._admit(ask.model)
        await self._take_time(usage)
        return json_reply(answered, ask.directive.status, self._headers)

    async def _content(self) -> bytes:
        receive, pieces = self._trouble.intake(), list[bytes]()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            pieces.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(pieces)

    def _check_key(self) -> None:
        keys = self._settings.api_keys
        if keys is not None and self._key not in keys:
            raise Interrupted(json_reply({"error": "Unauthorized"}, 401))

    def _admit(self, model: str) -> None:
        """Let the request pass its key's limits, and have the headers that tell of them."""
        limits = self._server.limits_of(self._key)
        if limits is not None:
            now = time.monotonic()
            refusal = limits.admit(self._tokens, model, now)
            if refusal is not None:
                raise Interrupted(refusal)
            self._headers = limits.headers(now)

    async def _take_time(self, usage: Usage) -> None:
        """Wait for a place among the requests that run, and for as long as this one runs."""
        slots = self._server.slots
        turn = slots.take(self._settings.max_running)
        if turn is not None:
            await unless_left(turn, self._receive)
        try:
            seconds = self._server.draw_latency(usage.output_tokens)
            if seconds > 0:
                await pass_or_leave(seconds, self._receive)
        finally:
            slots.release(self._settings.max_running)

    def _begin(self, digest: bytes, size: int, text: str) -> int:
        server = self._server
        self._number = server.journal.begin(
            server.account.name, self._path, self._key, self._received, digest, size, text
        )
        return self._number

    def _end(self, status: int) -> None:
        number = self._begin(bytes(32), 0, "") if self._number is None else self._number
        tokens = self._tokens if 200 <= status < 400 else 0
        self._server.journal.end(number, time.time(), status, tokens)

    def _why_gone(self) -> int:
        connection = connection_of(self._scope)
        return CUT if connection is not None and connection.was_cut else LEFT

    async def _send_reply(self, reply: Reply) -> None:
        if self._trouble.struck:
            try:
                if not await self._trouble.send(reply, self._send):
                    await cut(self._scope, self._receive, flush=True)
            except ClientDisconnect:
                self._end(self._why_gone())
            return
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        headers.append((b"content-length", str(reply.size).encode()))
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": reply.body})


def _bearer(headers: list[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return token.strip() or None if scheme.lower() == "bearer" else None
    return None


def _directive(body: JSON, said: list[str]) -> Directive:
    """What the body's metadata asks for, or its last words."""
    asked = directive_of(body)
    return directive_in_text(said[-1]) if asked is DEFAULT and said else asked


def _failure(directive: Directive) -> ApiError:
    status = directive.status if directive.status >= 400 else 500
    message = directive.message or f"This request was asked to fail with status {status}."
    return ApiError(status, message, code=directive.code or directive.error)
