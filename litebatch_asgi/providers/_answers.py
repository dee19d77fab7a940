"""What a provider's answer means: the one place where statuses and error bodies become our errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from litebatch_asgi.causes import is_about_copy, is_about_room
from litebatch_asgi.dialects.details import error_words
from litebatch_asgi.errors import (
    ContentRefused,
    CopyRefused,
    DeploymentRefused,
    NoClearAnswer,
    ProviderBusy,
    ProviderError,
    ProviderNotFound,
)
from litebatch_asgi.models import BatchError
from litebatch_asgi.models.provider import LONGEST_NAME
from litebatch_asgi.models.retry_after import retry_after

_MEANINGS: Mapping[int, type[ProviderError]] = {
    301: DeploymentRefused,
    307: DeploymentRefused,
    308: DeploymentRefused,
    401: DeploymentRefused,
    402: DeploymentRefused,
    403: DeploymentRefused,
    404: DeploymentRefused,
    405: DeploymentRefused,
    407: DeploymentRefused,
    408: NoClearAnswer,
    410: DeploymentRefused,
    429: DeploymentRefused,
    500: ProviderBusy,
    503: ProviderBusy,
    529: ProviderBusy,  # Anthropic's overload
}
"""The rest of 4xx is `ContentRefused`, and what is left after that `NoClearAnswer`."""

_OBJECT_GONE = frozenset({404, 410})
_MAY_MEAN_COPY = _OBJECT_GONE | {403}
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)
_KEY = re.compile(r"\bsk-[\w*.-]+")
_DURATION = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?s")
_MAX_MESSAGE = 500


class Complaint(msgspec.Struct, frozen=True, kw_only=True):
    """What the body of an error says, each part None where it says nothing of the kind."""

    code: str | None = None
    type: str | None = None
    param: str | None = None
    message: str | None = None
    line: int | None = None
    wait: float | None = None
    """seconds for which it asks not to be asked, in the body in place of a header"""

    @property
    def is_quota(self) -> bool:
        """Whether the deployment has no room left, whatever the status."""
        return any(is_about_room(self._as_error(code)) for code in (self.code, self.type))

    @property
    def is_about_copy(self) -> bool:
        """Whether the deployment cannot use its copy of the input file.

        OpenAI accepts an unknown input file and fails the batch later; compatible servers refuse it at once.
        """
        return is_about_copy(self._as_error(self.code))

    def _as_error(self, code: str | None) -> BatchError:
        return BatchError(code=code, line=self.line, message=self.message, param=self.param)

    def code_beside(self, status: int) -> str | None:
        """The code, unless it only repeats the status: Azure has `"code": "404"`."""
        return None if self.code == str(status) else self.code

    def asked_wait(self, headers: Mapping[str, str]) -> float | None:
        """The seconds that the answer asks for, by its headers or its body."""
        told = retry_after(headers, datetime.now(UTC))
        return self.wait if told is None else told


def answered_with(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    names_object: bool,
    hidden: Sequence[str] = (),
) -> ProviderError:
    """The error that an answer other than 2xx means.

    `names_object`: the request named a file or batch in its path, so that 404 speaks of that one and not of
    the deployment. `hidden`: what neither message nor code may show, such as the key. `body` may be cut off
    or be anything at all.
    """
    complaint = read_complaint(body)
    meaning = _meaning(status, complaint, names_object)
    return meaning(
        _message(status, complaint, meaning, hidden),
        status=status,
        code=_name(complaint.code_beside(status), hidden),
        param=_name(complaint.param, hidden),
        retry_after=complaint.asked_wait(headers),
    )


def _meaning(status: int, complaint: Complaint, names_object: bool) -> type[ProviderError]:
    if names_object and status in _OBJECT_GONE:
        return ProviderNotFound
    meaning = _MEANINGS.get(status, ContentRefused if 400 <= status < 500 else NoClearAnswer)
    if meaning is ContentRefused and complaint.is_quota:
        return DeploymentRefused
    if complaint.is_about_copy and (meaning is ContentRefused or status in _MAY_MEAN_COPY):
        return CopyRefused
    return meaning


def _message(status: int, complaint: Complaint, meaning: type[ProviderError], hidden: Sequence[str]) -> str:
    """The provider's words; to what is the operator's concern the status is added."""
    words = _shown(complaint.message or "", hidden)
    if words and meaning is ContentRefused:
        return words
    code = _name(complaint.code_beside(status), hidden)
    answered = f"the provider answered {status} {code}" if code else f"the provider answered {status}"
    return f"{answered}: {words}" if words else answered


def read_complaint(body: bytes) -> Complaint:
    """Make out what an error body says.

    Known forms: OpenAI's `{"error": {...}}`, an `error` that is a string, the parts at the top level
    (Azure's gateway; the `detail` of Mistral and FastAPI, which may be a list), a list around any of these,
    plain text, HTML, nothing. Google's google.rpc.Status has a number as its `code`, the name in `status`,
    and perhaps a wait in `details`.
    """
    try:
        content: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return Complaint(message=_plain(body))
    if isinstance(content, list):
        content = next(iter(cast("list[object]", content)), None)
    parts = cast("dict[str, Any]", content) if isinstance(content, dict) else {"error": content}
    inner: object = parts.get("error") or parts
    if not isinstance(inner, dict):
        return Complaint(message=_text(inner))
    parts = cast("dict[str, Any]", inner)
    line, code, name = (parts.get(key) for key in ("line", "code", "status"))
    return Complaint(
        code=name if isinstance(code, int) and isinstance(name, str) and name else _text(code),
        type=_text(parts.get("type")),
        param=_text(parts.get("param")),
        message=_words(parts.get("message")) or _words(parts.get("detail")),
        line=line if isinstance(line, int) else None,
        wait=_wait(parts.get("details")),
    )


def _wait(details: object) -> float | None:
    """The seconds of a google.rpc.RetryInfo, whose duration reads `13.5s`."""
    for detail in cast("list[object]", details) if isinstance(details, list) else ():
        delay = cast("dict[str, object]", detail).get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and _DURATION.fullmatch(delay):
            return float(delay[:-1])
    return None


def _words(value: object) -> str | None:
    return error_words(value) or _text(value)


def _text(value: object) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _plain(body: bytes) -> str | None:
    text = body.decode("utf-8", "replace").strip()
    return None if text.startswith("<") else text or None


def hide(text: str, hidden: Iterable[str]) -> str:
    """The text without the words in `hidden`, of which the longest come first."""
    for word in hidden:
        text = text.replace(word, "[hidden]")
    return text


def _name(text: str | None, hidden: Iterable[str]) -> str | None:
    return None if text is None else hide(text, hidden)[:LONGEST_NAME]


def _shown(text: str, hidden: Iterable[str]) -> str:
    text = hide(text, hidden)
    text = _KEY.sub("[hidden]", _ADDRESS.sub("[address]", text))
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_MAX_MESSAGE]
