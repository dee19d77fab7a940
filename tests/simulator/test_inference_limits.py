"""How long an inference server takes, how much it does at once, and how much it lets a key ask for."""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import time
from collections.abc import AsyncIterator

import httpx2
import msgspec
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Latency, Simulator
from litebatch_asgi.simulator.rate_limits import Bucket, duration

from .journeys import JSON, plain_http

PATH = "/v1/completions"
FIXED = {"seconds": 0.05}


@pytest.fixture
def account(account: Account) -> Account:
    account.configure(flavour="vllm")
    return account


@pytest.fixture
async def http(address: str, account: Account) -> AsyncIterator[httpx2.AsyncClient]:
    """Plain HTTP to the server, as one of its users."""
    headers = {"authorization": "Bearer one"}
    async with plain_http(base_url=f"{address}/east", headers=headers, timeout=10) as client:
        yield client


def asking(text: str, **wanted: object) -> JSON:
    return {"prompt": text, "metadata": {"simulate": wanted}}


async def test_a_request_takes_its_time(http: httpx2.AsyncClient, account: Account) -> None:
    account.configure(latency={"seconds": 0.03, "per_output_token": 0.01})
    began = time.monotonic()
    await http.post(PATH, json=asking("a", output_tokens=7))
    assert 0.1 <= time.monotonic() - began < 5


def test_latencies_are_spread_as_told_and_the_same_by_their_seed() -> None:
    lognormal = Latency(distribution="lognormal", seconds=0.2, sigma=0.5, most=1.0)
    drawn, again = [[lognormal.draw(chance, 9) for _ in range(2000)] for chance in _two_chances()]
    assert drawn == again
    assert statistics.median(drawn) == pytest.approx(0.2, rel=0.1)
    assert max(drawn) <= 1.0
    uniform = Latency(distribution="uniform", seconds=0.1, most=0.3)
    spread = [uniform.draw(random.Random(1), 0) for _ in range(9)]
    assert all(0.1 <= each <= 0.3 for each in spread)


def _two_chances() -> tuple[random.Random, random.Random]:
    return random.Random("1:east"), random.Random("1:east")


@pytest.mark.parametrize(
    "wrong",
    [{"seconds": -1}, {"distribution": "normal"}, {"distribution": "uniform", "seconds": 1}, {"mean": 1}],
)
def test_a_latency_that_cannot_be_is_refused(account: Account, wrong: JSON) -> None:
    with pytest.raises(msgspec.ValidationError):
        account.configure(latency=wrong)


async def test_requests_beyond_its_places_wait_for_their_turn(
    http: httpx2.AsyncClient, account: Account, simulator: Simulator
) -> None:
    account.configure(latency=FIXED, max_running=2)
    began = time.monotonic()
    asked = [http.post(PATH, json={"prompt": str(number)}) for number in range(6)]
    assert {each.status_code for each in await asyncio.gather(*asked)} == {200}
    assert time.monotonic() - began >= 0.15
    server = simulator.inference_server("east")
    assert (server.slots.most_running, server.slots.running, server.slots.waiting) == (2, 0, 0)
    assert simulator.requests.totals().most_in_progress == 6


async def test_more_places_let_those_begin_who_wait(
    http: httpx2.AsyncClient, account: Account, simulator: Simulator
) -> None:
    account.configure(latency={"seconds": 30.0}, max_running=1)
    server = simulator.inference_server("east")
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(http.post(PATH, json={"prompt": str(number)})) for number in range(3)]
        await simulator.until(lambda: len(simulator.requests) == 3)
        assert (server.slots.running, server.slots.waiting) == (1, 2)
        account.configure(max_running=None)
        assert (server.slots.running, server.slots.waiting) == (3, 0)
        for each in asked:
            each.cancel()


@pytest.mark.parametrize("max_running", [1, None])
async def test_a_client_that_leaves_gives_its_place_back(
    http: httpx2.AsyncClient, account: Account, simulator: Simulator, max_running: int | None
) -> None:
    account.configure(latency={"seconds": 30.0}, max_running=max_running)
    server = simulator.inference_server("east")
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(http.post(PATH, json={"prompt": str(number)})) for number in range(2)]
        await simulator.until(lambda: len(simulator.requests) == 2)
        for each in asked[::-1]:
            each.cancel()
    await simulator.until(lambda: simulator.requests.totals().statuses == {"left": 2})
    assert (server.slots.running, server.slots.waiting) == (0, 0)


