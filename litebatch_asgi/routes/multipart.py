"""Taking the multipart body of an upload apart as it arrives. Pure.

Source of the format: RFC 7578 over RFC 2046. What does not keep to it raises `InvalidRequest`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models.limits import SizeCap
from litebatch_asgi.wire import checks
from litebatch_asgi.wire.filenames import clean_filename
from litebatch_asgi.wire.names import Pairs

MAX_PARTS = 100
MAX_FIELD_BYTES = 64 << 10
MAX_FORM_BYTES = 1 << 20
"""everything but the file's own bytes: fields, headers, boundaries"""

_PLAIN_ENCODINGS = (b"", b"7bit", b"8bit", b"binary")
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*+"')
_EXTENDED_FILENAME = re.compile(rb";[ \t]*filename\*=(utf-8|iso-8859-1)'[^']*'([^\s;]*)", re.IGNORECASE)


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What came with the bytes of a file."""

    filename: str
    fields: tuple[tuple[str, str], ...]
    """the other form fields, in the order they came"""


def boundary_of(content_type: str | None) -> bytes:
    """What separates the parts of a body with this content-type header."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise InvalidRequest("An upload must be sent as multipart/form-data.")
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise InvalidRequest("The content-type of the upload names no boundary.")
    return boundary


class UploadParser:
    """Takes the body of an upload apart, piece by piece as it arrives. Does no I/O.

    `field` is the name that the file goes by. `before_file` is called with the fields that came before the
    file, once it begins; what it raises is raised before any byte of the file was given out.
    """

    def __init__(
        self,
        boundary: bytes,
        *,
        cap: SizeCap,
        field: str = "file",
        before_file: Callable[[Pairs], None] | None = None,
    ) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._cap = cap
        self._field = field
        self._before_file = before_file
        self._received_bytes = 0
        self._file_bytes = 0
        self._parts = 0
        self._inside_file = False
        self._complete = False
        self._filename: str | None = None
        self._fields: list[tuple[str, str]] = []
        self._pieces: list[memoryview] = []
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._field_name = ""
        self._field_value: bytearray | None = None
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begin,
                    "on_header_field": self._on_header,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._part_data,
                    "on_part_end": self._part_end,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _not_multipart() from error

    def feed(self, chunk: bytes) -> list[memoryview]:
        """Go on with `chunk`; what of it belongs to the file, without a copy."""
        self._pieces = []
        self._received_bytes += len(chunk)
        if self._inside_file and (size := self._data_size(chunk)):
            # the parser would take ten times longer to find out that no boundary begins here
            self._part_data(chunk, 0, size)
            chunk = chunk[size:]
            if not chunk:
                return self._pieces
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _not_multipart() from error
        inside_part = self._parser.state == MultipartState.PART_DATA and self._parser.index == 0
        self._inside_file = inside_part and self._field_value is None
        if self._received_bytes - self._file_bytes > MAX_FORM_BYTES:
            raise InvalidRequest(f"The form has more than {MAX_FORM_BYTES} bytes beside its file.")
        return self._pieces

    def _data_size(self, chunk: bytes) -> int:
        """How much of a chunk, which goes on inside the file, is before what may be the end of it."""
        found = chunk.find(self._delimiter)
        if found >= 0:
            return found
        last = chunk.rfind(b"\r", max(len(chunk) - len(self._delimiter), 0))
        return last if last >= 0 and self._delimiter.startswith(chunk[last:]) else len(chunk)

    @property
    def pieces(self) -> list[memoryview]:
        """What of the last chunk belongs to the file, as far as it was read."""
        return self._pieces

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The other form fields that have come whole."""
        return self._fields

    def received(self) -> Received:
        """The whole form, once the body has ended."""
        if not self._complete:
            raise InvalidRequest("The body ended before the closing boundary of the form.")
        if self._filename is None:
            raise checks.missing(self._field)
        return Received(filename=self._filename, fields=tuple(self._fields))

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise InvalidRequest(f"The form has more than {MAX_PARTS} parts.")
        self._headers = {}

    def _on_header(self, chunk: bytes, start: int, end: int) -> None:
        self._header_name += chunk[start:end]

    def _on_header_value(self, chunk: bytes, start: int, end: int) -> None:
        self._header_value += chunk[start:end]

    def _header_end(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or b"name" not in options:
            raise _not_multipart()
        self._field_name = _text(options[b"name"], None)
        if self._headers.get(b"content-transfer-encoding", b"").strip().lower() not in _PLAIN_ENCODINGS:
            raise InvalidRequest(
                f"'{self._field_name}' must be sent as it is, without a content-transfer-encoding.",
                param=self._field_name,
            )
        filename = _extended_filename(disposition) or options.get(b"filename")
        if filename is not None:
            self._file_begin(filename)
        elif self._field_name == self._field:
            raise self._bad_file("must be a file, with a filename, not a text field.")
        else:
            self._field_value = bytearray()

    def _file_begin(self, filename: bytes) -> None:
        if self._field_name != self._field:
            raise InvalidRequest(
                f"'{self._field_name}' is a file; the file of an upload goes by the name '{self._field}'.",
                param=self._field_name,
                code="unknown_parameter",
            )
        if self._filename is not None:
            raise self._bad_file("can be sent once only in a request.")
        if not filename:
            raise self._bad_file("has an empty filename: was a file chosen?")
        if self._before_file is not None:
            self._before_file(tuple(self._fields))
        self._filename = clean_filename(filename.decode(errors="replace"))
        self._field_value = None

    def _bad_file(self, why: str) -> InvalidRequest:
        return InvalidRequest(f"'{self._field}' {why}", param=self._field, code="invalid_value")

    def _part_data(self, chunk: bytes, start: int, end: int) -> None:
        if self._field_value is None:
            self._file_bytes += end - start
            if self._file_bytes > self._cap.bytes:
                raise self._cap.exceeded()
            self._pieces.append(memoryview(chunk)[start:end])
            return
        self._field_value += memoryview(chunk)[start:end]
        if len(self._field_value) > MAX_FIELD_BYTES:
            raise InvalidRequest(
                f"'{self._field_name}' has more than {MAX_FIELD_BYTES} bytes.", param=self._field_name
            )

    def _part_end(self) -> None:
        if self._field_value is not None:
            self._fields.append((self._field_name, _text(self._field_value, self._field_name)))

    def _end(self) -> None:
        self._complete = True


def _extended_filename(disposition: bytes) -> bytes | None:
    """The name in `filename*=utf-8''...`, in UTF-8.

    RFC 7578 forbids it in forms, and yet .NET and older Python clients write it, the real name in it alone.
    """
    found = _EXTENDED_FILENAME.search(_QUOTED.sub(b'""', disposition))
    if found is None:
        return None
    charset, encoded = found.groups()
    return unquote_to_bytes(encoded).decode(charset.decode(), errors="replace").encode()


def _text(raw: bytes | bytearray, param: str | None) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest("A field of the form is not valid UTF-8.", param=param) from error


def _not_multipart() -> InvalidRequest:
    return InvalidRequest("The body is not valid multipart/form-data.")
