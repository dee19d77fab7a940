"""What a request line must look like by itself, and what to say of one that does not."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from litebatch_asgi.errors import Problem
from litebatch_asgi.jsonl.frames import is_utf8
from litebatch_asgi.jsonl.request_body import Body, read_body, read_odd_body
from litebatch_asgi.jsonl.scan import Member, Members, scan_object, unescape
from litebatch_asgi.jsonl.shape import REQUEST_KEYS, Shape

_QUOTED = 100  # at most so many characters of a client's text stand in a message

_TYPES = {"{": "an object", "[": "an array", '"': "a string", "t": "a boolean", "f": "a boolean", "n": "null"}
_HALF_PAIR = re.compile(rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])")
_AT_BYTE = re.compile(r" ?\(byte (\d+)\)")

_validate = msgspec.json.Decoder(msgspec.Raw).decode


class Request(NamedTuple):
    """What was found in one line. What is None is missing or wrong, and then `problems` says so."""

    problems: list[Problem]
    """their `line` is None"""
    custom_id: str | None = None
    url: str | None = None
    model: str | None = None
    model_offset: int = 0
    """of the model's value in the line"""
    shape: Shape | None = None
    body: Body | None = None
    """what counts of it; None: there is a problem"""


def quote(text: str) -> str:
    """`text` as it may stand in a message."""
    return f"'{text}'" if len(text) <= _QUOTED else f"'{text[:_QUOTED]}…'"


class Bom(NamedTuple):
    """A byte order mark."""

    mark: bytes
    encoding: str


_BOMS = (Bom(b"\xef\xbb\xbf", "UTF-8"), Bom(b"\xff\xfe", "UTF-16"), Bom(b"\xfe\xff", "UTF-16"))


def find_bom(line: bytes) -> Bom | None:
    """The byte order mark that `line` begins with."""
    return next((bom for bom in _BOMS if line.startswith(bom.mark)), None)


def read_request(line: bytes) -> Request:
    """Examine a line that is not blank, given without its newline."""
    reason = _why_no_object(line)
    if reason is not None:
        message = f"This line is not parseable as valid JSON: {reason}."
        return Request([make_problem("invalid_json_line", None, message)])
    return _Examination(line).request()


def _why_no_object(line: bytes) -> str | None:
    if not is_utf8(line, 0, len(line)):
        return "it is not valid UTF-8"
    try:
        _validate(line)
    except RecursionError:
        return "its arrays and objects are nested too deeply"
    except msgspec.DecodeError as error:
        return _grammar_error(line, str(error))
    return None if line.lstrip().startswith(b"{") else "each line must hold one whole JSON object"


def _grammar_error(line: bytes, complaint: str) -> str:
    if _HALF_PAIR.search(line, max(0, len(line) - 32)):
        return r"it holds half of a surrogate pair (\ud800 to \udbff without its second half)"
    reason = _AT_BYTE.sub(r" at byte \1", complaint.removeprefix("JSON is malformed: "))
    place = _AT_BYTE.search(complaint)
    if place is None:
        return reason
    byte = int(place[1])
    near = line[max(0, byte - _QUOTED // 4) : byte + _QUOTED // 4].decode(errors="replace")
    return f"{reason}, near {near!r}"


def make_problem(code: str, param: str | None, message: str) -> Problem:
    """A problem of a line that the caller will name."""
    return Problem(code=code, line=None, param=param, message=message)


class _Examination:
    """Looks at the members of one line, which is a JSON object, and collects what is wrong with them."""

    def __init__(self, line: bytes) -> None:
        self._line = line
        self._problems: list[Problem] = []

    def request(self) -> Request:
        members = scan_object(self._line, REQUEST_KEYS)
        self._check_keys(members)
        top = members.first
        for name in REQUEST_KEYS:
            if name not in top:
                self._add("missing_required_parameter", name, f"Missing required parameter: '{name}'.")
        custom_id = self._string(top.get("custom_id"), "custom_id")
        if custom_id == "":
            self._add("invalid_value", "custom_id", "Invalid value: ''. The custom_id must not be empty.")
        method = self._string(top.get("method"), "method")
        if method not in (None, "POST"):
            message = f"Invalid value: {quote(method)}. Supported values are: 'POST'."
            self._add("invalid_value", "method", message)
        url = self._string(top.get("url"), "url")
        model, offset = self._body(top.get("body"))
        if self._problems:
            return Request(self._problems, custom_id, url, model)
        text = self._line[top["body"].start : top["body"].end]
        body = read_body(text) or read_odd_body(text)
        return Request([], custom_id, url, model, offset, Shape.of(self._line, top), body)

    def _check_keys(self, members: Members, path: str = "") -> None:
        for name in sorted(members.escaped):
            message = f"The key '{path}{name}' is spelled with escape sequences; write it without."
            self._add("invalid_value", path + name, message)
        for name in sorted(members.doubled):
            message = f"The key '{path}{name}' stands there more than once."
            self._add("duplicate_parameter", path + name, message)

    def _body(self, member: Member | None) -> tuple[str | None, int]:
        """The model and the offset of its value."""
        if member is None or not self._has_type(member, "{", "an object", "body") or member.inner is None:
            return None, 0
        self._check_keys(member.inner, "body.")
        model, stream = member.inner.first.get("model"), member.inner.first.get("stream")
        if stream is not None and self._has_type(stream, "tfn", "a boolean", "body.stream"):
            self._check_stream(stream)
        if model is None:
            self._add("invalid_request", "body.model", "Model parameter is required.")
            return None, 0
        return self._model(model), model.start

    def _check_stream(self, member: Member) -> None:
        if self._line.startswith(b"true", member.start):
            message = "Streaming is not supported in the Batch API."
            self._add("streaming_unsupported", "body.stream", message)

    def _model(self, member: Member) -> str | None:
        model = self._string(member, "body.model")
        if model is None or b"\\" not in self._line[member.start : member.end]:
            return model
        message = f"The model {quote(model)} is spelled with escape sequences; write it without."
        self._add("invalid_value", "body.model", message)
        return None

    def _string(self, member: Member | None, param: str) -> str | None:
        if member is None or not self._has_type(member, '"', "a string", param):
            return None
        return unescape(self._line[member.start + 1 : member.end - 1])

    def _has_type(self, member: Member, initials: str, expected: str, param: str) -> bool:
        initial = chr(self._line[member.start])
        if initial not in initials:
            got = _TYPES.get(initial, "a number")
            message = f"Invalid type for '{param}': expected {expected}, but got {got} instead."
            self._add("invalid_type", param, message)
        return initial in initials

    def _add(self, code: str, param: str, message: str) -> None:
        self._problems.append(make_problem(code, param, message))
