"""Rows of providers, mostly such as they write, and what a row of OpenAI's must be."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.dialects.requests import record, some, texts, values, wrong_now_and_then


def check_row(row: bytes, custom_id: str) -> dict[str, Any] | None:
    """The body of an answer that succeeded; any other row must be one that tells an error."""
    told = json.loads(row)
    assert told.keys() == {"id", "custom_id", "response", "error"}
    assert told["custom_id"] == custom_id
    assert told["id"].startswith("batch_req_")
    if told["error"] is not None:
        assert told["response"] is None
        assert told["error"].keys() == {"code", "message"}
        return None
    response = told["response"]
    assert response.keys() == {"status_code", "request_id", "body"}
    if response["status_code"] == 200:
        body: dict[str, Any] = response["body"]
        return body
    assert 400 <= response["status_code"] <= 599
    assert response["body"]["error"].keys() == {"message", "type", "param", "code"}
    return None


_count = wrong_now_and_then(some(0, 3, 500, "12", -1))
_usage = record(
    {"promptTokenCount": _count},
    {
        "candidatesTokenCount": _count,
        "thoughtsTokenCount": _count,
        "toolUsePromptTokenCount": _count,
        "cachedContentTokenCount": _count,
        "promptTokensDetails": some([{"modality": "AUDIO", "tokenCount": 3}], values),
        "cacheTokensDetails": some([{"modality": "AUDIO", "tokenCount": 9}], values),
    },
)
_parts = wrong_now_and_then(
    st.one_of(
        record({"text": texts}, {"thought": some(True, values), "thoughtSignature": "AA=="}),
        record(
            {
                "functionCall": wrong_now_and_then(
                    record({"name": some("weather", values)}, {"args": some({"a": 1}, values)})
                )
            },
            {},
        ),
        record({"executableCode": {"code": "1"}}, {}),
    )
)
_logprobs = record(
    {},
    {
        "chosenCandidates": some([{"token": "a", "logProbability": -0.5}], values),
        "topCandidates": some([{"candidates": [{"token": "b", "logProbability": -1}]}], values),
    },
)
_candidates = wrong_now_and_then(
    record(
        {},
        {
            "content": wrong_now_and_then(record({"parts": st.lists(_parts, max_size=3)}, {"role": "model"})),
            "finishReason": some("STOP", "MAX_TOKENS", "SAFETY", "MALFORMED_FUNCTION_CALL", "NEW", values),
            "logprobsResult": wrong_now_and_then(_logprobs),
        },
    )
)
_responses = st.one_of(
    record(
        {},
        {
            "candidates": wrong_now_and_then(st.lists(_candidates, max_size=2)),
            "usageMetadata": wrong_now_and_then(_usage),
            "modelVersion": some("gemini-x", values),
            "promptFeedback": some({"blockReason": "SAFETY"}, values),
            "createTime": some("2026-11-01T18:13:16.826+00:00", "yesterday", values),
        },
    ),
    record({"embedding": wrong_now_and_then(record({"values": some([0.5, 1], values)}, {}))}, {}),
)


def vertex_rows() -> st.SearchStrategy[bytes]:
    """Rows of a Vertex batch, with all sorts of things in them."""
    rows = record(
        {
            "status": some(
                "", 'Bad Request: {"error":{"code":400,"status":"INVALID_ARGUMENT"}}', texts, values
            )
        },
        {
            "response": wrong_now_and_then(_responses),
            "custom_id": some("r7", values),
            "key": some("r7", values),
            "request": values,
        },
    )
    return wrong_now_and_then(rows).map(lambda row: json.dumps(row).encode())


_blocks = wrong_now_and_then(
    st.one_of(
        record({"type": "text", "text": some(texts, values)}, {"citations": None}),
        record({"type": "thinking", "thinking": some(texts, values)}, {"signature": "AA=="}),
        record(
            {
                "type": "tool_use",
                "id": "toolu_1",
                "name": some("weather", values),
                "input": some({"a": 1}, values),
            },
            {},
        ),
        record({"type": "server_tool_use"}, {}),
    )
)
_message = record(
    {"content": wrong_now_and_then(st.lists(_blocks, max_size=3))},
    {
        "stop_reason": some("end_turn", "tool_use", "max_tokens", "refusal", "new", values),
        "model": some("claude-x", values),
        "usage": wrong_now_and_then(
            record(
                {"input_tokens": _count, "output_tokens": _count},
                {
                    "cache_read_input_tokens": _count,
                    "cache_creation_input_tokens": _count,
                    "output_tokens_details": some(None, {"thinking_tokens": 3}, values),
                },
            )
        ),
    },
)
_results = st.one_of(
    record({"type": "succeeded"}, {"message": wrong_now_and_then(_message)}),
    record(
        {"type": "errored"},
        {"error": some({"type": "error", "error": {"type": "overloaded_error", "message": "no"}}, values)},
    ),
    record({"type": some("canceled", "expired", values)}, {}),
)


def anthropic_rows() -> st.SearchStrategy[bytes]:
    """Rows of a Message Batch, with all sorts of things in them."""
    rows = record({"custom_id": some("r7", values)}, {"result": wrong_now_and_then(_results)})
    return wrong_now_and_then(rows).map(lambda row: json.dumps(row).encode())


_chunks = wrong_now_and_then(
    st.one_of(
        record({"type": "text", "text": some(texts, values)}, {}),
        record(
            {
                "type": "thinking",
                "thinking": some([{"type": "text", "text": "Hmm."}], [{"type": "reference"}], values),
            },
            {"closed": True},
        ),
        record({"type": some("reference", "image_url", values)}, {}),
    )
)
_called = record(
    {
        "function": wrong_now_and_then(
            record({"name": some("weather", values), "arguments": some('{"a":1}', {"a": 1}, values)}, {})
        )
    },
    {"id": "D681PevKs", "type": "function"},
)
_choices = wrong_now_and_then(
    record(
        {"finish_reason": some("stop", "length", "model_length", "error", "tool_calls", "new", values)},
        {
            "index": some(0, values),
            "message": wrong_now_and_then(
                record(
                    {"role": "assistant"},
                    {
                        "content": some(texts, None, st.lists(_chunks, max_size=3), values),
                        "tool_calls": some(None, st.lists(_called, max_size=2), values),
                    },
                )
            ),
            "logprobs": some(
                None,
                {"content": [{"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b"}]}]},
                record({"content": st.lists(values, max_size=2)}, {}),
                values,
            ),
        },
    )
)
_bodies = st.one_of(
    record(
        {"choices": wrong_now_and_then(st.lists(_choices, max_size=2))},
        {
            "model": some("mistral-x", values),
            "created": some(1_790_000_000, values),
            "usage": wrong_now_and_then(
                record(
                    {"prompt_tokens": _count, "completion_tokens": _count},
                    {
                        "prompt_tokens_details": some({"cached_tokens": 3}, values),
                        "num_cached_tokens": _count,
                    },
                )
            ),
        },
    ),
    record(
        {
            "data": wrong_now_and_then(
                st.lists(
                    record({"embedding": some([0.5, 1], values)}, {"index": some(0, 1, values)}), max_size=2
                )
            )
        },
        {"usage": some({"prompt_tokens": 3}, values)},
    ),
    some(
        '{"object":"error","message":"no","type":"invalid_request_error","code":"3230"}',
        '{"detail":[{"loc":["body","n"],"msg":"no","type":"int_type","input":null}]}',
        "upstream connect error",
    ),
)


def mistral_rows() -> st.SearchStrategy[bytes]:
    """Rows of Mistral's batches, with all sorts of things in them."""
    rows = record(
        {"custom_id": some("r7", values)},
        {
            "response": wrong_now_and_then(
                record(
                    {"status_code": some(200, 200, 400, 422, 500, values)}, {"body": some(_bodies, values)}
                )
            ),
            "error": some(None, None, "rate limited", {"message": "no"}, values),
        },
    )
    return wrong_now_and_then(rows).map(lambda row: json.dumps(row).encode())
