"""The paths of OpenAI's flavour: `/v1`."""

from __future__ import annotations

from . import batches_api, files_api
from .dialects import OpenAILikeDialect
from .mounts import CallPath, FlavourPaths, Mounted
from .openai_api import OpenAIDialect

CALLS: tuple[CallPath[OpenAILikeDialect], ...] = (
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

_DIALECT = OpenAIDialect()
OPENAI_PATHS: FlavourPaths = FlavourPaths(Mounted("/v1", _DIALECT, CALLS), errors=_DIALECT)
