"""Whatever a line or a row holds: lines become what Vertex takes or a problem, rows become rows."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion

from litebatch_asgi.dialects import line_digest, surrogate
from litebatch_asgi.dialects.vertex import GeminiModel, VertexDialect
from litebatch_asgi.dialects.vertex.model import BUDGETS
from litebatch_asgi.errors import Problem
from tests.dialects.requests import chats, embeddings, line, values
from tests.dialects.rows import check_row, vertex_rows
from tests.dialects.sorts import ALL_SORTS
from tests.dialects.vertex_rules import check_line

DIALECT = VertexDialect(GeminiModel(name="gemini-x", efforts=BUDGETS))


def check_encoded(source: bytes, number: int) -> None:
    encoded = DIALECT.encode(source, number)
    if isinstance(encoded, Problem):
        assert encoded.line == number
        assert encoded.param is not None
        assert encoded.param in encoded.message or encoded.param.removeprefix("body.") in encoded.message
        return
    told = check_line(encoded)
    key = told.get("custom_id") or told["key"]
    assert key == surrogate(number)


@ALL_SORTS
@given(chats(), st.integers(1, 10**9))
def test_a_chat_is_taken_by_the_provider_or_refused_with_a_reason(source: bytes, number: int) -> None:
    check_encoded(source, number)


@ALL_SORTS
@given(embeddings(), st.integers(1, 10**9))
def test_an_embedding_is_taken_by_the_provider_or_refused_with_a_reason(source: bytes, number: int) -> None:
    check_encoded(source, number)


@ALL_SORTS
@given(st.one_of(st.binary(), values.map(lambda value: json.dumps(value).encode())))
def test_what_is_no_line_is_a_problem(source: bytes) -> None:
    assert isinstance(DIALECT.encode(source, 1), Problem)


@ALL_SORTS
@given(st.dictionaries(st.sampled_from(["messages", "tools", "response_format", "stop", "n"]), values))
def test_values_of_any_kind_are_a_problem_or_taken(body: dict[str, Any]) -> None:
    check_encoded(line(**body), 5)


@ALL_SORTS
@given(st.one_of(st.binary(), vertex_rows()))
def test_every_row_becomes_a_row(source: bytes) -> None:
    answer = DIALECT.decode(source)
    row = answer.row("my id", job="job_lb0-0-1", line=3, created=1_790_000_000)
    body = check_row(row, "my id")
    if body is not None and body.get("object") == "chat.completion":
        ChatCompletion.model_validate(body)
    elif body is not None:
        CreateEmbeddingResponse.model_validate({"usage": {"prompt_tokens": 0, "total_tokens": 0}, **body})
    assert row == answer.row("my id", job="job_lb0-0-1", line=3, created=1_790_000_000)


@ALL_SORTS
@given(chats(), st.integers(1, 10**6))
def test_the_line_comes_back_however_the_row_tells_it(source: bytes, number: int) -> None:
    encoded = DIALECT.encode(source, number)
    if isinstance(encoded, Problem):
        return
    told = json.loads(encoded)
    row: dict[str, Any] = {"status": "", "response": {"candidates": []}}
    assert DIALECT.decode(json.dumps({**row, "custom_id": told["custom_id"]}).encode()).line == number
    assert DIALECT.decode(json.dumps({**row, "request": told["request"]}).encode()).line == number
    mangled = {**told["request"], "nothing": None}
    answer = DIALECT.decode(json.dumps({**row, "custom_id": "r000", "request": mangled}).encode())
    assert answer.line == number
    mangled["labels"] = {**told["request"]["labels"], "litebatch_line": surrogate(number + 1)}
    both = json.dumps({**row, "custom_id": told["custom_id"], "request": mangled}).encode()
    assert DIALECT.decode(both).line is None
    assert DIALECT.decode(both).echo != line_digest(encoded)
