"""Reads the rows of a Message Batch."""

from __future__ import annotations

from collections.abc import Mapping

from litebatch_asgi.dialects.answers import (
    CANCELLED,
    EXPIRED,
    Choice,
    Completion,
    Failure,
    Outcome,
    ToolCall,
    malformed,
    to_json,
)
from litebatch_asgi.dialects.reading import inner, items, text_of, tokens
from litebatch_asgi.dialects.values import Object
from litebatch_asgi.jsonl.answers import members
from litebatch_asgi.scrub import scrub

_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "stop",  # "tool_calls" where there are calls
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
}
"""`finish_reason` by `stop_reason`. Whatever is not among these held back some of the answer."""
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_THOUGHTS = ("thinking", "redacted_thinking")
_REFUSED = "The provider's model refused to answer."


def read_outcome(row: Object, *, model: str, names: Mapping[str, str]) -> Outcome:
    """What a row says of its request.

    Args:
        row: as decoded.
        model: told where the row does not tell which model answered.
        names: see `scrub`.

    """
    result = inner(row, "result")
    match result.get("type"):
        case "succeeded":
            return _read_message(inner(result, "message"), model)
        case "errored":
            return _read_failure(inner(result, "error"), names)
        case "canceled":
            return CANCELLED
        case "expired":
            return EXPIRED
        case _:
            return malformed("the row tells no result")


def _read_message(message: Object, model: str) -> Outcome:
    if not isinstance(message.get("content"), list):
        return malformed("the message has no content")
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    for block in map(members, items(message["content"])):
        kind = block.get("type")
        if kind == "text" and isinstance(block.get("text"), str):
            texts.append(block["text"])
        elif kind == "tool_use":
            name = text_of(block.get("name"))
            if name is None or not isinstance(block.get("input"), dict):
                return malformed("a call of a function has no name, or arguments that are no object")
            calls.append(ToolCall(name, to_json(members(block["input"])).decode()))
        elif kind in _THOUGHTS:
            thoughts.append(text_of(block.get("thinking")) or "")
        else:
            return malformed("it holds a block of an unknown kind")
    reason = message.get("stop_reason")
    finish = _REASONS.get(reason if isinstance(reason, str) else "", "content_filter")
    content = "".join(texts)
    choice = Choice(
        finish_reason="tool_calls" if calls and finish == "stop" else finish,
        content=content or None if calls or finish == "content_filter" else content,
        refusal=_REFUSED if reason == "refusal" else None,
        reasoning="".join(thoughts) or None,
        calls=tuple(calls),
    )
    told = text_of(message.get("model"))
    usage = inner(message, "usage")
    return Completion(
        model=model if told is None or len(told) > 200 else told,
        choices=[choice],
        usage=_read_usage(usage) if usage else None,
    )


def _read_usage(told: Object) -> Object:
    """OpenAI's `usage`: what came from a cache, or was written to it, counts as input there."""
    cached, written = (
        tokens(told.get("cache_read_input_tokens")),
        tokens(told.get("cache_creation_input_tokens")),
    )
    sent = tokens(told.get("input_tokens")) + cached + written
    made = tokens(told.get("output_tokens"))
    thoughts = tokens(inner(told, "output_tokens_details").get("thinking_tokens"))
    return {
        "prompt_tokens": sent,
        "completion_tokens": made,
        "total_tokens": sent + made,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": min(thoughts, made), "audio_tokens": 0},
    }


def _read_failure(told: Object, names: Mapping[str, str]) -> Failure:
    error = inner(told, "error")
    kind = text_of(error.get("type")) or "api_error"
    message = text_of(error.get("message")) or "The provider tells no reason."
    return Failure(
        status=_STATUSES.get(kind, 500),
        message=scrub(message, names=names),
        code=kind if kind in _STATUSES else "provider_error",
    )
