"""The dialect of Mistral's batches.

Sources: Mistral's OpenAPI document, the `mistralai` package's types, and the checks of Mistral's own
`mistral-common` on the order of messages and the ids of calls.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from litebatch_asgi.dialects.answers import Answer
from litebatch_asgi.dialects.lines import CHAT, EMBEDDINGS, read_line
from litebatch_asgi.dialects.mistral import table
from litebatch_asgi.dialects.mistral.draft import Draft
from litebatch_asgi.dialects.mistral.functions import write_choice, write_tools
from litebatch_asgi.dialects.mistral.messages import write_messages
from litebatch_asgi.dialects.mistral.model import MistralModel
from litebatch_asgi.dialects.mistral.rows import read_outcome
from litebatch_asgi.dialects.reading import read_json
from litebatch_asgi.dialects.refusal import Refusal, invalid, missing
from litebatch_asgi.dialects.rules import apply_rules
from litebatch_asgi.dialects.surrogates import line_number, surrogate
from litebatch_asgi.dialects.tools import read_tool_choice
from litebatch_asgi.dialects.values import Object
from litebatch_asgi.errors import Problem
from litebatch_asgi.jsonl.answers import members


class MistralDialect:
    """Mistral's form of lines and rows. The model is not in the lines: the job names it.

    A line is known again by a surrogate for its custom_id: what Mistral does with ids of every kind is not
    told anywhere.

    Args:
        model: what the deployment's model takes.
        names: of the deployment, and what to write in place of each into texts of the provider: see `scrub`.

    """

    endpoints: tuple[str, ...] = (CHAT, EMBEDDINGS)
    longest_key: int | None = None

    def __init__(self, model: MistralModel, *, names: Mapping[str, str] | None = None) -> None:
        self.model: MistralModel = model
        self._names = names or {}

    def encode(self, line: bytes, number: int) -> bytes | Problem:
        """See `Dialect`."""
        try:
            url, body = read_line(line, self.endpoints)
            written = self._embeddings(body) if url == EMBEDDINGS else self._chat(body)
            return msgspec.json.encode({"custom_id": surrogate(number), "body": written})
        except Refusal as refusal:
            return refusal.problem(number)
        except RecursionError:
            return invalid("body", "its arrays and objects are nested too deeply.").problem(number)

    def decode(self, row: bytes) -> Answer:
        """See `Dialect`. Rows do not repeat their requests: one that does not tell its line tells nothing."""
        told = members(read_json(row))
        outcome = read_outcome(told, model=self.model.name, names=self._names)
        return Answer(outcome=outcome, line=line_number(told.get("custom_id")))

    def _chat(self, body: Object) -> Object:
        draft = Draft(self.model)
        apply_rules(table.CHAT, body, draft, self.model.lacks)
        if not draft.turns:
            raise missing("body.messages")
        written = draft.body
        if "top_logprobs" in written and "logprobs" not in written:
            raise invalid("body.top_logprobs", "it needs logprobs to be true.")
        if written.get("temperature") == 0:
            # The likeliest token is taken, whatever top_p says; the provider refuses any other one then.
            written["top_p"] = 1
        written["messages"] = write_messages(draft.turns)
        choice = None
        if draft.choice is not None:
            choice = read_tool_choice(*draft.choice, draft.functions)
        if draft.functions:
            written["tools"] = write_tools(draft.functions)
            if choice is not None:
                written["tool_choice"] = write_choice(choice)
        return written

    def _embeddings(self, body: Object) -> Object:
        draft = Draft(self.model)
        apply_rules(table.EMBEDDINGS, body, draft, self.model.lacks)
        if "input" not in draft.body:
            raise missing("body.input")
        return draft.body
