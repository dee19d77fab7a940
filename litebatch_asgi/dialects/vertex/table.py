"""What becomes of each parameter of OpenAI's chat completions and embeddings at Gemini on Vertex AI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from litebatch_asgi.dialects import reasons
from litebatch_asgi.dialects.conversation import read_messages
from litebatch_asgi.dialects.limits import read_limit, read_stop
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
from litebatch_asgi.dialects.vertex.draft import Draft
from litebatch_asgi.dialects.vertex.imports import check_import
from litebatch_asgi.dialects.vertex.schema import vertex_schema

MOST_CHOICES = 8
MOST_LOGPROBS = 20
MOST_STOPS = 5
_SCHEMA_DEPTH = 4  # of `responseJsonSchema`: line, request, generationConfig


def _messages(draft: Draft, value: Any, param: str) -> None:
    draft.turns = read_messages(value, param)


def _model(draft: Draft, value: Any, param: str) -> None:
    read_text(value, param)  # the job names the model


def _number(name: str, low: float, high: float) -> Callable[[Draft, Any, str], None]:
    def write(draft: Draft, value: Any, param: str) -> None:
        draft.config[name] = read_number(value, param, low, high)

    return write


def _limit(draft: Draft, value: Any, param: str) -> None:
    draft.config["maxOutputTokens"] = read_limit(value, param, draft.limit_param)
    draft.limit_param = param


def _n(draft: Draft, value: Any, param: str) -> None:
    count = read_whole(value, param, 1, 128)
    if count > MOST_CHOICES:
        raise unsupported(param, f"the provider gives at most {MOST_CHOICES} choices to a request.")
    draft.config["candidateCount"] = count


def _seed(draft: Draft, value: Any, param: str) -> None:
    seed = read_whole(value, param, -(1 << 63), (1 << 63) - 1)
    if not -(1 << 31) <= seed < 1 << 31:
        raise unsupported(param, "the provider's seeds have 32 bits. Choose a smaller one.")
    draft.config["seed"] = seed


def _stop(draft: Draft, value: Any, param: str) -> None:
    if stops := read_stop(value, param, MOST_STOPS):
        draft.config["stopSequences"] = stops


def _logprobs(draft: Draft, value: Any, param: str) -> None:
    if read_flag(value, param):
        draft.config["responseLogprobs"] = True


def _top_logprobs(draft: Draft, value: Any, param: str) -> None:
    if count := read_whole(value, param, 0, MOST_LOGPROBS):
        draft.config["logprobs"] = count


def _effort(draft: Draft, value: Any, param: str) -> None:
    effort = read_choice(value, param, reasons.EFFORTS)
    efforts = draft.model.efforts
    if effort not in efforts:
        takes = ", ".join(f"'{name}'" for name in efforts) or "none that is known"
        raise unsupported(param, f"this model takes {takes}, not '{effort}'.")
    draft.config["thinkingConfig"] = dict(efforts[effort])


def _tools(draft: Draft, value: Any, param: str) -> None:
    draft.functions = read_tools(value, param)


def _tool_choice(draft: Draft, value: Any, param: str) -> None:
    draft.choice = (value, param)


def _response_format(draft: Draft, value: Any, param: str) -> None:
    told = read_object(value, param)
    kind = read_kind(told, param, ("text", "json_object", "json_schema"))
    check_keys(told, param, ("type", "json_schema") if kind == "json_schema" else ("type",))
    if kind == "text":
        return
    draft.config["responseMimeType"] = "application/json"
    if kind == "json_object":
        return
    place = f"{param}.json_schema"
    format_ = read_object(told.get("json_schema"), place)
    check_keys(format_, place, ("name", "description", "schema", "strict"))
    if format_.get("schema") is None:
        raise invalid(f"{place}.schema", "the provider needs the schema.")
    schema = vertex_schema(read_object(format_["schema"], f"{place}.schema"), f"{place}.schema", ordered=True)
    if format_.get("description") is not None:
        texts = [read_text(format_["description"], f"{place}.description"), schema.get("description")]
        schema["description"] = "\n".join(text for text in texts if isinstance(text, str))
    check_import(schema, f"{place}.schema", _SCHEMA_DEPTH)
    draft.config["responseJsonSchema"] = schema


CHAT: Mapping[str, Rule[Draft]] = {
    "messages": mapped(_messages),
    "model": mapped(_model),
    "temperature": mapped(_number("temperature", 0, 2)),
    "top_p": mapped(_number("topP", 0, 1)),
    "max_tokens": mapped(_limit),
    "max_completion_tokens": mapped(_limit),
    "n": mapped(_n, neutral=(1,)),
    "seed": mapped(_seed),
    "stop": mapped(_stop),
    "presence_penalty": mapped(_number("presencePenalty", -2, 2), neutral=(0,)),
    "frequency_penalty": mapped(_number("frequencyPenalty", -2, 2), neutral=(0,)),
    "logprobs": mapped(_logprobs, neutral=(False,)),
    "top_logprobs": mapped(_top_logprobs),
    "reasoning_effort": mapped(_effort),
    "tools": mapped(_tools),
    "tool_choice": mapped(_tool_choice),
    "response_format": mapped(_response_format),
    "parallel_tool_calls": neutral(True, why="the provider may always make several calls at once."),
    **reasons.EVERYWHERE,
    "user": without_effect(reasons.ABOUT_THE_USER),
    "safety_identifier": without_effect(reasons.ABOUT_THE_USER),
}
"""By the name of each parameter of chat completions."""


class EmbeddingDraft:
    """An EmbedContentRequest while it is being written."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.dimensions: int | None = None


def _input(draft: EmbeddingDraft, value: Any, param: str) -> None:
    if is_array(value):
        if len(value) != 1:
            raise unsupported(param, "the provider embeds one input a line. Give each its own line.")
        value, param = value[0], f"{param}[0]"
    if isinstance(value, int | list):
        raise unsupported(param, "the provider's tokens are others. Give the text.")
    draft.text = read_text(value, param)
    if not draft.text:
        raise invalid(param, "it is empty.")


def _embedding_model(draft: EmbeddingDraft, value: Any, param: str) -> None:
    read_text(value, param)  # the job names the model


def _dimensions(draft: EmbeddingDraft, value: Any, param: str) -> None:
    draft.dimensions = read_whole(value, param, 1, 1 << 20)


EMBEDDINGS: Mapping[str, Rule[EmbeddingDraft]] = {
    "input": mapped(_input),
    "model": mapped(_embedding_model),
    "dimensions": mapped(_dimensions),
    "encoding_format": neutral("float", why="embeddings come as numbers here. Leave it out."),
    "stream": neutral(False, why="a batch does not stream."),
    "user": without_effect(reasons.ABOUT_THE_USER),
}
"""By the name of each parameter of embeddings."""
