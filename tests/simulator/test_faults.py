"""Faults: what clients get, and what was done all the same."""

from __future__ import annotations

import asyncio
import json
from typing import Literal

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Fault, RowFaults, Simulator

from .journeys import CHAT, by_id, download, finished, jsonl, line, rows, stock_client, submit, upload
from .raw import body_of, exchange, get, post

When = Literal["early", "before", "after"]

CONTENT = jsonl(line("a"), line("b"))
TEN = jsonl(*[line(str(number)) for number in range(10)])
ASKED = json.dumps({"input_file_id": "file-a", "endpoint": CHAT, "completion_window": "24h"}).encode()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_refusal_comes_before_or_after_the_work(
    client: AsyncOpenAI, simulator: Simulator, account: Account, when: When
) -> None:
    simulator.add_fault(
        Fault(
            call="upload_file",
            when=when,
            status=429,
            headers={"retry-after": "7", "x-should-retry": "false"},
        )
    )
    with pytest.raises(openai.RateLimitError) as refused:
        await upload(client, CONTENT)
    assert refused.value.response.headers["retry-after"] == "7"
    assert len(account.files) == (when == "after")
    entry = simulator.journal[0]
    assert (entry.status, entry.done, entry.filename) == (429, when == "after", "input.jsonl")
    await upload(client, CONTENT)
    assert len(account.files) == 1 + (when == "after")


@pytest.mark.parametrize("body", [{"error": {"code": "404", "message": "Resource not found"}}, "<html>"])
async def test_a_refusal_says_what_it_is_told_to(
    http: httpx2.AsyncClient, simulator: Simulator, body: dict[str, object] | str
) -> None:
    simulator.add_fault(Fault(status=404, body=body))
    response = await http.get("/files")
    assert (response.json() if isinstance(body, dict) else response.text) == body


@pytest.mark.parametrize("when", ["early", "before", "after"])
async def test_a_dropped_call_gets_not_one_byte(address: str, simulator: Simulator, when: When) -> None:
    armed = simulator.account().add_fault(
        Fault(
            call="create_batch",
            when=when,
            drop=True,
        )
    )
    assert await exchange(address, post("/v1/batches", ASKED)) == b""
    assert (armed.struck, armed.spent) == (1, True)
    assert len(simulator.account().batches) == (when == "after")
    entry = simulator.journal[0]
    assert (entry.status, entry.done) == ("dropped", when == "after")
    assert (entry.object_id is None) is (when != "after")


async def test_a_create_without_an_answer_is_found_in_the_list(
    client: AsyncOpenAI, simulator: Simulator
) -> None:
    simulator.add_fault(Fault(call="create_batch", when="after", drop=True))
    with pytest.raises(openai.APIConnectionError):
        await submit(client, CONTENT, metadata={"tag": "t-1"})
    (found,) = [each async for each in client.batches.list()]
    assert found.metadata == {"tag": "t-1"}
    entry = simulator.journal.select("create_batch")[0]
    assert (entry.object_id, entry.metadata) == (found.id, {"tag": "t-1"})


async def test_a_large_upload_can_be_cut_before_it_was_read(
    client: AsyncOpenAI, simulator: Simulator, account: Account
) -> None:
    simulator.add_fault(Fault(call="upload_file", when="early", drop=True))
    with pytest.raises(openai.APIConnectionError):
        await upload(client, b"{}\n" * 5_000_000)
    assert account.files == {}


async def test_a_download_is_cut_in_the_middle(address: str, simulator: Simulator) -> None:
    async with stock_client(address, "west") as client:
        file = await upload(client, CONTENT)
        simulator.add_fault(Fault(call="stream_file", cut_after=50))
        received = await exchange(address, get(f"/west/v1/files/{file.id}/content"))
        assert f"content-length: {len(CONTENT)}".encode() in received
        assert body_of(received) == CONTENT[:50]
        simulator.add_fault(Fault(call="stream_file", cut_after=50))
        with pytest.raises(openai.APIConnectionError):
            await client.files.content(file.id)
        assert await download(client, file.id) == CONTENT


async def test_a_download_ends_short_as_if_it_were_whole(client: AsyncOpenAI, simulator: Simulator) -> None:
    file = await upload(client, CONTENT)
    simulator.add_fault(Fault(call="stream_file", short_after=50))
    assert await download(client, file.id) == CONTENT[:50]
    assert file.bytes == len(CONTENT)


async def test_a_file_that_is_deleted_before_its_answer_is_sent_cuts_the_connection(
    client: AsyncOpenAI, simulator: Simulator
) -> None:
    file = await upload(client, CONTENT)
    armed = simulator.add_fault(Fault(call="stream_file", when="after", stall=True))
    reading = asyncio.create_task(download(client, file.id))
    await simulator.until(lambda: armed.struck == 1)
    await client.files.delete(file.id)
    simulator.remove_fault(armed)
    with pytest.raises(openai.APIConnectionError):
        await reading


