"""What the simulated models answer: the same request always gets the same answer and the same usage.

The text echoes the last thing that was said. A text has a token per four characters or part of them; a
quarter of the input tokens is `cached`, a quarter of the output tokens of a chat or response is `reasoning`.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from .directives import Directive
from .json_values import JSON, is_array, is_object

SAID_IN = (
    "system",
    "instructions",
    "messages",
    "input",
    "prompt",
    "systemInstruction",
    "contents",
    "content",
)
"""members of a request that hold what it says, in this order: OpenAI's, Anthropic's and Gemini's"""
MAX_NESTING = 4
"""a list of messages, the message, its list of parts, the part"""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one request, or summed over many."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request, with what an answer needs to be made."""

    body: JSON
    directive: Directive
    key: str
    """hexadecimal, unique: ids are made of it"""
    created: int
    """Unix seconds"""
    answer_characters: int
    said: Sequence[str] | None = None
    """the texts of the body, if they are known"""

    @property
    def text(self) -> str:
        """What the request is answered with."""
        if self.directive.answer is not None:
            return self.directive.answer
        last = ""
        for last in self._texts():  # noqa: B007 only the last one is wanted
            pass
        return f"echo: {last}"[: self.answer_characters]

    @property
    def model(self) -> str:
        """Who answers."""
        asked: str = self.directive.model or self.body["model"]
        return asked

    @property
    def input_details(self) -> JSON:
        """The parts of the input that are asked for, beside what is cached."""
        asked = self.directive
        told = {
            "cache_write_tokens": asked.cache_write_tokens,
            "audio_tokens": asked.audio_input_tokens,
            "image_tokens": asked.image_input_tokens,
        }
        return {name: count for name, count in told.items() if count}

    @property
    def output_details(self) -> JSON:
        """The parts of the output that are asked for, beside reasoning."""
        asked = self.directive
        told = {"audio_tokens": asked.audio_output_tokens, "image_tokens": asked.image_output_tokens}
        return {name: count for name, count in told.items() if count}

    def usage(self, output: str, *, reasons: bool) -> Usage:
        """Tokens of this request, answered with the text `output`."""
        asked = self.directive
        sent = asked.input_tokens if asked.input_tokens is not None else sum(map(tokens_in, self._texts()))
        made = asked.output_tokens if asked.output_tokens is not None else tokens_in(output)
        return Usage(
            input_tokens=sent,
            cached_tokens=asked.cached_tokens if asked.cached_tokens is not None else sent // 4,
            output_tokens=made,
            reasoning_tokens=_reasoning(asked, made) if reasons else 0,
        )

    def _texts(self) -> Iterable[str]:
        return texts_of(self.body) if self.said is None else self.said


Answerer = Callable[[Ask], tuple[JSON, Usage]]
"""what answers at one endpoint"""


def answer(answerer: Answerer, ask: Ask) -> tuple[JSON, Usage]:
    """The response body of `ask`, and what it used."""
    body, usage = answerer(ask)
    if ask.directive.usage is not msgspec.UNSET:
        body["usage"] = ask.directive.usage
    return body, usage


def failure(directive: Directive) -> JSON:
    """The response body of a request that failed with `directive.status`."""
    status = directive.status
    kind, code = _FAILURES.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    message = directive.message or f"This request was asked to fail with status {status}."
    return {
        "error": {"message": message, "type": kind, "param": None, "code": directive.code or code},
    }


def texts_of(body: JSON) -> Iterator[str]:
    """All that a request says to its model, in order."""
    for key in SAID_IN:
        value = body.get(key)
        if value is not None:
            yield from _texts(value, MAX_NESTING)


def tokens_in(text: str) -> int:
    """Tokens of `text`: one per four characters."""
    return (len(text) + 3) // 4


def _texts(value: Any, deeper: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif is_array(value) and deeper:
        for item in value:
            yield from _texts(item, deeper - 1)
    elif is_object(value) and deeper:
        inner = value.get("content", value.get("parts", value.get("text")))
        yield from _texts(inner, deeper - 1)


def _reasoning(asked: Directive, output_tokens: int) -> int:
    return asked.reasoning_tokens if asked.reasoning_tokens is not None else output_tokens // 4


def _chat_completion(ask: Ask) -> tuple[JSON, Usage]:
    text = ask.text
    usage = ask.usage(text, reasons=True)
    message: JSON = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    return {
        "id": f"chatcmpl-{ask.key[:29]}",
        "object": "chat.completion",
        "created": ask.created,
        "model": ask.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "prompt_tokens_details": {
                "cached_tokens": usage.cached_tokens,
                "audio_tokens": 0,
                **ask.input_details,
            },
            "completion_tokens_details": {
                "reasoning_tokens": usage.reasoning_tokens,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
                **ask.output_details,
            },
        },
        "service_tier": "default",
        "system_fingerprint": None,
    }, usage


