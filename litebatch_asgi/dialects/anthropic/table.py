"""What becomes of each parameter of OpenAI's chat completions at Anthropic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litebatch_asgi.dialects import reasons
from litebatch_asgi.dialects.anthropic.draft import Draft
from litebatch_asgi.dialects.anthropic.schema import claude_schema
from litebatch_asgi.dialects.conversation import read_messages
from litebatch_asgi.dialects.limits import read_limit, read_stop
from litebatch_asgi.dialects.refusal import invalid, unsupported
from litebatch_asgi.dialects.rules import Rule, mapped, neutral, refused
from litebatch_asgi.dialects.tools import read_tools
from litebatch_asgi.dialects.values import (
    check_keys,
    read_choice,
    read_flag,
    read_kind,
    read_number,
    read_object,
    read_text,
)

MOST_STOPS = 4  # OpenAI's limit; Anthropic tells none
LONGEST_USER = 256


def _messages(draft: Draft, value: Any, param: str) -> None:
    draft.turns = read_messages(value, param)


def _model(draft: Draft, value: Any, param: str) -> None:
    read_text(value, param)  # the deployment has its own


def _temperature(draft: Draft, value: Any, param: str) -> None:
    temperature = read_number(value, param, 0, 2)
    if temperature > 1:
        why = f"the provider's temperatures end at 1, and {temperature} has no counterpart there."
        raise unsupported(param, why)
    draft.params["temperature"] = temperature


def _top_p(draft: Draft, value: Any, param: str) -> None:
    draft.params["top_p"] = read_number(value, param, 0, 1)


def _limit(draft: Draft, value: Any, param: str) -> None:
    draft.params["max_tokens"] = read_limit(value, param, draft.limit_param)
    draft.limit_param = param


def _stop(draft: Draft, value: Any, param: str) -> None:
    stops = read_stop(value, param, MOST_STOPS)
    if any(stop.isspace() for stop in stops):
        raise unsupported(param, "the provider cannot stop at blank text.")
    if stops:
        draft.params["stop_sequences"] = stops


def _effort(draft: Draft, value: Any, param: str) -> None:
    effort = read_choice(value, param, reasons.EFFORTS)
    efforts = draft.model.efforts
    if effort not in efforts:
        takes = ", ".join(f"'{name}'" for name in efforts) or "none that is known"
        raise unsupported(param, f"this model takes {takes}, not '{effort}'.")
    told = efforts[effort]
    if "thinking" in told:
        draft.params["thinking"] = told["thinking"]
    draft.output |= told.get("output_config", {})


def _tools(draft: Draft, value: Any, param: str) -> None:
    draft.functions = read_tools(value, param)


def _tool_choice(draft: Draft, value: Any, param: str) -> None:
    draft.choice = (value, param)


def _parallel(draft: Draft, value: Any, param: str) -> None:
    draft.is_parallel = read_flag(value, param)


def _user(draft: Draft, value: Any, param: str) -> None:
    user = read_text(value, param)
    if len(user) > LONGEST_USER:
        raise unsupported(param, f"the provider takes at most {LONGEST_USER} characters.")
    if user and (param == "body.safety_identifier" or "metadata" not in draft.params):
        draft.params["metadata"] = {"user_id": user}


def _response_format(draft: Draft, value: Any, param: str) -> None:
    told = read_object(value, param)
    kind = read_kind(told, param, ("text", "json_object", "json_schema"))
    check_keys(told, param, ("type", "json_schema") if kind == "json_schema" else ("type",))
    if kind == "text":
        return
    if kind == "json_object":
        raise unsupported(f"{param}.type", "the provider makes JSON by a schema only. Use 'json_schema'.")
    if not draft.model.has_formats:
        raise unsupported(f"{param}.type", "this model cannot be made to follow a schema.")
    place = f"{param}.json_schema"
    format_ = read_object(told.get("json_schema"), place)
    check_keys(format_, place, ("name", "description", "schema", "strict"))
    if format_.get("schema") is None:
        raise invalid(f"{place}.schema", "the provider needs the schema.")
    schema = claude_schema(read_object(format_["schema"], f"{place}.schema"), f"{place}.schema")
    if format_.get("description") is not None:
        texts = [read_text(format_["description"], f"{place}.description"), schema.get("description")]
        schema["description"] = "\n".join(text for text in texts if isinstance(text, str))
    draft.output["format"] = {"type": "json_schema", "schema": schema}


_NO_PENALTIES = "the provider does not penalise tokens."
_NO_LOGPROBS = "the provider does not tell probabilities of tokens."

CHAT: Mapping[str, Rule[Draft]] = {
    "messages": mapped(_messages),
    "model": mapped(_model),
    "temperature": mapped(_temperature, neutral=(1,)),
    "top_p": mapped(_top_p, neutral=(1,)),
    "max_tokens": mapped(_limit),
    "max_completion_tokens": mapped(_limit),
    "stop": mapped(_stop),
    "reasoning_effort": mapped(_effort),
    "tools": mapped(_tools),
    "tool_choice": mapped(_tool_choice),
    "parallel_tool_calls": mapped(_parallel, neutral=(True,)),
    "response_format": mapped(_response_format),
    "user": mapped(_user),
    "safety_identifier": mapped(_user),
    "n": neutral(1, why="the provider gives one choice to a request. Write more lines instead."),
    "seed": refused("the provider's answers cannot be repeated. Leave it out."),
    "presence_penalty": neutral(0, why=_NO_PENALTIES),
    "frequency_penalty": neutral(0, why=_NO_PENALTIES),
    "logprobs": neutral(False, why=_NO_LOGPROBS),
    "top_logprobs": neutral(0, why=_NO_LOGPROBS),
    **reasons.EVERYWHERE,
}
"""By the name of each parameter of chat completions."""
