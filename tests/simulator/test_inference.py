"""An inference server: OpenAI's API without files and batches."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Simulator

from .journeys import JSON, plain_http

SAID: list[Any] = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello you"}]
ASKED: JSON = {"model": "m", "messages": SAID}


@pytest.fixture
def account(account: Account) -> Account:
    account.configure(flavour="vllm")
    return account


@pytest.fixture
async def http(address: str, account: Account) -> AsyncIterator[httpx2.AsyncClient]:
    """Plain HTTP to the server, without a key."""
    async with plain_http(base_url=f"{address}/east") as client:
        yield client


@pytest.fixture
def client(client: AsyncOpenAI, account: Account) -> AsyncOpenAI:
    return client


async def test_chats_are_answered(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="m", messages=SAID)
    assert (answer.model, answer.choices[0].message.content) == ("m", "echo: hello you")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2 + 3, 4)


async def test_completions_and_responses_are_answered(client: AsyncOpenAI) -> None:
    completed = await client.completions.create(model="m", prompt="hello")
    assert completed.choices[0].text == "echo: hello"
    response = await client.responses.create(model="m", input="hello")
    assert response.output_text == "echo: hello"
    assert response.usage is not None
    assert response.usage.total_tokens == 2 + 3


async def test_embeddings_are_answered_as_numbers_or_as_base64(client: AsyncOpenAI) -> None:
    stock = await client.embeddings.create(model="m", input=["a", "b"], dimensions=3)
    told = await client.embeddings.create(model="m", input=["a", "b"], dimensions=3, encoding_format="float")
    assert [len(each.embedding) for each in stock.data] == [3, 3]
    assert stock.data[0].embedding == pytest.approx(told.data[0].embedding)
    assert stock.data[0].embedding != stock.data[1].embedding


async def test_embeddings_in_base64_are_little_endian(http: httpx2.AsyncClient) -> None:
    asked = {"model": "m", "input": "a", "dimensions": 2}
    (plain,) = (await http.post("/v1/embeddings", json=asked)).json()["data"]
    asked["encoding_format"] = "base64"
    (coded,) = (await http.post("/v1/embeddings", json=asked)).json()["data"]
    assert struct.unpack("<2f", base64.b64decode(coded["embedding"])) == pytest.approx(plain["embedding"])


async def test_moderations_are_answered(client: AsyncOpenAI) -> None:
    (result,) = (await client.moderations.create(model="m", input="hello")).results
    assert not result.flagged


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
async def test_documents_are_ranked(http: httpx2.AsyncClient, path: str) -> None:
    documents = ["one", {"text": "two"}, "three"]
    answer = (await http.post(path, json={"model": "m", "query": "q", "documents": documents})).json()
    results = answer["results"]
    assert sorted(each["index"] for each in results) == [0, 1, 2]
    assert {each["index"]: each["document"]["text"] for each in results}[1] == "two"
    fits = [each["relevance_score"] for each in results]
    assert fits == sorted(fits, reverse=True)
    assert answer["usage"] == {"prompt_tokens": 1 + 1 + 1 + 2, "total_tokens": 5}
    best = {"model": "m", "query": "q", "documents": documents, "top_n": 1}
    assert (await http.post(path, json=best)).json()["results"] == results[:1]


@pytest.mark.parametrize("path", ["/v1/score", "/score"])
@pytest.mark.parametrize("names", [("text_1", "text_2"), ("queries", "documents")])
async def test_pairs_are_scored(http: httpx2.AsyncClient, path: str, names: tuple[str, str]) -> None:
    left, right = names
    several = (await http.post(path, json={"model": "m", left: "a", right: ["b", "c"]})).json()
    paired = (await http.post(path, json={"model": "m", left: ["a", "a"], right: ["b", "c"]})).json()
    assert [each["index"] for each in several["data"]] == [0, 1]
    assert several["data"] == paired["data"]
    assert several["usage"]["total_tokens"] == 3


async def test_the_same_body_gets_the_same_bytes(http: httpx2.AsyncClient) -> None:
    first, again, other = [
        (await http.post("/v1/chat/completions", json=ASKED | more)).content
        for more in ({}, {}, {"temperature": 0})
    ]
    assert first == again != other


async def test_models_are_listed(client: AsyncOpenAI, account: Account) -> None:
    assert [each.id async for each in client.models.list()] == ["simulated"]
    account.configure(models=["b", "a"])
    assert [each.id async for each in client.models.list()] == ["a", "b"]


async def test_a_request_may_leave_its_model_to_the_server(
    http: httpx2.AsyncClient, account: Account
) -> None:
    account.configure(models=["served"])
    answer = await http.post("/v1/chat/completions", json={"messages": SAID})
    assert answer.json()["model"] == "served"


async def test_an_unknown_model_is_not_found(client: AsyncOpenAI, account: Account) -> None:
    account.configure(models=["a"])
    with pytest.raises(openai.NotFoundError) as refused:
        await client.chat.completions.create(model="m", messages=SAID)
    assert refused.value.response.json() == {
        "error": {
            "message": "The model `m` does not exist.",
            "type": "NotFoundError",
            "param": "model",
            "code": 404,
        }
    }


async def test_keys_are_asked_for_only_where_there_are_any(
    http: httpx2.AsyncClient, account: Account
) -> None:
    assert (await http.post("/v1/chat/completions", json=ASKED)).status_code == 200
    account.configure(api_keys=["right"])
    for key, status in (("right", 200), ("wrong", 401), ("", 401)):
        headers = {"authorization": f"Bearer {key}"} if key else {}
        answer = await http.post("/v1/chat/completions", json=ASKED, headers=headers)
        assert answer.status_code == status
    assert answer.json() == {"error": "Unauthorized"}
    assert (await http.get("/v1/models")).status_code == 401
    assert (await http.get("/health")).status_code == 200


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/v1/chat/completions", b"{"),
        ("/v1/chat/completions", b"\xff"),
        ("/v1/chat/completions", b"[]"),
        ("/v1/chat/completions", {"model": 1, "messages": SAID}),
        ("/v1/chat/completions", {"model": "m"}),
        ("/v1/chat/completions", {"model": "m", "messages": []}),
        ("/v1/chat/completions", {"model": "m", "messages": [{"content": "x"}]}),
        ("/v1/chat/completions", ASKED | {"stream": True}),
        ("/v1/completions", ASKED),
        ("/v1/responses", ASKED),
        ("/v1/embeddings", ASKED),
        ("/v1/moderations", ASKED),
        ("/v1/rerank", {"query": "q"}),
        ("/v1/rerank", {"documents": ["d"]}),
        ("/v1/rerank", {"query": "q", "documents": ["d"], "top_n": "1"}),
        ("/v1/score", {"text_1": "q"}),
        ("/v1/score", {"text_1": ["a", "b"], "text_2": ["c"]}),
        ("/v1/score", {"text_1": ["a", "b"], "text_2": "c"}),
    ],
)
async def test_what_is_malformed_is_400(http: httpx2.AsyncClient, path: str, sent: bytes | JSON) -> None:
    content = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    answer = await http.post(path, content=content)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (400, 400, "BadRequestError")
    assert error["message"].endswith(".")


async def test_what_there_is_not_is_404_or_405(http: httpx2.AsyncClient, client: AsyncOpenAI) -> None:
    asked = [("GET", "/v1/files", 404), ("GET", "/v1/chat/completions", 405), ("POST", "/", 404)]
    for method, path, status in asked:
        answer = await http.request(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)
    with pytest.raises(openai.NotFoundError):
        await client.batches.list()


async def test_a_line_asks_for_what_it_wants(http: httpx2.AsyncClient) -> None:
    asked = ASKED | {"metadata": {"simulate": {"answer": "yes", "input_tokens": 7, "output_tokens": 5}}}
    answer = (await http.post("/v1/chat/completions", json=asked)).json()
    assert answer["choices"][0]["message"]["content"] == "yes"
    assert answer["usage"]["total_tokens"] == 12
    failing = [
        ("/v1/chat/completions", ASKED | {"metadata": {"simulate": "429"}}, 429),
        ("/v1/completions", {"prompt": "simulate 503"}, 503),
        ("/v1/completions", {"prompt": 'simulate {"error": "request_timeout"}'}, 500),
        ("/v1/rerank", {"query": "q", "documents": ["a", "simulate 418"]}, 418),
        ("/v1/completions", {"prompt": "simulate nonsense"}, 400),
    ]
    for path, body, status in failing:
        assert (await http.post(path, json=body)).status_code == status


async def test_servers_are_accounts_of_their_own(address: str, simulator: Simulator) -> None:
    simulator.account().configure(flavour="vllm")
    simulator.account("west").configure(flavour="vllm", models=["w"])
    async with plain_http(base_url=address) as http:
        assert (await http.post("/v1/chat/completions", json=ASKED)).status_code == 200
        assert (await http.post("/rerank", json={})).status_code == 400
        assert (await http.post("/west/v1/chat/completions", json=ASKED)).status_code == 404
        assert (await http.get("/west/health")).content == b""
        headers = {"authorization": "Bearer k"}
        assert (await http.get("/other/v1/files", headers=headers)).json()["data"] == []
    assert [each.account for each in simulator.requests.select()] == ["default", "default", "west", "west"]


async def test_every_request_is_in_the_journal(
    http: httpx2.AsyncClient, client: AsyncOpenAI, simulator: Simulator
) -> None:
    answered = await client.with_raw_response.chat.completions.create(model="m", messages=SAID)
    sent = answered.http_response.request.content
    await http.post("/v1/chat/completions", content=b"{")
    await http.get("/health")
    first, second, third = simulator.requests.select()
    assert (first.seq, first.account, first.path) == (1, "east", "/v1/chat/completions")
    assert (first.status, first.api_key, first.text) == (200, "key-east", "hello you")
    assert (first.bytes, first.sha256) == (len(sent), hashlib.sha256(sent).hexdigest())
    assert first.tokens == 9
    assert first.answered is not None
    assert 0 <= first.answered - first.received < 10
    assert (second.status, second.text, second.tokens, second.bytes) == (400, "", 0, 1)
    assert (third.status, third.path, third.api_key) == (200, "/health", None)


async def test_the_journal_is_read_over_http(
    address: str, http: httpx2.AsyncClient, simulator: Simulator
) -> None:
    for text in ("a", "b", "a", "simulate 500"):
        await http.post("/v1/completions", json={"prompt": text})
    async with plain_http(base_url=f"{address}/_simulator") as control:

        async def told(path: str, **params: str) -> JSON:
            answer: JSON = (await control.get(path, params=params)).json()
            return answer

        read = await told("/requests", after="1", limit="2")
        assert [each["text"] for each in read["entries"]] == ["b", "a"]
        assert read["seq"] == 4
        assert (await told("/requests", account="west"))["entries"] == []
        (twice,) = (await told("/lines", succeeded="2"))["lines"]
        assert (twice["text"], twice["received"], twice["statuses"]) == ("a", 2, {"200": 2})
        same = await told("/requests", sha256=twice["sha256"])
        assert [each["seq"] for each in same["entries"]] == [1, 3]
        assert [each["text"] for each in (await told("/lines", match="simulate"))["lines"]] == [
            "simulate 500"
        ]
        totals = await told("/totals", account="east")
        assert (totals["requests"], totals["lines"]) == (4, 3)
        assert totals["statuses"] == {"200": 3, "500": 1}
        assert (totals["received"], totals["succeeded"]) == ({"1": 2, "2": 1}, {"1": 1, "2": 1, "0": 1})
        assert (await control.get("/requests", params={"after": "x"})).status_code == 400
        await control.post("/reset")
        assert (await told("/totals"))["requests"] == 0
