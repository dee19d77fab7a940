"""Which path is whose: the accounts of OpenAI's flavour at `/v1`, those of Azure's at `/openai`."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import Scope

from . import batches_api, files_api
from .azure_api import AzureDialect
from .calls import Endpoint, Handler
from .dialects import Dialect
from .faults import CallName
from .openai_api import OpenAIDialect
from .settings import FlavourName
from .state import SimulatorState
from .wire import ApiError

PATHS: tuple[tuple[str, str, CallName, Handler], ...] = (
    ("POST", "/files", "upload_file", files_api.upload_file),
    ("GET", "/files", "list_files", files_api.list_files),
    ("GET", "/files/{object_id}", "retrieve_file", files_api.retrieve_file),
    ("DELETE", "/files/{object_id}", "delete_file", files_api.delete_file),
    ("GET", "/files/{object_id}/content", "stream_file", files_api.stream_file),
    ("POST", "/batches", "create_batch", batches_api.create_batch),
    ("GET", "/batches", "list_batches", batches_api.list_batches),
    ("GET", "/batches/{object_id}", "retrieve_batch", batches_api.retrieve_batch),
    ("POST", "/batches/{object_id}/cancel", "cancel_batch", batches_api.cancel_batch),
)


class AccountMount(Mount):
    """The calls of one dialect at `path`, for accounts of `flavour` alone."""

    def __init__(self, simulator: SimulatorState, path: str, flavour: FlavourName, dialect: Dialect) -> None:
        routes = [
            Route(call_path, Endpoint(simulator, name, handler, dialect), methods=[method])
            for method, call_path, name, handler in PATHS
        ]
        super().__init__(path, routes=routes)
        self._simulator = simulator
        self._flavour = flavour

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As `Mount` has it, unless the account is of another flavour."""
        match, found = super().matches(scope)
        if match is not Match.NONE:
            account = found["path_params"].get("account", "default")
            if self._simulator.settings_of(account).flavour != self._flavour:
                return Match.NONE, {}
        return match, found


def account_routes(simulator: SimulatorState) -> list[BaseRoute]:
    """The paths of all accounts."""
    openai, classic, v1 = OpenAIDialect(), AzureDialect(v1=False), AzureDialect(v1=True)
    return [
        AccountMount(simulator, "/openai/v1", "azure", v1),
        AccountMount(simulator, "/openai", "azure", classic),
        AccountMount(simulator, "/v1", "openai", openai),
        AccountMount(simulator, "/{account}/openai/v1", "azure", v1),
        AccountMount(simulator, "/{account}/openai", "azure", classic),
        AccountMount(simulator, "/{account}/v1", "openai", openai),
    ]


async def http_error(simulator: SimulatorState, request: Request, exc: Exception) -> Response:
    """Unknown paths and methods, in the words of the account that the path would be of."""
    where = f"{request.method} {request.url.path}"
    if isinstance(exc, HTTPException) and exc.status_code == 405:
        message = f"Not allowed to {where.replace(' ', ' on ', 1)}."
        error = ApiError(405, message, code="method_not_supported")
    else:
        error = ApiError(404, f"Invalid URL ({where})", code="unknown_url")
    first = request.url.path.split("/")[1]
    account = "default" if first in ("v1", "openai") else first
    azure = simulator.settings_of(account).flavour == "azure"
    dialect: Dialect = AzureDialect(v1=False) if azure else OpenAIDialect()
    return JSONResponse(dialect.error(error), error.status)
