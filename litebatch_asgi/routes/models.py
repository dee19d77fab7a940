"""Routes of virtual models."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp

from litebatch_asgi import wire
from litebatch_asgi.errors import NotFound
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

    async def retrieve(self, request: Request, principal: Principal) -> ASGIApp:
        """`GET /models/{id}`. One that the caller may not use is as unknown as one that is not there."""
        name: str = request.path_params["id"]
        if not self._services.serves(principal, name):
            raise NotFound(
                f"The model '{name[:100]}' does not exist or you do not have access to it.",
                param="model",
                code="model_not_found",
            )
        return JSONAnswer(wire.ModelObject(id=name))

    async def groups(self, _: Request, principal: Principal) -> ASGIApp:
        """`GET /model_group/info`."""
        return JSONAnswer(wire.model_group_list(self._services.model_groups(principal)))
