"""Taking in the body of a create: to the disk as it comes, then one request a line."""

from __future__ import annotations

import hashlib
import mmap
import re
from pathlib import Path

import msgspec
from starlette.requests import Request

from .disk import Disk
from .execution import Written
from .json_values import is_object
from .objects import BatchProblem
from .settings import SimulatorSettings
from .uploads import PIECE
from .validation import Examination, LineRefused
from .wire import ApiError

MOST_REQUESTS = 100_000
CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
CUSTOM_ID_SUFFIX = "custom_id_suffix"
"""the key under which a batch keeps what its first custom id has after an underscore"""
_SUFFIX = re.compile(r"[^_]+_(.+)")


async def receive_requests(request: Request, disk: Disk, path: Path, most: int) -> Written:
    """Write the requests of a create's body to `path`, one a line; answers with the size of the body.

    Raises ApiError for a body that is no object with `requests`, or longer than `most` bytes, and leaves no
    file then; `starlette.requests.ClientDisconnect` if the client leaves.
    """
    body = path.with_name(f"{path.name}.body")
    try:
        written = await _receive(request, disk, body, most)
        await disk.work(_split, body, path)
    except BaseException:
        await disk.run(path.unlink, missing_ok=True)
        raise
    finally:
        await disk.run(body.unlink, missing_ok=True)
    return written


async def _receive(request: Request, disk: Disk, path: Path, most: int) -> Written:
    if int(request.headers.get("content-length", "0")) > most:
        raise _too_large()
    pending, size, sha256 = bytearray(), 0, hashlib.sha256()
    file = await disk.run(path.open, "wb")
    try:
        async for chunk in request.stream():
            pending += chunk
            size += len(chunk)
            if size > most:
                raise _too_large()
            if len(pending) >= PIECE:
                sha256.update(pending)
                await disk.run(file.write, pending)
                pending = bytearray()
        sha256.update(pending)
        await disk.run(file.write, pending)
    finally:
        await disk.run(file.close)
    return Written(path=path, bytes=size, sha256=sha256.hexdigest())


def _too_large() -> ApiError:
    return ApiError(413, "Request exceeds the maximum allowed number of bytes.")


def _split(body: Path, lines: Path) -> None:
    """Write each of the body's requests as a line. The body is mapped: it is never in memory as a whole."""
    with body.open("rb") as file, lines.open("wb", buffering=1 << 18) as out:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise ApiError(400, "The request body is empty.") from None
        try:
            told = msgspec.json.decode(mapped, type=dict[str, msgspec.Raw])
            _check_members(told)
            requests = msgspec.json.decode(told["requests"], type=list[msgspec.Raw])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            raise ApiError(400, f"The request body is not valid JSON: {exc}") from exc
        for each in requests:
            # only blanks between values can be line breaks: in strings they are escaped
            out.write(bytes(each).replace(b"\n", b" ").replace(b"\r", b" ") + b"\n")


def _check_members(told: dict[str, msgspec.Raw]) -> None:
    if "requests" not in told:
        raise ApiError(400, "requests: Field required")
    for name in told:
        if name != "requests":
            raise ApiError(400, f"{name}: Extra inputs are not permitted")


def suffix_of(lines: Path) -> str | None:
    """What the first custom id has after its first underscore; None where that has nothing."""
    with lines.open("rb") as requests:
        found = _SUFFIX.fullmatch(msgspec.json.decode(requests.readline())["custom_id"])
    return None if found is None else found[1]


class AnthropicExamination(Examination):
    """What is looked at before a create is answered: that each request has an id of its own, and parameters.

    Whether the parameters are good shows when they are used.
    """

    most_lines = MOST_REQUESTS

    def _check_number_of_lines(self) -> None:
        lines, most = len(self._offsets), self._settings.max_lines or self.most_lines
        if lines == 0:
            why = "requests: List should have at least 1 item after validation, not 0"
            self._refuse(LineRefused("invalid_request_error", why))
        elif lines > most:
            why = f"requests: List should have at most {most} items after validation, not {lines}"
            self._refuse(LineRefused("invalid_request_error", why))

    def _check(self, line: bytes) -> None:
        place = f"requests.{len(self._offsets) - 1}"
        request = msgspec.json.decode(line)
        if not is_object(request):
            raise LineRefused("invalid_request_error", f"{place}: Input should be an object")
        for name in ("custom_id", "params"):
            if name not in request:
                raise LineRefused("invalid_request_error", f"{place}.{name}: Field required")
        for name in request:
            if name not in ("custom_id", "params"):
                raise LineRefused("invalid_request_error", f"{place}.{name}: Extra inputs are not permitted")
        custom_id, params = request["custom_id"], request["params"]
        if not isinstance(custom_id, str) or not CUSTOM_ID.fullmatch(custom_id):
            why = f"{place}.custom_id: String should match pattern '^{CUSTOM_ID.pattern}$'"
            raise LineRefused("invalid_request_error", why)
        if custom_id in self._custom_ids:
            why = f"{place}.custom_id: '{custom_id}' is a duplicate. custom_ids must be unique in a batch."
            raise LineRefused("invalid_request_error", why)
        if not is_object(params):
            raise LineRefused("invalid_request_error", f"{place}.params: Input should be an object")
        self._custom_ids.add(custom_id)
        if self._model is None and isinstance(params.get("model"), str):
            self._model = params["model"]
        self._note(custom_id, params, fails=False)


def token_limit_exceeded(model: str, settings: SimulatorSettings) -> BatchProblem:
    """Why a create is refused that its model's queue has no room for."""
    message = (
        f"This request would exceed your organization's limit of {settings.most_enqueued_tokens(model)} "
        f"tokens of batch requests in the processing queue for {model}."
    )
    return BatchProblem(code="rate_limit_error", message=message)


def no_such_file(file_id: str, settings: SimulatorSettings) -> BatchProblem:
    """Why a batch without its requests fails: there are no files."""
    return BatchProblem(code="not_found_error", message=f"No requests of {file_id} are here.")
