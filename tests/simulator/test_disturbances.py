"""Faults of the network, of lists and of batches that nobody would expect of a provider."""

from __future__ import annotations

import json

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Fault, Simulator
from litebatch_asgi.simulator.objects import RequestCounts

from .journeys import CHAT, counts, download, finished, jsonl, line, rows, submit, upload
from .raw import exchange, post

CONTENT = jsonl(line("a"), line("b"))
LARGE = b"{}\n" * 2_000_000
ASKED = json.dumps({"input_file_id": "file-a", "endpoint": CHAT, "completion_window": "24h"}).encode()


async def listed(client: AsyncOpenAI) -> list[str]:
    return [each.id async for each in client.batches.list()]


@pytest.mark.parametrize("received", [0, 1000, 3_000_000])
async def test_an_upload_is_cut_on_its_way(
    client: AsyncOpenAI, simulator: Simulator, account: Account, received: int
) -> None:
    armed = account.add_fault(Fault(call="upload_file", cut_request_after=received))
    with pytest.raises(openai.APIConnectionError):
        await upload(client, LARGE)
    await simulator.until(lambda: len(simulator.journal) == 1)
    assert (armed.struck, simulator.journal[0].status, account.files) == (1, "dropped", {})
    assert (await upload(client, LARGE)).bytes == len(LARGE)


async def test_a_request_that_ends_before_it_is_cut_is_answered(
    client: AsyncOpenAI, account: Account
) -> None:
    account.add_fault(Fault(call="upload_file", cut_request_after=1_000_000))
    assert (await upload(client, CONTENT)).bytes == len(CONTENT)


async def test_any_request_with_a_body_can_be_cut(address: str, simulator: Simulator) -> None:
    simulator.add_fault(Fault(call="create_batch", cut_request_after=10))
    assert await exchange(address, post("/v1/batches", ASKED)) == b""
    assert simulator.account().batches == {}


async def test_a_client_may_give_up_on_what_is_never_done(
    client: AsyncOpenAI, simulator: Simulator, account: Account
) -> None:
    file = await upload(client, CONTENT)
    armed = account.add_fault(Fault(call="create_batch", stall=True, drop=True))
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=0.05).batches.create(
            input_file_id=file.id, endpoint=CHAT, completion_window="24h"
        )
    simulator.remove_fault(armed)
    await simulator.until(lambda: simulator.journal[-1].call == "create_batch")
    assert (simulator.journal[-1].status, account.batches) == ("dropped", {})


async def test_a_refused_delete_leaves_the_file(client: AsyncOpenAI, account: Account) -> None:
    file = await upload(client, CONTENT)
    account.add_fault(Fault(call="delete_file", status=409, match=file.id))
    with pytest.raises(openai.ConflictError):
        await client.files.delete(file.id)
    assert list(account.files) == [file.id]
    await client.files.delete(file.id)


async def test_what_is_new_is_missing_from_so_many_lists(client: AsyncOpenAI, account: Account) -> None:
    account.add_fault(Fault(call="list_batches", list_lag_calls=2, times=None))
    account.add_fault(Fault(call="list_files", list_lag_calls=1, times=None))
    first = await submit(client, CONTENT)
    assert [await listed(client) for _ in range(3)] == [[], [], [first.id]]
    second = await submit(client, CONTENT)
    assert [await listed(client) for _ in range(3)] == [[first.id], [first.id], [second.id, first.id]]
    seen = [[each.id async for each in client.files.list(purpose="batch")] for _ in range(2)]
    assert seen == [[], [second.input_file_id, first.input_file_id]]


@pytest.mark.parametrize("broken", [1, 2, 3])
async def test_a_page_fails_whoever_asks_for_it(client: AsyncOpenAI, account: Account, broken: int) -> None:
    account.add_foreign_batches(5)
    armed = account.add_fault(Fault(call="list_batches", page=broken, times=2, status=503))
    for _ in range(2):
        pages = client.batches.list(limit=2).__aiter__()
        for _ in range(2 * (broken - 1)):
            await anext(pages)
        with pytest.raises(openai.InternalServerError):
            await anext(pages)
    assert (armed.struck, len(await listed(client))) == (2, 5)


async def test_pages_of_files_are_counted_too(client: AsyncOpenAI, account: Account) -> None:
    for _ in range(3):
        await upload(client, CONTENT)
    account.add_fault(Fault(call="list_files", page=2, status=500))
    with pytest.raises(openai.InternalServerError):
        _ = [each async for each in client.files.list(limit=2, order="asc")]


