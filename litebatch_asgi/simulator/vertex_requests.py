"""One request of a Vertex batch: what it asks for, and what comes of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from .answers import Ask, Usage, texts_of
from .directives import Directive, directive_in_text
from .gemini_answers import embedding_answer, gemini_answer
from .gemini_rules import Refused, check_request
from .json_values import JSON
from .proto_json import canonical

GRPC_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""names of `google.rpc.Code` by HTTP status"""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it was imported, with what is made of it by the way."""

    request: JSON
    model: str
    directive: Directive
    refusal: str | None
    """why Gemini does not take it"""

    @property
    def fails(self) -> bool:
        """Whether its row tells a failure."""
        return self.refusal is not None or self.directive.fails


def asked_of(request: JSON, model: str) -> Asked:
    """A request to `model`, looked at."""
    embeds = is_embedding(model)
    refusal = None
    try:
        check_request(request, embeds=embeds)
    except Refused as refused:
        refusal = str(refused)
    last = ""
    for last in texts_of(canonical(request)):  # noqa: B007 only the last one is wanted
        pass
    return Asked(request=request, model=model, directive=directive_in_text(last), refusal=refusal)


def is_embedding(model: str) -> bool:
    """Whether a model makes embeddings, by its name."""
    return "embedding" in model


def response_of(asked: Asked, key: str, created: int, answer_characters: int) -> tuple[JSON, Usage]:
    """The response to a request that does not fail, and what it used."""
    ask = Ask(
        body=canonical(asked.request) | {"model": asked.model},
        directive=asked.directive,
        key=key,
        created=created,
        answer_characters=answer_characters,
    )
    return (embedding_answer if is_embedding(asked.model) else gemini_answer)(ask)


def status_of(asked: Asked) -> str:
    """The `status` of the row of a request that fails, such as `Bad Request: {"error": {…}}`."""
    if asked.refusal is not None:
        return _status(400, asked.refusal)
    directive = asked.directive
    if directive.error is not None:
        return _status(504, directive.message or directive.error)
    message = directive.message or f"This request was asked to fail with status {directive.status}."
    return _status(directive.status, message, directive.code)


def _status(code: int, message: str, name: str | None = None) -> str:
    phrases: dict[int, str] = {each.value: each.phrase for each in HTTPStatus}
    error: dict[str, Any] = {
        "code": code,
        "message": message,
        "status": name or GRPC_NAMES.get(code, "UNKNOWN"),
    }
    return f"{phrases.get(code, 'Error')}: {msgspec.json.encode({'error': error}).decode()}"
