"""Receiving a multipart upload: fields in any order, the file to the disk in pieces."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from .disk import Disk
from .execution import Written
from .wire import ApiError, missing

PIECE = 1 << 20
"""bytes that are gathered before they are written"""
MAX_FIELD_BYTES = 1 << 16


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A received form."""

    fields: dict[str, str]
    filename: str
    file: Written


class FormReader:
    """Takes the parser's callbacks; what belongs to the file is left in `pending` to be written."""

    def __init__(self, boundary: bytes) -> None:
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.pending: bytearray = bytearray()
        self.complete: bool = False
        self._header_name = b""
        self._header_value = b""
        self._name = ""
        self._value = bytearray()
        self._in_file = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._take_header_name,
                "on_header_value": self._take_header_value,
                "on_header_end": self._end_header,
                "on_part_data": self._take_part,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body. Raises ApiError if they are no multipart form."""
        try:
            self._parser.write(chunk)
        except FormParserError as exc:
            raise ApiError(400, "The multipart body could not be parsed.") from exc

    def _begin_part(self) -> None:
        self._name, self._value, self._in_file = "", bytearray(), False

    def _take_header_name(self, chunk: bytes, start: int, end: int) -> None:
        self._header_name += chunk[start:end]

    def _take_header_value(self, chunk: bytes, start: int, end: int) -> None:
        self._header_value += chunk[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            _, options = parse_options_header(self._header_value)
            self._name = options.get(b"name", b"").decode(errors="replace")
            self._in_file = self._name == "file" and b"filename" in options
            if self._in_file:
                self.filename = options[b"filename"].decode(errors="replace")
        self._header_name = self._header_value = b""

    def _take_part(self, chunk: bytes, start: int, end: int) -> None:
        if self._in_file:
            self.pending += memoryview(chunk)[start:end]
        elif len(self._value) + end - start > MAX_FIELD_BYTES:
            raise ApiError(400, f"The field '{self._name}' is too long.", param=self._name)
        else:
            self._value += chunk[start:end]

    def _end_part(self) -> None:
        if not self._in_file:
            self.fields[self._name] = self._value.decode(errors="replace")

    def _end(self) -> None:
        self.complete = True


async def receive_upload(request: Request, disk: Disk, path: Path, most: int) -> Upload:
    """Write the form's file to `path`, at most `most` bytes of it.

    Raises ApiError for a body that is no form, has no file, is cut short or too big, and leaves no file then;
    `starlette.requests.ClientDisconnect` if the client leaves.
    """
    form = _reader_of(request)
    writer = await disk.run(FileWriter, path, most)
    try:
        async for chunk in request.stream():
            form.feed(chunk)
            if len(form.pending) >= PIECE:
                await disk.run(writer.write, form.pending)
        await disk.run(writer.write, form.pending)
        if not form.complete:
            raise ApiError(400, "The multipart body ended early.")
        if form.filename is None:
            raise missing("file")
    except BaseException:
        await disk.run(writer.discard)
        raise
    return Upload(fields=form.fields, filename=form.filename, file=await disk.run(writer.finish))


def _reader_of(request: Request) -> FormReader:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise ApiError(400, "The request must be multipart/form-data.")
    try:
        return FormReader(options[b"boundary"])
    except FormParserError as exc:
        raise ApiError(400, "The boundary of the multipart body cannot be used.") from exc


class FileWriter:
    """Writes and hashes a file; for threads, one call at a time."""

    def __init__(self, path: Path, most: int) -> None:
        self._path = path
        self._most = most
        self._file: BinaryIO = path.open("wb")
        self._bytes = 0
        self._sha256 = hashlib.sha256()

    def write(self, pending: bytearray) -> None:
        """Write what is pending and empty it. Raises ApiError beyond the most that is allowed."""
        self._bytes += len(pending)
        if self._bytes > self._most:
            raise ApiError(400, "File is too large.")
        self._file.write(pending)
        self._sha256.update(pending)
        pending.clear()

    def finish(self) -> Written:
        """Close the file."""
        self._file.close()
        return Written(path=self._path, bytes=self._bytes, sha256=self._sha256.hexdigest())

    def discard(self) -> None:
        """Close the file and remove it."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def check_first_line(path: Path) -> None:
    """OpenAI's shallow look at a batch input. Raises ApiError if it is empty or line 1 is no JSON object."""
    with path.open("rb") as file:
        line = file.readline()
    if not line:
        raise ApiError(400, "File is empty.", param="file", code="invalid_file_format")
    try:
        msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        message = (
            "Expected file to have JSONL format, where every line is a valid JSON dictionary. "
            "Line 1 is not a dictionary."
        )
        raise ApiError(400, message, param="file", code="invalid_file_format") from exc
