"""Reads what a model of Mistral's answered: texts, thoughts, and calls of functions."""

from __future__ import annotations

from litebatch_asgi.dialects.answers import Choice, Failure, ToolCall, malformed, to_json
from litebatch_asgi.dialects.logprobs import logprob
from litebatch_asgi.dialects.reading import inner, items, text_of
from litebatch_asgi.dialects.values import Object, is_array
from litebatch_asgi.jsonl.answers import members

_REASONS = {"stop": "stop", "tool_calls": "stop", "length": "length", "model_length": "length"}
"""Mistral's `finish_reason`s; "tool_calls" is told where there are calls. Whatever is not among these held
back some of the answer, but for `error`."""
_BROKEN_OFF = Failure(
    status=500, code="provider_error", message="The provider's model broke off its answer with an error."
)
_SOURCES = frozenset({"reference", "tool_reference"})
"""chunks that tell where something is from, and no text"""


def read_choice(told: Object) -> Choice | Failure:
    """One of the `choices`; the whole request failed if one makes no sense or ends with an error."""
    if told.get("finish_reason") == "error":
        return _BROKEN_OFF
    message = inner(told, "message")
    texts: list[str] = []
    thoughts: list[str] = []
    if not _read_content(message.get("content"), texts, thoughts):
        return malformed("it holds a chunk of an unknown kind")
    calls: list[ToolCall] = []
    for call in map(members, items(message.get("tool_calls"))):
        read = _read_call(inner(call, "function"))
        if read is None:
            return malformed(
                "a call of a function has no name, or arguments that are neither text nor object"
            )
        calls.append(read)
    finish = _REASONS.get(text_of(told.get("finish_reason")) or "", "content_filter")
    text = "".join(texts)
    return Choice(
        finish_reason="tool_calls" if calls and finish == "stop" else finish,
        content=text or None if calls or finish == "content_filter" else text,
        reasoning="".join(thoughts) or None,
        calls=tuple(calls),
        logprobs=_read_logprobs(inner(told, "logprobs")),
    )


def _read_content(content: object, texts: list[str], thoughts: list[str]) -> bool:
    """Add what the content says; False if a chunk is of an unknown kind."""
    if content is None:
        return True
    chunks = content if is_array(content) else [{"type": "text", "text": content}]
    return all(_read_chunk(members(chunk), texts, thoughts) for chunk in chunks)


def _read_chunk(chunk: Object, texts: list[str], thoughts: list[str]) -> bool:
    kind = chunk.get("type")
    if kind == "text" and isinstance(chunk.get("text"), str):
        texts.append(chunk["text"])
        return True
    if kind == "thinking":
        return _read_content(chunk.get("thinking"), thoughts, thoughts)
    return isinstance(kind, str) and kind in _SOURCES


def _read_call(function: Object) -> ToolCall | None:
    name, arguments = text_of(function.get("name")), function.get("arguments")
    if isinstance(arguments, dict):
        arguments = to_json(members(function["arguments"])).decode()
    return None if name is None or not isinstance(arguments, str) else ToolCall(name, arguments)


def _read_logprobs(told: Object) -> list[Object] | None:
    if not told:
        return None
    return [
        {**_logprob(one), "top_logprobs": [_logprob(members(top)) for top in items(one.get("top_logprobs"))]}
        for one in map(members, items(told.get("content")))
    ]


def _logprob(told: Object) -> Object:
    return logprob(told.get("token"), told.get("logprob"))