def _response(ask: Ask) -> tuple[JSON, Usage]:
    usage = ask.usage(ask.text, reasons=True)
    content: list[JSON] = [{"type": "output_text", "text": ask.text, "annotations": [], "logprobs": []}]
    message: JSON = {
        "id": f"msg_{ask.key}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": content,
    }
    return {
        "id": f"resp_{ask.key}",
        "object": "response",
        "created_at": ask.created,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": ask.body.get("instructions"),
        "metadata": ask.body.get("metadata") or {},
        "model": ask.model,
        "output": [message],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {
                "cached_tokens": usage.cached_tokens,
                "cache_write_tokens": 0,
                **ask.input_details,
            },
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens, **ask.output_details},
            "total_tokens": usage.input_tokens + usage.output_tokens,
        },
    }, usage


def _embeddings(ask: Ask) -> tuple[JSON, Usage]:
    asked, dimensions = ask.body["input"], ask.body.get("dimensions")
    several = is_array(asked) and not (asked and isinstance(asked[0], int))
    vectors = [vector(str(text), dimensions) for text in (asked if several else [asked])]
    coded = ask.body.get("encoding_format") == "base64"
    rows = [
        {"object": "embedding", "index": index, "embedding": _in_base64(each) if coded else each}
        for index, each in enumerate(vectors)
    ]
    usage = Usage(input_tokens=ask.usage("", reasons=False).input_tokens)
    return {
        "object": "list",
        "data": rows,
        "model": ask.model,
        "usage": {"prompt_tokens": usage.input_tokens, "total_tokens": usage.input_tokens},
    }, usage


def vector(text: str, dimensions: object) -> list[float]:
    """An embedding of `text`; of eight dimensions unless their number is told."""
    seed = hashlib.blake2b(text.encode()).digest()
    length = dimensions if isinstance(dimensions, int) else 8
    return [round(seed[index % len(seed)] / 127.5 - 1, 6) for index in range(length)]


def _in_base64(numbers: Sequence[float]) -> str:
    """As `encoding_format` has it: each number in four bytes, the lowest first."""
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def _completion(ask: Ask) -> tuple[JSON, Usage]:
    usage = ask.usage(ask.text, reasons=False)
    return {
        "id": f"cmpl-{ask.key[:29]}",
        "object": "text_completion",
        "created": ask.created,
        "model": ask.model,
        "choices": [{"text": ask.text, "index": 0, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        },
    }, usage


def _moderation(ask: Ask) -> tuple[JSON, Usage]:
    result = {
        "flagged": False,
        "categories": dict.fromkeys(_CATEGORIES, False),
        "category_scores": dict.fromkeys(_CATEGORIES, 0.0001),
        "category_applied_input_types": {category: ["text"] for category in _CATEGORIES},
    }
    return {"id": f"modr-{ask.key[:24]}", "model": ask.model, "results": [result]}, Usage()


def _image(ask: Ask) -> tuple[JSON, Usage]:
    """As GPT image models answer: without their name."""
    used = ask.usage(ask.text, reasons=False)
    usage = Usage(input_tokens=used.input_tokens, output_tokens=used.output_tokens)
    seen, drawn = ask.directive.image_input_tokens, ask.directive.image_output_tokens
    return {
        "created": ask.created,
        "background": "opaque",
        "data": [{"b64_json": base64.b64encode(ask.text.encode()).decode()}],
        "output_format": "png",
        "quality": "low",
        "size": "1024x1024",
        "usage": {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"image_tokens": seen, "text_tokens": usage.input_tokens - seen},
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"image_tokens": drawn, "text_tokens": usage.output_tokens - drawn},
            "total_tokens": usage.input_tokens + usage.output_tokens,
        },
    }, usage


_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)

_FAILURES: dict[int, tuple[str, str | None]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}

ANSWERERS: dict[str, Answerer] = {
    "/v1/chat/completions": _chat_completion,
    "/v1/responses": _response,
    "/v1/embeddings": _embeddings,
    "/v1/completions": _completion,
    "/v1/moderations": _moderation,
    "/v1/images/generations": _image,
    "/v1/images/edits": _image,
}