async def test_a_batch_vanishes_for_some_calls(client: AsyncOpenAI, account: Account) -> None:
    gone = await submit(client, CONTENT, metadata={"job": "vanishing"})
    kept = await submit(client, CONTENT, metadata={"job": "other"})
    armed = account.add_fault(Fault(vanish=True, match="vanishing", times=3))
    assert await listed(client) == [kept.id]
    for call in (client.batches.retrieve, client.batches.cancel):
        with pytest.raises(openai.NotFoundError):
            await call(gone.id)
    assert (armed.spent, gone.id in account.batches) == (True, True)
    assert await listed(client) == [kept.id, gone.id]
    assert (await client.batches.retrieve(gone.id)).id == gone.id


async def test_a_batch_vanishes_from_lists_alone(client: AsyncOpenAI, account: Account) -> None:
    batch = await submit(client, CONTENT, metadata={"job": "vanishing"})
    account.add_fault(Fault(call="list_batches", vanish=True, match="vanishing", skip=1, times=2))
    assert [await listed(client) for _ in range(4)] == [[batch.id], [], [], [batch.id]]


async def test_a_batch_vanishes_for_ever_while_new_ones_are_made(
    client: AsyncOpenAI, account: Account
) -> None:
    batch = await submit(client, CONTENT)
    account.add_fault(Fault(vanish=True, match=batch.id, times=None))
    for _ in range(3):
        assert await listed(client) == []
        with pytest.raises(openai.NotFoundError):
            await client.batches.retrieve(batch.id)
    again = await submit(client, CONTENT)
    assert await listed(client) == [again.id]
    assert (await account.reached(batch.id)).status == "completed"


@pytest.mark.parametrize("ends", ["cancelled", "completed", "expired"])
async def test_a_batch_is_stuck_in_validating(client: AsyncOpenAI, account: Account, ends: str) -> None:
    armed = account.add_fault(Fault(call="validate_batch", match="stuck", stall=True))
    stuck = await submit(client, CONTENT, metadata={"job": "stuck"})
    await finished(client, account, CONTENT)
    account.release(stuck.id)
    assert (await client.batches.retrieve(stuck.id)).status == "validating"
    if ends == "cancelled":
        await client.batches.cancel(stuck.id)
    elif ends == "expired":
        account.expire(stuck.id)
    else:
        account.faults.remove(armed.key)
    assert (await account.reached(stuck.id)).status == ends


async def test_a_batch_is_stuck_while_it_runs(client: AsyncOpenAI, account: Account) -> None:
    armed = account.add_fault(Fault(call="run_batch", stall=True))
    stuck = await submit(client, CONTENT)
    await finished(client, account, CONTENT)
    assert (await client.batches.retrieve(stuck.id)).status == "in_progress"
    account.faults.remove(armed.key)
    assert (await account.reached(stuck.id)).status == "completed"


async def test_counts_may_be_lies(client: AsyncOpenAI, account: Account) -> None:
    account.configure(hold=["finalizing"])
    account.add_fault(Fault(call="run_batch", counts=RequestCounts(total=7, completed=6, failed=1)))
    batch = await submit(client, CONTENT)
    await account.reached(batch.id, "finalizing")
    assert counts(await client.batches.retrieve(batch.id)) == (7, 6, 1)
    await account.advance(batch.id)
    batch = await client.batches.retrieve(batch.id)
    assert (batch.status, counts(batch)) == ("completed", (7, 6, 1))
    assert len(rows(await download(client, batch.output_file_id))) == 2


async def test_a_queue_is_full_for_so_many_tries(client: AsyncOpenAI, account: Account) -> None:
    account.add_fault(Fault(call="validate_batch", code="token_limit_exceeded", times=2))
    statuses = [(await finished(client, account, CONTENT)).status for _ in range(3)]
    assert statuses == ["failed", "failed", "completed"]
    account.add_fault(Fault(call="create_batch", status=400, code="token_limit_exceeded", times=2))
    for _ in range(2):
        with pytest.raises(openai.BadRequestError) as full:
            await submit(client, CONTENT)
        assert full.value.code == "token_limit_exceeded"
    await submit(client, CONTENT)