async def test_a_key_may_ask_only_so_often(
    http: httpx2.AsyncClient, account: Account, simulator: Simulator
) -> None:
    account.configure(requests_per_minute=2, minute_seconds=3600)
    answers = [await http.post(PATH, json={"prompt": "a"}) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    first, _, refused = answers
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert first.headers["x-ratelimit-reset-requests"] == "30m0s"
    assert "x-ratelimit-limit-tokens" not in first.headers
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert re.fullmatch(r"59m59(\.\d+)?s|1h0m0s", refused.headers["x-ratelimit-reset-requests"])
    assert 1790 <= int(refused.headers["retry-after"]) <= 1800
    assert 1_790_000 <= int(refused.headers["retry-after-ms"]) <= 1_800_000
    error = refused.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("requests", "rate_limit_exceeded", None)
    told = "Rate limit reached for simulated on requests per min (RPM): Limit 2, Requested 1. Please"
    assert error["message"].startswith(told)
    other = {"authorization": "Bearer two"}
    assert (await http.post(PATH, json={"prompt": "a"}, headers=other)).status_code == 200
    assert simulator.requests.totals().statuses == {"200": 3, "429": 1}


async def test_a_key_may_use_only_so_many_tokens(http: httpx2.AsyncClient, account: Account) -> None:
    account.configure(tokens_per_minute=100, minute_seconds=3600)
    wanted = [(60, 0), (30, 20), (30, 10), (200, 1)]
    answers = [
        await http.post(PATH, json=asking("a", input_tokens=sent, output_tokens=made))
        for sent, made in wanted
    ]
    assert [each.status_code for each in answers] == [200, 429, 200, 429]
    assert [each.headers["x-ratelimit-remaining-tokens"] for each in answers[:3]] == ["40", "40", "0"]
    assert answers[0].headers["x-ratelimit-reset-tokens"] == "36m0s"
    assert answers[1].json()["error"]["type"] == "tokens"
    assert "retry-after" in answers[1].headers
    assert answers[3].json()["error"]["message"].startswith("Request too large for simulated on tokens")
    assert "retry-after" not in answers[3].headers


async def test_the_stock_client_waits_and_gets_through(
    address: str, account: Account, simulator: Simulator
) -> None:
    account.configure(requests_per_minute=1, minute_seconds=0.2)
    stock = AsyncOpenAI(base_url=f"{address}/east/v1", api_key="k", max_retries=2, http_client=plain_http())
    async with stock as client:
        for _ in range(2):
            await client.completions.create(model="m", prompt="a")
    assert simulator.requests.totals().statuses == {"200": 2, "429": 1}


async def test_malformed_requests_and_the_list_of_models_count_for_no_limit(
    http: httpx2.AsyncClient, account: Account
) -> None:
    account.configure(requests_per_minute=1, minute_seconds=3600)
    statuses = [(await http.post(PATH, json={})).status_code, (await http.get("/v1/models")).status_code]
    statuses += [(await http.post(PATH, json={"prompt": "a"})).status_code for _ in range(2)]
    assert statuses == [400, 200, 200, 429]


async def test_other_limits_hold_at_once(client: AsyncOpenAI, account: Account) -> None:
    account.configure(requests_per_minute=1, minute_seconds=3600)
    await client.completions.create(model="m", prompt="a")
    with pytest.raises(openai.RateLimitError):
        await client.completions.create(model="m", prompt="a")
    account.configure(requests_per_minute=None)
    await client.completions.create(model="m", prompt="a")


@given(
    st.integers(1, 1000),
    st.floats(0.1, 100),
    st.lists(st.tuples(st.floats(0, 10), st.integers(0, 1000)), max_size=50),
)
def test_a_bucket_gives_no_more_than_it_holds_and_is_refilled_with(
    limit: int, window: float, asked: list[tuple[float, int]]
) -> None:
    now, taken, bucket = 0.0, 0, Bucket(limit, window, 0.0)
    for pause, amount in asked:
        now += pause
        if amount <= limit and bucket.wait(amount, now) == 0:
            bucket.take(amount)
            taken += amount
        assert 0 <= bucket.level(now) <= limit
        assert taken <= limit * (1 + now / window) * (1 + 1e-9)
        assert bucket.wait(limit, now) == pytest.approx(bucket.reset(now))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0s"),
        (0.0001, "1ms"),
        (0.02, "20ms"),
        (1, "1s"),
        (8.64, "8.64s"),
        (59.9999, "1m0s"),
        (360, "6m0s"),
        (90.951, "1m30.951s"),
        (3600, "1h0m0s"),
    ],
)
def test_durations_are_spelled_as_openai_does(seconds: float, told: str) -> None:
    assert duration(seconds) == told
