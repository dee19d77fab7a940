"""The dialect of batches for Gemini on Vertex AI.

Sources: the aiplatform v1 API's GenerateContentRequest and EmbedContentRequest, and Google's guides to batch
inference and to batch embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from litebatch_asgi.dialects.answers import Answer
from litebatch_asgi.dialects.echoes import request_digest
from litebatch_asgi.dialects.lines import CHAT, EMBEDDINGS, read_line
from litebatch_asgi.dialects.reading import inner, read_json
from litebatch_asgi.dialects.refusal import Refusal, invalid, missing
from litebatch_asgi.dialects.rules import apply_rules
from litebatch_asgi.dialects.surrogates import line_number, surrogate
from litebatch_asgi.dialects.tools import read_tool_choice
from litebatch_asgi.dialects.values import Object
from litebatch_asgi.dialects.vertex import table
from litebatch_asgi.dialects.vertex.contents import write_contents
from litebatch_asgi.dialects.vertex.draft import Draft
from litebatch_asgi.dialects.vertex.functions import write_choice, write_functions
from litebatch_asgi.dialects.vertex.model import GeminiModel
from litebatch_asgi.dialects.vertex.rows import read_outcome
from litebatch_asgi.errors import Problem
from litebatch_asgi.jsonl.answers import members

LABEL = "litebatch_line"
"""the label of a request that tells its line; nothing else is put into labels"""


class VertexDialect:
    """Gemini's form of lines and rows.

    A line is known again by a surrogate for its custom_id, in a sibling of the request (`custom_id`; for
    embeddings the documented `key`), and in a label of chat completions. Whichever comes back counts.

    Args:
        model: what the deployment's model takes.
        names: of the deployment, and what to write in place of each into texts of the provider: see `scrub`.

    """

    endpoints: tuple[str, ...] = (CHAT, EMBEDDINGS)
    longest_key: int | None = None

    def __init__(self, model: GeminiModel, *, names: Mapping[str, str] | None = None) -> None:
        self.model: GeminiModel = model
        self._names = names or {}

    def encode(self, line: bytes, number: int) -> bytes | Problem:
        """See `Dialect`."""
        try:
            url, body = read_line(line, self.endpoints)
            encode = self._encode_embedding if url == EMBEDDINGS else self._encode_chat
            return msgspec.json.encode(encode(body, surrogate(number)))
        except Refusal as refusal:
            return refusal.problem(number)
        except RecursionError:
            return invalid("body", "its arrays and objects are nested too deeply.").problem(number)

    def decode(self, row: bytes) -> Answer:
        """See `Dialect`."""
        told = members(read_json(row))
        outcome = read_outcome(told, model=self.model.name, names=self._names)
        lines = _lines(told)
        return Answer(
            outcome=outcome,
            line=next(iter(lines)) if len(lines) == 1 else None,
            echo=None if lines else request_digest(told.get("request")),
        )

    def _encode_chat(self, body: Object, key: str) -> Object:
        draft = Draft(self.model)
        apply_rules(table.CHAT, body, draft, self.model.lacks)
        if not draft.turns:
            raise missing("body.messages")
        if "logprobs" in draft.config and "responseLogprobs" not in draft.config:
            raise invalid("body.top_logprobs", "it needs logprobs to be true.")
        system, contents = write_contents(draft.turns)
        request: Object = {"contents": contents}
        if system:
            request["systemInstruction"] = {"parts": system}
        choice = None
        if draft.choice is not None:
            choice = read_tool_choice(*draft.choice, draft.functions)
        if draft.functions:
            request["tools"] = [{"functionDeclarations": write_functions(draft.functions)}]
            if (told := write_choice(choice, draft.functions)) is not None:
                request["toolConfig"] = {"functionCallingConfig": told}
        if draft.config:
            request["generationConfig"] = draft.config
        request["labels"] = {LABEL: key}
        return {"custom_id": key, "request": request}

    def _encode_embedding(self, body: Object, key: str) -> Object:
        draft = table.EmbeddingDraft()
        apply_rules(table.EMBEDDINGS, body, draft, self.model.lacks)
        if draft.text is None:
            raise missing("body.input")
        request: Object = {"content": {"parts": [{"text": draft.text}]}}
        if draft.dimensions is not None:
            request["embed_content_config"] = {"output_dimensionality": draft.dimensions}
        return {"key": key, "request": request}


def _lines(row: Object) -> set[int]:
    """The line that a row tells; none if it tells none, or several that contradict each other."""
    labels = inner(inner(row, "request"), "labels")
    told = (row.get("custom_id"), row.get("key"), labels.get(LABEL))
    return {line for line in map(line_number, told) if line is not None}
