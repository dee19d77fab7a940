"""What Mistral refuses, and in which words.

Shapes are held against the schema, told as FastAPI tells it; rules of messages are those of `mistral-common`,
with the codes and texts that users were shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeVar

import msgspec

from .json_values import JSON, prepare_types
from .mistral_schema import (
    AssistantMessage,
    ChatCompletionRequest,
    EmbeddingRequest,
    Message,
    ToolMessage,
)

SCHEMAS: dict[str, type[ChatCompletionRequest | EmbeddingRequest]] = {
    "/v1/chat/completions": ChatCompletionRequest,
    "/v1/embeddings": EmbeddingRequest,
}
prepare_types(*SCHEMAS.values())
CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
FOLLOWERS = {
    "system": {"system", "user", "assistant"},
    "user": {"system", "user", "assistant"},
    "assistant": {"assistant", "user", "tool"},
    "tool": {"assistant", "tool"},
}
"""roles that may come after each"""
_PLACE = re.compile(r" - at `(?:key in )?\$(.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")

T = TypeVar("T")


class Refused(Exception):
    """A request that is answered with `status` and `body`."""

    def __init__(self, status: int, body: JSON) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


def details(error: msgspec.ValidationError, *place: str | int) -> list[JSON]:
    """The `detail` of FastAPI that says what is wrong with something at `place`."""
    text = str(error)
    found = _PLACE.search(text)
    steps = _STEP.findall(found[1]) if found else []
    inner: list[str | int] = [name or (int(index) if index.isdecimal() else index) for name, index in steps]
    message = text[: found.start()] if found else text
    kind = "extra_forbidden" if "unknown field" in message else "value_error"
    kind = "missing" if "missing required field" in message else kind
    return [{"type": kind, "loc": [*place, *inner], "msg": message, "input": None}]


def converted(value: Any, kind: type[T], *place: str | int) -> T:
    """The value as what it must be. Raises Refused, with 422."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Refused(422, {"detail": details(error, *place)}) from error


def check_request(body: JSON, endpoint: str) -> None:
    """Look at the body of a request. Raises Refused."""
    kind = SCHEMAS.get(endpoint)
    if kind is None:
        raise Refused(400, error_body(f"The simulator does not run {endpoint}.", "invalid_request_error"))
    try:
        request = msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        message = {"detail": details(error, "body")}
        raise Refused(422, error_body(message, "invalid_request_error")) from error
    if isinstance(request, ChatCompletionRequest):
        _check_chat(request)


def error_body(message: Any, kind: str, code: str | None = None) -> JSON:
    """An error as the endpoints of models tell it."""
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


def _check_chat(request: ChatCompletionRequest) -> None:
    if request.stream:
        raise _invalid("Streaming is not supported in batches.")
    if request.temperature == 0 and request.top_p not in (None, 1):
        raise _invalid("top_p must be 1 when using greedy sampling.", "invalid_request_invalid_args", "3054")
    if request.top_logprobs is not None and not request.logprobs:
        raise _invalid("top_logprobs needs logprobs to be true.")
    functions = {tool.function.name for tool in request.tools or ()}
    for name in functions:
        _check_name(name)
    choice = request.tool_choice
    if choice in ("any", "required") and not functions:
        raise _invalid("tool_choice needs tools.")
    if not isinstance(choice, str) and choice.function.name not in functions:
        raise _invalid(f"The function {choice.function.name} is not among the tools.")
    _check_order(request.messages)
    _check_calls(request.messages)


def _check_order(messages: Sequence[Message]) -> None:
    roles = [_role(message) for message in messages]
    if not roles:
        raise _invalid("Conversation must have at least one message")
    if len(roles) == 1 and roles[0] not in ("user", "system"):
        raise _order("Conversation must start with a user message or system message")
    if len(roles) > 1 and roles[-1] not in ("user", "tool"):
        is_prefix = isinstance(messages[-1], AssistantMessage) and messages[-1].prefix
        if not is_prefix:
            raise _order(
                "Expected last role User or Tool (or Assistant with prefix True) for serving but got "
                f"{roles[-1]}"
            )
    for before, after in pairwise(roles):
        if after not in FOLLOWERS[before]:
            raise _order(f"Unexpected role '{after}' after role '{before}'")


def _check_calls(messages: Sequence[Message]) -> None:
    left = 0
    for message in messages:
        if isinstance(message, ToolMessage):
            _check_call_id(message.tool_call_id or "")
            left -= 1
            continue
        if left:
            raise _order("Not the same number of function calls and responses")
        if isinstance(message, AssistantMessage):
            calls = message.tool_calls or ()
            if not message.content and not calls:
                raise _invalid("Assistant message must have either content or tool_calls, but not none.")
            for call in calls:
                _check_call_id(call.id)
                _check_name(call.function.name)
            left = len(calls)
    if left:
        raise _order("Not the same number of function calls and responses")


def _check_call_id(name: str) -> None:
    if CALL_ID.fullmatch(name) is None:
        message = f"Tool call id was {name} but must be a-z, A-Z, 0-9, with a length of 9."
        raise _invalid(message, "invalid_function_call", "3280")


def _check_name(name: str) -> None:
    if NAME.fullmatch(name) is None:
        message = (
            f"Function name was {name} but must be a-z, A-Z, 0-9, or contain underscores and dashes, with a "
            "maximum length of 64."
        )
        raise _invalid(message, "invalid_function_call")


def _role(message: Message) -> str:
    return str(type(message).__struct_config__.tag)


def _invalid(message: str, kind: str = "invalid_request_error", code: str | None = None) -> Refused:
    return Refused(400, error_body(message, kind, code))


def _order(message: str) -> Refused:
    return _invalid(message, "invalid_request_message_order", "3230")
