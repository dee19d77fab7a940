"""What goes wrong at the simulated Anthropic, to order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import anthropic
import httpx2
import pytest
from anthropic import AsyncAnthropic

from litebatch_asgi.simulator import Account, Fault, RowFaults, Simulator
from litebatch_asgi.simulator.objects import RequestCounts

from .anthropic import anthropic_client, counts, finished, request, results, said
from .conftest import QUICK
from .journeys import plain_http

PATH = "/v1/messages/batches"


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


@pytest.mark.parametrize("when", ["early", "before"])
async def test_a_refused_create_makes_nothing(
    client: AsyncAnthropic, account: Account, when: Literal["early", "before"]
) -> None:
    account.add_fault(Fault(call="create_batch", when=when, status=529, headers={"retry-after": "3"}))
    with pytest.raises(anthropic.APIStatusError) as refused:
        await client.messages.batches.create(requests=[request("a")])
    assert said(refused.value)[:2] == (529, "overloaded_error")
    assert refused.value.response.headers["retry-after"] == "3"
    assert account.batches == {}


async def test_a_lost_answer_leaves_a_batch_that_is_known_by_its_ids(
    client: AsyncAnthropic, account: Account, simulator: Simulator
) -> None:
    account.add_fault(Fault(call="create_batch", when="after", drop=True, match="fedcba"))
    await client.messages.batches.create(requests=[request("r1_another")])
    with pytest.raises(anthropic.APIConnectionError):
        await client.messages.batches.create(requests=[request("r1_fedcba"), request("r2_fedcba")])
    ((placed,),) = [found for suffix, found in simulator.summary().batches.items() if suffix == "fedcba"]
    assert placed.account == "east"
    (entry,) = [each for each in simulator.journal.select("create_batch") if each.status == "dropped"]
    assert (entry.done, entry.object_id, entry.request) == (True, placed.id, {"requests": 2})
    assert (entry.metadata, entry.api_key) == ({"custom_id_suffix": "fedcba"}, "key-east")


async def test_a_create_that_is_cut_makes_nothing(client: AsyncAnthropic, account: Account) -> None:
    account.add_fault(Fault(call="create_batch", cut_request_after=20))
    with pytest.raises(anthropic.APIConnectionError):
        await client.messages.batches.create(requests=[request("a")])
    assert account.batches == {}


async def test_results_end_early(client: AsyncAnthropic, account: Account, http: httpx2.AsyncClient) -> None:
    batch = await finished(client, account, request("a"), request("b"))
    whole = (await http.get(f"{PATH}/{batch.id}/results")).content
    account.add_fault(Fault(call="stream_file", short_after=50))
    assert (await http.get(f"{PATH}/{batch.id}/results")).content == whole[:50]
    account.add_fault(Fault(call="stream_file", cut_after=50))
    with pytest.raises(httpx2.RemoteProtocolError):
        await http.get(f"{PATH}/{batch.id}/results")


async def test_rows_are_lost_doubled_foreign_and_unparsable(
    client: AsyncAnthropic, account: Account, http: httpx2.AsyncClient
) -> None:
    account.add_fault(Fault(call="run_batch", rows=RowFaults(lost=1, doubled=1, foreign=1, unparsable=1)))
    batch = await finished(client, account, *map(request, "abcd"))
    assert counts(batch) == (0, 4, 0, 0, 0)
    rows = (await http.get(f"{PATH}/{batch.id}/results")).content.splitlines()
    assert len(rows) == 5
    assert sum(b'"foreign-0"' in row for row in rows) == 1
    assert len(set(rows)) == 4


async def test_a_batch_ends_otherwise_and_lies(client: AsyncAnthropic, account: Account) -> None:
    account.add_fault(Fault(call="run_batch", ending="expired", counts=RequestCounts(total=4, completed=4)))
    batch = await finished(client, account, *map(request, "abcd"))
    assert (batch.processing_status, counts(batch)) == ("ended", (0, 4, 0, 0, 0))
    kinds = sorted(row["type"] for row in (await results(client, batch.id)).values())
    assert kinds == ["expired", "expired", "succeeded", "succeeded"]


async def test_a_batch_that_is_cancelled_may_be_done_all_the_same(
    client: AsyncAnthropic, account: Account
) -> None:
    account.configure(hold=["in_progress"])
    account.add_fault(Fault(call="run_batch", ending="completed"))
    made = await client.messages.batches.create(requests=[request("a"), request("b")])
    await client.messages.batches.cancel(made.id)
    await account.reached(made.id)
    batch = await client.messages.batches.retrieve(made.id)
    assert batch.cancel_initiated_at is not None
    assert (batch.processing_status, counts(batch)) == ("ended", (0, 2, 0, 0, 0))


async def test_results_are_told_late(client: AsyncAnthropic, account: Account) -> None:
    account.add_fault(Fault(call="run_batch", ids_late=1))
    batch = await finished(client, account, request("a"))
    assert (batch.processing_status, batch.results_url) == ("ended", None)
    assert (await client.messages.batches.retrieve(batch.id)).results_url is not None


async def test_lists_lag_and_batches_vanish(client: AsyncAnthropic, account: Account) -> None:
    made = [(await client.messages.batches.create(requests=[request("a")])).id for _ in range(3)]
    account.add_fault(Fault(call="list_batches", hide_newest=1))
    assert [each.id async for each in client.messages.batches.list()] == made[1::-1]
    account.add_fault(Fault(vanish=True, match=made[1], times=None))
    assert [each.id async for each in client.messages.batches.list()] == [made[2], made[0]]
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.batches.retrieve(made[1])


async def test_a_page_breaks(client: AsyncAnthropic, account: Account) -> None:
    for _ in range(3):
        await client.messages.batches.create(requests=[request("a")])
    account.add_fault(Fault(call="list_batches", page=2, status=500))
    with pytest.raises(anthropic.InternalServerError):
        _ = [each async for each in client.messages.batches.list(limit=2)]


async def test_another_project_has_other_batches(client: AsyncAnthropic, account: Account) -> None:
    made = await client.messages.batches.create(requests=[request("a")])
    account.configure(project="rotated")
    assert [each async for each in client.messages.batches.list()] == []
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.batches.retrieve(made.id)


async def test_what_was_deleted_is_summed_up_still(
    client: AsyncAnthropic, account: Account, simulator: Simulator
) -> None:
    first = await finished(client, account, request("r1_abc"))
    second = await finished(client, account, request("r1_abc"))
    await client.messages.batches.delete(first.id)
    assert list(account.batches) == [second.id]
    assert [each.id for each in simulator.summary().twins()["abc"]] == [first.id, second.id]
    third = await finished(client, account, request("r1_abc"))
    assert [each.id async for each in client.messages.batches.list()] == [third.id, second.id]
