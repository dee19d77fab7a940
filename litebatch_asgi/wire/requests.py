"""What requests say: bodies, queries and form fields, taken apart and checked.

Limits and allowed values are those of OpenAI's OpenAPI document. Whatever is wrong raises `InvalidRequest`
with the parameter and the code that OpenAI names for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.wire import checks

Pairs: TypeAlias = Sequence[tuple[str, str]]
"""form fields or query parameters, in the order they came"""

BATCH_ENDPOINTS = (
    "/v1/responses",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/videos",
)
UPLOAD_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
FILE_PURPOSES = (*UPLOAD_PURPOSES, "assistants_output", "batch_output", "fine-tune-results")
MIN_EXPIRY_SECONDS = 3600
MAX_EXPIRY_SECONDS = 2_592_000
MAX_FILES_PAGE = 10_000
MAX_BATCHES_PAGE = 100
MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY = 64
MAX_METADATA_VALUE = 512
MAX_ID = 256
"""characters of an id; what is longer is none of ours"""
MAX_NAME = 256
"""characters of one of `target_model_names`"""
MAX_NAMES = 100

_CREATE_BATCH_KEYS = (
    "input_file_id",
    "endpoint",
    "completion_window",
    "metadata",
    "output_expires_after",
)
_EXPIRY_KEYS = ("anchor", "seconds")
_NAMES = ("target_model_names", "target_model_names[]")


class CreateBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /batches`."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None = None
    output_expires_after: int | None = None
    """seconds after the creation of an output or error file"""


_Cursor = Annotated[str, Meta(max_length=MAX_ID, description="The id of the last one of the page before.")]
_ModelNames = Annotated[
    tuple[Annotated[str, Meta(max_length=MAX_NAME)], ...],
    Meta(max_length=MAX_NAMES, description="Virtual models; what has any of them is listed."),
]


class FileListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of `GET /files`."""

    limit: Annotated[int, Meta(ge=1, le=MAX_FILES_PAGE)] = MAX_FILES_PAGE
    after: _Cursor | None = None
    order: Literal["asc", "desc"] = "desc"
    purpose: Annotated[str, Meta(extra_json_schema={"enum": list(FILE_PURPOSES)})] | None = None
    target_model_names: _ModelNames = ()


class BatchListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of `GET /batches`."""

    limit: Annotated[int, Meta(ge=1, le=MAX_BATCHES_PAGE)] = 20
    after: _Cursor | None = None
    target_model_names: _ModelNames = ()


class UploadForm(msgspec.Struct, frozen=True, kw_only=True):
    """What comes with the file in `POST /files`."""

    purpose: str
    target_model_names: tuple[str, ...] = ()
    expires_after_seconds: int | None = None


def parse_create_batch(body: bytes) -> CreateBatch:
    """The body of `POST /batches`."""
    given = _json_object(body)
    checks.only_known(given, _CREATE_BATCH_KEYS)
    endpoint = checks.required_text(given, "endpoint")
    window = checks.required_text(given, "completion_window")
    return CreateBatch(
        input_file_id=checks.required_text(given, "input_file_id"),
        endpoint=checks.one_of(BATCH_ENDPOINTS, endpoint, "endpoint"),
        completion_window=checks.one_of(("24h",), window, "completion_window"),
        metadata=_metadata(given.get("metadata")),
        output_expires_after=_json_expiry(given.get("output_expires_after"), "output_expires_after"),
    )


def parse_file_list_query(query: Pairs) -> FileListQuery:
    """The query of `GET /files`."""
    last = dict(query)
    return FileListQuery(
        limit=_limit(last, MAX_FILES_PAGE, MAX_FILES_PAGE),
        after=_after(last),
        order=_order(last.get("order", "desc")),
        purpose=checks.one_of(FILE_PURPOSES, last["purpose"], "purpose") if "purpose" in last else None,
        target_model_names=_model_names(query),
    )


def parse_batch_list_query(query: Pairs) -> BatchListQuery:
    """The query of `GET /batches`."""
    last = dict(query)
    return BatchListQuery(
        limit=_limit(last, 20, MAX_BATCHES_PAGE),
        after=_after(last),
        target_model_names=_model_names(query),
    )


def parse_upload_form(fields: Pairs, query: Pairs = (), names_header: str | None = None) -> UploadForm:
    """The form fields of `POST /files`, the file itself aside; unknown ones are passed over.

    Virtual models may be named in the form, in the query and in a header; all of them count. Dots are
    accepted for brackets in `expires_after[seconds]`, as some providers' samples write them.
    """
    purposes = [value for name, value in fields if name == "purpose"]
    if not purposes:
        raise checks.missing("purpose")
    if len(purposes) > 1:
        raise _twice("purpose")
    header = [(_NAMES[0], names_header)] if names_header is not None else []
    return UploadForm(
        purpose=checks.one_of(UPLOAD_PURPOSES, purposes[0], "purpose"),
        target_model_names=_model_names([*fields, *query, *header]),
        expires_after_seconds=_form_expiry(fields, "expires_after"),
    )


def _json_object(body: bytes) -> dict[str, object]:
    try:
        given: object = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body of the request is not valid JSON.") from error
    return checks.json_object(given, None)


def _metadata(given: object) -> dict[str, str] | None:
    if given is None:
        return None
    pairs = checks.json_object(given, "metadata")
    if len(pairs) > MAX_METADATA_PAIRS:
        raise InvalidRequest(
            f"Invalid 'metadata': too many properties. Expected an object with at most {MAX_METADATA_PAIRS} "
            f"properties, but got an object with {len(pairs)} properties instead.",
            param="metadata",
            code="object_above_max_properties",
        )
    return {_metadata_key(key): _metadata_value(key, value) for key, value in pairs.items()}


def _metadata_key(key: str) -> str:
    if len(key) > MAX_METADATA_KEY or "\0" in key:
        raise InvalidRequest(
            f"Invalid 'metadata': a key has at most {MAX_METADATA_KEY} characters and no null character.",
            param="metadata",
            code="invalid_metadata_key",
        )
    return key


def _metadata_value(key: str, value: object) -> str:
    param = f"metadata.{key}"
    written = checks.no_longer_than(MAX_METADATA_VALUE, checks.text(value, param), param)
    if "\0" in written:
        raise InvalidRequest(
            f"Invalid '{param}': a null character is not allowed.", param=param, code="invalid_value"
        )
    return written


def _json_expiry(given: object, param: str) -> int | None:
    return None if given is None else _expiry_seconds(checks.json_object(given, param), param)


def _form_expiry(fields: Pairs, param: str) -> int | None:
    given: dict[str, object] = {}
    for key in _EXPIRY_KEYS:
        values = [value for name, value in fields if name in (f"{param}[{key}]", f"{param}.{key}")]
        if len(values) > 1:
            raise _twice(f"{param}.{key}")
        given.update((key, value) for value in values)
    if not given:
        return None
    if isinstance(seconds := given.get("seconds"), str):
        given["seconds"] = checks.integer(seconds, f"{param}.seconds")
    return _expiry_seconds(given, param)


def _expiry_seconds(given: Mapping[str, object], param: str) -> int:
    checks.only_known(given, _EXPIRY_KEYS, f"{param}.")
    for key in _EXPIRY_KEYS:
        if key not in given:
            raise checks.missing(f"{param}.{key}")
    anchor = checks.text(given["anchor"], f"{param}.anchor")
    checks.one_of(("created_at",), anchor, f"{param}.anchor")
    return checks.in_range(given["seconds"], f"{param}.seconds", MIN_EXPIRY_SECONDS, MAX_EXPIRY_SECONDS)


def _model_names(pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    lists = (value.split(",") for name, value in pairs if name in _NAMES)
    names = dict.fromkeys(name.strip() for listed in lists for name in listed)
    names.pop("", None)
    if len(names) > MAX_NAMES:
        raise InvalidRequest(
            f"Invalid 'target_model_names': at most {MAX_NAMES} names are allowed.",
            param=_NAMES[0],
            code="array_above_max_length",
        )
    return tuple(checks.plain(checks.no_longer_than(MAX_NAME, name, _NAMES[0]), _NAMES[0]) for name in names)


def _limit(query: Mapping[str, str], default: int, most: int) -> int:
    if "limit" not in query:
        return default
    return checks.in_range(checks.integer(query["limit"], "limit"), "limit", 1, most)


def _after(query: Mapping[str, str]) -> str | None:
    return checks.plain(checks.no_longer_than(MAX_ID, query.get("after", ""), "after"), "after") or None


def _order(given: str) -> Literal["asc", "desc"]:
    checks.one_of(("asc", "desc"), given, "order")
    return "asc" if given == "asc" else "desc"


def _twice(param: str) -> InvalidRequest:
    return InvalidRequest(f"Parameter '{param}' was given more than once.", param=param, code="invalid_value")
