"""Finding out about one request, and passing it on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, NamedTuple, Protocol

import msgspec
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.auth import Authenticator, identify
from litebatch_asgi.catalog import Catalog
from litebatch_asgi.errors import InvalidRequest, RequestError
from litebatch_asgi.files.providers import is_here
from litebatch_asgi.middleware.matching import (
    UploadMatcher,
    body_names_models,
    names_managed_input,
    names_models,
)
from litebatch_asgi.middleware.replay import SmallBody, SpooledBody
from litebatch_asgi.middleware.rules import UNMANAGED, Sign, local_path, without_unmanaged
from litebatch_asgi.models import Principal
from litebatch_asgi.routes import Respond, Services
from litebatch_asgi.routes.endpoint import CALLER, JSON_SECONDS, MAX_JSON_BYTES
from litebatch_asgi.routes.files import NAMES_HEADER
from litebatch_asgi.routes.multipart import MAX_FORM_BYTES, boundary_of
from litebatch_asgi.routes.pace import UploadPace
from litebatch_asgi.routes.providers import PROVIDER, provider_namings
from litebatch_asgi.routes.slots import UploadSlots


class Managing(Services, Protocol):
    """A LiteBatch as the middleware sees it."""

    @property
    def app(self) -> ASGIApp:
        """The API, without a prefix."""
        ...

    @property
    def authenticator(self) -> Authenticator:
        """Says who is calling."""
        ...

    @property
    def catalog(self) -> Catalog:
        """The virtual models."""
        ...

    def lifespan(self, app: Any = None) -> AbstractAsyncContextManager[None]:
        """What runs while requests are served."""
        ...


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long, in seconds, a request is waited for before it is passed on as it is."""

    json_seconds: float = JSON_SECONDS
    """for the body of `POST /batches` or `POST /uploads`"""
    slot_seconds: float = 30.0
    """for an upload slot; it is answered by 429 then"""


class MiddlewareContext(msgspec.Struct, frozen=True, kw_only=True):
    """What all requests have in common."""

    inner: ASGIApp
    """the app behind"""
    litebatch: Managing
    """whose objects are the managed ones"""
    prefix: str
    """what comes before the paths of the API"""
    upload_slots: UploadSlots
    """of the uploads that may be looked at, and so be received on disk, at once"""
    timeouts: Timeouts


class Onward(NamedTuple):
    """Where a request goes."""

    app: ASGIApp
    scope: Scope
    receive: Receive


