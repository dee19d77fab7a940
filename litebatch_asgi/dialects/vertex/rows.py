"""Reads the rows of a Vertex batch: answers of Gemini, embeddings, and failures."""

from __future__ import annotations

from collections.abc import Mapping

from litebatch_asgi.dialects.answers import (
    CANCELLED,
    Choice,
    Completion,
    Embeddings,
    Failure,
    Outcome,
    malformed,
)
from litebatch_asgi.dialects.reading import inner, items, seconds, text_of, tokens
from litebatch_asgi.dialects.values import Object
from litebatch_asgi.dialects.vertex.candidates import blocked, read_candidate
from litebatch_asgi.dialects.vertex.statuses import read_status
from litebatch_asgi.dialects.vertex.usage import read_usage
from litebatch_asgi.jsonl.answers import members
from litebatch_asgi.scrub import scrub


def read_outcome(row: Object, *, model: str, names: Mapping[str, str]) -> Outcome:
    """What a row says of its request.

    Args:
        row: as decoded.
        model: told where the row does not tell which model answered.
        names: see `scrub`.

    """
    if response := inner(row, "response"):
        return _read_response(response, row, model)
    status = text_of(row.get("status"))
    return (
        malformed("the row holds neither a response nor an error")
        if status is None
        else (_read_failure(status, names))
    )


def _read_response(response: Object, row: Object, model: str) -> Outcome:
    if "embedding" in response:
        return _read_embedding(response, model)
    feedback, usage = inner(response, "promptFeedback"), inner(response, "usageMetadata")
    candidates = items(response.get("candidates"))
    if not candidates and not feedback and not usage:
        return malformed("the response has no candidates")
    choices: list[Choice] = []
    for candidate in candidates:
        choice = read_candidate(members(candidate))
        if isinstance(choice, Failure):
            return choice
        choices.append(choice)
    return Completion(
        model=_model(response, model),
        choices=choices or [blocked(feedback)],
        usage=read_usage(usage),
        created=seconds(response.get("createTime")) or seconds(row.get("processed_time")),
    )


def _read_embedding(response: Object, model: str) -> Outcome:
    values = items(inner(response, "embedding").get("values"))
    if not values or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
        return malformed("the embedding is no list of numbers")
    usage = inner(response, "usageMetadata")
    told = usage.get("promptTokenCount", response.get("tokenCount"))
    return Embeddings(
        model=_model(response, model), vectors=[values], prompt_tokens=None if told is None else tokens(told)
    )


def _model(response: Object, model: str) -> str:
    """The model that answered; never the name of a resource, which names a project."""
    told = text_of(response.get("modelVersion"))
    return model if told is None or "/" in told or len(told) > 200 else told


def _read_failure(status: str, names: Mapping[str, str]) -> Outcome:
    """The failure that a row's `status` tells."""
    told = read_status(status)
    if told.name == "CANCELLED":
        return CANCELLED
    return Failure(status=told.code, message=scrub(told.message, names=names), code=told.name.lower())
