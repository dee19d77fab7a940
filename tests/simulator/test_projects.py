"""A key that comes to be of another project: nothing of before is there, and it is no error."""

from __future__ import annotations

import openai
import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Simulator

from .azure import azure_client
from .azure import submit as submit_at_azure
from .journeys import CHAT, by_id, download, finished, jsonl, line, submit, upload

CONTENT = jsonl(line("a"), line("b"))


async def listed(client: AsyncOpenAI) -> tuple[list[str], list[str]]:
    """The ids of all batches and of all inputs that are listed, oldest first."""
    return (
        [each.id async for each in client.batches.list()][::-1],
        [each.id async for each in client.files.list(purpose="batch")][::-1],
    )


async def test_nothing_of_before_is_there(client: AsyncOpenAI, account: Account) -> None:
    batch = await finished(client, account, CONTENT)
    account.configure(project="other")
    assert await listed(client) == ([], [])
    for missing in (
        client.batches.retrieve(batch.id),
        client.batches.cancel(batch.id),
        client.files.retrieve(batch.input_file_id),
        client.files.content(str(batch.output_file_id)),
        client.files.delete(batch.input_file_id),
    ):
        with pytest.raises(openai.NotFoundError):
            await missing
    assert (len(account.files), list(account.batches)) == (2, [batch.id])


async def test_an_input_of_before_cannot_be_found(client: AsyncOpenAI, account: Account) -> None:
    file = await upload(client, CONTENT)
    account.configure(project="other")
    batch = await client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    errors = (await account.reached(batch.id, "failed")).errors
    assert errors is not None
    assert errors.data[0].message.startswith(f"Cannot find file {file.id}, ")


async def test_what_is_new_works_and_what_was_there_comes_back(client: AsyncOpenAI, account: Account) -> None:
    before = await finished(client, account, CONTENT)
    account.configure(project="other")
    new = await finished(client, account, CONTENT)
    assert len(by_id(await download(client, new.output_file_id))) == 2
    assert await listed(client) == ([new.id], [new.input_file_id])
    account.configure(project="default")
    assert await listed(client) == ([before.id], [before.input_file_id])
    assert len(by_id(await download(client, before.output_file_id))) == 2
    with pytest.raises(openai.NotFoundError):
        await client.batches.retrieve(new.id)


@pytest.mark.parametrize("held", ["validating", "in_progress"])
async def test_batches_of_before_go_on_unseen(client: AsyncOpenAI, account: Account, held: str) -> None:
    account.configure(hold=[held])
    batch = await submit(client, CONTENT)
    await account.reached(batch.id, "validating" if held == "validating" else "in_progress")
    account.configure(project="other", hold=[])
    assert (await account.reached(batch.id)).status == "completed"
    assert (await listed(client))[0] == []
    account.configure(project="default")
    batch = await client.batches.retrieve(batch.id)
    assert len(by_id(await download(client, batch.output_file_id))) == 2


async def test_pages_do_not_begin_after_what_is_not_there(client: AsyncOpenAI, account: Account) -> None:
    before = await submit(client, CONTENT)
    account.configure(project="other")
    await submit(client, CONTENT)
    with pytest.raises(openai.BadRequestError):
        await client.batches.list(after=before.id)


async def test_azure_has_projects_as_well(address: str, simulator: Simulator, account: Account) -> None:
    account.configure(flavour="azure", pending_seconds=0.0)
    async with azure_client(address, "v1") as client:
        batch = await submit_at_azure(client, account, CONTENT)
        account.configure(project="other")
        with pytest.raises(openai.NotFoundError):
            await client.batches.create(
                input_file_id=batch.input_file_id, endpoint=CHAT, completion_window="24h"
            )
        assert await listed(client) == ([], [])
