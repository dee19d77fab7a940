"""Routes of what was spent."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from litebatch_asgi import wire
from litebatch_asgi.models import Principal
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.routes.services import Services
from litebatch_asgi.threads import in_thread


class SpendRoutes:
    """The handlers of `/spend`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def batches(self, request: Request, principal: Principal) -> ASGIApp:
        """`GET /spend/batches`."""
        query = wire.parse_spend_query(request.query_params.multi_items())
        page = await self._services.spending.page(principal, query)
        is_csv = query.format == "csv"
        if query.format is None:
            is_csv = wire.prefers_csv(request.headers.get("accept", ""))
        if not is_csv:
            return JSONAnswer(await in_thread(partial(wire.spend_list, page)), headers={"vary": "accept"})
        told = {"vary": "accept", "x-litebatch-has-more": "true" if page.has_more else "false"}
        written = await in_thread(partial(wire.spend_csv, page))
        return Response(written, media_type=wire.CSV, headers=told)
