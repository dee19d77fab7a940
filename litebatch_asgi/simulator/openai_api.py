"""The paths of OpenAI's API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from . import batches_api, files_api
from .calls import Endpoint, Handler
from .faults import CallName

if TYPE_CHECKING:
    from .simulator import Simulator

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


def routes(simulator: Simulator) -> list[Route]:
    """The routes of one account, without the prefix that names it."""
    return [
        Route(path, Endpoint(simulator, name, handler), methods=[method])
        for method, path, name, handler in PATHS
    ]
