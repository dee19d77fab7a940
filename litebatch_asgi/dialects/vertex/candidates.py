"""Makes OpenAI's choices of Gemini's candidates."""

from __future__ import annotations

from typing import Any, cast

from litebatch_asgi.dialects.answers import Choice, Failure, ToolCall, malformed, to_json
from litebatch_asgi.dialects.logprobs import logprob
from litebatch_asgi.dialects.reading import inner, items, text_of
from litebatch_asgi.dialects.values import Object
from litebatch_asgi.jsonl.answers import members

_REASONS = {
    None: "stop",
    "FINISH_REASON_UNSPECIFIED": "stop",
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
}
"""`finish_reason` by `finishReason`. Whatever is not among these held back some of the answer."""
_MALFORMED = {
    "MALFORMED_FUNCTION_CALL": "the model's call of a function is no valid one",
    "UNEXPECTED_TOOL_CALL": "the model called a function that it was not given",
    "TOO_MANY_TOOL_CALLS": "the model called too many functions",
    "MALFORMED_RESPONSE": "the model's answer is no valid one",
    "MISSING_THOUGHT_SIGNATURE": "a call of an earlier turn lacks its thought signature",
}
_BESIDE = frozenset({"thought", "thoughtSignature", "videoMetadata", "partMetadata"})
"""what a part can have beside its content"""


def read_candidate(candidate: Object) -> Choice | Failure:
    """The choice that a candidate is; a failure if it makes no sense."""
    reason = candidate.get("finishReason")
    if isinstance(reason, str) and reason in _MALFORMED:
        return malformed(_MALFORMED[reason])
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    for part in map(members, items(inner(candidate, "content").get("parts"))):
        call = part.get("functionCall")
        if isinstance(part.get("text"), str):
            (thoughts if part.get("thought") is True else texts).append(part["text"])
        elif call is not None:
            read = _read_call(members(call))
            if read is None:
                return malformed("a call of a function has no name, or arguments that are no object")
            calls.append(read)
        elif part.keys() - _BESIDE:
            return malformed(f"it holds a part of an unknown kind ({', '.join(sorted(part)[:3])[:100]})")
    finish = _REASONS.get(reason if isinstance(reason, str) else None, "content_filter")
    return Choice(
        finish_reason="tool_calls" if calls and finish == "stop" else finish,
        content="".join(texts) or None if calls or finish == "content_filter" else "".join(texts),
        reasoning="".join(thoughts) or None,
        calls=tuple(calls),
        logprobs=_read_logprobs(inner(candidate, "logprobsResult")),
    )


def blocked(feedback: Object) -> Choice:
    """The choice in place of none: the provider took exception to the prompt."""
    reason = text_of(feedback.get("blockReason")) or "no reason told"
    why = reason.replace("_", " ").lower() if reason.isascii() and len(reason) < 50 else "no reason told"
    return Choice(finish_reason="content_filter", refusal=f"The provider blocked this prompt: {why}.")


def _read_call(call: Object) -> ToolCall | None:
    name, arguments = text_of(call.get("name")), call.get("args")
    if name is None or not (arguments is None or isinstance(arguments, dict)):
        return None
    return ToolCall(name, to_json(members(cast("object", arguments))).decode())


def _read_logprobs(told: Object) -> list[Object] | None:
    if not told:
        return None
    tops = items(told.get("topCandidates"))
    chosen = map(members, items(told.get("chosenCandidates")))
    return [
        {**_logprob(one), "top_logprobs": _top(tops[index] if index < len(tops) else None)}
        for index, one in enumerate(chosen)
    ]


def _top(told: Any) -> list[Object]:
    return [_logprob(members(one)) for one in items(members(told).get("candidates"))]


def _logprob(told: Object) -> Object:
    return logprob(told.get("token"), told.get("logProbability", 0))
