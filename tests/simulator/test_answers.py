"""Answers of the simulated models, read by the stock client's own types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types import CreateEmbeddingResponse, ImagesResponse, ModerationCreateResponse
from openai.types.chat import ChatCompletion
from openai.types.completion import Completion
from openai.types.responses import Response
from pydantic import BaseModel

from litebatch_asgi.simulator import Account
from litebatch_asgi.simulator.answers import texts_of

from .journeys import JSON, by_id, download, finished, jsonl

MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": [{"type": "text", "text": "How are you?"}]},
]

PARAMS: list[tuple[str, JSON, type[BaseModel]]] = [
    ("/v1/chat/completions", {"messages": MESSAGES}, ChatCompletion),
    ("/v1/responses", {"input": "How are you?", "instructions": "Be kind."}, Response),
    ("/v1/responses", {"input": MESSAGES}, Response),
    ("/v1/embeddings", {"input": ["one", "two"], "dimensions": 3}, CreateEmbeddingResponse),
    ("/v1/completions", {"prompt": "How are you?"}, Completion),
    ("/v1/moderations", {"input": "How are you?"}, ModerationCreateResponse),
]


async def answered(client: AsyncOpenAI, account: Account, endpoint: str, **body: Any) -> JSON:
    asked = {"custom_id": "a", "method": "POST", "url": endpoint, "body": {"model": "m-1", **body}}
    batch = await finished(client, account, jsonl(asked), endpoint=endpoint)
    row = by_id(await download(client, batch.output_file_id))["a"]
    assert (row["error"], row["response"]["status_code"]) == (None, 200)
    body_of_row: JSON = row["response"]["body"]
    return body_of_row


@pytest.mark.parametrize(("endpoint", "body", "model"), PARAMS)
async def test_every_answer_is_what_the_client_expects(
    client: AsyncOpenAI, account: Account, endpoint: str, body: JSON, model: type[BaseModel]
) -> None:
    answer = await answered(client, account, endpoint, **body)
    parsed = model.model_validate(answer, strict=True)
    assert parsed.model_extra is None or set(parsed.model_extra) <= {"service_tier"}
    assert answer["model"] == "m-1"


async def test_an_image_comes_without_the_name_of_its_model(client: AsyncOpenAI, account: Account) -> None:
    simulate = {"input_tokens": 9, "image_input_tokens": 4, "output_tokens": 60, "image_output_tokens": 55}
    body = await answered(
        client, account, "/v1/images/generations", prompt="A", metadata={"simulate": simulate}
    )
    answer = ImagesResponse.model_validate(body, strict=True)
    assert "model" not in body
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.model_dump() == {"image_tokens": 4, "text_tokens": 5}
    assert answer.usage.output_tokens_details is not None
    assert answer.usage.output_tokens_details.model_dump() == {"image_tokens": 55, "text_tokens": 5}


async def test_the_model_and_the_parts_of_a_usage_come_to_order(
    client: AsyncOpenAI, account: Account
) -> None:
    simulate = {
        "model": "m-1-2026-01-01",
        "input_tokens": 300_000,
        "cached_tokens": 5,
        "cache_write_tokens": 6,
        "audio_input_tokens": 7,
        "image_input_tokens": 8,
        "output_tokens": 90,
        "reasoning_tokens": 9,
        "audio_output_tokens": 10,
        "image_output_tokens": 11,
    }
    metadata = {"simulate": json.dumps(simulate)}
    chat = await answered(client, account, "/v1/chat/completions", messages=MESSAGES, metadata=metadata)
    response = await answered(client, account, "/v1/responses", input="How?", metadata=metadata)
    for answer, sent, made in ((chat, "prompt", "completion"), (response, "input", "output")):
        usage = answer["usage"]
        assert answer["model"] == "m-1-2026-01-01"
        assert (usage[f"{sent}_tokens"], usage[f"{made}_tokens"]) == (300_000, 90)
        told = usage[f"{sent}_tokens_details"]
        names = ("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens")
        assert [told[name] for name in names] == [5, 6, 7, 8]
        told = usage[f"{made}_tokens_details"]
        assert [told[name] for name in ("reasoning_tokens", "audio_tokens", "image_tokens")] == [9, 10, 11]


@pytest.mark.parametrize("usage", [None, "lots", {"prompt_tokens": -1}])
async def test_a_usage_may_be_as_wrong_as_asked_for(
    client: AsyncOpenAI, account: Account, usage: object
) -> None:
    metadata = {"simulate": {"usage": usage}}
    answer = await answered(client, account, "/v1/embeddings", input="a", metadata=metadata)
    assert answer["usage"] == usage


async def test_chat_echoes_what_was_said_last(client: AsyncOpenAI, account: Account) -> None:
    answer = ChatCompletion.model_validate(
        await answered(client, account, "/v1/chat/completions", messages=MESSAGES)
    )
    assert answer.choices[0].message.content == "echo: How are you?"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 5)


async def test_responses_count_tokens_in_their_own_words(client: AsyncOpenAI, account: Account) -> None:
    answer = Response.model_validate(
        await answered(
            client, account, "/v1/responses", input="x" * 80, metadata={"simulate": '{"answer": "12345678"}'}
        )
    )
    assert answer.output_text == "12345678"
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.input_tokens_details.cached_tokens) == (20, 5)
    assert (answer.usage.output_tokens, answer.usage.total_tokens) == (2, 22)


async def test_embeddings_are_deterministic(client: AsyncOpenAI, account: Account) -> None:
    asked: JSON = {"input": ["one", "two", "one"], "dimensions": 5}
    first = CreateEmbeddingResponse.model_validate(await answered(client, account, "/v1/embeddings", **asked))
    second = CreateEmbeddingResponse.model_validate(
        await answered(client, account, "/v1/embeddings", **asked)
    )
    assert first.data == second.data
    assert first.data[0].embedding == first.data[2].embedding != first.data[1].embedding
    assert [len(each.embedding) for each in first.data] == [5, 5, 5]
    assert first.usage.prompt_tokens == first.usage.total_tokens == 3


async def test_a_token_array_is_one_input(client: AsyncOpenAI, account: Account) -> None:
    answer = await answered(client, account, "/v1/embeddings", input=[1, 2, 3])
    assert len(answer["data"]) == 1


async def test_long_answers_are_cut(client: AsyncOpenAI, account: Account) -> None:
    account.configure(answer_characters=10)
    answer = await answered(client, account, "/v1/completions", prompt="a long story")
    assert answer["choices"][0]["text"] == "echo: a lo"


async def test_an_endpoint_that_is_not_simulated_fails_its_rows(
    client: AsyncOpenAI, account: Account
) -> None:
    endpoint = "/v1/videos"
    asked = {"custom_id": "a", "method": "POST", "url": endpoint, "body": {"model": "m", "prompt": "sea"}}
    batch = await finished(client, account, jsonl(asked), endpoint=endpoint)
    row = by_id(await download(client, batch.error_file_id))["a"]
    assert row["response"]["status_code"] == 400


def test_nesting_that_no_request_has_is_not_followed() -> None:
    deep: Any = "text"
    for _ in range(900):
        deep = [deep]
    assert list(texts_of({"messages": deep})) == []
