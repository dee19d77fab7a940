"""The paths of Vertex's flavour: those of its jobs, those of Cloud Storage, and where tokens come from."""

from __future__ import annotations

from . import storage_api, storage_upload_api, token_api, vertex_api
from .google_dialects import StorageDialect, TokenDialect, VertexDialect
from .mounts import CallPath, FlavourPaths, Mounted

JOBS_AT = "/projects/{project}/locations/{location}/batchPredictionJobs"
OBJECTS_AT = "/storage/v1/b/{bucket}/o"

JOBS: tuple[CallPath[VertexDialect], ...] = (
    ("POST", JOBS_AT, "create_batch", vertex_api.create_job),
    ("GET", JOBS_AT, "list_batches", vertex_api.list_jobs),
    ("POST", f"{JOBS_AT}/{{job}}:cancel", "cancel_batch", vertex_api.cancel_job),
    ("GET", f"{JOBS_AT}/{{job}}", "retrieve_batch", vertex_api.get_job),
    ("DELETE", f"{JOBS_AT}/{{job}}", "delete_batch", vertex_api.delete_job),
)
OBJECTS: tuple[CallPath[StorageDialect], ...] = (
    ("POST", f"/upload{OBJECTS_AT}", storage_upload_api.upload_name, storage_upload_api.post_object),
    ("PUT", f"/upload{OBJECTS_AT}", storage_upload_api.upload_name, storage_upload_api.put_object_bytes),
    ("DELETE", f"/upload{OBJECTS_AT}", "upload_chunk", storage_upload_api.cancel_upload),
    ("GET", OBJECTS_AT, "list_files", storage_api.list_objects),
    ("GET", f"{OBJECTS_AT}/{{name:path}}", storage_api.read_name, storage_api.get_object),
    ("GET", f"/download{OBJECTS_AT}/{{name:path}}", storage_api.read_name, storage_api.get_object),
    ("DELETE", f"{OBJECTS_AT}/{{name:path}}", "delete_file", storage_api.delete_object),
)

_VERTEX = VertexDialect()
VERTEX_PATHS: FlavourPaths = FlavourPaths(
    Mounted("/v1", _VERTEX, JOBS),
    Mounted("/v1beta1", _VERTEX, JOBS),
    Mounted("", StorageDialect(), OBJECTS),
    Mounted("", TokenDialect(), (("POST", "/token", "issue_token", token_api.issue_token),)),
    errors=_VERTEX,
)