async def test_any_answer_can_be_cut(address: str, simulator: Simulator) -> None:
    simulator.add_fault(Fault(call="create_batch", cut_after=10))
    received = await exchange(address, post("/v1/batches", ASKED))
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert len(body_of(received)) == 10
    assert len(simulator.account().batches) == 1


@pytest.mark.parametrize("size", [3, 500, 3_000_000])
async def test_an_answer_has_any_size_with_and_without_telling_it(
    http: httpx2.AsyncClient, account: Account, size: int
) -> None:
    account.add_fault(Fault(call="list_batches", answer_bytes=size))
    account.add_fault(Fault(call="list_batches", answer_bytes=size, chunked=True))
    told, chunked, usual = [await http.get("/batches") for _ in range(3)]
    assert len(told.content) == int(told.headers["content-length"]) == max(size, len(usual.content))
    assert (chunked.headers["transfer-encoding"], chunked.content) == ("chunked", told.content)
    assert "content-length" not in chunked.headers
    assert told.json()["data"] == usual.json()["data"] == []


async def test_an_answer_without_a_length_is_cut_or_ends_short(address: str, simulator: Simulator) -> None:
    for fault in (Fault(cut_after=10, chunked=True), Fault(short_after=10, chunked=True)):
        simulator.add_fault(fault)
    cut = body_of(await exchange(address, get("/v1/batches")))
    assert cut.startswith(b"a\r\n")
    assert not cut.endswith(b"0\r\n\r\n")
    closing = get("/v1/batches")[:-2] + b"Connection: close\r\n\r\n"
    short = body_of(await exchange(address, closing))
    assert short == cut + b"0\r\n\r\n"


async def test_a_delayed_answer_comes_late_with_the_work_done(
    client: AsyncOpenAI, simulator: Simulator, account: Account
) -> None:
    armed = simulator.add_fault(Fault(call="create_batch", when="after", stall=True))
    creating = asyncio.create_task(submit(client, CONTENT))
    await simulator.until(lambda: armed.struck == 1)
    assert not creating.done()
    assert simulator.journal[-1].done
    (batch_id,) = account.batches
    simulator.remove_fault(armed)
    assert (await creating).id == batch_id


async def test_a_client_that_gives_up_does_not_stop_the_work(
    client: AsyncOpenAI, simulator: Simulator, account: Account
) -> None:
    file = await upload(client, CONTENT)
    armed = simulator.add_fault(Fault(call="create_batch", stall=True))
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=0.05).batches.create(
            input_file_id=file.id, endpoint=CHAT, completion_window="24h"
        )
    assert (armed.struck, len(account.batches)) == (1, 0)
    simulator.remove_fault(armed)
    await simulator.until(lambda: len(account.batches) == 1)


async def test_a_delay_alone_changes_nothing_else(client: AsyncOpenAI, simulator: Simulator) -> None:
    armed = simulator.add_fault(Fault(call="upload_file", delay=0.01))
    assert (await upload(client, CONTENT)).bytes == len(CONTENT)
    assert armed.struck == 1


async def test_faults_strike_the_calls_that_they_name(
    client: AsyncOpenAI, simulator: Simulator, account: Account
) -> None:
    armed = [
        account.add_fault(Fault(call="upload_file", match="other", times=None, status=500)),
        simulator.add_fault(Fault(call="upload_file", account="west", status=500)),
        simulator.add_fault(Fault(call="delete_file", status=403, skip=1, times=2)),
    ]
    file = await upload(client, CONTENT, "one.jsonl")
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            await upload(client, CONTENT, "another.jsonl")
    assert [each.struck for each in armed] == [2, 0, 0]
    account.add_fault(Fault(call="stream_file", match="one.jsonl", status=410))
    with pytest.raises(openai.APIStatusError):
        await download(client, file.id)
    await client.files.delete(file.id)
    for _ in range(2):
        with pytest.raises(openai.PermissionDeniedError):
            await client.files.delete(file.id)
    with pytest.raises(openai.NotFoundError):
        await client.files.delete(file.id)


async def test_a_batch_is_matched_by_its_metadata_and_can_vanish(
    client: AsyncOpenAI, simulator: Simulator
) -> None:
    gone = await submit(client, CONTENT, metadata={"job": "vanishing-1"})
    kept = await submit(client, CONTENT, metadata={"job": "other"})
    simulator.add_fault(Fault(call="retrieve_batch", match="vanishing", times=None, status=404))
    for _ in range(2):
        with pytest.raises(openai.NotFoundError):
            await client.batches.retrieve(gone.id)
    assert (await client.batches.retrieve(kept.id)).id == kept.id


