"""HTTP to one server: bounded tries, each told, and errors that say what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol, Self

import httpx2
import msgspec

from litebatch_asgi.cli.client.answers import refusal, shown_without
from litebatch_asgi.cli.client.errors import NoAnswer, Refused, WrongAnswer
from litebatch_asgi.cli.client.low_speed import LowSpeed
from litebatch_asgi.cli.client.server import Server
from litebatch_asgi.cli.figures import span_of
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models.headers import fits_header
from litebatch_asgi.models.retry_after import retry_after

MAX_ANSWER_BYTES = 33_554_432
"""of an answer that is JSON: room for a page of batches with an error for each of their lines"""
PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""statuses after which another try makes sense"""
LONGEST_REST_SECONDS = 300.0
"""a server that asks for more is not asked again"""
_LONGEST_TOLD_SECONDS = 366 * 86_400.0
"""a server that asks for more has no time in mind"""
_TIMEOUT = httpx2.Timeout(60.0, connect=10.0)
_UPLOAD_TIMEOUT = httpx2.Timeout(60.0, connect=10.0, read=900.0)
"""a server may look at all lines of a file before it answers"""


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How often something is tried, and how long the rests between are unless the server says so."""

    tries: int = 8
    tries_at_first: int = 3
    """as long as the server has not answered once: most likely it is not there"""
    first_rest_seconds: float = 0.5
    longest_rest_seconds: float = 30.0

    def rest(self, failed: int) -> float:
        """Seconds after so many tries that have failed."""
        return min(self.first_rest_seconds * 2.0 ** (failed - 1), self.longest_rest_seconds)


class Content(Protocol):
    """The body of a request, which is sent as it is read."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its type and length."""
        ...

    def blocks(self) -> Iterator[bytes]:
        """All of it, from the start each time."""
        ...


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose answer is a JSON object."""

    method: str
    path: str
    query: Mapping[str, str | int] = {}
    json: Mapping[str, Any] | None = None
    content: Any = None
    """a `Content`, in place of JSON"""
    key: str | None = None
    """its idempotency key"""
    is_beside: bool = False
    """whether the path is beside the API's `/v1` and not below it"""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """Content that comes in blocks."""

    size: int | None
    """in bytes; None: the server does not say"""
    blocks: Iterator[bytes]