@pytest.mark.parametrize("offset", [-7200.0, 7200.0])
async def test_a_clock_that_is_wrong_shows_in_lists(
    client: AsyncOpenAI, account: Account, offset: float
) -> None:
    account.configure(hold=["in_progress"])
    right = await submit(client, CONTENT)
    account.configure(clock_offset=offset)
    wrong = await submit(client, CONTENT)
    made = {each.id: each.created_at async for each in client.batches.list()}
    assert abs(made[wrong.id] - made[right.id] - offset) <= 2
    files = {each.id: each.created_at async for each in client.files.list()}
    assert abs(files[wrong.input_file_id] - files[right.input_file_id] - offset) <= 2


async def test_a_content_is_gone_for_a_while_and_its_file_is_not(
    client: AsyncOpenAI, account: Account
) -> None:
    batch = await finished(client, account, CONTENT)
    assert batch.output_file_id is not None
    twice = account.add_fault(Fault(call="stream_file", match="_output", status=404, times=2))
    for _ in range(2):
        with pytest.raises(openai.NotFoundError):
            await download(client, batch.output_file_id)
    assert (twice.spent, len(rows(await download(client, batch.output_file_id)))) == (True, 2)
    gone = account.add_fault(Fault(call="stream_file", match=batch.output_file_id, status=404, times=None))
    for _ in range(3):
        with pytest.raises(openai.NotFoundError):
            await download(client, batch.output_file_id)
    assert (await client.batches.retrieve(batch.id)).output_file_id == batch.output_file_id
    assert (await client.files.retrieve(batch.output_file_id)).status == "processed"
    account.faults.remove(gone.key)
    assert len(rows(await download(client, batch.output_file_id))) == 2


async def test_rows_come_late(client: AsyncOpenAI, account: Account) -> None:
    account.configure(final_newline=True)
    batch = await finished(client, account, CONTENT)
    whole = await download(client, batch.output_file_id)
    account.add_fault(Fault(call="stream_file", match="_output", short_after=whole.index(b"\n") + 1))
    assert [len(rows(await download(client, batch.output_file_id))) for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("after", ["0", "1000000000", "Wed, 21 Oct 2099 07:28:00 GMT", "soon"])
async def test_a_refusal_says_when_to_come_again(
    http: httpx2.AsyncClient, account: Account, after: str
) -> None:
    account.add_fault(Fault(status=429, headers={"retry-after": after}))
    response = await http.get("/batches")
    assert (response.status_code, response.headers["retry-after"]) == (429, after)


async def test_a_batch_fails_with_any_number_of_errors(client: AsyncOpenAI, account: Account) -> None:
    many = Fault(call="validate_batch", code="invalid_json_line", message="x" * 100, problems=50_000)
    account.add_fault(many)
    batch = await finished(client, account, CONTENT)
    assert (batch.status, counts(batch)) == ("failed", (0, 0, 0))
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert [each.line for each in batch.errors.data] == list(range(1, 50_001))
    assert {(each.code, each.message) for each in batch.errors.data} == {("invalid_json_line", "x" * 100)}


@pytest.mark.parametrize(
    ("code", "param"),
    [
        (None, None),
        (None, "input_file_id"),
        ("invalid_input_file", "file_id"),
        ("invalid_input_file", "input_file_id"),
    ],
)
async def test_an_account_does_not_find_the_inputs_that_it_has(
    client: AsyncOpenAI, account: Account, code: str | None, param: str | None
) -> None:
    account.configure(organization="org-east")
    gone = account.add_fault(
        Fault(call="validate_batch", no_such_file=True, code=code, param=param, times=None)
    )
    for _ in range(2):
        batch = await finished(client, account, CONTENT)
        assert batch.errors is not None
        assert batch.errors.data is not None
        (error,) = batch.errors.data
        assert (batch.status, error.code, error.param, error.line) == (
            "failed",
            code or "invalid_request",
            param or "file_id",
            None,
        )
        assert error.message == (
            f"Cannot find file {batch.input_file_id}, or organization org-east does not have access to it."
        )
        assert (await client.files.retrieve(batch.input_file_id)).status == "processed"
    account.faults.remove(gone.key)
    assert (await finished(client, account, CONTENT)).status == "completed"


async def test_a_create_is_refused_for_a_parameter(client: AsyncOpenAI, account: Account) -> None:
    account.add_fault(Fault(call="create_batch", status=400, code="invalid_value", param="input_file_id"))
    with pytest.raises(openai.BadRequestError) as refused:
        await submit(client, CONTENT)
    assert (refused.value.code, refused.value.param) == ("invalid_value", "input_file_id")
