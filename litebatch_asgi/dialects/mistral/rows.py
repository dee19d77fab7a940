"""Reads the rows of Mistral's batches: answers of models, embeddings, and failures."""

from __future__ import annotations

import re
from collections.abc import Mapping

from litebatch_asgi.dialects.answers import Choice, Completion, Embeddings, Failure, Outcome, malformed
from litebatch_asgi.dialects.details import error_words
from litebatch_asgi.dialects.mistral.choices import read_choice
from litebatch_asgi.dialects.reading import inner, items, read_json, text_of, tokens
from litebatch_asgi.dialects.values import Object
from litebatch_asgi.jsonl.answers import members, whole
from litebatch_asgi.scrub import scrub

_CODE = re.compile(r"[a-z_]{1,64}")


def read_outcome(row: Object, *, model: str, names: Mapping[str, str]) -> Outcome:
    """What a row says of its request.

    The body of a request that failed is a string with the JSON in it.

    Args:
        row: as decoded.
        model: told where the row does not tell which model answered.
        names: see `scrub`.

    """
    response, error = inner(row, "response"), row.get("error")
    status, body = whole(response.get("status_code")), _body(response.get("body"))
    if error is not None or (status is not None and status >= 400):
        return _read_failure(status, body, error, names)
    told = members(body)
    if not told:
        return malformed("the row holds neither a response nor an error")
    return _read_embeddings(told, model) if "data" in told else _read_completion(told, model)


def _body(told: object) -> object:
    """What a body holds, also as a string; of a string that is no JSON the string."""
    if not isinstance(told, str):
        return told
    read = read_json(told.encode("utf-8", "replace"))
    return told if read is None else read


def _read_completion(body: Object, model: str) -> Outcome:
    choices: list[Choice] = []
    for told in map(members, items(body.get("choices"))):
        choice = read_choice(told)
        if isinstance(choice, Failure):
            return choice
        choices.append(choice)
    if not choices:
        return malformed("the response has no choices")
    usage = inner(body, "usage")
    return Completion(
        model=_model(body, model),
        choices=choices,
        usage=_read_usage(usage) if usage else None,
        created=whole(body.get("created")),
    )


def _read_usage(told: Object) -> Object:
    """OpenAI's `usage`. Mistral counts seconds of audio beside tokens, and does not tell reasoning apart."""
    details = inner(told, "prompt_tokens_details", "prompt_token_details")
    sent, made = tokens(told.get("prompt_tokens")), tokens(told.get("completion_tokens"))
    cached = tokens(details.get("cached_tokens", told.get("num_cached_tokens")))
    return {
        "prompt_tokens": sent,
        "completion_tokens": made,
        "total_tokens": sent + made,
        "prompt_tokens_details": {"cached_tokens": min(cached, sent), "audio_tokens": 0},
    }


def _read_embeddings(body: Object, model: str) -> Outcome:
    told = [members(one) for one in items(body.get("data"))]
    told.sort(key=lambda one: whole(one.get("index")) or 0)
    vectors = [items(one.get("embedding")) for one in told]
    if not vectors or not all(vector and all(map(_is_number, vector)) for vector in vectors):
        return malformed("an embedding is no list of numbers")
    sent = inner(body, "usage").get("prompt_tokens")
    return Embeddings(
        model=_model(body, model),
        vectors=vectors,
        prompt_tokens=None if sent is None else tokens(sent),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _model(body: Object, model: str) -> str:
    told = text_of(body.get("model"))
    return model if told is None or len(told) > 200 else told


def _read_failure(status: int | None, body: object, error: object, names: Mapping[str, str]) -> Failure:
    message = error_words(body) or error_words(error) or "The provider tells no reason."
    kind = text_of(members(body).get("type")) or text_of(members(error).get("type")) or ""
    return Failure(
        status=status if status is not None and 400 <= status <= 599 else 500,
        message=scrub(message, names=names),
        code=kind if _CODE.fullmatch(kind) else "provider_error",
    )
