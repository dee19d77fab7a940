"""Lines that fail in the first batch that runs them, and in no other."""

from __future__ import annotations

import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Course, Simulator

from . import anthropic, vertex
from .azure import azure_client
from .azure import finished as finished_at_azure
from .journeys import by_id, counts, download, finished, jsonl, line, submit
from .mistral import finished as finished_at_mistral
from .mistral import line as mistral_line
from .mistral import mistral_client

NAMES = [str(number) for number in range(40)]
MANY = jsonl(*[line(name) for name in NAMES])


@pytest.mark.parametrize("status", [408, 429, 500])
async def test_every_line_fails_at_first(client: AsyncOpenAI, account: Account, status: int) -> None:
    account.configure(first_run_status=status)
    first = await finished(client, account, MANY)
    assert (first.status, counts(first), first.output_file_id) == ("completed", (40, 0, 40), None)
    failed = by_id(await download(client, first.error_file_id))
    assert {row["response"]["status_code"] for row in failed.values()} == {status}
    again = await finished(client, account, jsonl(line("1"), line("new")))
    assert set(by_id(await download(client, again.output_file_id))) == {"1"}
    assert set(by_id(await download(client, again.error_file_id))) == {"new"}


async def test_custom_ids_choose_a_share_of_the_lines(client: AsyncOpenAI, account: Account) -> None:
    chosen: list[set[str]] = []
    for greeting in ("hello", "again", "thrice"):
        share = 0.6 if greeting == "thrice" else 0.3
        account.configure(first_run_status=500, first_run_share=share)
        said = [{"role": "user", "content": greeting}]
        told = [line(name, messages=[*said, {"role": "user", "content": name}]) for name in NAMES]
        batch = await finished(client, account, jsonl(*told))
        chosen.append(set(by_id(await download(client, batch.error_file_id))))
    assert chosen[0] == chosen[1] < chosen[2]
    assert 4 <= len(chosen[0]) <= 20


async def test_only_lines_that_were_run_have_failed(client: AsyncOpenAI, account: Account) -> None:
    account.configure(first_run_status=429, course=Course(ends_at=0.5))
    assert counts(await finished(client, account, MANY)) == (40, 0, 40)
    account.configure(course=Course())
    assert counts(await finished(client, account, MANY)) == (40, 20, 20)
    assert counts(await finished(client, account, MANY)) == (40, 40, 0)


async def test_counts_tell_of_it_while_the_batch_runs(client: AsyncOpenAI, account: Account) -> None:
    account.configure(first_run_status=429, course=Course(stuck_at=0.5), running_seconds=0.0)
    batch = await submit(client, MANY)
    await account.reached(batch.id, "in_progress")
    assert counts(await client.batches.retrieve(batch.id)) == (40, 0, 20)


async def test_a_line_is_the_same_at_every_provider(address: str, simulator: Simulator) -> None:
    """Whatever it is called there."""
    names = ["a", "b", "c"]
    for flavour in ("azure", "anthropic", "mistral", "vertex"):
        simulator.account(flavour).configure(flavour=flavour, first_run_status=500, pending_seconds=0.0)

    async with azure_client(address, "v1", "azure") as client:
        batch = await finished_at_azure(client, simulator.account("azure"), jsonl(line("a")))
        assert counts(batch) == (1, 0, 1)
    async with anthropic.anthropic_client(address, "anthropic") as messages:
        requests = [anthropic.request(f"{number}", f"hello {name}") for number, name in enumerate(names[:2])]
        told = await anthropic.finished(messages, simulator.account("anthropic"), *requests)
        assert anthropic.counts(told) == (0, 1, 1, 0, 0)
    async with mistral_client(address, "mistral") as mistral:
        content = b"".join(mistral_line(name) for name in names)
        job = await finished_at_mistral(mistral, simulator.account("mistral"), content)
        assert (job.succeeded_requests, job.failed_requests) == (2, 1)
    async with vertex.vertex_http(address, simulator.account("vertex")) as http:
        lines = vertex.lines(*[vertex.line(f"00{name}", f"hello {name}") for name in [*names, "d"]])
        ended = await vertex.finished(http, simulator.account("vertex"), lines)
        assert ended["completionStats"] == {"successfulCount": "3", "failedCount": "1"}
