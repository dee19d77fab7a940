"""The routes of `/jobs` and `/deployments`."""

from __future__ import annotations

from msgspec import UNSET
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.jobs import JobQuery
from litebatch_asgi.models import JobState, Principal
from litebatch_asgi.routes.endpoint import Endpoint, Handler
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.server.keys.calls import for_admins
from litebatch_asgi.server.keys.parsing import parse_query
from litebatch_asgi.server.operators import objects
from litebatch_asgi.server.operators.operations import OPERATOR_OPERATIONS

_ROOTS = frozenset({"jobs", "deployments"})


def is_for_operators(path: str) -> bool:
    """Whether a path, without `/v1`, is one of these."""
    return path.removeprefix("/").partition("/")[0] in _ROOTS


def operator_routes(litebatch: LiteBatch) -> list[Route]:
    """The routes, without `/v1`, for admins alone. They raise what `Respond` makes answers of."""
    calls = OperatorCalls(litebatch)
    handlers: dict[str, Handler] = {
        "/jobs": calls.jobs,
        "/jobs/{id}/stop": calls.stop,
        "/jobs/{id}/move": calls.move,
        "/deployments": calls.deployments,
        "/deployments/{id}/drain": calls.drain,
        "/deployments/{id}/undrain": calls.undrain,
    }

    def route(path: str, handler: Handler) -> Route:
        (method,) = OPERATOR_OPERATIONS[path]
        guarded = {method.upper(): for_admins(handler)}
        endpoint = Endpoint(litebatch, litebatch.authenticator, path, **guarded)
        return Route(path.replace("{id}", "{id:path}"), endpoint)  # ids of deployments may hold a slash

    return [route(path, handler) for path, handler in handlers.items()]


class OperatorCalls:
    """The handlers; all are for admins."""

    def __init__(self, litebatch: LiteBatch) -> None:
        self._litebatch = litebatch

    async def jobs(self, request: Request, _: Principal) -> ASGIApp:
        """`GET /jobs`."""
        asked = parse_query(request.query_params, objects.JobListQuery)
        query = JobQuery(
            batch_id=asked.batch_id,
            deployment_id=asked.deployment,
            states=frozenset({JobState(asked.state)} if asked.state is not UNSET else ()),
            after=asked.after,
            limit=asked.limit,
        )
        return JSONAnswer(objects.job_list(await self._litebatch.operators.jobs(query)))

    async def stop(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /jobs/{id}/stop`."""
        return JSONAnswer(objects.job_object(await self._litebatch.operators.stop(_id_in(request))))

    async def move(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /jobs/{id}/move`."""
        return JSONAnswer(objects.job_object(await self._litebatch.operators.move(_id_in(request))))

    async def deployments(self, request: Request, _: Principal) -> ASGIApp:
        """`GET /deployments`."""
        found = await self._litebatch.operators.reports()
        return JSONAnswer(objects.DeploymentList(data=list(map(objects.deployment_object, found))))

    async def drain(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /deployments/{id}/drain`."""
        drained = await self._litebatch.operators.drain(_id_in(request))
        return JSONAnswer(objects.drained_object(drained))

    async def undrain(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /deployments/{id}/undrain`."""
        was_drained = await self._litebatch.operators.undrain(_id_in(request))
        return JSONAnswer(objects.UndrainedObject(id=_id_in(request), was_drained=was_drained))


def _id_in(request: Request) -> str:
    id_: str = request.path_params["id"]
    return id_
