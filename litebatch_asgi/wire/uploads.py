"""Uploads in OpenAI's language: what requests say, and what uploads and parts look like as JSON.

Source: OpenAI's OpenAPI document, objects CreateUploadRequest, AddUploadPartRequest, CompleteUploadRequest,
Upload and UploadPart. `target_model_names` is ours.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models import FileCopy, FileState, Upload, UploadPart, UploadStatus
from litebatch_asgi.models.uploads import MOST_UPLOAD_BYTES
from litebatch_asgi.wire import checks
from litebatch_asgi.wire.bodies import ExpiresAfter
from litebatch_asgi.wire.filenames import clean_filename
from litebatch_asgi.wire.names import (
    MAX_NAME,
    MAX_NAMES,
    NAMES_FIELDS,
    PLAIN,
    Pairs,
    check_model_names,
    model_names,
)
from litebatch_asgi.wire.objects import FileObject, file_object
from litebatch_asgi.wire.requests import UPLOAD_PURPOSES, check_expiry, json_body, json_expiry

MAX_TYPE = 255
"""characters of a `mime_type`"""
_CREATE_KEYS = ("filename", "purpose", "bytes", "mime_type", "expires_after", *NAMES_FIELDS)
_COMPLETE_KEYS = ("part_ids", "md5")
_MD5 = re.compile(r"[0-9a-fA-F]{32}")


class CreateUpload(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /uploads`. Raises `InvalidRequest` for values that it may not have."""

    filename: str
    purpose: str
    bytes: int
    mime_type: str
    target_model_names: tuple[str, ...] = ()
    expires_after_seconds: int | None = None

    def __post_init__(self) -> None:
        checks.text(self.filename, "filename")
        checks.one_of(UPLOAD_PURPOSES, checks.text(self.purpose, "purpose"), "purpose")
        checks.in_range(self.bytes, "bytes", 0, MOST_UPLOAD_BYTES)
        kind = checks.no_longer_than(MAX_TYPE, checks.text(self.mime_type, "mime_type"), "mime_type")
        checks.plain(kind, "mime_type")
        check_model_names(self.target_model_names)
        if self.expires_after_seconds is not None:
            check_expiry(self.expires_after_seconds, "expires_after")


class CompleteUpload(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /uploads/{id}/complete`. Raises `InvalidRequest` for values that it may not have."""

    part_ids: tuple[str, ...]
    md5: str | None = None

    def __post_init__(self) -> None:
        for part_id in self.part_ids:
            checks.text(part_id, "part_ids")
        if len(set(self.part_ids)) < len(self.part_ids):
            raise _invalid("part_ids", "a part can be named once only")
        if self.md5 is not None and not _MD5.fullmatch(checks.text(self.md5, "md5")):
            raise _invalid("md5", "32 hexadecimal digits are expected")


def parse_create_upload(body: bytes, query: Pairs = (), names_header: str | None = None) -> CreateUpload:
    """The body of `POST /uploads`. Virtual models may be named in the query and in a header as well."""
    given = json_body(body)
    checks.only_known(given, _CREATE_KEYS)
    for param in ("bytes", "mime_type"):
        if param not in given:
            raise checks.missing(param)
    header = [(NAMES_FIELDS[0], names_header)] if names_header is not None else []
    return CreateUpload(
        filename=clean_filename(checks.required_text(given, "filename")),
        purpose=checks.required_text(given, "purpose"),
        bytes=checks.whole_number(given["bytes"], "bytes"),
        mime_type=checks.text(given["mime_type"], "mime_type"),
        target_model_names=model_names([*names_in(given), *query, *header]),
        expires_after_seconds=json_expiry(given.get("expires_after"), "expires_after"),
    )


def names_in(given: dict[str, object]) -> list[tuple[str, str]]:
    """The virtual models that a JSON body names: a list of them, or a text with commas between."""
    found: list[tuple[str, str]] = []
    for field in NAMES_FIELDS:
        value = given.get(field)
        if value is None:
            continue
        each = cast("list[object]", value) if isinstance(value, list) else [value]
        found += [(field, checks.text(name, field)) for name in each]
    return found


def parse_complete_upload(body: bytes) -> CompleteUpload:
    """The body of `POST /uploads/{id}/complete`."""
    given = json_body(body)
    checks.only_known(given, _COMPLETE_KEYS)
    if "part_ids" not in given:
        raise checks.missing("part_ids")
    part_ids = given["part_ids"]
    if not isinstance(part_ids, list):
        raise checks.wrong_type("part_ids", "an array", part_ids)
    return CompleteUpload(
        part_ids=tuple(cast("list[str]", part_ids)), md5=cast("str | None", given.get("md5"))
    )


def _invalid(param: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{param}': {why}.", param=param, code="invalid_value")


class UploadObject(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's upload."""

    id: str
    object: Literal["upload"] = "upload"
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    status: UploadStatus
    file: FileObject | None = None
    """what it has become; null before, and once the file is gone"""


class UploadPartObject(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's part of an upload."""

    id: str
    object: Literal["upload.part"] = "upload.part"
    created_at: int
    upload_id: str


def upload_object(upload: Upload, file: FileState | None, *, for_admin: bool) -> UploadObject:
    """An upload, with the file that it has become."""
    copies: tuple[FileCopy, ...] = file.copies if file is not None else ()
    return UploadObject(
        id=upload.id,
        bytes=upload.bytes,
        created_at=int(upload.created_at.timestamp()),
        expires_at=int(upload.expires_at.timestamp()),
        filename=upload.filename,
        purpose=upload.purpose,
        status=upload.status,
        file=file_object(file.file, for_admin=for_admin, copies=copies) if file is not None else None,
    )


def upload_part_object(part: UploadPart) -> UploadPartObject:
    """A part of an upload."""
    return UploadPartObject(id=part.id, created_at=int(part.created_at.timestamp()), upload_id=part.upload_id)


_Purpose = Annotated[str, Meta(extra_json_schema={"enum": list(UPLOAD_PURPOSES)})]
_Bytes = Annotated[int, Meta(ge=0, le=MOST_UPLOAD_BYTES)]
_Type = Annotated[str, Meta(max_length=MAX_TYPE, extra_json_schema=PLAIN)]
_Names = Annotated[str, Meta(description="Virtual models, separated by commas.", extra_json_schema=PLAIN)]
_Name = Annotated[str, Meta(max_length=MAX_NAME, extra_json_schema=PLAIN)]


class CreateUploadBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that is to be sent in parts."""

    filename: str
    purpose: _Purpose
    bytes: _Bytes
    mime_type: _Type
    expires_after: ExpiresAfter | None = None
    target_model_names: _Names | Annotated[list[_Name], Meta(max_length=MAX_NAMES)] | None = None


class CompleteUploadBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parts that a file is made of."""

    part_ids: Annotated[list[str], Meta(extra_json_schema={"uniqueItems": True})]
    md5: Annotated[str, Meta(pattern="^[0-9a-fA-F]{32}$")] | None = None


def part_schema() -> dict[str, Any]:
    """The JSON schema of the form that a part is sent as."""
    return {
        "type": "object",
        "properties": {"data": {"type": "string", "format": "binary"}},
        "required": ["data"],
    }
