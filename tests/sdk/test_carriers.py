"""Custom ids that lines carry through a provider with narrow ideas of ids."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from litebatch_asgi.dialects import Dialect
from litebatch_asgi.dialects.anthropic import AnthropicDialect, ClaudeModel
from litebatch_asgi.dialects.vertex import GeminiModel, VertexDialect
from litebatch_asgi.errors import InvalidFile, InvalidRequest
from litebatch_asgi.sdk.carriers import carried, carrier
from litebatch_asgi.sdk.translation import Encoded, custom_ids, decode, encode
from tests.harness import rows_of

CLAUDE = AnthropicDialect(ClaudeModel.named("claude-sonnet-4-5", max_tokens=100))
GEMINI = VertexDialect(GeminiModel.named("gemini-2.5-flash"))
IDS = ["7", "000000", "r1", "lbc-x", "lbb-7", 'ü — "quoted" \\ \'n', "\u0000", "a-9" * 14]
LONG = ["x" * 500, "a" * 44, "é" * 14]
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_PATIENT
@given(st.text(st.characters()))
def test_every_custom_id_comes_back(custom_id: str) -> None:
    text = carrier(custom_id)
    assert re.fullmatch(r"[A-Za-z0-9-]+", text)
    assert carried(text) == custom_id


@_PATIENT
@given(st.text(st.characters()) | st.integers() | st.none())
def test_what_carries_nothing_is_told_from_it(value: object) -> None:
    found = carried(value)
    assert found is None or carrier(found) == value or str(value).startswith("lb")


def written(ids: list[str], model: str, **body: Any) -> bytes:
    lines = (
        {
            "custom_id": each,
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": model, "messages": [{"role": "user", "content": "Hi"}]} | body,
        }
        for each in ids
    )
    return "\n".join(json.dumps(line) for line in lines).encode()


def encoded(content: bytes, dialect: Dialect, provider: str = "vertex_ai", **limits: int) -> Encoded:
    return encode(lambda: io.BytesIO(content), lambda model: dialect, provider=provider, **limits)


def vertex_row(line: bytes) -> dict[str, Any]:
    """What Vertex makes of a line: all that it got, in another order, and an answer."""
    told: dict[str, Any] = msgspec.json.decode(line)
    candidate = {"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}
    return {"status": "", "response": {"candidates": [candidate], "modelVersion": "g"}} | told


def claude_row(line: bytes) -> dict[str, Any]:
    custom_id = msgspec.json.decode(line)["custom_id"]
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", custom_id)
    message = {"model": "c", "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn"}
    return {"custom_id": custom_id, "result": {"type": "succeeded", "message": message}}


def decoded(
    rows: list[dict[str, Any]], dialect: Dialect, given_input: bytes | None = None
) -> list[dict[str, Any]]:
    target = io.BytesIO()
    ids = None if given_input is None else custom_ids(io.BytesIO(given_input))
    content = b"\n".join(msgspec.json.encode(row) for row in rows)
    size = decode(io.BytesIO(content), target, dialect, ids, job="results")
    assert size == len(target.getvalue())
    return rows_of(target.getvalue())


def test_vertex_carries_ids_of_any_length() -> None:
    with encoded(written(IDS + LONG, "vertex_ai/gemini-2.5-flash"), GEMINI).file as file:
        file.seek(0)
        lines = file.readlines()
    rows = decoded([vertex_row(line) for line in reversed(lines)], GEMINI)
    assert [row["custom_id"] for row in rows] == [*reversed(LONG), *reversed(IDS)]
    assert {row["response"]["body"]["choices"][0]["message"]["content"] for row in rows} == {"Hello"}
    assert len({row["id"] for row in rows}) == len(rows)


def test_the_label_alone_needs_the_input() -> None:
    """What of a line is documented to come back is its label."""
    content = written(IDS, "gemini-2.5-flash")
    with encoded(content, GEMINI).file as file:
        file.seek(0)
        sent = file.read()
    rows = [vertex_row(line) for line in sent.splitlines()]
    for row in rows:
        del row["custom_id"]
    with pytest.raises(InvalidRequest, match="Row 1 tells no custom_id"):
        decoded(rows, GEMINI)
    assert [row["custom_id"] for row in decoded(rows, GEMINI, content)] == IDS
    assert [row["custom_id"] for row in decoded(rows, GEMINI, sent)] == IDS


def test_anthropic_has_room_for_short_ids_alone() -> None:
    content = written(IDS + LONG, "claude-sonnet-4-5")
    with encoded(content, CLAUDE, "anthropic").file as file:
        file.seek(0)
        rows = [claude_row(line) for line in file.readlines()]
    assert [row["custom_id"] for row in decoded(rows[: len(IDS)], CLAUDE)] == IDS
    with pytest.raises(InvalidRequest, match="`input`"):
        decoded(rows, CLAUDE)
    assert [row["custom_id"] for row in decoded(rows, CLAUDE, content)] == IDS + LONG


def test_ids_that_somebody_else_gave_stay_as_they_are() -> None:
    rows = [{"custom_id": "mine", "result": {"type": "expired"}}]
    [row] = decoded(rows, CLAUDE)
    assert (row["custom_id"], row["error"]["code"]) == ("mine", "batch_expired")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"{", "invalid_json_line"),
        (written(["a", "a"], "m"), "duplicate_custom_id"),
        (written(["a"], "m") + b"\n" + written(["b"], "n"), "mismatched_model"),
        (written(["a"], "m", messages=[]), "invalid_value"),
        (written(["a", "b", "c"], "m"), "too_many_tasks"),
    ],
)
def test_lines_that_the_provider_cannot_be_given(content: bytes, code: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        encoded(content, GEMINI, max_requests=2)
    assert caught.value.problems[0].code == code


def test_a_file_that_is_too_long_for_the_provider() -> None:
    with pytest.raises(InvalidFile, match="split it") as caught:
        encoded(written(["a", "b"], "m"), GEMINI, max_bytes=99)
    assert caught.value.code == "file_too_large"
