"""Routes of batches."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp

from litebatch_asgi import wire
from litebatch_asgi.errors import NotFound
from litebatch_asgi.models import Principal
from litebatch_asgi.routes.endpoint import checked_id, small_body
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.routes.services import Services


class BatchRoutes:
    """The handlers of `/batches` and below."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /batches`."""
        asked = wire.parse_create_batch(await small_body(request))
        batch = await self._services.batches.create(
            principal,
            input_file_id=checked_id(asked.input_file_id, _unknown_input),
            endpoint=asked.endpoint,
            completion_window=asked.completion_window,
            metadata=asked.metadata,
            output_expires_after=asked.output_expires_after,
        )
        return JSONAnswer(wire.batch_object(batch))

    async def list(self, request: Request, principal: Principal) -> ASGIApp:
        """`GET /batches`."""
        query = wire.parse_batch_list_query(request.query_params.multi_items())
        page = await self._services.batches.list(
            principal, limit=query.limit, after=query.after, target_model_names=query.target_model_names
        )
        return JSONAnswer(wire.batch_list(page))

    async def retrieve(self, request: Request, principal: Principal) -> ASGIApp:
        """`GET /batches/{id}`."""
        return JSONAnswer(
            wire.batch_object(await self._services.batches.retrieve(principal, _batch_id(request)))
        )

    async def cancel(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /batches/{id}/cancel`."""
        return JSONAnswer(
            wire.batch_object(await self._services.batches.cancel(principal, _batch_id(request)))
        )


def _batch_id(request: Request) -> str:
    return checked_id(request.path_params["id"], _unknown_batch)


def _unknown_batch(batch_id: str) -> NotFound:
    return NotFound(f"No batch found with id '{batch_id}'.")


def _unknown_input(file_id: str) -> NotFound:
    return NotFound(f"No such File object: {file_id}", param="input_file_id")
