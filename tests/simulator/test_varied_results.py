"""Results that come in another order each time, or late."""

from __future__ import annotations

import itertools

import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Fault

from . import anthropic
from .azure import azure_client
from .azure import finished as finished_at_azure
from .journeys import by_id, download, finished, jsonl, line, rows

NAMES = [str(number) for number in range(10)]
TEN = jsonl(*[line(name) for name in NAMES])


def order(content: bytes) -> list[str]:
    return [row["custom_id"] for row in rows(content)]


@pytest.mark.parametrize("final_newline", [True, False])
async def test_two_reads_differ_in_their_order(
    client: AsyncOpenAI, account: Account, final_newline: bool
) -> None:
    account.configure(final_newline=final_newline)
    batch = await finished(client, account, TEN)
    written = await download(client, batch.output_file_id)
    account.configure(reordered_reads=True)
    reads = [await download(client, batch.output_file_id) for _ in range(4)]
    assert all(first != second for first, second in itertools.pairwise(reads))
    assert {tuple(sorted(each.splitlines())) for each in reads} == {tuple(sorted(written.splitlines()))}
    assert {(len(each), each.endswith(b"\n")) for each in reads} == {(len(written), final_newline)}
    # inputs are read as they were sent
    assert await download(client, batch.input_file_id) == TEN


async def test_two_rows_are_enough_to_differ(client: AsyncOpenAI, account: Account) -> None:
    batch = await finished(client, account, jsonl(line("a"), line("b")))
    account.add_fault(Fault(call="stream_file", match="_output", reordered=True, times=3))
    first, second, third, *rest = [order(await download(client, batch.output_file_id)) for _ in range(5)]
    assert first == third == second[::-1]
    assert rest[0] == rest[1]


async def test_one_row_has_one_order(client: AsyncOpenAI, account: Account) -> None:
    account.configure(reordered_reads=True)
    batch = await finished(client, account, jsonl(line("a"), line("b", simulate=500)))
    for file_id in (batch.output_file_id, batch.error_file_id):
        assert await download(client, file_id) == await download(client, file_id)


async def test_the_same_seed_reads_in_the_same_order(client: AsyncOpenAI, account: Account) -> None:
    account.configure(reordered_reads=True)
    batch = await finished(client, account, TEN)
    reads = [order(await download(client, batch.output_file_id)) for _ in range(11)]
    assert reads[0] == reads[10]


async def test_rows_come_late_for_so_many_reads(client: AsyncOpenAI, account: Account) -> None:
    batch = await finished(client, account, TEN)
    other = await finished(client, account, TEN)
    account.add_fault(Fault(call="stream_file", match=batch.id, rows_share=0.35, times=2))
    found = [len(by_id(await download(client, batch.output_file_id))) for _ in range(3)]
    assert found == [3, 3, 10]
    assert len(by_id(await download(client, other.output_file_id))) == 10


async def test_rows_come_late_for_a_time(client: AsyncOpenAI, account: Account) -> None:
    account.add_fault(Fault(call="stream_file", match="_output", rows_share=0.0, younger_than=60, times=None))
    batch = await finished(client, account, TEN)
    assert await download(client, batch.output_file_id) == b""
    assert await download(client, batch.input_file_id) == TEN
    account.configure(clock_offset=61.0)
    assert len(by_id(await download(client, batch.output_file_id))) == 10


async def test_ids_of_results_come_late_for_a_time(client: AsyncOpenAI, account: Account) -> None:
    account.add_fault(Fault(call="run_batch", ids_late_seconds=60))
    batch = await finished(client, account, TEN)
    assert (batch.status, batch.output_file_id) == ("completed", None)
    (listed,) = [each async for each in client.batches.list()]
    assert listed.output_file_id is None
    account.configure(clock_offset=61.0)
    batch = await client.batches.retrieve(batch.id)
    assert len(by_id(await download(client, batch.output_file_id))) == 10


async def test_azure_reads_vary_too(address: str, account: Account) -> None:
    account.configure(flavour="azure", pending_seconds=0.0, reordered_reads=True)
    account.add_fault(Fault(call="stream_file", rows_share=0.5, skip=2))
    async with azure_client(address, "classic") as client:
        batch = await finished_at_azure(client, account, TEN)
        reads = [order(await download(client, batch.output_file_id)) for _ in range(4)]
    assert [len(each) for each in reads] == [10, 10, 5, 10]
    assert reads[0] != reads[1]
    assert set(reads[2]) < set(reads[3])


async def test_results_of_message_batches_vary_too(address: str, account: Account) -> None:
    account.configure(flavour="anthropic", reordered_reads=True)
    account.add_fault(Fault(call="stream_file", rows_share=0.5, younger_than=60, times=None, skip=2))
    requests = [anthropic.request(name) for name in NAMES]
    async with anthropic.anthropic_client(address) as client:
        batch = await anthropic.finished(client, account, *requests)
        reads = [list(await anthropic.results(client, batch.id)) for _ in range(3)]
        account.configure(clock_offset=60.0)
        reads.append(list(await anthropic.results(client, batch.id)))
    assert [len(each) for each in reads] == [10, 10, 5, 10]
    assert reads[0] != reads[1]
