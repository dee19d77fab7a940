"""Cloud Storage's objects: metadata, contents, lists, deletion."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from starlette.requests import Request

from .calls import Call
from .faults import CallName
from .google_dialects import StorageDialect
from .lists import listed
from .objects import StoredFile
from .page_tokens import PageToken
from .replies import FileBody, Reply, json_reply
from .storage_objects import (
    base_of,
    check_bucket,
    check_generation,
    filename_of,
    generation_match,
    generation_of,
    object_of,
    resource,
)
from .vertex_flavour import bucket_and_name
from .wire import ApiError, integer

MOST_PER_PAGE = 1000


def read_name(request: Request) -> CallName:
    """Whether the bytes of an object are asked for, or what is told of it."""
    return "stream_file" if request.query_params.get("alt") == "media" else "retrieve_file"


async def get_object(call: Call[StorageDialect]) -> Reply:
    """`GET /storage/v1/b/{bucket}/o/{name}`, with `alt=media` its bytes."""
    stored = await _begin(call)
    if call.name == "stream_file":
        return _media(call, stored)
    (shown,) = call.garbled([stored], [resource(stored, base_of(call))])
    return json_reply(shown)


async def delete_object(call: Call[StorageDialect]) -> Reply:
    """`DELETE /storage/v1/b/{bucket}/o/{name}`."""
    stored = await _begin(call)
    await call.account.delete_file(stored.shown.id)
    return Reply(status=204, body=b"")


async def list_objects(call: Call[StorageDialect]) -> Reply:
    """`GET /storage/v1/b/{bucket}/o`: by name, in pages."""
    params, bucket = call.request.query_params, call.request.path_params["bucket"]
    check_bucket(call.account, bucket)
    most = integer("maxResults", params.get("maxResults", MOST_PER_PAGE), 1, 2**31 - 1)
    token = PageToken.read(params.get("pageToken"))
    call.page = token.page
    await call.begin()
    account = call.account
    seen = listed(
        account.file_store.all(account.settings.project), call.fault, account.lists_made["list_files"]
    )
    account.lists_made["list_files"] += 1
    within = _within(bucket, params)
    found = sorted((each for each in seen if within(each.shown.id)), key=_uri)
    left = [each for each in found if _uri(each) > token.after]
    chosen = left[: min(most, MOST_PER_PAGE)]
    told = {"kind": "storage#objects"}
    if len(left) > len(chosen):
        told["nextPageToken"] = token.next(_uri(chosen[-1]))
    items = call.garbled(chosen, [resource(each, base_of(call)) for each in chosen])
    return json_reply(told | ({"items": items} if items else {}))


def _media(call: Call[StorageDialect], stored: StoredFile) -> Reply:
    first, last = _range(call.request.headers.get("range"), stored.bytes)
    headers = {
        "content-type": stored.details.get("contentType", "application/octet-stream"),
        "x-goog-generation": str(generation_of(stored)),
        "x-goog-hash": f"crc32c={stored.details['crc32c']},md5={stored.details['md5Hash']}",
        "x-goog-stored-content-length": str(stored.bytes),
    }
    body = FileBody(path=stored.path, bytes=last + 1 - first, offset=first)
    if body.bytes == stored.bytes:
        return Reply(headers=headers, body=body)
    headers["content-range"] = f"bytes {first}-{last}/{stored.bytes}"
    return Reply(status=206, headers=headers, body=body)


def _range(header: str | None, size: int) -> tuple[int, int]:
    """The first and the last byte that are asked for. Raises ApiError."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "bytes=0-")
    if found is None or found[0] == "bytes=-":
        return 0, size - 1
    if not found[1]:
        return max(0, size - int(found[2])), size - 1
    first, last = int(found[1]), min(size - 1, int(found[2] or size - 1))
    if first >= size and header is not None:
        raise ApiError(416, "The requested range cannot be satisfied.")
    return first, last


async def _begin(call: Call[StorageDialect]) -> StoredFile:
    """The object that the call is about, when faults have had their say."""
    raw: bytes = call.request.scope.get("raw_path", b"")
    if b"/" in raw.partition(b"/o/")[2]:
        raise ApiError(404, "Not Found")
    known = object_of(call)
    if known is not None:
        call.is_about_file(known)
    elif call.object_id:
        call.filename = filename_of(call.object_id)
    await call.begin()
    stored = object_of(call)
    params = call.request.query_params
    if stored is None or params.get("generation", str(generation_of(stored))) != str(generation_of(stored)):
        bucket, name = bucket_and_name(call.object_id or "") or ("", "")
        raise ApiError(404, f"No such object: {bucket}/{name}")
    check_generation(generation_match(params), stored)
    return stored


def _uri(stored: StoredFile) -> str:
    return stored.shown.id


def _within(bucket: str, params: Mapping[str, str]) -> Callable[[str], bool]:
    """Whether the object of a uri is asked for: by `prefix`, from `startOffset` to before `endOffset`."""
    start = f"gs://{bucket}/{params.get('prefix', '')}"
    first = f"gs://{bucket}/{params.get('startOffset', '')}"
    end = f"gs://{bucket}/{params['endOffset']}" if params.get("endOffset") else None
    return lambda uri: uri.startswith(start) and uri >= first and (end is None or uri < end)