class Connection:
    """HTTP to one server; every method raises `CommandFailed`, or `ConfigError` for a key that cannot be.

    `tell` is given a sentence for each try that failed and is made again. The server's key is in no message.
    Redirects are not followed, for they would carry the key elsewhere.
    """

    def __init__(self, server: Server, tell: Callable[[str], None], patience: Patience | None = None) -> None:
        self.server = server
        self._tell = tell
        self._patience = patience or Patience()
        self._has_answered = False
        self._http = httpx2.Client(
            headers={
                "authorization": f"Bearer {server.api_key}",
                "accept-encoding": "identity",
                "user-agent": "litebatch",
            },
            timeout=_TIMEOUT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, call: Call, *, done: Callable[[], dict[str, Any] | None] | None = None) -> dict[str, Any]:
        """Make a request, again where that makes sense.

        Before another try `done` looks whether the one before did its work; what it finds is the answer.
        """
        failed = 0
        while True:
            try:
                return self._once(call)
            except (NoAnswer, Refused) as error:
                failed += 1
                self.rest(failed, error, str(call))
            if done is not None and (answer := done()) is not None:
                return answer

    def rest(self, failed: int, error: NoAnswer | Refused, what: str) -> None:
        """Wait before the next try, after so many that have failed. Raises the error if there is none."""
        tries = self._patience.tries if self._has_answered else self._patience.tries_at_first
        if failed >= tries or not _may_pass(error):
            raise error
        asked = error.retry_after if isinstance(error, Refused) else None
        seconds = self._patience.rest(failed) if asked is None else max(asked, 0.0)
        again = f"again in {span_of(seconds)}" if seconds >= 1 else "again at once"
        self._tell(f"{what}: {error}; {again} (try {failed + 1} of {tries})")
        time.sleep(seconds)

    @contextmanager
    def stream(self, path: str) -> Generator[Stream]:
        """The content of an answer, as it comes. One try."""
        call = Call(method="GET", path=path)
        with self._answered(call) as response:
            told = response.headers.get("content-length", "")
            yield Stream(size=int(told) if told.isdecimal() else None, blocks=self._read(call, response))

    def _once(self, call: Call) -> dict[str, Any]:
        with self._answered(call) as response:
            content = b"".join(self._read(call, response, most=MAX_ANSWER_BYTES))
        try:
            return msgspec.json.decode(content, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise WrongAnswer(
                f"{call} was answered with something else than a JSON object: is {self.server.base_url} the "
                "base URL of OpenAI's API? Mostly it ends in /v1"
            ) from None

    @contextmanager
    def _answered(self, call: Call) -> Generator[httpx2.Response]:
        """The answer to a request, unless it is an error."""
        base = self.server.base_url
        if call.key is not None and not fits_header(call.key):
            raise ConfigError(
                f"{call.key!r} is no idempotency key: look for a line break or a letter outside ASCII"
            )
        headers, timeout = {} if call.key is None else {"idempotency-key": call.key}, _TIMEOUT
        if call.content is not None:
            headers |= call.content.headers
            timeout = _UPLOAD_TIMEOUT
        request = self._http.build_request(
            call.method,
            f"{base.removesuffix('/v1') if call.is_beside else base}{call.path}",
            params=dict(call.query) or None,
            json=call.json,
            content=None if call.content is None else call.content.blocks(),
            headers=headers,
            timeout=timeout,
        )
        try:
            response = self._http.send(request, stream=True)
        except httpx2.HTTPError as error:
            raise self._no_answer(error) from error
        self._has_answered = True
        with closing(response):
            if not response.is_success:
                raise self._refused(call, response)
            yield response

    def _refused(self, call: Call, response: httpx2.Response) -> Refused | WrongAnswer:
        if response.is_redirect:
            where = shown_without(response.headers.get("location", "elsewhere"), self.server.api_key)
            return WrongAnswer(f"{call} was redirected to {where}: if that is the server, set its base URL")
        content = b"".join(self._read(call, response, most=MAX_ANSWER_BYTES))
        wait = retry_after(response.headers, datetime.now(UTC))
        error = refusal(
            call.method,
            call.path,
            response.status_code,
            content,
            hidden=self.server.api_key,
            long_wait=wait if LONGEST_REST_SECONDS < (wait or 0.0) <= _LONGEST_TOLD_SECONDS else None,
        )
        error.retry_after = wait
        told = response.headers.get("x-should-retry")
        error.should_retry = None if told is None else told == "true"
        return error

    def _read(self, call: Call, response: httpx2.Response, *, most: int | None = None) -> Iterator[bytes]:
        if response.headers.get("content-encoding", "identity") != "identity":
            # A few kilobytes of it may be terabytes.
            raise WrongAnswer(f"{call} was answered with compressed content, which was not asked for")
        size, speed, since = 0, LowSpeed(), time.monotonic()
        try:
            for block in response.iter_bytes():
                size += len(block)
                if speed.is_reached(len(block), time.monotonic() - since):
                    raise NoAnswer(f"{self._host} sends almost nothing: {size:,} bytes so far")
                if most is not None and size > most:
                    raise WrongAnswer(f"{call} was answered with more than {most} bytes")
                yield block
                since = time.monotonic()
        except httpx2.HTTPError as error:
            raise self._no_answer(error) from error

    @property
    def _host(self) -> str:
        return httpx2.URL(self.server.base_url).netloc.decode()

    def _no_answer(self, error: httpx2.HTTPError) -> NoAnswer:
        host = self._host
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            return NoAnswer(
                f"{host} cannot be reached: {shown_without(str(error) or 'no answer', self.server.api_key)}"
            )
        if isinstance(error, httpx2.TimeoutException):
            return NoAnswer(f"{host} does not answer")
        return NoAnswer(f"the connection to {host} was cut")


def _may_pass(error: NoAnswer | Refused) -> bool:
    """Whether another try makes sense."""
    if isinstance(error, NoAnswer):
        return True
    if (error.retry_after or 0.0) > LONGEST_REST_SECONDS:
        return False
    return error.status in PASSING if error.should_retry is None else error.should_retry
