"""What the API can do, as its description tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from litebatch_asgi import wire
from litebatch_asgi.errors import (
    Conflict,
    DeploymentGone,
    FileTooLarge,
    InternalError,
    InvalidRequest,
    KeyReused,
    NotFound,
    PermissionDenied,
    RateLimited,
    RequestError,
    RequestTimeout,
    Unauthenticated,
    Unavailable,
)

UNIVERSAL = (
    Unauthenticated,
    PermissionDenied,
    RateLimited,
    InternalError,
    Unavailable,
)
"""What any request may be told."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path."""

    id: str
    """as OpenAI names it"""
    summary: str
    answer: type[msgspec.Struct] | None
    """None: the bytes of a file"""
    errors: tuple[type[RequestError], ...] = ()
    """beside those that any request may be told"""
    query: type[msgspec.Struct] | None = None
    json: type[msgspec.Struct] | None = None
    form: Mapping[str, Any] | None = None
    is_create: bool = False
    """whether an idempotency key counts"""


OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "/files": {
        "get": Operation(
            id="listFiles",
            summary="List the caller's files.",
            answer=wire.FileList,
            query=wire.FileListQuery,
            errors=(InvalidRequest,),
        ),
        "post": Operation(
            id="createFile",
            summary="Upload a file to all deployments of its virtual model.",
            answer=wire.FileObject,
            form=wire.upload_schema(),
            errors=(InvalidRequest, RequestTimeout, FileTooLarge, KeyReused),
            is_create=True,
        ),
    },
    "/files/{id}": {
        "get": Operation(
            id="retrieveFile", summary="Look at a file.", answer=wire.FileObject, errors=(NotFound,)
        ),
        "delete": Operation(
            id="deleteFile",
            summary="Delete a file, and its copies once no batch needs them.",
            answer=wire.DeletedFile,
            errors=(NotFound,),
        ),
    },
    "/files/{id}/content": {
        "get": Operation(
            id="downloadFile",
            summary="Read a file: an input as it was uploaded, or the results of a batch.",
            answer=None,
            errors=(NotFound, DeploymentGone),
        ),
    },
    "/batches": {
        "get": Operation(
            id="listBatches",
            summary="List the caller's batches, newest first.",
            answer=wire.BatchList,
            query=wire.BatchListQuery,
            errors=(InvalidRequest,),
        ),
        "post": Operation(
            id="createBatch",
            summary="Run the requests of an uploaded file on one deployment of its virtual model.",
            answer=wire.BatchObject,
            json=wire.CreateBatchBody,
            errors=(InvalidRequest, NotFound, RequestTimeout, Conflict, KeyReused),
            is_create=True,
        ),
    },
    "/batches/{id}": {
        "get": Operation(
            id="retrieveBatch", summary="Look at a batch.", answer=wire.BatchObject, errors=(NotFound,)
        ),
    },
    "/batches/{id}/cancel": {
        "post": Operation(
            id="cancelBatch",
            summary="Cancel a batch. What is done by then is kept.",
            answer=wire.BatchObject,
            errors=(NotFound, Conflict),
        ),
    },
    "/models": {
        "get": Operation(
            id="listModels", summary="List the virtual models of the caller.", answer=wire.ModelList
        ),
    },
    "/model_group/info": {
        "get": Operation(
            id="listModelGroups",
            summary="The same with their providers and prices.",
            answer=wire.ModelGroupList,
        ),
    },
}
