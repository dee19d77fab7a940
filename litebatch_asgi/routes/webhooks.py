"""Routes of webhook endpoints."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp

from litebatch_asgi import wire
from litebatch_asgi.models import Page, Principal, WebhookEndpoint
from litebatch_asgi.routes.endpoint import small_body
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.routes.services import Services
from litebatch_asgi.webhooks.service import WithSecret


class WebhookRoutes:
    """The handlers of `/webhook_endpoints` and below, and of `/webhook_event_types`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /webhook_endpoints`."""
        asked = wire.parse_create_webhook(await small_body(request))
        made = await self._services.webhooks.create(
            principal,
            name=asked.name,
            url=asked.url,
            event_types=asked.event_types,
            is_retry=wire.parse_repeat(request.headers).is_retry,
        )
        return _with_secret(made, principal)

    async def list(self, request: Request, principal: Principal) -> ASGIApp:
        """`GET /webhook_endpoints`."""
        asked = wire.parse_webhook_list_query(request.query_params.multi_items())
        page = await self._services.webhooks.page(
            principal, owner=asked.owner, after=asked.after, limit=asked.limit
        )
        items = [self._object(each, principal) for each in page.items]
        return JSONAnswer(wire.webhook_list(Page(items=items, has_more=page.has_more)))

    async def retrieve(self, request: Request, principal: Principal) -> ASGIApp:
        """`GET /webhook_endpoints/{id}`."""
        endpoint = await self._services.webhooks.retrieve(principal, _endpoint_id(request))
        return JSONAnswer(self._object(endpoint, principal))

    async def update(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /webhook_endpoints/{id}`."""
        asked = wire.parse_update_webhook(await small_body(request))
        endpoint = await self._services.webhooks.update(
            principal,
            _endpoint_id(request),
            name=asked.name,
            url=asked.url,
            event_types=asked.event_types,
        )
        return JSONAnswer(self._object(endpoint, principal))

    async def delete(self, request: Request, principal: Principal) -> ASGIApp:
        """`DELETE /webhook_endpoints/{id}`."""
        deleted = await self._services.webhooks.delete(principal, _endpoint_id(request))
        return JSONAnswer(wire.DeletedWebhookEndpoint(id=deleted))

    async def rotate_secret(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /webhook_endpoints/{id}/rotate_secret`."""
        keep_old = wire.parse_rotate_secret(await small_body(request))
        rotated = await self._services.webhooks.rotate_secret(
            principal,
            _endpoint_id(request),
            keep_old=keep_old,
            is_retry=wire.parse_repeat(request.headers).is_retry,
        )
        return _with_secret(rotated, principal)

    async def test(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /webhook_endpoints/{id}/test`."""
        event_type = wire.parse_test_webhook(await small_body(request))
        endpoint_id = _endpoint_id(request)
        status = await self._services.webhooks.test(principal, endpoint_id, event_type)
        return JSONAnswer(
            wire.WebhookTestResult(webhook_endpoint_id=endpoint_id, event_type=event_type, status_code=status)
        )

    async def event_types(self, _: Request, __: Principal) -> ASGIApp:
        """`GET /webhook_event_types`."""
        return JSONAnswer(wire.WebhookEventTypeList())

    def _object(self, endpoint: WebhookEndpoint, principal: Principal) -> wire.WebhookEndpointObject:
        is_paused = self._services.webhooks.is_paused(endpoint)
        return wire.webhook_object(endpoint, is_paused=is_paused, for_admin=principal.is_admin)


def _with_secret(made: WithSecret, principal: Principal) -> ASGIApp:
    return JSONAnswer(
        wire.webhook_with_secret(made.endpoint, made.secret, for_admin=principal.is_admin),
        headers={"cache-control": "no-store"},
    )


def _endpoint_id(request: Request) -> str:
    endpoint_id: str = request.path_params["id"]
    return endpoint_id
