"""The paths of Mistral's flavour: `/v1`, with jobs at `/v1/batch/jobs`."""

from __future__ import annotations

from . import batches_api, files_api
from .mistral_api import MistralDialect, create_job, delete_job
from .mounts import CallPath, FlavourPaths, Mounted

CALLS: tuple[CallPath[MistralDialect], ...] = (
    ("POST", "/files", "upload_file", files_api.upload_file),
    ("GET", "/files", "list_files", files_api.list_files),
    ("GET", "/files/{object_id}", "retrieve_file", files_api.retrieve_file),
    ("DELETE", "/files/{object_id}", "delete_file", files_api.delete_file),
    ("GET", "/files/{object_id}/content", "stream_file", files_api.stream_file),
    ("POST", "/batch/jobs", "create_batch", create_job),
    ("GET", "/batch/jobs", "list_batches", batches_api.list_batches),
    ("GET", "/batch/jobs/{object_id}", "retrieve_batch", batches_api.retrieve_batch),
    ("POST", "/batch/jobs/{object_id}/cancel", "cancel_batch", batches_api.cancel_batch),
    ("DELETE", "/batch/jobs/{object_id}", "delete_batch", delete_job),
)

_DIALECT = MistralDialect()
MISTRAL_PATHS: FlavourPaths = FlavourPaths(Mounted("/v1", _DIALECT, CALLS), errors=_DIALECT)
