"""One request to an inference server, from its arrival to the end of its answer."""

from __future__ import annotations

import hashlib
import time

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from .answers import Ask, Usage, answer
from .directives import DEFAULT, Directive, directive_in_text, directive_of
from .inference_answers import CREATED, INFERENCE_ANSWERERS, models_of, said_in
from .inference_rules import DEFAULT_MODEL, PATHS, checked, decoded, error_body
from .inference_server import InferenceServer
from .json_values import JSON, is_object
from .replies import Reply, json_reply
from .request_records import LEFT
from .settings import SimulatorSettings
from .waiting import pass_or_leave, unless_left
from .wire import ApiError

HEALTH, MODELS = "/health", "/v1/models"


class Refused(Exception):
    """The request is answered with `reply`, and not run."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


class InferenceCall:
    """One request in progress, for `path` below the account's."""

    def __init__(
        self, server: InferenceServer, path: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._server = server
        self._path = path
        self._method: str = scope["method"]
        self._receive = receive
        self._send = send
        self._received = time.time()
        self._key = _bearer(scope["headers"])
        self._number: int | None = None
        self._tokens = 0
        self._headers: dict[str, str] = {}

    async def answer(self) -> None:
        """Run the request, note it in the journal and send the answer."""
        try:
            reply = await self._reply()
        except ApiError as error:
            reply = json_reply(error_body(error), error.status)
        except Refused as refused:
            reply = refused.reply
        except ClientDisconnect:
            self._end(LEFT)
            return
        self._end(reply.status)
        await self._send_reply(reply)

    @property
    def _settings(self) -> SimulatorSettings:
        return self._server.account.settings

    async def _reply(self) -> Reply:
        content = await self._content()
        body = decoded(content)
        said = said_in(body) if is_object(body) else []
        digest = hashlib.sha256(content).digest()
        self._begin(digest, len(content), said[-1] if said else "")
        if self._path == HEALTH:
            return Reply(body=b"")
        self._check_key()
        if self._path == MODELS and self._method == "GET":
            return json_reply(models_of(self._settings.models or frozenset([DEFAULT_MODEL])))
        run_as = PATHS.get(self._path)
        if run_as is None:
            raise ApiError(404, "Not Found")
        if self._method != "POST":
            raise ApiError(405, "Method Not Allowed")
        asked = checked(run_as, body, self._settings.models)
        return await self._run(run_as, asked, _directive(asked, said), digest.hex())

    async def _run(self, run_as: str, body: JSON, directive: Directive, sha256: str) -> Reply:
        if directive.fails:
            raise _failure(directive)
        ask = Ask(
            body=body,
            directive=directive,
            key=sha256[:32],
            created=CREATED,
            answer_characters=self._settings.answer_characters,
        )
        answered, usage = answer(INFERENCE_ANSWERERS[run_as], ask)
        self._tokens = usage.input_tokens + usage.output_tokens
        self._admit(ask.model)
        await self._take_time(usage)
        return json_reply(answered, directive.status, self._headers)

    async def _content(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if not message.get("more_body", False):
            content: bytes = message.get("body", b"")
            return content
        pieces = [message.get("body", b"")]
        while message.get("more_body", False):
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            pieces.append(message.get("body", b""))
        return b"".join(pieces)

    def _check_key(self) -> None:
        keys = self._settings.api_keys
        if keys is not None and self._key not in keys:
            raise Refused(json_reply({"error": "Unauthorized"}, 401))

    def _admit(self, model: str) -> None:
        """Let the request pass its key's limits, and have the headers that tell of them."""
        limits = self._server.limits_of(self._key)
        if limits is not None:
            now = time.monotonic()
            refusal = limits.admit(self._tokens, model, now)
            if refusal is not None:
                raise Refused(refusal)
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

    def _begin(self, digest: bytes, size: int, text: str) -> None:
        server = self._server
        self._number = server.journal.begin(
            server.account.name, self._path, self._key, self._received, digest, size, text
        )

    def _end(self, status: int) -> None:
        if self._number is None:
            self._begin(bytes(32), 0, "")
        if self._number is not None:
            tokens = self._tokens if 200 <= status < 400 else 0
            self._server.journal.end(self._number, time.time(), status, tokens)

    async def _send_reply(self, reply: Reply) -> None:
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