async def test_lists_lag_behind(client: AsyncOpenAI, simulator: Simulator) -> None:
    first, second = await submit(client, CONTENT), await submit(client, CONTENT)
    simulator.add_fault(Fault(call="list_batches", hide_newest=1))
    simulator.add_fault(Fault(call="list_batches", list_lag=3600.0, times=2))
    assert [each.id async for each in client.batches.list()] == [first.id]
    for _ in range(2):
        assert [each async for each in client.batches.list()] == []
    assert [each.id async for each in client.batches.list()] == [second.id, first.id]
    simulator.add_fault(Fault(call="list_files", hide_newest=1))
    assert [each.id async for each in client.files.list(purpose="batch")] == [first.input_file_id]


async def test_one_page_of_a_list_fails(client: AsyncOpenAI, account: Account, simulator: Simulator) -> None:
    account.add_foreign_batches(5)
    simulator.add_fault(Fault(call="list_batches", skip=1, status=503))
    with pytest.raises(openai.InternalServerError):
        _ = [each async for each in client.batches.list(limit=2)]
    assert len([each async for each in client.batches.list(limit=2)]) == 5


async def test_files_turn_bad(client: AsyncOpenAI, simulator: Simulator, account: Account) -> None:
    simulator.add_fault(Fault(call="upload_file", file_status="uploaded"))
    simulator.add_fault(Fault(call="retrieve_file", skip=1, file_status="error"))
    file = await upload(client, CONTENT)
    seen = [file.status] + [(await client.files.retrieve(file.id)).status for _ in range(3)]
    assert seen == ["uploaded", "uploaded", "error", "error"]
    batch = await client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    assert (await account.reached(batch.id)).status == "failed"


async def test_a_fresh_file_may_be_refused_once(client: AsyncOpenAI, account: Account) -> None:
    account.add_fault(Fault(call="validate_batch", code="invalid_request", message="Cannot find file."))
    first = await finished(client, account, CONTENT)
    assert first.errors is not None
    assert [error.code for error in first.errors.data or []] == ["invalid_request"]
    assert (await finished(client, account, CONTENT)).status == "completed"


async def test_rows_are_lost_doubled_cut_and_foreign(client: AsyncOpenAI, account: Account) -> None:
    account.add_fault(Fault(call="run_batch", rows=RowFaults(lost=1, unparsable=1, doubled=2, foreign=3)))
    batch = await finished(client, account, TEN)
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.status) == (10, "completed")
    names: list[str] = []
    unparsable = 0
    for row in (await download(client, batch.output_file_id)).splitlines():
        try:
            names.append(json.loads(row)["custom_id"])
        except json.JSONDecodeError:
            unparsable += 1
    own = [name for name in names if not name.startswith("foreign")]
    assert (unparsable, len(names) - len(own)) == (1, 3)
    assert len(set(own)) == 8
    assert sorted(own.count(name) for name in set(own)) == [1] * 6 + [2] * 2
    assert (await finished(client, account, TEN)).status == "completed"


async def test_a_batch_ends_as_it_is_told_to(client: AsyncOpenAI, account: Account) -> None:
    account.add_fault(Fault(call="run_batch", ending="expired"))
    account.add_fault(Fault(call="run_batch", ending="cancelled"))
    expired = await finished(client, account, TEN)
    assert expired.status == "expired"
    assert len(by_id(await download(client, expired.output_file_id))) == 5
    cancelled = await finished(client, account, TEN)
    assert cancelled.status == "cancelled"
    errors = rows(await download(client, cancelled.error_file_id))
    assert {row["error"]["code"] for row in errors} == {"batch_cancelled"}


async def test_ids_of_results_appear_late(client: AsyncOpenAI, account: Account) -> None:
    account.add_fault(Fault(call="run_batch", ids_late=2))
    batch = await submit(client, CONTENT)
    await account.reached(batch.id)
    looks = [await client.batches.retrieve(batch.id) for _ in range(3)]
    assert {look.status for look in looks} == {"completed"}
    assert [look.output_file_id is None for look in looks] == [True, True, False]


async def test_foreign_batches_are_listed_with_ones_own(client: AsyncOpenAI, account: Account) -> None:
    own = await submit(client, CONTENT)
    account.add_foreign_batches(300)
    seen = [each async for each in client.batches.list(limit=100)]
    assert (len(seen), seen[-1].id) == (301, own.id)
    assert all(each.metadata == {"project": "foreign"} for each in seen[:-1])
