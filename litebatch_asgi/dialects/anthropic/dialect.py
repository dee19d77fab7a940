"""The dialect of Anthropic's Message Batches.

Source: the `anthropic` package's types, and Anthropic's reference of `POST /v1/messages/batches`, for the
version 2023-06-01 of the API.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from litebatch_asgi.dialects.answers import Answer
from litebatch_asgi.dialects.anthropic import table
from litebatch_asgi.dialects.anthropic.draft import Draft
from litebatch_asgi.dialects.anthropic.functions import write_choice, write_tools
from litebatch_asgi.dialects.anthropic.messages import write_messages
from litebatch_asgi.dialects.anthropic.model import ClaudeModel
from litebatch_asgi.dialects.anthropic.rows import read_outcome
from litebatch_asgi.dialects.conversation import Assistant, Results
from litebatch_asgi.dialects.lines import CHAT, read_line
from litebatch_asgi.dialects.reading import read_json
from litebatch_asgi.dialects.refusal import Refusal, invalid, missing, unsupported
from litebatch_asgi.dialects.rules import apply_rules
from litebatch_asgi.dialects.surrogates import line_number, surrogate
from litebatch_asgi.dialects.tools import ToolChoice, read_tool_choice
from litebatch_asgi.dialects.values import Object
from litebatch_asgi.errors import Problem
from litebatch_asgi.jsonl.answers import members

_LEAST_TOP_P = 0.95  # with thinking


class AnthropicDialect:
    """Claude's form of lines and rows: requests as they stand in the `requests` of a batch.

    A line is known again by a surrogate for its custom_id, for Anthropic takes letters, digits, underscores
    and dashes only.

    Args:
        model: what the deployment's model takes.
        names: of the deployment, and what to write in place of each into texts of the provider: see `scrub`.

    """

    endpoints: tuple[str, ...] = (CHAT,)
    longest_key: int | None = 47
    """of the 64 that Anthropic takes, those that leave room for a mark behind it"""

    def __init__(self, model: ClaudeModel, *, names: Mapping[str, str] | None = None) -> None:
        self.model: ClaudeModel = model
        self._names = names or {}

    def encode(self, line: bytes, number: int) -> bytes | Problem:
        """See `Dialect`."""
        try:
            _, body = read_line(line, self.endpoints)
            return msgspec.json.encode({"custom_id": surrogate(number), "params": self._params(body)})
        except Refusal as refusal:
            return refusal.problem(number)
        except RecursionError:
            return invalid("body", "its arrays and objects are nested too deeply.").problem(number)

    def decode(self, row: bytes) -> Answer:
        """See `Dialect`. Rows do not repeat their requests: one that does not tell its line tells nothing."""
        told = members(read_json(row))
        outcome = read_outcome(told, model=self.model.name, names=self._names)
        return Answer(outcome=outcome, line=line_number(told.get("custom_id")))

    def _params(self, body: Object) -> Object:
        draft = Draft(self.model)
        apply_rules(table.CHAT, body, draft, self.model.lacks)
        if not draft.turns:
            raise missing("body.messages")
        params = draft.params
        if "max_tokens" not in params:
            params["max_tokens"] = self._default_limit()
        system, params["messages"] = write_messages(draft.turns)
        if system:
            params["system"] = system
        if draft.output:
            params["output_config"] = draft.output
        choice = None
        if draft.choice is not None:
            choice = read_tool_choice(*draft.choice, draft.functions)
        if draft.functions:
            params["tools"] = write_tools(draft.functions, has_formats=self.model.has_formats)
            if (told := write_choice(choice, parallel=draft.is_parallel)) is not None:
                params["tool_choice"] = told
        _check_together(draft, choice)
        return params

    def _default_limit(self) -> int:
        if self.model.max_tokens is None:
            param = "body.max_completion_tokens"
            message = f"'{param}' is missing: the provider needs to be told how long an answer may be."
            raise Refusal("missing_required_parameter", param, message)
        return self.model.max_tokens


def _check_together(draft: Draft, choice: ToolChoice | None) -> None:
    """Refuse parameters that the provider does not take together."""
    params = draft.params
    if "temperature" in params and "top_p" in params:
        raise unsupported("body.top_p", "the provider takes either temperature or top_p.")
    for turn in draft.turns:
        if isinstance(turn, Assistant) and turn.calls and not draft.functions:
            raise missing("body.tools")
    if params.get("thinking", {"type": "disabled"})["type"] != "disabled":
        _check_thinking(draft, choice)


def _check_thinking(draft: Draft, choice: ToolChoice | None) -> None:
    params = draft.params
    param = "body.reasoning_effort"
    if params.get("temperature", 1) != 1 or params.get("top_p", 1) < _LEAST_TOP_P:
        raise unsupported(param, "while it reasons, the provider takes neither temperature nor top_p.")
    if choice is not None and choice.mode == "required":
        raise unsupported(param, "while it reasons, the provider cannot be made to call a function.")
    budget = params["thinking"].get("budget_tokens")
    if budget is None:
        return
    if budget >= params["max_tokens"]:
        why = f"it takes {budget} tokens, and answers have {params['max_tokens']}. Allow more."
        raise unsupported(param, why)
    if isinstance(draft.turns[-1], Results):
        why = "the provider would need its earlier reasoning, which OpenAI's messages cannot hold."
        raise unsupported(param, why)
