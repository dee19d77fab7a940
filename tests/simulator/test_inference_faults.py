"""What goes wrong at an inference server, by a fault or because a line orders it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Fault, Simulator

from .journeys import JSON, plain_http
from .raw import body_of, exchange, post

PATH = "/v1/completions"
ASKED = {"model": "m", "prompt": "hello"}
BODY = json.dumps(ASKED).encode()


@pytest.fixture
def account(account: Account) -> Account:
    account.configure(flavour="vllm")
    return account


@pytest.fixture
async def http(address: str, account: Account) -> AsyncIterator[httpx2.AsyncClient]:
    async with plain_http(base_url=f"{address}/east", timeout=10) as client:
        yield client


def ordering(text: str = "hello", **fault: Any) -> JSON:
    """A line that orders a fault for itself."""
    return {"model": "m", "prompt": text, "metadata": {"simulate": {"fault": fault}}}


async def statuses(http: httpx2.AsyncClient, *bodies: JSON) -> list[int | None]:
    """What each is answered, one after the other; None: the connection was cut."""
    answered: list[int | None] = []
    for body in bodies:
        try:
            answered.append((await http.post(PATH, json=body)).status_code)
        except httpx2.TransportError:
            answered.append(None)
    return answered


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
async def test_requests_are_refused_so_often(
    client: AsyncOpenAI, account: Account, simulator: Simulator, status: int
) -> None:
    account.add_fault(Fault(call="run_request", status=status, times=2, headers={"retry-after": "7"}))
    for _ in range(2):
        with pytest.raises(openai.APIStatusError) as refused:
            await client.completions.create(model="m", prompt="hello")
        assert (refused.value.status_code, refused.value.response.headers["retry-after"]) == (status, "7")
        error = refused.value.response.json()["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert error["code"] == status
    await client.completions.create(model="m", prompt="hello")
    (line,) = simulator.requests.lines()
    assert line.statuses == {str(status): 2, "200": 1}


async def test_a_storm_of_429_lasts_for_a_while_and_spares_nobody(
    http: httpx2.AsyncClient, account: Account
) -> None:
    armed = account.add_fault(Fault(status=429, times=None, seconds=0.6))
    began, refused = time.monotonic(), 0
    while (await http.post(PATH, json=ASKED)).status_code == 429:
        assert (await http.get("/health")).status_code in (429, 200)
        refused += 1
    assert time.monotonic() - began >= 0.6
    assert armed.spent
    assert 0 < refused <= armed.struck


async def test_an_error_may_be_a_page(http: httpx2.AsyncClient, account: Account) -> None:
    page = "<html><h1>502 Bad Gateway</h1></html>"
    account.add_fault(Fault(status=502, body=page, headers={"content-type": "text/html"}))
    answer = await http.post(PATH, json=ASKED)
    assert (answer.status_code, answer.headers["content-type"], answer.text) == (502, "text/html", page)


@pytest.mark.parametrize("fault", [Fault(short_after=40), Fault(status=200, body="{} and more")])
async def test_a_good_answer_may_be_no_json(http: httpx2.AsyncClient, account: Account, fault: Fault) -> None:
    account.add_fault(fault)
    answer = await http.post(PATH, json=ASKED)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize("when", ["early", "before", "after"])
async def test_a_connection_is_cut_without_one_byte(
    address: str, account: Account, simulator: Simulator, when: Any
) -> None:
    account.add_fault(Fault(call="run_request", when=when, drop=True))
    assert await exchange(address, post(f"/east{PATH}", BODY)) == b""
    (entry,) = simulator.requests.select()
    assert (entry.status, entry.tokens) == ("cut", 0)
    assert entry.answered is not None
    assert entry.text == ("" if when == "early" else "hello")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_connection_is_cut_in_the_middle_of_the_answer(
    address: str, account: Account, client: AsyncOpenAI, simulator: Simulator, chunked: bool
) -> None:
    account.add_fault(Fault(cut_after=20, chunked=chunked, times=2))
    received = await exchange(address, post(f"/east{PATH}", BODY))
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert b'{"id":"cmpl-' in body_of(received)
    assert not received.endswith(b"0\r\n\r\n")
    with pytest.raises(openai.APIConnectionError):
        await client.completions.create(model="m", prompt="hello")
    assert [each.status for each in simulator.requests.select()] == ["cut", "cut"]


async def test_a_connection_is_cut_in_the_middle_of_the_request(
    http: httpx2.AsyncClient, account: Account, simulator: Simulator
) -> None:
    account.add_fault(Fault(cut_request_after=100))
    assert await statuses(http, {"model": "m", "prompt": "x" * 1000}) == [None]
    assert simulator.requests.select()[0].status == "cut"


async def test_an_answer_may_never_come_or_come_late(
    client: AsyncOpenAI, account: Account, simulator: Simulator
) -> None:
    armed = account.add_fault(Fault(call="run_request", stall=True, times=None))
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=0.05).completions.create(model="m", prompt="hello")
    await simulator.until(lambda: simulator.requests.totals().statuses == {"left": 1})
    asking = asyncio.create_task(client.completions.create(model="m", prompt="hello"))
    await simulator.until(lambda: armed.struck == 2)
    assert not asking.done()
    simulator.remove_fault(armed)
    assert (await asking).choices
    account.add_fault(Fault(delay=0.1))
    began = time.monotonic()
    await client.completions.create(model="m", prompt="hello")
    assert time.monotonic() - began >= 0.1


async def test_an_answer_trickles(client: AsyncOpenAI, account: Account, simulator: Simulator) -> None:
    account.add_fault(Fault(answer_rate=2000.0))
    began = time.monotonic()
    await client.completions.create(model="m", prompt="hello")
    assert time.monotonic() - began > 0.1
    account.add_fault(Fault(answer_rate=1.0))
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=0.05).completions.create(model="m", prompt="hello")
    await simulator.until(lambda: simulator.requests.totals().statuses == {"200": 1, "left": 1})


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_answer_has_any_size(client: AsyncOpenAI, account: Account, chunked: bool) -> None:
    account.add_fault(Fault(answer_bytes=20_000_000, chunked=chunked))
    raw = await client.with_raw_response.completions.create(model="m", prompt="hello")
    assert len(raw.content) == 20_000_000
    assert ("content-length" in raw.headers) != chunked
    assert raw.parse().choices[0].text == "echo: hello"


async def test_faults_strike_what_they_are_meant_for(
    http: httpx2.AsyncClient, account: Account, simulator: Simulator
) -> None:
    said = account.add_fault(Fault(call="run_request", match="needle", status=500, times=None))
    scored = account.add_fault(Fault(match="/v1/score", status=501, times=None))
    modelled = account.add_fault(Fault(call="run_request", model="other", status=502, times=None))
    healthy = account.add_fault(Fault(call="check_health", status=503))
    listed = account.add_fault(Fault(call="list_models", status=504))
    simulator.add_fault(Fault(account="west", status=505))
    hay, needle, other = ASKED, ASKED | {"prompt": "a needle"}, ASKED | {"model": "other"}
    assert await statuses(http, hay, needle, other) == [200, 500, 502]
    assert (await http.post("/v1/score", json={"text_1": "a", "text_2": "b"})).status_code == 501
    assert [(await http.get("/health")).status_code for _ in range(2)] == [503, 200]
    assert [(await http.get("/v1/models")).status_code for _ in range(2)] == [504, 200]
    assert {each.struck for each in (said, scored, modelled, healthy, listed)} == {1}


async def test_a_line_fails_so_often_and_then_no_more(http: httpx2.AsyncClient, simulator: Simulator) -> None:
    line = ordering(status=429, times=2, headers={"retry-after": "1"})
    other = ordering("other", status=400)
    assert await statuses(http, line, other, line, line, other, line) == [429, 400, 429, 200, 200, 200]
    armed = simulator.faults.all()
    assert [(each.struck, each.spent) for each in armed] == [(2, True), (1, True)]
    assert [each.statuses for each in simulator.requests.lines()] == [
        {"429": 2, "200": 2},
        {"400": 1, "200": 1},
    ]


async def test_a_line_orders_a_fault_by_its_words(http: httpx2.AsyncClient) -> None:
    line = {"model": "m", "messages": [{"role": "user", "content": 'simulate {"fault": {"status": 503}}'}]}
    answers = [await http.post("/v1/chat/completions", json=line) for _ in range(2)]
    assert [each.status_code for each in answers] == [503, 200]


async def test_a_line_that_hangs_for_ever_is_cured_by_removing_its_fault(
    http: httpx2.AsyncClient, simulator: Simulator
) -> None:
    line = ordering(stall=True, times=None)
    given_up = asyncio.create_task(statuses(http, line))
    await simulator.until(lambda: [each.struck for each in simulator.faults.all()] == [1])
    given_up.cancel()
    asking = asyncio.create_task(statuses(http, line))
    await simulator.until(lambda: [each.struck for each in simulator.faults.all()] == [2])
    assert simulator.faults.remove() == 1
    assert await asking == [200]
    assert await statuses(http, line) == [200]


async def test_a_line_is_answered_beyond_a_size(http: httpx2.AsyncClient) -> None:
    line = ordering(answer_bytes=10_000_000, times=None)
    assert [len((await http.post(PATH, json=line)).content) for _ in range(2)] == [10_000_000] * 2


async def test_a_fault_comes_before_that_of_a_line(http: httpx2.AsyncClient, account: Account) -> None:
    account.add_fault(Fault(status=503))
    line = ordering(status=400)
    assert await statuses(http, line, line, line) == [503, 400, 200]


@pytest.mark.parametrize("fault", [{"status": "many"}, {"stat": 1}, 7])
async def test_a_line_whose_fault_is_none_is_told_so(http: httpx2.AsyncClient, fault: object) -> None:
    line = ASKED | {"metadata": {"simulate": {"fault": fault}}}
    answer = await http.post(PATH, json=line)
    assert answer.status_code == 400
    assert "fault" in answer.json()["error"]["message"]


async def test_a_reset_forgets_what_lines_ordered(http: httpx2.AsyncClient, simulator: Simulator) -> None:
    line = ordering(status=400)
    assert await statuses(http, line, line) == [400, 200]
    await simulator.reset()
    simulator.account("east").configure(flavour="vllm")
    assert simulator.faults.all() == []
    assert await statuses(http, line, line) == [400, 200]
