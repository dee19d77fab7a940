"""What can be done with uploads, as the API's description tells it."""

from __future__ import annotations

from litebatch_asgi import wire
from litebatch_asgi.errors import (
    FileTooLarge,
    InvalidRequest,
    KeyReused,
    NotFound,
    RequestTimeout,
    StoreGone,
)
from litebatch_asgi.routes.operations import Link, Operation, Operations

_ITS_ID = {"id": "$response.body#/id"}

UPLOAD_OPERATIONS: Operations = {
    "/uploads": {
        "post": Operation(
            id="createUpload",
            summary="Begin a file that is sent in parts. There is an hour to send and complete it.",
            answer=wire.UploadObject,
            json=wire.CreateUploadBody,
            errors=(InvalidRequest, RequestTimeout, FileTooLarge, KeyReused),
            is_create=True,
            links={
                "CancelUpload": Link(
                    operation="cancelUpload", description="Drop what was sent.", parameters=_ITS_ID
                ),
            },
        ),
    },
    "/uploads/{id}/parts": {
        "post": Operation(
            id="addUploadPart",
            summary="Send a part of at most 64 MiB, in any order, and several at once if need be.",
            answer=wire.UploadPartObject,
            form=wire.part_schema(),
            errors=(InvalidRequest, NotFound, RequestTimeout, FileTooLarge),
        ),
    },
    "/uploads/{id}/complete": {
        "post": Operation(
            id="completeUpload",
            summary="Make a file of the parts in this order: it is checked and kept as any other.",
            answer=wire.UploadObject,
            json=wire.CompleteUploadBody,
            errors=(InvalidRequest, NotFound, RequestTimeout, StoreGone),
        ),
    },
    "/uploads/{id}/cancel": {
        "post": Operation(
            id="cancelUpload",
            summary="Drop an upload with its parts.",
            answer=wire.UploadObject,
            errors=(InvalidRequest, NotFound),
        ),
    },
}
