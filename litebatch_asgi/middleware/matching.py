"""What in a body tells that it is meant for managed objects. Pure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

import msgspec

from litebatch_asgi.errors import RequestError
from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.models.ids import is_file_id
from litebatch_asgi.models.limits import FileCap
from litebatch_asgi.routes.multipart import UploadParser
from litebatch_asgi.wire.names import NAMES_FIELDS
from litebatch_asgi.wire.providers import PROVIDER_FIELD
from litebatch_asgi.wire.uploads import names_in

_BOM = b"\xef\xbb\xbf"


class _LineBody(msgspec.Struct):
    model: str


class _Line(msgspec.Struct):
    body: _LineBody


class _NewBatch(msgspec.Struct):
    input_file_id: str


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_object = msgspec.json.Decoder(dict[str, object]).decode
_decode_new_batch = msgspec.json.Decoder(_NewBatch).decode


def names_models(pairs: Iterable[tuple[str, str]]) -> bool:
    """Whether these form fields or query parameters name any virtual model."""
    return any(name in NAMES_FIELDS and value.strip(" ,") for name, value in pairs)


def names_managed_input(body: bytes) -> bool:
    """Whether the body of `POST /batches` names an input file whose id has the form of ours."""
    try:
        return is_file_id(_decode_new_batch(body).input_file_id)
    except (ValueError, RecursionError):
        return False


def body_names_models(body: bytes) -> bool:
    """Whether the body of `POST /uploads` names any virtual model."""
    try:
        return names_models(names_in(_decode_object(body)))
    except (ValueError, RecursionError, RequestError):
        return False


class UploadMatcher:
    """Finds out from the body of an upload, as it arrives, whether the file is to be managed.

    It is when the form names virtual models, or has the purpose `batch` and a file whose first line names a
    model that `is_served`, a provider's own name where the form names a provider. A body that is not a form
    as an upload has it tells nothing from there on. When the answer comes depends on the order of the fields,
    but never on how the body is cut into chunks.
    """

    def __init__(
        self, boundary: bytes, *, max_line_bytes: int, is_served: Callable[[str, list[str]], bool]
    ) -> None:
        # the size of the file is its receiver's concern
        self._parser = UploadParser(boundary, cap=FileCap(bytes=sys.maxsize))
        self._first_line: LineFramer | None = LineFramer(max_line_bytes)
        self._is_served = is_served
        self._model: str | None = None

    def feed(self, chunk: bytes) -> bool | None:
        """Go on with the next piece of the body: whether the file is managed, None while that is open."""
        try:
            self._parser.feed(chunk)
            is_form = True
        except RequestError:
            is_form = False
        for piece in self._parser.pieces:
            if self._first_line is not None:
                self._look_at(self._first_line.feed(bytes(piece)))
        return True if self._told() else None if is_form else False

    def end(self) -> bool:
        """The same once the body has ended."""
        try:
            self._parser.received()
        except RequestError:
            return False
        if self._first_line is not None:
            self._look_at(self._first_line.finish())
        return self._told()

    def _told(self) -> bool:
        fields = self._parser.fields
        if names_models(fields):
            return True
        if self._model is None or ("purpose", "batch") not in fields:
            return False
        return self._is_served(self._model, [value for name, value in fields if name == PROVIDER_FIELD])

    def _look_at(self, runs: Iterable[Run]) -> None:
        """Take the model of the first line that is not blank; then no other line is looked at."""
        for run in runs:
            line = next((line for line in run.lines() if line.strip()), None)
            if line is not None or run.text is None:
                self._first_line = None
                self._model = None if line is None else _model_in(line)
                return


def _model_in(line: bytes) -> str | None:
    # here, not in a thread: the decoder would hold the interpreter's lock there all the same
    try:
        return _decode_line(line.removeprefix(_BOM)).body.model
    except (ValueError, RecursionError):
        return None
