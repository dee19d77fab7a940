"""What becomes of each parameter of OpenAI's chat completions and embeddings at Mistral.

Bounds are those of Mistral's OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from litebatch_asgi.dialects import reasons
from litebatch_asgi.dialects.conversation import read_messages
from litebatch_asgi.dialects.limits import read_limit, read_stop
from litebatch_asgi.dialects.mistral.draft import Draft
from litebatch_asgi.dialects.refusal import invalid, unsupported
from litebatch_asgi.dialects.rules import Rule, mapped, neutral, without_effect
from litebatch_asgi.dialects.tools import read_tools
from litebatch_asgi.dialects.values import (
    check_keys,
    is_array,
    read_choice,
    read_flag,
    read_kind,
    read_number,
    read_object,
    read_text,
    read_whole,
)

HIGHEST_TEMPERATURE = 1.5
MOST_STOPS = 4  # OpenAI's limit; Mistral tells none
MOST_LOGPROBS = 20  # likewise
MOST_CHOICES = 128  # likewise


def _messages(draft: Draft, value: Any, param: str) -> None:
    draft.turns = read_messages(value, param)


def _model(draft: Draft, value: Any, param: str) -> None:
    read_text(value, param)  # the job names the model


def _number(name: str, low: float, high: float) -> Callable[[Draft, Any, str], None]:
    def write(draft: Draft, value: Any, param: str) -> None:
        draft.body[name] = read_number(value, param, low, high)

    return write


def _whole(name: str, low: int, high: int) -> Callable[[Draft, Any, str], None]:
    def write(draft: Draft, value: Any, param: str) -> None:
        draft.body[name] = read_whole(value, param, low, high)

    return write


def _flag(name: str) -> Callable[[Draft, Any, str], None]:
    def write(draft: Draft, value: Any, param: str) -> None:
        draft.body[name] = read_flag(value, param)

    return write


def _temperature(draft: Draft, value: Any, param: str) -> None:
    temperature = read_number(value, param, 0, 2)
    if temperature > HIGHEST_TEMPERATURE:
        why = f"the provider's temperatures end at {HIGHEST_TEMPERATURE}; {temperature} has no counterpart."
        raise unsupported(param, why)
    draft.body["temperature"] = temperature


def _limit(draft: Draft, value: Any, param: str) -> None:
    draft.body["max_tokens"] = read_limit(value, param, draft.limit_param)
    draft.limit_param = param


def _seed(draft: Draft, value: Any, param: str) -> None:
    seed = read_whole(value, param, -(1 << 63), (1 << 63) - 1)
    if seed < 0:
        raise unsupported(param, "the provider's seeds begin at 0. Choose another one.")
    draft.body["random_seed"] = seed


def _stop(draft: Draft, value: Any, param: str) -> None:
    if stops := read_stop(value, param, MOST_STOPS):
        draft.body["stop"] = stops


def _effort(draft: Draft, value: Any, param: str) -> None:
    effort = read_choice(value, param, reasons.EFFORTS)
    efforts = draft.model.efforts
    if effort not in efforts:
        takes = ", ".join(f"'{name}'" for name in efforts) or "none that is known"
        raise unsupported(param, f"this model takes {takes}, not '{effort}'.")
    draft.body["reasoning_effort"] = effort


def _tools(draft: Draft, value: Any, param: str) -> None:
    draft.functions = read_tools(value, param)


def _tool_choice(draft: Draft, value: Any, param: str) -> None:
    draft.choice = (value, param)


def _metadata(draft: Draft, value: Any, param: str) -> None:
    draft.body["metadata"] = read_object(value, param)


def _response_format(draft: Draft, value: Any, param: str) -> None:
    told = read_object(value, param)
    kind = read_kind(told, param, ("text", "json_object", "json_schema"))
    check_keys(told, param, ("type", "json_schema") if kind == "json_schema" else ("type",))
    if kind == "text":
        return
    schema = {"json_schema": _schema(told, f"{param}.json_schema")} if kind == "json_schema" else {}
    draft.body["response_format"] = {"type": kind, **schema}


def _schema(told: Any, param: str) -> dict[str, Any]:
    format_ = read_object(told.get("json_schema"), param)
    check_keys(format_, param, ("name", "description", "schema", "strict"))
    if format_.get("schema") is None:
        raise invalid(f"{param}.schema", "the provider needs the schema.")
    written: dict[str, Any] = {
        "name": read_text(format_.get("name"), f"{param}.name"),
        "schema": read_object(format_["schema"], f"{param}.schema"),
    }
    if format_.get("description") is not None:
        written["description"] = read_text(format_["description"], f"{param}.description")
    if format_.get("strict") is not None:
        written["strict"] = read_flag(format_["strict"], f"{param}.strict")
    return written


CHAT: Mapping[str, Rule[Draft]] = {
    **reasons.EVERYWHERE,
    "messages": mapped(_messages),
    "model": mapped(_model),
    # Each model has its own default, so that 1, OpenAI's, is told.
    "temperature": mapped(_temperature),
    "top_p": mapped(_number("top_p", 0, 1)),
    "max_tokens": mapped(_limit),
    "max_completion_tokens": mapped(_limit),
    "n": mapped(_whole("n", 1, MOST_CHOICES), neutral=(1,)),
    "seed": mapped(_seed),
    "stop": mapped(_stop),
    "presence_penalty": mapped(_number("presence_penalty", -2, 2), neutral=(0,)),
    "frequency_penalty": mapped(_number("frequency_penalty", -2, 2), neutral=(0,)),
    "logprobs": mapped(_flag("logprobs"), neutral=(False,)),
    "top_logprobs": mapped(_whole("top_logprobs", 0, MOST_LOGPROBS)),
    "reasoning_effort": mapped(_effort),
    "tools": mapped(_tools),
    "tool_choice": mapped(_tool_choice),
    "parallel_tool_calls": mapped(_flag("parallel_tool_calls"), neutral=(True,)),
    "response_format": mapped(_response_format),
    "metadata": mapped(_metadata),
    "user": without_effect(reasons.ABOUT_THE_USER),
    "safety_identifier": without_effect(reasons.ABOUT_THE_USER),
}
"""By the name of each parameter of chat completions."""


def _input(draft: Draft, value: Any, param: str) -> None:
    if not is_array(value):
        draft.body["input"] = _input_text(value, param)
        return
    if not value:
        raise invalid(param, "it is empty.")
    draft.body["input"] = [_input_text(one, f"{param}[{index}]") for index, one in enumerate(value)]


def _input_text(value: Any, param: str) -> str:
    if is_array(value) or (isinstance(value, int) and not isinstance(value, bool)):
        raise unsupported(param, "the provider's tokens are others. Give the text.")
    text = read_text(value, param)
    if not text:
        raise invalid(param, "it is empty.")
    return text


EMBEDDINGS: Mapping[str, Rule[Draft]] = {
    "input": mapped(_input),
    "model": mapped(_model),
    "dimensions": mapped(_whole("output_dimension", 1, 1 << 20)),
    "encoding_format": neutral("float", why="embeddings come as numbers here. Leave it out."),
    "stream": neutral(False, why="a batch does not stream."),
    "user": without_effect(reasons.ABOUT_THE_USER),
}
"""By the name of each parameter of embeddings."""
