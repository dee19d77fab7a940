"""HTTP to one deployment: one pool of connections, bounded repeats, and errors that say what was done."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from functools import partial
from typing import Protocol, TypeVar

import anyio
import httpx2
import msgspec

from litebatch_asgi import tracing
from litebatch_asgi.errors import DeploymentRefused, NoClearAnswer, ProviderBusy, ProviderError
from litebatch_asgi.models import Settings
from litebatch_asgi.provider import ProviderStream
from litebatch_asgi.providers._answers import answered_with, hide
from litebatch_asgi.providers._bodies import Body
from litebatch_asgi.providers._rate import at_least
from litebatch_asgi.threads import in_thread

MAX_ANSWER_BYTES = 33_554_432
"""room for a batch with an error for each of 50,000 lines"""
MAX_ERROR_BYTES = 65_536
QUICK_BYTES = 262_144
"""an answer up to this long is read at once, a longer one in another thread"""
MAX_REPEATS = 2
MAX_PAUSE_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.25
# Common servers close an idle connection after 5 s. Being first spares us the request that meets the closing
# and leaves a create without an answer.
KEEPALIVE_SECONDS = 4.0

Query = Mapping[str, str | int]
_NOTHING_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)
T = TypeVar("T")


class AnswerTooLong(NoClearAnswer):
    """The answer is longer than `MAX_ANSWER_BYTES`."""


class TokenRefused(DeploymentRefused):
    """The token is not good any more, and there may be another one."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that came whole."""

    status: int
    headers: Mapping[str, str]
    """case does not matter"""
    content: bytes