class Responder:
    """One request that may be a managed one."""

    def __init__(
        self,
        context: MiddlewareContext,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        provider: str | None = None,
    ) -> None:
        self._context = context
        self._litebatch = context.litebatch
        self._scope = scope
        self._receive = receive
        self._send = send
        root = scope.get("root_path", "")
        prefix = context.prefix if provider is None else f"/{provider}{context.prefix}"
        ours = {"path": root + local_path(scope), "root_path": root + prefix, PROVIDER: provider}
        self._managed_scope: Scope = {**scope, **ours}
        self._providers = [each.provider for each in provider_namings(HTTPConnection(self._managed_scope))]

    async def respond(self, sign: Sign) -> None:
        """Find out by this sign whose the request is, and pass it on."""
        async with AsyncExitStack() as kept:
            try:
                onward = await self._decide(sign, kept)
            except RequestError as error:
                onward = Onward(Respond(_raising(error)), self._managed_scope, self._receive)
            await onward.app(onward.scope, onward.receive, self._send)

    async def _decide(self, sign: Sign, kept: AsyncExitStack) -> Onward:
        """Where the request goes. What is kept for it is closed with `kept`. Raises `RequestError`."""
        if sign is Sign.FORM:
            return await self._upload(kept) if self._has(self._providers) else self._unmanaged()
        if sign is Sign.ALWAYS:
            return await self._unless_told() if self._has(self._providers) else self._unmanaged()
        if sign is Sign.SIGNED:
            signs = self._litebatch.settings.webhook_keys
            return await self._unless_told() if signs else self._unmanaged()
        if sign is Sign.INPUT:
            return await self._by_body(names_managed_input)
        if sign is Sign.NAMED:
            return await self._new_upload()
        return self._managed()

    async def _unless_told(self) -> Onward:
        """To LiteBatch, but for callers whom it does not know, and those who want the app behind."""
        query: bytes = self._scope["query_string"]
        if UNMANAGED in query.split(b"&"):
            return self._unmanaged()._replace(scope={**self._scope, "query_string": without_unmanaged(query)})
        caller = await self._caller()
        return self._unmanaged() if caller is None else self._managed(caller=caller)

    async def _new_upload(self) -> Onward:
        caller = await self._caller()
        if caller is None:
            return self._unmanaged()
        if self._names_models():
            return self._managed(caller=caller)
        return await self._by_body(body_names_models, caller=caller)

    async def _by_body(self, is_managed: Callable[[bytes], bool], caller: Principal | None = None) -> Onward:
        body = SmallBody(self._receive, most=MAX_JSON_BYTES)
        content = await body.read(within_seconds=self._context.timeouts.json_seconds)
        if content is not None and is_managed(content):
            return self._managed(body, caller=caller)
        return self._unmanaged(body)

    def _names_models(self) -> bool:
        """Whether the query or the header names virtual models."""
        request = HTTPConnection(self._scope)
        return names_models([*request.query_params.multi_items(), *_named_in(request.headers)])

    async def _upload(self, kept: AsyncExitStack) -> Onward:
        caller = await self._caller()
        if caller is None:
            return self._unmanaged()
        if self._names_models():
            return self._managed(caller=caller)
        matcher = self._matcher(HTTPConnection(self._scope).headers)
        if matcher is None:
            return self._unmanaged()
        async with self._upload_slot(caller):
            body = await kept.enter_async_context(SpooledBody(self._litebatch.spooler.new(), self._receive))
            is_managed = await self._find_out(matcher, body)
            await body.replay()
        return self._managed(body, caller=caller) if is_managed else self._unmanaged(body)

    async def _find_out(self, matcher: UploadMatcher, body: SpooledBody) -> bool:
        """Read an upload until it is clear whether it is managed, or clear that this cannot be told."""
        settings, clock = self._litebatch.settings, asyncio.get_running_loop().time
        pace = UploadPace(settings, clock())
        while body.size <= settings.max_file_bytes + MAX_FORM_BYTES:
            began = clock()
            chunk = await body.take(within_seconds=pace.left(began))
            if chunk is None:
                return False
            pace.received(len(chunk), waited=clock() - began)
            await body.keep(chunk)
            told = matcher.feed(chunk)
            if told is not None:
                return told
            if body.has_ended:
                return matcher.end()
        return False

    def _matcher(self, headers: Headers) -> UploadMatcher | None:
        """What looks at the body; None: there is nothing to look at, or nowhere to keep it."""
        if not self._litebatch.is_entered:
            return None
        try:
            boundary = boundary_of(headers.get("content-type"))
            most = self._litebatch.settings.max_line_bytes
            return UploadMatcher(boundary, max_line_bytes=most, is_served=self._is_served)
        except InvalidRequest:
            return None

    def _is_served(self, model: str, named: list[str]) -> bool:
        """Whether an upload is ours whose form names these providers, and whose first line this model."""
        catalog, providers = self._litebatch.catalog, [*self._providers, *(each for each in named if each)]
        if not self._has(providers):
            return False
        if providers:
            model = catalog.model_of(providers[0], model)
        return model in catalog.groups or catalog.resolve(model) is not None

    def _has(self, providers: list[str]) -> bool:
        """Whether there is no provider among these that only the app behind may know."""
        return all(is_here(self._litebatch.catalog, provider) for provider in providers)

    async def _caller(self) -> Principal | None:
        return await identify(self._litebatch.authenticator, HTTPConnection(self._managed_scope))

    def _upload_slot(self, caller: Principal) -> AbstractAsyncContextManager[None]:
        """An upload slot, waited for: raises `RateLimited` when none becomes free."""
        return self._context.upload_slots.waited_for(caller.owner, self._context.timeouts.slot_seconds)

    def _managed(self, receive: Receive | None = None, *, caller: Principal | None = None) -> Onward:
        """To LiteBatch, which asks for the caller itself where that is not known yet."""
        scope = self._managed_scope if caller is None else {**self._managed_scope, CALLER: caller}
        return Onward(self._litebatch.app, scope, receive or self._receive)

    def _unmanaged(self, receive: Receive | None = None) -> Onward:
        return Onward(self._context.inner, self._scope, receive or self._receive)


def _named_in(headers: Headers) -> list[tuple[str, str]]:
    return [("target_model_names", value) for value in headers.getlist(NAMES_HEADER)]


def _raising(error: RequestError) -> ASGIApp:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return refuse
