"""Routes of batches."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.types import ASGIApp

from litebatch_asgi import tracing, wire
from litebatch_asgi.models import Batch, Principal
from litebatch_asgi.repeats import Made
from litebatch_asgi.routes.answering import created
from litebatch_asgi.routes.endpoint import small_body
from litebatch_asgi.routes.providers import named_provider, provider_namings
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.routes.services import Services


class BatchRoutes:
    """The handlers of `/batches` and below."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /batches`."""
        repeat = wire.parse_repeat(request.headers)
        asked = wire.parse_create_batch(await small_body(request), provider_namings(request))
        with tracing.request(request.scope["headers"]):
            made = await self._services.batches.begin(principal, asked, repeat)
        return self._created(principal, made, repeat)

    async def retry(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /batches/{id}/retry`."""
        repeat = wire.parse_repeat(request.headers)
        asked = wire.parse_retry_batch(await small_body(request), provider_namings(request))
        with tracing.request(request.scope["headers"]):
            made = await self._services.batches.begin_retry(
                principal, request.path_params["id"], asked, repeat
            )
        return self._created(principal, made, repeat)

    def _created(self, principal: Principal, made: Made[Batch], repeat: wire.Repeat) -> ASGIApp:
        answered = self._services.batches.answered
        note = partial(answered, made.object.id) if repeat.may_miss_answer else None
        return created(
            wire.batch_object(made.object, for_admin=principal.is_admin), note, is_repeated=made.is_repeated
        )

    async def dry_run(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /batches/dry_run`."""
        asked = wire.parse_create_batch(await small_body(request), provider_namings(request))
        told = await self._services.batches.look_ahead(principal, asked)
        return JSONAnswer(wire.dry_run_object(told, for_admin=principal.is_admin))

    async def list(self, request: Request, principal: Principal) -> ASGIApp:
        """`GET /batches`."""
        query = wire.parse_batch_list_query(request.query_params.multi_items(), provider_namings(request))
        page = await self._services.batches.page(principal, query)
        return JSONAnswer(wire.batch_list(page, for_admin=principal.is_admin))

    async def retrieve(self, request: Request, principal: Principal) -> ASGIApp:
        """`GET /batches/{id}`."""
        batch = await self._services.batches.retrieve(principal, await self._batch_id(request, principal))
        cost = wire.batch_cost(batch)
        headers = {"x-litebatch-cost": cost} if cost is not None else None
        return JSONAnswer(wire.batch_object(batch, for_admin=principal.is_admin), headers=headers)

    async def cancel(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /batches/{id}/cancel`."""
        batch = await self._services.batches.cancel(principal, await self._batch_id(request, principal))
        return JSONAnswer(wire.batch_object(batch, for_admin=principal.is_admin))

    async def events(self, request: Request, principal: Principal) -> ASGIApp:
        """`GET /batches/{id}/events`."""
        query = wire.parse_event_list_query(request.query_params.multi_items())
        page = await self._services.batches.story(principal, await self._batch_id(request, principal), query)
        return JSONAnswer(wire.batch_event_list(page, for_admin=principal.is_admin))

    async def _batch_id(self, request: Request, principal: Principal) -> str:
        """The id in the path. Raises `InvalidRequest` if its batch is not of the provider that is named."""
        batch_id: str = request.path_params["id"]
        await self._services.batches.check_provider(principal, batch_id, named_provider(request))
        return batch_id
