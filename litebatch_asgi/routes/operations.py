"""What the API can do, as its description tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

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


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What can be done with an answer next. Source of the expressions: OpenAPI 3.1, "Runtime Expressions"."""

    operation: str
    """its id"""
    description: str
    parameters: Mapping[str, str] = {}
    """expressions by the names of its parameters"""
    json: Mapping[str, Any] | None = None
    """its body, with expressions as values"""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path."""

    id: str
    """as OpenAI names it"""
    summary: str
    answer: Any
    """a type that msgspec knows; None: the bytes of a file; a text: what one of `text/plain` says"""
    text: str | None = None
    """the media type of the same as text, for whoever asks for it"""
    errors: tuple[type[RequestError], ...] = ()
    """beside those that any request may be told"""
    query: type[msgspec.Struct] | None = None
    json: Any = None
    """a type that msgspec knows; None: there is no such body"""
    needs_json: bool = True
    """False: an empty body will do"""
    form: Mapping[str, Any] | None = None
    is_create: bool = False
    """whether an idempotency key counts"""
    links: Mapping[str, Link] = {}


Operations: TypeAlias = Mapping[str, Mapping[str, Operation]]
"""by path and method"""

_ITS_ID = {"id": "$response.body#/id"}
_OF_FILE = {
    "RetrieveFile": Link(operation="retrieveFile", description="Look at the file.", parameters=_ITS_ID),
    "DownloadFile": Link(operation="downloadFile", description="Read it back.", parameters=_ITS_ID),
    "DeleteFile": Link(operation="deleteFile", description="Delete it.", parameters=_ITS_ID),
    "CreateBatch": Link(
        operation="createBatch",
        description="Run its requests.",
        json={
            "input_file_id": "$response.body#/id",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        },
    ),
}
_OF_BATCH = {
    "RetrieveBatch": Link(
        operation="retrieveBatch", description="See how far the batch is.", parameters=_ITS_ID
    ),
    "CancelBatch": Link(operation="cancelBatch", description="Cancel it.", parameters=_ITS_ID),
}

OPERATIONS: Operations = {
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
            summary="Upload a file, for batches to all deployments of its model, else to one of them.",
            answer=wire.FileObject,
            form=wire.upload_schema(),
            errors=(InvalidRequest, RequestTimeout, FileTooLarge, KeyReused),
            is_create=True,
            links=_OF_FILE,
        ),
    },
    "/files/{id}": {
        "get": Operation(
            id="retrieveFile",
            summary="Look at a file.",
            answer=wire.FileObject,
            query=wire.ProviderQuery,
            errors=(InvalidRequest, NotFound),
        ),
        "delete": Operation(
            id="deleteFile",
            summary="Delete a file, and its copies once no batch needs them.",
            answer=wire.DeletedFile,
            query=wire.ProviderQuery,
            errors=(InvalidRequest, NotFound),
        ),
    },
    "/files/{id}/content": {
        "get": Operation(
            id="downloadFile",
            summary="Read a file: an input as it was uploaded, or the results of a batch.",
            answer=None,
            query=wire.ProviderQuery,
            errors=(InvalidRequest, NotFound, DeploymentGone),
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
            links=_OF_BATCH,
        ),
    },
    "/batches/dry_run": {
        "post": Operation(
            id="dryRunBatch",
            summary="Tell what a batch would consume, cost and wait for, without making it.",
            answer=wire.DryRunObject,
            json=wire.CreateBatchBody,
            errors=(InvalidRequest, NotFound, RequestTimeout, DeploymentGone),
        ),
    },
    "/batches/{id}": {
        "get": Operation(
            id="retrieveBatch",
            summary="Look at a batch.",
            answer=wire.BatchObject,
            query=wire.ProviderQuery,
            errors=(InvalidRequest, NotFound),
        ),
    },
    "/batches/{id}/cancel": {
        "post": Operation(
            id="cancelBatch",
            summary="Cancel a batch. What is done by then is kept.",
            answer=wire.BatchObject,
            query=wire.ProviderQuery,
            errors=(InvalidRequest, NotFound, Conflict),
        ),
    },
    "/batches/{id}/retry": {
        "post": Operation(
            id="retryBatch",
            summary="Run requests of an ended batch that have not succeeded, as a batch of their own.",
            answer=wire.BatchObject,
            json=wire.RetryBatchBody,
            needs_json=False,
            errors=(InvalidRequest, NotFound, RequestTimeout, Conflict, KeyReused),
            is_create=True,
            links=_OF_BATCH,
        ),
    },
    "/batches/{id}/events": {
        "get": Operation(
            id="listBatchEvents",
            summary="What has happened to a batch, newest first.",
            answer=wire.BatchEventList,
            query=wire.EventListQuery,
            errors=(InvalidRequest, NotFound),
        ),
    },
    "/models": {
        "get": Operation(
            id="listModels", summary="List the virtual models of the caller.", answer=wire.ModelList
        ),
    },
    "/models/{id}": {
        "get": Operation(
            id="retrieveModel",
            summary="Look at a virtual model of the caller; its name may have slashes.",
            answer=wire.ModelObject,
            errors=(NotFound,),
        ),
    },
    "/model_group/info": {
        "get": Operation(
            id="listModelGroups",
            summary="The same with their providers and prices.",
            answer=wire.ModelGroupList,
        ),
    },
    "/spend/batches": {
        "get": Operation(
            id="listSpend",
            summary="Sum up what the caller's batches have cost, as JSON or CSV; to an admin everybody's.",
            answer=wire.SpendList,
            text=wire.CSV,
            query=wire.SpendAsked,
            errors=(InvalidRequest,),
        ),
    },
}
