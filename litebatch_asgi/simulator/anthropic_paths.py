"""The paths of Anthropic's flavour: `/v1/messages/batches`."""

from __future__ import annotations

from . import anthropic_api
from .anthropic_api import AnthropicDialect
from .mounts import CallPath, FlavourPaths, Mounted

_CALLS: tuple[CallPath[AnthropicDialect], ...] = (
    ("POST", "", "create_batch", anthropic_api.create_batch),
    ("GET", "", "list_batches", anthropic_api.list_batches),
    ("GET", "/{object_id}", "retrieve_batch", anthropic_api.retrieve_batch),
    ("POST", "/{object_id}/cancel", "cancel_batch", anthropic_api.cancel_batch),
    ("DELETE", "/{object_id}", "delete_file", anthropic_api.delete_batch),
    ("GET", "/{object_id}/results", "stream_file", anthropic_api.stream_results),
)
"""Deleting a batch deletes its results, and is named after that."""

_DIALECT = AnthropicDialect()
ANTHROPIC_PATHS: FlavourPaths = FlavourPaths(
    Mounted("/v1/messages/batches", _DIALECT, _CALLS), errors=_DIALECT
)
