"""Which requests are for inference servers: found without the router, for there are many of them."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from .inference_call import HEALTH, InferenceCall
from .inference_rules import PATHS
from .serving import connection_of, cut
from .state import SimulatorState

ROOTS: frozenset[str] = frozenset(path.split("/")[1] for path in (*PATHS, HEALTH))
"""first segments of the paths of the account `default`"""
STEERING = "_simulator"


class InferenceMiddleware:
    """Answers what is below the path of an account of the flavour `vllm`, and passes on everything else."""

    def __init__(self, app: ASGIApp, simulator: SimulatorState) -> None:
        self._app = app
        self._simulator = simulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name, path = _split(scope["path"])
        is_ours = name != STEERING and self._simulator.settings_of(name).flavour == "vllm"
        connection = connection_of(scope)
        if connection is not None:
            connection.account = name if is_ours else None
            connection.is_steering = name == STEERING
        if not is_ours:
            await self._app(scope, receive, send)
        elif self._simulator.outages.is_down(name):
            await cut(scope, receive)
        else:
            server = self._simulator.inference_server(name)
            await InferenceCall(server, path, scope, receive, send).answer()


def _split(path: str) -> tuple[str, str]:
    """The account that a path names, and what is below it."""
    first, slash, rest = path[1:].partition("/")
    return ("default", path) if first in ROOTS or not slash else (first, f"/{rest}")
