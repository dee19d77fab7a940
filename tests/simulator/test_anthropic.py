"""Message Batches of the simulated Anthropic, as the stock client sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import AsyncAnthropic

from litebatch_asgi.simulator import Account, Simulator
from litebatch_asgi.simulator.anthropic_intake import MOST_REQUESTS

from .anthropic import anthropic_client, counts, finished, request, results, said
from .conftest import QUICK
from .journeys import plain_http

PATH = "/v1/messages/batches"
DAY = 86_400


@pytest.fixture
def simulator() -> Simulator:
    return Simulator(settings=QUICK.changed({"flavour": "anthropic"}))


@pytest.fixture
async def client(address: str) -> AsyncIterator[AsyncAnthropic]:
    async with anthropic_client(address) as client:
        yield client


@pytest.fixture
async def http(address: str) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"x-api-key": "key-east", "anthropic-version": "2023-06-01"}
    async with plain_http(base_url=f"{address}/east", headers=headers) as client:
        yield client


async def test_a_journey(client: AsyncAnthropic, account: Account, http: httpx2.AsyncClient) -> None:
    account.configure(hold=["in_progress"])
    made = await client.messages.batches.create(requests=[request("a"), request("b", "how are you?")])
    assert made.id.startswith("msgbatch_")
    assert (made.processing_status, counts(made)) == ("in_progress", (2, 0, 0, 0, 0))
    assert (made.results_url, made.ended_at, made.cancel_initiated_at) == (None, None, None)
    assert (made.expires_at - made.created_at).total_seconds() == DAY
    waiting = await http.get(f"{PATH}/{made.id}")
    assert waiting.headers["retry-after"] == "10"
    early = await http.get(f"{PATH}/{made.id}/results")
    assert (early.status_code, early.json()["error"]["type"]) == (404, "not_found_error")
    account.release(made.id)
    await account.reached(made.id)
    ended = await http.get(f"{PATH}/{made.id}")
    assert "retry-after" not in ended.headers
    batch = await client.messages.batches.retrieve(made.id)
    assert (batch.processing_status, counts(batch)) == ("ended", (0, 2, 0, 0, 0))
    assert batch.ended_at is not None
    assert batch.results_url is not None
    rows = await results(client, batch.id)
    message = rows["b"]["message"]
    assert message["content"] == [{"type": "text", "text": "echo: how are you?"}]
    assert (message["model"], message["stop_reason"]) == ("claude-haiku-4-5", "end_turn")
    usage = message["usage"]
    assert usage["service_tier"] == "batch"
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] == 3
    deleted = await client.messages.batches.delete(batch.id)
    assert (deleted.id, deleted.type) == (batch.id, "message_batch_deleted")
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.batches.retrieve(batch.id)
    assert [each async for each in client.messages.batches.list()] == []


async def test_requests_fail_by_themselves(client: AsyncAnthropic, account: Account) -> None:
    account.configure(models=["claude-haiku-4-5"])
    batch = await finished(
        client,
        account,
        request("good"),
        request("streams", stream=True),
        request("model", model="claude-x"),
        request("asked", "simulate 529"),
        request("told", 'simulate {"error": "timeout_error", "message": "too late"}'),
        {"custom_id": "empty", "params": {}},
    )
    assert counts(batch) == (0, 1, 5, 0, 0)
    rows = await results(client, batch.id)
    assert rows["good"]["type"] == "succeeded"
    errors = {name: row["error"]["error"] for name, row in rows.items() if row["type"] == "errored"}
    assert {name: error["type"] for name, error in errors.items()} == {
        "streams": "invalid_request_error",
        "model": "not_found_error",
        "asked": "overloaded_error",
        "told": "timeout_error",
        "empty": "invalid_request_error",
    }
    assert errors["told"]["message"] == "too late"
    assert rows["told"]["error"]["type"] == "error"


async def test_usage_can_be_asked_for(client: AsyncAnthropic, account: Account) -> None:
    asked = (
        'simulate {"input_tokens": 100, "cached_tokens": 40, "cache_write_tokens": 10, "output_tokens": 7}'
    )
    batch = await finished(client, account, request("a", asked))
    usage = (await results(client, batch.id))["a"]["message"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (50, 7)
    assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (40, 10)
    assert usage["cache_creation"] == {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 0}


BAD_CREATES: list[tuple[Any, str]] = [
    ([], "requests: List should have at least 1 item"),
    ([request("no spaces")], "requests.0.custom_id: String should match pattern"),
    ([request("x" * 65)], "requests.0.custom_id: String should match pattern"),
    ([request("a"), request("b"), request("a")], "requests.2.custom_id"),
    ([{"custom_id": "a"}], "requests.0.params: Field required"),
    ([{"params": {}}], "requests.0.custom_id: Field required"),
    ([{"custom_id": "a", "params": []}], "requests.0.params: Input should be an object"),
    ([{**request("a"), "method": "POST"}], "requests.0.method: Extra inputs"),
    (["a"], "requests.0: Input should be an object"),
]


@pytest.mark.parametrize(("requests", "why"), BAD_CREATES)
async def test_bad_creates_are_refused_at_once(
    client: AsyncAnthropic, account: Account, requests: Any, why: str
) -> None:
    with pytest.raises(anthropic.BadRequestError) as refused:
        await client.messages.batches.create(requests=requests)
    status, kind, message = said(refused.value)
    assert (status, kind) == (400, "invalid_request_error")
    assert why in message
    assert account.batches == {}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty"),
        (b"{", "not valid JSON"),
        (b"[]", "not valid JSON"),
        (b'{"requests": 3}', "not valid JSON"),
        (b'{"requests": [], "metadata": {}}', "metadata: Extra inputs"),
        (b"{}", "requests: Field required"),
    ],
)
async def test_bad_bodies_are_refused(http: httpx2.AsyncClient, body: bytes, why: str) -> None:
    refused = await http.post(PATH, content=body)
    assert refused.status_code == 400
    assert why in refused.json()["error"]["message"]


async def test_requests_may_be_written_over_several_lines(
    http: httpx2.AsyncClient, client: AsyncAnthropic, account: Account
) -> None:
    text = (
        '{\n"requests": [\r\n {"custom_id": "a",\n"params": {"model": "m", "max_tokens": 1,'
        ' "messages": [{"role": "user",\n "content": "two\\nlines"}]}}\n]}'
    )
    made = (await http.post(PATH, content=text)).json()
    await account.reached(made["id"])
    rows = await results(client, made["id"])
    assert rows["a"]["message"]["content"][0]["text"] == "echo: two\nlines"


async def test_limits(client: AsyncAnthropic, account: Account) -> None:
    account.configure(max_lines=2)
    with pytest.raises(anthropic.BadRequestError, match="at most 2 items"):
        await client.messages.batches.create(requests=[request(name) for name in "abc"])
    account.configure(max_create_bytes=100)
    with pytest.raises(anthropic.APIStatusError) as refused:
        await client.messages.batches.create(requests=[request("a")])
    assert said(refused.value)[:2] == (413, "request_too_large")
    assert MOST_REQUESTS == 100_000


async def test_a_body_of_unknown_length_is_limited_too(http: httpx2.AsyncClient, account: Account) -> None:
    account.configure(max_create_bytes=100)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b" " * 50

    assert (await http.post(PATH, content=body())).status_code == 413


async def test_a_full_queue_refuses_creates(client: AsyncAnthropic, account: Account) -> None:
    account.configure(hold=["in_progress"], max_enqueued_tokens=10)
    first = await client.messages.batches.create(requests=[request("a", "x" * 40)])
    with pytest.raises(anthropic.RateLimitError) as refused:
        await client.messages.batches.create(requests=[request("a", "x")])
    assert said(refused.value)[1] == "rate_limit_error"
    account.release(first.id)
    await account.reached(first.id)
    await client.messages.batches.create(requests=[request("a", "x")])


async def test_cancelling(client: AsyncAnthropic, account: Account) -> None:
    account.configure(hold=["in_progress", "cancelling"])
    made = await client.messages.batches.create(requests=[request(name) for name in "abcd"])
    canceling = await client.messages.batches.cancel(made.id)
    assert (canceling.processing_status, counts(canceling)) == ("canceling", (4, 0, 0, 0, 0))
    assert canceling.cancel_initiated_at is not None
    assert (await client.messages.batches.cancel(made.id)).processing_status == "canceling"
    with pytest.raises(anthropic.BadRequestError):
        await client.messages.batches.delete(made.id)
    account.release(made.id)
    await account.reached(made.id)
    batch = await client.messages.batches.retrieve(made.id)
    assert (batch.processing_status, counts(batch)) == ("ended", (0, 2, 0, 2, 0))
    kinds = sorted(row["type"] for row in (await results(client, batch.id)).values())
    assert kinds == ["canceled", "canceled", "succeeded", "succeeded"]
    with pytest.raises(anthropic.BadRequestError):
        await client.messages.batches.cancel(made.id)


async def test_a_batch_expires_after_a_day(client: AsyncAnthropic, account: Account) -> None:
    account.configure(hold=["in_progress"], done_share=0.25)
    made = await client.messages.batches.create(requests=[request(name) for name in "abcd"])
    account.configure(clock_offset=DAY)
    await account.reached(made.id)
    batch = await client.messages.batches.retrieve(made.id)
    assert (batch.processing_status, counts(batch)) == ("ended", (0, 1, 0, 0, 3))
    assert batch.cancel_initiated_at is None
    kinds = sorted(row["type"] for row in (await results(client, batch.id)).values())
    assert kinds == ["expired", "expired", "expired", "succeeded"]


async def test_results_are_kept_for_29_days(
    client: AsyncAnthropic, account: Account, http: httpx2.AsyncClient
) -> None:
    batch = await finished(client, account, request("a"))
    account.configure(clock_offset=29 * DAY - 60)
    assert (await http.get(f"{PATH}/{batch.id}/results")).status_code == 200
    account.configure(clock_offset=29 * DAY + 60)
    assert (await http.get(f"{PATH}/{batch.id}/results")).status_code == 404
    assert (await client.messages.batches.retrieve(batch.id)).archived_at is not None


async def test_listing_pages_every_batch_exactly_once(client: AsyncAnthropic) -> None:
    made = [(await client.messages.batches.create(requests=[request("a")])).id for _ in range(5)]
    listed = [batch.id async for batch in client.messages.batches.list(limit=2)]
    assert listed == made[::-1]
    newer = await client.messages.batches.list(before_id=made[1], limit=2)
    assert [batch.id for batch in newer.data] == [made[3], made[2]]
    assert (newer.has_more, newer.first_id, newer.last_id) == (True, made[3], made[2])
    assert [batch.id async for batch in newer] == [made[3], made[2], made[4]]
    older = await client.messages.batches.list(after_id=made[1])
    assert ([batch.id for batch in older.data], older.has_more) == ([made[0]], False)


@pytest.mark.parametrize("limit", [0, 1001])
async def test_bad_limits_are_refused(client: AsyncAnthropic, limit: int) -> None:
    with pytest.raises(anthropic.BadRequestError):
        await client.messages.batches.list(limit=limit)


async def test_keys_and_versions(address: str, account: Account) -> None:
    account.configure(api_keys=["right"])
    version = {"anthropic-version": "2023-06-01"}
    async with plain_http(base_url=f"{address}/east") as http:
        answers = {
            name: (await http.get(PATH, headers=headers)).status_code
            for name, headers in {
                "key": {"x-api-key": "right", **version},
                "bearer": {"authorization": "Bearer right", **version},
                "wrong": {"x-api-key": "wrong", **version},
                "none": version,
                "no version": {"x-api-key": "right"},
            }.items()
        }
        unknown = await http.get("/v1/files")
    assert answers == {"key": 200, "bearer": 200, "wrong": 401, "none": 401, "no version": 400}
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "not_found_error")


async def test_accounts_of_other_flavours_have_no_such_paths(address: str, simulator: Simulator) -> None:
    simulator.account("west").configure(flavour="openai")
    async with plain_http(base_url=address, headers={"authorization": "Bearer k"}) as http:
        assert (await http.get(f"/west{PATH}")).status_code == 404
        assert (await http.get("/west/v1/files")).status_code == 200
        assert (await http.get(PATH, headers={"anthropic-version": "x"})).status_code == 200