class _Call(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    path: str
    params: Query | None = None
    body: Body | None = None
    names_object: bool = False
    seconds: float | None = None
    more_headers: Mapping[str, str] = {}
    expected: frozenset[int] = frozenset()
    """statuses beside 2xx that are answers and no refusals"""

    @property
    def headers(self) -> dict[str, str]:
        if self.body is None:
            return dict(self.more_headers)
        own = {"Content-Type": self.body.content_type, "Content-Length": str(self.body.length)}
        return {**own, **self.more_headers}


class TokenSource(Protocol):
    """Bearer tokens that are asked for anew for each request."""

    async def value(self) -> str:
        """A token that is good now. Raises a `ProviderError`."""
        ...

    def refused(self, token: str) -> bool:
        """Note that the provider takes a token no longer; whether the next `value` may be another one."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class ProviderHTTP:
    """HTTP to one deployment. Every method raises a `ProviderError` and nothing else of its own.

    `base_url`: what paths are appended to. `headers`, `params`: sent with every request. `hidden`: words
    that no message may show. `deployment`: what logs call it. `tokens`: what each request proves itself with,
    in place of a key among the headers. The connections are opened at first use and closed by `aclose`;
    redirects are not followed, for they would carry the credentials elsewhere.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: httpx2.Headers,
        params: Query | None = None,
        hidden: Sequence[str],
        deployment: str,
        settings: Settings,
        tokens: TokenSource | None = None,
    ) -> None:
        self.deployment = deployment
        self._base_url = base_url
        self._params = params
        self._headers = httpx2.Headers({"Accept-Encoding": "identity", "User-Agent": "litebatch"})
        self._headers.update(headers)
        self._hidden = hidden
        self._tokens = tokens
        self._token = ""
        self._step_seconds = settings.provider_timeout_seconds
        self._call_seconds = settings.call_timeout_seconds
        self._slowest = settings.min_download_bytes_per_second
        self._grace_seconds = settings.download_grace_seconds
        self._opening = anyio.Lock()
        self._client: httpx2.AsyncClient | None = None
        self._closed = False

    def hide(self, text: str) -> str:
        """A text of the provider's without the words that no message may show."""
        return hide(text, self._hidden)

    async def aclose(self) -> None:
        """Close the connections; calls under way end without a clear answer."""
        async with self._opening:
            self._closed = True
            if self._client is not None:
                await self._client.aclose()
            if self._tokens is not None:
                await self._tokens.aclose()

    async def read(
        self, method: str, path: str, *, params: Query | None = None, names_object: bool = True
    ) -> bytes:
        """The body of the answer to a request that may be repeated.

        `names_object`: the path names a file or batch, so that 404 speaks of that one. Tried up to three
        times, all of them together within `Settings.call_timeout_seconds`.
        """
        call = _Call(method=method, path=path, params=params, names_object=names_object)
        return (await self._repeated(partial(self._answer, call))).content

    async def send(self, path: str, body: Body, *, timeout: float | None = None) -> bytes:
        """The body of the answer to a POST that is sent once: see `exchange`."""
        return (await self.exchange("POST", path, body, timeout=timeout)).content

    async def exchange(
        self,
        method: str,
        path: str,
        body: Body,
        *,
        headers: Mapping[str, str] | None = None,
        expected: frozenset[int] = frozenset(),
        names_object: bool = False,
        timeout: float | None = None,
        repeat: bool = False,
    ) -> Reply:
        """The answer to a request that is sent once, with a status of 2xx or one of `expected`.

        Only where a token was refused, so that nothing was done, a body that can be begun again is sent again
        with the next one. `repeat`: nor does it do any harm otherwise; it is then tried as `read` does.
        `path`: or a whole URL. `timeout`: seconds for the whole call; None: each step has
        `Settings.provider_timeout_seconds`, and the answer comes whole within twice that from the end of the
        body.
        """
        call = _Call(
            method=method,
            path=path,
            body=body,
            names_object=names_object,
            seconds=timeout,
            more_headers=headers or {},
            expected=expected,
        )
        if repeat:
            return await self._repeated(partial(self._answer, call))
        with anyio.move_on_after(timeout) as limit:
            if timeout is None:
                body.on_end = partial(_end_within, limit, 2 * self._step_seconds)
            try:
                return await self._answer(call)
            except TokenRefused:
                if not body.can_be_begun_again:
                    raise
            body.handed_over = False
            return await self._answer(call)
        raise _unanswered("no whole answer in time", body)

    @asynccontextmanager
    async def download(self, path: str, *, params: Query | None = None) -> AsyncGenerator[ProviderStream]:
        """The body of the answer to a GET, in the blocks in which it arrives.

        Opening it may be repeated, reading is not. A body whose end could not be told from a cut connection,
        that comes compressed although it was asked for as it is, or more slowly than the settings allow,
        raises `NoClearAnswer`.
        """
        call = _Call(method="GET", path=path, params=params, names_object=True)
        async with AsyncExitStack() as stack:

            async def opened() -> httpx2.Response:
                return await stack.enter_async_context(self._response(call))

            response = await self._repeated(opened)
            size = _size(response)
            blocks = await stack.enter_async_context(aclosing(self._blocks(response)))
            yield ProviderStream(size=size, blocks=blocks)

    async def _blocks(self, response: httpx2.Response) -> AsyncGenerator[bytes]:
        with _translated():
            async with aclosing(response.aiter_raw()) as raw:
                rated = at_least(raw, bytes_per_second=self._slowest, grace_seconds=self._grace_seconds)
                async with aclosing(rated) as blocks:
                    async for block in blocks:
                        yield block

    async def _repeated(self, attempt: Callable[[], Awaitable[T]]) -> T:
        failure: ProviderError = NoClearAnswer(f"no answer within {self._call_seconds:g} s")
        with anyio.move_on_after(self._call_seconds):
            for repeats in range(1 + MAX_REPEATS):
                try:
                    return await attempt()
                except ProviderError as exc:
                    failure = exc
                    pause = _pause_after(exc, repeats)
                if pause is None or self._closed:
                    break
                await anyio.sleep(pause)
        raise failure

    async def _answer(self, call: _Call) -> Reply:
        async with self._response(call) as response:
            with _translated():
                content = await _content(response, MAX_ANSWER_BYTES + 1)
        if len(content) > MAX_ANSWER_BYTES:
            raise AnswerTooLong(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        return Reply(status=response.status_code, headers=response.headers, content=content)

    @asynccontextmanager
    async def _response(self, call: _Call) -> AsyncGenerator[httpx2.Response]:
        client = await self._connected()
        headers = {**tracing.outgoing(), **call.headers, **await self._authorization()}
        request = client.build_request(
            call.method,
            call.path,
            params=call.params,
            content=call.body,
            headers=headers,
            timeout=self._timeout(call.seconds or self._call_seconds),
        )
        with _translated(call.body):
            response = await client.send(request, stream=True)
        try:
            if not response.is_success and response.status_code not in call.expected:
                raise await self._refusal(response, call.names_object)
            yield response
        finally:
            await response.aclose()

    async def _authorization(self) -> dict[str, str]:
        if self._tokens is None:
            return {}
        token = await self._tokens.value()
        if token != self._token:
            self._hidden = [token, *(word for word in self._hidden if word != self._token)]
            self._token = token
        return {"Authorization": f"Bearer {token}"}

    def _timeout(self, seconds: float) -> httpx2.Timeout:
        # Connecting, TCP and then TLS, ends well before the call does: that it never got further is a clearer
        # answer, and httpcore leaves a socket open when it is cancelled in the middle of a handshake.
        return httpx2.Timeout(self._step_seconds, connect=min(self._step_seconds, seconds / 3))

    async def _refusal(self, response: httpx2.Response, names_object: bool) -> ProviderError:
        try:
            content = await _content(response, MAX_ERROR_BYTES)
        except httpx2.RequestError:
            content = b""  # the status alone has to do
        refusal = answered_with(
            response.status_code,
            response.headers,
            content,
            names_object=names_object,
            hidden=self._hidden,
        )
        token = response.request.headers.get("authorization", "").removeprefix("Bearer ")
        if response.status_code == 401 and self._tokens is not None and self._tokens.refused(token):
            return TokenRefused(refusal.message, status=401, code=refusal.code, param=refusal.param)
        return refusal

    async def _connected(self) -> httpx2.AsyncClient:
        async with self._opening:
            if self._closed:
                raise DeploymentRefused("the adapter is closed")
            if self._client is None:
                self._client = await self._open()
            return self._client

    async def _open(self) -> httpx2.AsyncClient:
        # Certificate authorities, and at first a module, are read from disk.
        return await in_thread(self._make_client)

    def _make_client(self) -> httpx2.AsyncClient:
        # No redirect is followed, so that a plain address never needs certificates.
        is_plain = self._base_url.lower().startswith("http:")
        return httpx2.AsyncClient(
            base_url=self._base_url,
            headers=self._headers,
            params=self._params,
            verify=False if is_plain else httpx2.create_ssl_context(),
            # No upper bound of its own: slow downloads must not keep polls from a connection.
            limits=httpx2.Limits(max_keepalive_connections=20, keepalive_expiry=KEEPALIVE_SECONDS),
        )


async def work_on(answer: bytes, work: Callable[[bytes], T]) -> T:
    """What `work` makes of an answer; long ones do not hold the event loop."""
    return work(answer) if len(answer) <= QUICK_BYTES else await in_thread(partial(work, answer))


async def _content(response: httpx2.Response, limit: int) -> bytes:
    """The body, but no more than `limit` bytes of it."""
    content = bytearray()
    async with aclosing(response.aiter_bytes()) as blocks:
        async for block in blocks:
            content += block
            if len(content) >= limit:
                break
    del content[limit:]
    return bytes(content)


def _end_within(limit: anyio.CancelScope, seconds: float) -> None:
    limit.deadline = anyio.current_time() + seconds


def _size(response: httpx2.Response) -> int | None:
    """The length of a body that shows where it ends; None where it comes in chunks."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise NoClearAnswer("the content came compressed, which was not asked for")
    if "transfer-encoding" in response.headers:
        return None
    if response.status_code == 204:
        return 0
    length = response.headers.get("content-length")
    if length is None:
        raise NoClearAnswer("the content came without a length")
    return int(length)


@contextmanager
def _translated(body: Body | None = None) -> Generator[None]:
    try:
        yield
    except httpx2.RequestError as exc:
        message = f"the connection failed ({type(exc).__name__})"
        raise _unanswered(message, body, before_sending=isinstance(exc, _NOTHING_SENT)) from exc


def _unanswered(message: str, body: Body | None, *, before_sending: bool = False) -> ProviderError:
    if before_sending or (body is not None and not body.handed_over):
        return DeploymentRefused(f"{message} before the whole request was sent")
    return NoClearAnswer(message)


def _pause_after(error: ProviderError, repeats: int) -> float | None:
    """Seconds until the next try; None: there is none. What took its whole time once is not tried again."""
    passing = isinstance(error, (ProviderBusy, NoClearAnswer)) or error.status in (None, 429)
    if isinstance(error, TokenRefused) and repeats == 0:
        return 0.0
    passing = passing and not isinstance(error, AnswerTooLong)
    if repeats == MAX_REPEATS or not passing or isinstance(error.__cause__, httpx2.TimeoutException):
        return None
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= MAX_PAUSE_SECONDS else None
    return FIRST_PAUSE_SECONDS * 2.0**repeats * random.uniform(0.5, 1.0)  # noqa: S311
