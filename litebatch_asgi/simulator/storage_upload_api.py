"""Cloud Storage's uploads: in one request, in two parts of one request, or resumable."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from urllib.parse import quote

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from .calls import Call
from .faults import CallName
from .google_dialects import StorageDialect
from .json_values import JSON
from .objects import StoredFile
from .replies import Reply, json_reply
from .storage_objects import (
    base_of,
    check_bucket,
    check_generation,
    filename_of,
    generation_match,
    put_object,
    resource,
)
from .storage_uploads import GRANULE, ContentRange, UploadSession, content_range, measured, receive
from .wire import ApiError

MAX_METADATA_BYTES = 1 << 16


def upload_name(request: Request) -> CallName:
    """An upload is what brings the last byte; what leads to it has names of its own."""
    if request.method == "POST":
        return "start_upload" if request.query_params.get("uploadType") == "resumable" else "upload_file"
    header = request.headers.get("content-range")
    try:
        asked = content_range(header)
    except ApiError:
        return "upload_chunk"
    return "upload_file" if header is None or asked.completes else "upload_chunk"


async def post_object(call: Call[StorageDialect]) -> Reply:
    """`POST /upload/storage/v1/b/{bucket}/o`."""
    check_bucket(call.account, call.request.path_params["bucket"])
    ways = {"media": _post_media, "multipart": _post_multipart, "resumable": _start}
    way = ways.get(call.request.query_params.get("uploadType", ""))
    if way is None:
        raise ApiError(400, "Invalid upload request: uploadType is media, multipart or resumable.")
    return await way(call)


async def _post_media(call: Call[StorageDialect]) -> Reply:
    session = _session(call, {"contentType": call.request.headers.get("content-type")})
    return await _post(call, session, call.request.stream())


async def _post_multipart(call: Call[StorageDialect]) -> Reply:
    kind, options = parse_options_header(call.request.headers.get("content-type"))
    if kind != b"multipart/related" or b"boundary" not in options:
        raise ApiError(400, "The request must be multipart/related, with a boundary.")
    reader = RelatedReader(options[b"boundary"])
    body = reader.media(call.request.stream())
    first = await anext(body, b"")
    told = _resource_of(bytes(reader.metadata))
    session = _session(call, {"contentType": reader.content_type, **told})

    async def rest() -> AsyncIterator[bytes]:
        yield first
        async for piece in body:
            yield piece

    return await _post(call, session, rest())


async def _post(call: Call[StorageDialect], session: UploadSession, body: AsyncIterator[bytes]) -> Reply:
    disk = call.account.disk
    try:
        await receive(session, body, disk, most=call.account.settings.max_file_bytes)
        stored = await _complete(call, session)
    except BaseException:
        await disk.run(session.path.unlink, missing_ok=True)
        raise
    return json_reply(resource(stored, base_of(call)))


async def _start(call: Call[StorageDialect]) -> Reply:
    told = _resource_of(await call.request.body())
    call.asked |= told
    kind = call.request.headers.get("x-upload-content-type")
    session = _session(call, {"contentType": kind, **told})
    check_generation(session.generation_match, _present(call, session))
    await call.begin()
    await call.account.disk.run(session.path.touch)
    call.account.upload_sessions[session.id] = session
    location = (
        f"{base_of(call)}/upload/storage/v1/b/{session.bucket}/o?uploadType=resumable"
        f"&name={quote(session.name, safe='')}&upload_id={session.id}"
    )
    return Reply(headers={"location": location, "x-guploader-uploadid": session.id}, body=b"")


async def put_object_bytes(call: Call[StorageDialect]) -> Reply:
    """`PUT` to the address that a resumable upload was given."""
    session = _known_session(call)
    call.object_id, call.filename = _uri(session), filename_of(session.name)
    asked = content_range(call.request.headers.get("content-range"))
    if session.object_id is not None:
        await call.begin()
        stored = _present(call, session)
        if stored is None:
            raise ApiError(410, "The upload is over, and its object is gone.")
        return json_reply(resource(stored, base_of(call)))
    if asked.first is None:
        return await _told(call, session, asked)
    return await _put_chunk(call, session, asked, asked.first)


async def _told(call: Call[StorageDialect], session: UploadSession, asked: ContentRange) -> Reply:
    """How far an upload is, which is over if it is as far as it is said to go."""
    if asked.total is not None and asked.total == session.received:
        call.name = "upload_file"
        stored = await _complete(call, session)
        return json_reply(resource(stored, base_of(call)))
    await call.begin()
    return _resume(session)


async def _put_chunk(
    call: Call[StorageDialect], session: UploadSession, asked: ContentRange, first: int
) -> Reply:
    before = session.received
    if first > before:
        message = (
            f"Invalid request. According to the Content-Range header, the upload offset is {first} byte(s), "
            f"which exceeds already uploaded size of {before} byte(s)."
        )
        raise ApiError(503, message)
    limit = call.account.settings.max_file_bytes
    await receive(session, call.request.stream(), call.account.disk, skip=before - first, most=limit)
    try:
        _check_length(asked, first, session.received)
        if call.name == "upload_file":
            return json_reply(resource(await _complete(call, session), base_of(call)))
        await call.begin()
    except BaseException:
        session.received = before
        raise
    return _resume(session)


def _check_length(asked: ContentRange, first: int, received: int) -> None:
    if asked.last is None:
        return
    length, told = received - first, asked.last + 1 - first
    if length != told:
        message = (
            f"Invalid request. There were {length} byte(s) in the request body. There should have been "
            f"{told} byte(s) (starting at offset {first} and ending at offset {asked.last}) according to the "
            "Content-Range header."
        )
        raise ApiError(400, message)
    if not asked.completes and length % GRANULE:
        message = (
            "Invalid request. The number of bytes uploaded is required to be a multiple of "
            f"{GRANULE}, except for the final request. The received request contained {length} bytes, which "
            "does not meet this requirement."
        )
        raise ApiError(400, message)


async def cancel_upload(call: Call[StorageDialect]) -> Reply:
    """`DELETE` of the address that a resumable upload was given."""
    session = _known_session(call)
    await call.begin()
    del call.account.upload_sessions[session.id]
    await call.account.disk.run(session.path.unlink, missing_ok=True)
    return Reply(status=499, body=b"")


async def _complete(call: Call[StorageDialect], session: UploadSession) -> StoredFile:
    """Make the object of a session all of whose bytes are there, once faults have had their say."""
    call.object_id, call.filename = _uri(session), filename_of(session.name)
    written, sums = await call.account.disk.work(measured, session.path)
    call.bytes, call.sha256 = written.bytes, written.sha256
    for name in ("md5Hash", "crc32c"):
        if session.resource.get(name, sums[name]) != sums[name]:
            raise ApiError(400, f"Provided {name} does not match the one calculated: {sums[name]}.")
    await call.begin()
    check_generation(session.generation_match, _present(call, session))
    told = {name: session.resource.get(name) for name in ("contentType", "metadata")}
    details = sums | {name: value for name, value in told.items() if value is not None}
    stored = await put_object(call.account, _uri(session), written, details)
    session.object_id = stored.shown.id
    return stored


def _session(call: Call[StorageDialect], told: JSON) -> UploadSession:
    """A new session, for the object that the request names."""
    params = call.request.query_params
    name = params.get("name") or told.get("name")
    if not isinstance(name, str) or not name:
        raise ApiError(400, "Required parameter: name", code="required")
    bucket = call.request.path_params["bucket"]
    call.object_id, call.filename = f"gs://{bucket}/{name}", filename_of(name)
    path = call.account.disk.path(f"{uuid.uuid4().hex}.object")
    return UploadSession(bucket, name, told, path, generation_match(params))


def _known_session(call: Call[StorageDialect]) -> UploadSession:
    session = call.account.upload_sessions.get(call.request.query_params.get("upload_id", ""))
    if session is None:
        raise ApiError(404, "No such upload session.")
    return session


def _present(call: Call[StorageDialect], session: UploadSession) -> StoredFile | None:
    return call.account.file_store.find(_uri(session), call.account.settings.project)


def _uri(session: UploadSession) -> str:
    return f"gs://{session.bucket}/{session.name}"


def _resume(session: UploadSession) -> Reply:
    told = {"range": f"bytes=0-{session.received - 1}"} if session.received else {}
    return Reply(status=308, headers={"x-guploader-uploadid": session.id, **told}, body=b"")


def _resource_of(body: bytes) -> JSON:
    """What a request tells of its object. Raises ApiError."""
    if not body.strip():
        return {}
    try:
        told: JSON = msgspec.json.decode(body, type=JSON)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ApiError(400, "Parse Error", code="parseError") from exc
    return told


class RelatedReader:
    """Reads a body of two parts: what is told of an object, in JSON, and its bytes."""

    def __init__(self, boundary: bytes) -> None:
        self.metadata: bytearray = bytearray()
        self.content_type: str | None = None
        self._part = -1
        self._pending = bytearray()
        self._header = [b"", b""]
        self._complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": lambda data, start, end: self._take_header(0, data[start:end]),
                "on_header_value": lambda data, start, end: self._take_header(1, data[start:end]),
                "on_header_end": self._end_header,
                "on_part_data": self._take_part,
                "on_end": self._end,
            },
        )

    async def media(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The bytes of the second part; the first is whole once any come. Raises ApiError."""
        async for chunk in stream:
            try:
                self._parser.write(chunk)
            except FormParserError as exc:
                raise ApiError(400, "The multipart body could not be parsed.") from exc
            if self._pending:
                yield bytes(self._pending)
                self._pending.clear()
        if not self._complete or self._part != 1:
            raise ApiError(400, "The multipart body must have two parts, and be whole.")

    def _begin_part(self) -> None:
        self._part += 1

    def _take_header(self, which: int, piece: bytes) -> None:
        self._header[which] += piece

    def _end_header(self) -> None:
        name, value = self._header
        if self._part == 1 and name.lower() == b"content-type":
            self.content_type = value.decode(errors="replace")
        self._header = [b"", b""]

    def _take_part(self, chunk: bytes, start: int, end: int) -> None:
        if self._part == 1:
            self._pending += memoryview(chunk)[start:end]
        elif len(self.metadata) + end - start > MAX_METADATA_BYTES:
            raise ApiError(400, "The metadata of the object is too long.")
        else:
            self.metadata += chunk[start:end]

    def _end(self) -> None:
        self._complete = True
