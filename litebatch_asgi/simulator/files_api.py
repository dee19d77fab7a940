"""The files endpoints as OpenAI has them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path

from .calls import Call
from .dialects import OpenAILikeDialect
from .lists import Page, listed, page, page_number
from .objects import FileObject, StoredFile
from .replies import Reply, json_reply
from .uploads import Upload, receive_upload
from .varied_reads import body_of
from .wire import ApiError, expires_after, missing, wrong_value


async def upload_file(call: Call[OpenAILikeDialect]) -> Reply:
    """`POST /files`."""
    account = call.account
    path = account.disk.path(f"{uuid.uuid4().hex}.upload")
    upload = await receive_upload(call.request, account.disk, path, account.settings.max_file_bytes)
    call.filename, call.asked = upload.filename, dict(upload.fields)
    call.bytes, call.sha256 = upload.file.bytes, upload.file.sha256
    try:
        seconds = await _check_upload(call, upload, path)
        await call.begin()
    except BaseException:
        await account.disk.run(path.unlink)
        raise
    purpose = upload.fields["purpose"]
    stored = account.file_store.add_upload(upload.file, upload.filename, purpose, seconds)
    call.object_id = stored.shown.id
    shown = call.dialect.file(_with_status_of_fault(call, stored))
    return json_reply(shown, call.dialect.created, call.dialect.location(call.request, stored.shown.id))


async def _check_upload(call: Call[OpenAILikeDialect], upload: Upload, path: Path) -> int | None:
    purpose = upload.fields.get("purpose")
    if purpose is None:
        raise missing("purpose")
    if purpose not in call.dialect.purposes:
        raise wrong_value("purpose", purpose, call.dialect.purposes)
    expiry = _expiry_fields(upload.fields)
    seconds = expires_after(expiry, "expires_after", call.dialect.least_expiry) if expiry else None
    if purpose == "batch":
        await _check_batch_input(call, upload, path)
        call.dialect.check_upload(call.account, seconds)
    return seconds


async def _check_batch_input(call: Call[OpenAILikeDialect], upload: Upload, path: Path) -> None:
    if not upload.filename.endswith(".jsonl"):
        message = "Invalid file format for Batch API. Must be .jsonl"
        raise ApiError(400, message, extra={"detail": {"message": message, "code": None}})
    most = call.account.settings.max_batch_file_bytes
    if upload.file.bytes > (call.dialect.most_input_bytes if most is None else most):
        raise ApiError(400, "File is too large.")
    await call.dialect.check_input(call.account, path)


def _expiry_fields(fields: Mapping[str, str]) -> dict[str, str]:
    """`expires_after[anchor]`, or `expires_after.anchor` as some samples have it; likewise `seconds`."""
    found: dict[str, str] = {}
    for key in ("anchor", "seconds"):
        for name in (f"expires_after[{key}]", f"expires_after.{key}"):
            if name in fields:
                found[key] = fields[name]
    return found


async def list_files(call: Call[OpenAILikeDialect]) -> Reply:
    """`GET /files`."""
    params = call.request.query_params
    query, purpose = call.dialect.query(params, default=10_000, most=10_000), params.get("purpose")
    store, project = call.account.file_store, call.account.settings.project
    files = [each for each in store.all(project) if purpose in (None, each.shown.purpose)]
    after = store.find(query.after or "", project)
    call.page = page_number(query, files, after)
    await call.begin()
    seen = listed(files, call.fault, call.account.lists_made[call.name])
    call.account.lists_made[call.name] += 1
    chosen, more = page(query, seen, after)
    shown = call.garbled(chosen, [call.dialect.file(stored.shown) for stored in chosen])
    ids = [stored.shown.id for stored in chosen]
    return json_reply(call.dialect.listed(Page(ids=ids, shown=shown, has_more=more, total=len(seen))))


async def retrieve_file(call: Call[OpenAILikeDialect]) -> Reply:
    """`GET /files/{id}`."""
    stored = await _begin(call)
    (shown,) = call.garbled([stored], [call.dialect.file(_with_status_of_fault(call, stored))])
    return json_reply(shown)


async def delete_file(call: Call[OpenAILikeDialect]) -> Reply:
    """`DELETE /files/{id}`."""
    file_id = (await _begin(call)).shown.id
    await call.account.delete_file(file_id)
    return json_reply({"id": file_id, "object": "file", "deleted": True})


async def stream_file(call: Call[OpenAILikeDialect]) -> Reply:
    """`GET /files/{id}/content`."""
    stored = await _begin(call)
    return Reply(
        headers={
            "content-type": "application/octet-stream",
            "content-disposition": f'attachment; filename="{stored.shown.id}"',
        },
        body=await body_of(call.account, stored, call.fault),
    )


def _with_status_of_fault(call: Call[OpenAILikeDialect], stored: StoredFile) -> FileObject:
    """What is shown of the file, whose status a fault may change for good."""
    if call.fault.file_status is None:
        return stored.shown
    return call.account.set_file_status(stored.shown.id, call.fault.file_status)


async def _begin(call: Call[OpenAILikeDialect]) -> StoredFile:
    """The file that the call is about, when faults have had their say."""
    known = _find(call)
    if known is not None:
        call.is_about_file(known)
    await call.begin()
    stored = _find(call)
    if stored is None:
        raise ApiError(404, f"No such File object: {call.object_id}", param="id")
    return stored


def _find(call: Call[OpenAILikeDialect]) -> StoredFile | None:
    return call.account.file_store.find(call.object_id or "", call.account.settings.project)
