"""What Mistral's models answer: what the other simulated models do, in Mistral's form.

With `reasoning_effort` an answer begins with a thought; where a function must be called, it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from .directives import Directive
from .json_values import JSON, is_object
from .mistral_rules import error_body

KINDS = {401: "unauthorized", 404: "invalid_model", 422: "invalid_request_error", 429: "rate_limited"}
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def mistral_answer(answered: JSON, asked: JSON, directive: Directive, key: str) -> JSON:
    """The response body of a request that was `answered` in OpenAI's form."""
    usage = answered.get("usage")
    told = {**answered, "id": key, "usage": _usage(usage) if is_object(usage) else usage}
    if "data" in answered:
        return told
    (choice,) = answered["choices"]
    text = choice["message"]["content"]
    return {
        **{name: told[name] for name in ("id", "object", "created", "model", "usage")},
        "choices": [_choice(text, asked, directive, key)],
    }


def mistral_failure(directive: Directive) -> JSON:
    """The response body of a request that was asked to fail."""
    status = directive.status
    kind = KINDS.get(status, "internal_server_error" if status >= 500 else "invalid_request_error")
    message = directive.message or f"This request was asked to fail with status {status}."
    return error_body(message, kind, directive.code)


def _choice(text: str, asked: JSON, directive: Directive, key: str) -> JSON:
    message: JSON = {"role": "assistant", "content": text, "tool_calls": None, "prefix": False}
    reason = "stop"
    if asked.get("reasoning_effort") not in (None, "none"):
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Let me think."}]}
        message["content"] = [thought, {"type": "text", "text": text}]
    if (function := _called(asked)) is not None:
        call = {"id": _call_id(key), "function": {"name": function, "arguments": "{}"}, "index": 0}
        message |= {"content": "", "tool_calls": [call]}
        reason = "tool_calls"
    return {"index": 0, "message": message, "finish_reason": directive.finish_reason or reason}


def _called(asked: JSON) -> str | None:
    """The function that must be called."""
    choice = asked.get("tool_choice")
    if is_object(choice):
        return str(choice["function"]["name"])
    return str(asked["tools"][0]["function"]["name"]) if choice in ("any", "required") else None


def _call_id(key: str) -> str:
    number = int(key, 16)
    return "".join(ALPHABET[number // 62**place % 62] for place in range(9))


def _usage(told: Mapping[str, object]) -> JSON:
    details = told.get("prompt_tokens_details")
    cached = details.get("cached_tokens", 0) if is_object(details) else 0
    counts = {name: told.get(name, 0) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    return {**counts, "prompt_tokens_details": {"cached_tokens": cached}, "prompt_audio_seconds": None}
