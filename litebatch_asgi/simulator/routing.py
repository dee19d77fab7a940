"""Which path is whose: those of each flavour, for the accounts that are of it."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from .anthropic_paths import ANTHROPIC_PATHS
from .azure_paths import AZURE_PATHS
from .groq_paths import GROQ_PATHS
from .inference_paths import INFERENCE_PATHS
from .mistral_paths import MISTRAL_PATHS
from .mounts import FlavourPaths
from .openai_paths import OPENAI_PATHS
from .settings import FlavourName
from .state import SimulatorState
from .vertex_paths import VERTEX_PATHS
from .wire import ApiError

PATHS: Mapping[FlavourName, FlavourPaths] = {
    "openai": OPENAI_PATHS,
    "azure": AZURE_PATHS,
    "vertex": VERTEX_PATHS,
    "anthropic": ANTHROPIC_PATHS,
    "groq": GROQ_PATHS,
    "mistral": MISTRAL_PATHS,
    "vllm": INFERENCE_PATHS,
}
ROOTS = {root for paths in PATHS.values() for mounted in paths.mounted for root in mounted.roots()}
"""first segments of the paths of the account `default`"""


def account_routes(simulator: SimulatorState) -> list[BaseRoute]:
    """The paths of all accounts, those of `default` first."""
    return [
        route
        for prefix in ("", "/{account}")
        for flavour, paths in PATHS.items()
        for mounted in paths.mounted
        for route in mounted.routes(simulator, flavour, prefix)
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
    account = "default" if first in ROOTS else first
    dialect = PATHS[simulator.settings_of(account).flavour].errors
    return JSONResponse(dialect.error(error), error.status)
