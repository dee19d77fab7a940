"""What clients send, as the API's description shows it.

The checks are made by `parse_create_batch` and `parse_upload_form`, which refuse in OpenAI's words.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from litebatch_asgi.wire.amounts import Dollars
from litebatch_asgi.wire.choices import MAX_CODE, MAX_CUSTOM_IDS, MAX_ERRORS, MAX_MESSAGE, MAX_STATUS
from litebatch_asgi.wire.names import PLAIN
from litebatch_asgi.wire.providers import MAX_PROVIDER
from litebatch_asgi.wire.requests import (
    BATCH_ENDPOINTS,
    MAX_EXPIRY_SECONDS,
    MAX_METADATA_KEY,
    MAX_METADATA_PAIRS,
    MAX_METADATA_VALUE,
    MIN_EXPIRY_SECONDS,
    MOST_CANARY,
    MOST_ROW_RETRIES,
    UPLOAD_PURPOSES,
)

_Endpoint = Annotated[str, Meta(extra_json_schema={"enum": list(BATCH_ENDPOINTS)})]
_STORABLE = {"pattern": r"^[^\x00]*$"}
_MetadataKey = Annotated[str, Meta(max_length=MAX_METADATA_KEY, extra_json_schema=_STORABLE)]
_MetadataValue = Annotated[str, Meta(max_length=MAX_METADATA_VALUE, extra_json_schema=_STORABLE)]
_Metadata = Annotated[dict[_MetadataKey, _MetadataValue], Meta(max_length=MAX_METADATA_PAIRS)]
_Provider = Annotated[
    str,
    Meta(
        max_length=MAX_PROVIDER,
        description="The provider that the input file was uploaded for. Another one is refused (400).",
        extra_json_schema=PLAIN,
    ),
]
_Seconds = Annotated[int, Meta(ge=MIN_EXPIRY_SECONDS, le=MAX_EXPIRY_SECONDS)]


class ExpiresAfter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long files are kept, in seconds after their creation."""

    anchor: Literal["created_at"]
    seconds: _Seconds


class LiteBatchOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What OpenAI's API does not have."""

    max_cost: Dollars | None = None
    """US dollars that the batch may be estimated to cost; better a text, which is exact"""
    rescue: bool | None = None
    """whether what a deployment leaves undone is handed on to another one"""
    row_retries: Annotated[int, Meta(ge=0, le=MOST_ROW_RETRIES)] | None = None
    """how often requests run anew that have failed for a passing reason"""
    at_expiry: Literal["wait", "stop"] | None = None
    """what happens at `expires_at` to what still runs, where its provider does not end it"""
    canary: Annotated[int, Meta(ge=0, le=MOST_CANARY)] | None = None
    """how many requests are run live before all others, which are not run if all of these fail; 0: none"""


class CreateBatchBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a batch is made of."""

    input_file_id: str
    endpoint: _Endpoint
    completion_window: Literal["24h"]
    metadata: _Metadata | None = None
    output_expires_after: ExpiresAfter | None = None
    litebatch: LiteBatchOptions | None = None
    custom_llm_provider: _Provider | None = None


_Status = Annotated[int, Meta(ge=0, le=MAX_STATUS, description="The HTTP status of the answer.")]
_Code = Annotated[
    str, Meta(max_length=MAX_CODE, description="The error's `code`, or its `type` where it has none.")
]
_Message = Annotated[
    str,
    Meta(max_length=MAX_MESSAGE, description="The error's message. Words that hold digits may be others."),
]


class RowErrorBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How requests have failed. What is left out may be anything."""

    status: _Status | None = None
    code: _Code | None = None
    message: _Message | None = None


_CustomIds = Annotated[
    list[str],
    Meta(
        min_length=1,
        max_length=MAX_CUSTOM_IDS,
        description="Requests to run. One that has succeeded, or is not of the batch, is refused.",
    ),
]
_Errors = Annotated[
    list[RowErrorBody],
    Meta(
        min_length=1,
        max_length=MAX_ERRORS,
        description="How requests have failed: those that have in one of these ways are run.",
    ),
]


class RetryBatchBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a batch of the requests of an earlier one is to have otherwise than that one.

    `litebatch_retry_of` is added to its metadata. A `max_cost` is never taken over. Without `custom_ids` and
    `errors` it runs all requests that have not succeeded, otherwise those of them that either one names.
    """

    completion_window: Literal["24h"] | None = None
    metadata: _Metadata | None = None
    output_expires_after: ExpiresAfter | None = None
    litebatch: LiteBatchOptions | None = None
    custom_llm_provider: _Provider | None = None
    custom_ids: _CustomIds | None = None
    errors: _Errors | None = None


def upload_schema() -> dict[str, Any]:
    """The JSON schema of the form that an upload is sent as."""
    return {
        "type": "object",
        "properties": {
            "file": {"type": "string", "format": "binary"},
            "purpose": {"type": "string", "enum": list(UPLOAD_PURPOSES)},
            "target_model_names": {
                "type": "string",
                "description": "Virtual models, separated by commas. Without them the file's lines decide.",
            },
            "custom_llm_provider": {
                "type": "string",
                "maxLength": MAX_PROVIDER,
                "description": (
                    "A provider such as `azure`, whose own names of models the file's lines have. With "
                    "target_model_names these decide. One that the gateway has no models of is refused (400)."
                ),
            }
            | PLAIN,
            "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
            "expires_after[seconds]": {
                "type": "integer",
                "minimum": MIN_EXPIRY_SECONDS,
                "maximum": MAX_EXPIRY_SECONDS,
            },
        },
        "required": ["file", "purpose"],
        "dependentRequired": {
            "expires_after[anchor]": ["expires_after[seconds]"],
            "expires_after[seconds]": ["expires_after[anchor]"],
        },
    }
