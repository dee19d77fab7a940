"""Routes of virtual models."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp

from litebatch_asgi import wire
from litebatch_asgi.models import Principal
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.routes.services import Services


class ModelRoutes:
    """The handlers of what tells a caller which models there are."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def list(self, _: Request, principal: Principal) -> ASGIApp:
        """`GET /models`."""
        return JSONAnswer(wire.model_list(self._services.models(principal)))

    async def groups(self, _: Request, principal: Principal) -> ASGIApp:
        """`GET /model_group/info`."""
        return JSONAnswer(wire.model_group_list(self._services.model_groups(principal)))
