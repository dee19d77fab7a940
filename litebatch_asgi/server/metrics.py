"""`GET /metrics`: for the keys of admins, or for anyone where the configuration says so."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

from starlette.requests import HTTPConnection, Request
from starlette.routing import Route
from starlette.types import ASGIApp

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.metrics.slots import FOLDER, take_slot
from litebatch_asgi.models import Principal
from litebatch_asgi.routes.endpoint import Endpoint
from litebatch_asgi.routes.operations import Operation, Operations
from litebatch_asgi.server.keys.calls import for_admins

PATH = "/metrics"
_PREFIX = "litebatch-metrics-"
METRICS_OPERATIONS: Operations = {
    PATH: {
        "get": Operation(
            id="metrics",
            summary="Metrics for Prometheus, for admins unless the configuration opens them to anyone.",
            answer="Prometheus's text format, or OpenMetrics where that is asked for.",
        )
    }
}


def metrics_route(litebatch: LiteBatch, *, is_open: bool) -> Route:
    """The route, without `/v1`; from now on the metrics are kept. Raises `ConfigError`."""
    app = litebatch.metrics_app

    async def metrics(request: Request, _: Principal) -> ASGIApp:
        return app

    authenticator = _anyone if is_open else litebatch.authenticator
    return Route(PATH, Endpoint(litebatch, authenticator, PATH, GET=for_admins(metrics)))


@contextmanager
def shared_by_workers(env: MutableMapping[str, str]) -> Generator[None]:
    """A folder in which the workers that are started meanwhile count together, named in their environment."""
    before = env.get(FOLDER)
    with TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        env[FOLDER] = folder
        try:
            yield
        finally:
            del env[FOLDER]
            if before is not None:
                env[FOLDER] = before


def remove_shared(env: Mapping[str, str]) -> None:
    """Remove the folder in place of a parent that was killed."""
    folder = Path(env.get(FOLDER, ""))
    if folder.name.startswith(_PREFIX):
        rmtree(folder, ignore_errors=True)


def count_with_workers(env: Mapping[str, str]) -> None:
    """From now on count into the folder that the parent has made, if it has, not in this process alone."""
    from prometheus_client import values

    folder = env.get(FOLDER)
    if folder and os.name == "posix":  # elsewhere there are no such locks, and process ids have to do
        slot = take_slot(Path(folder))
        values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


async def _anyone(_: HTTPConnection) -> Principal:
    return Principal(owner="anyone", is_admin=True)
