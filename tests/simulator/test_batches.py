"""The life of batches, as the stock client sees it."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI
from openai.types import Batch

from litebatch_asgi.simulator import Account, Fault, Simulator

from .journeys import CHAT, by_id, counts, download, finished, jsonl, line, rows, stock_client, submit, upload

DAY = 86_400
TEN = jsonl(*[line(str(number)) for number in range(10)])


def stamps(batch: Batch) -> set[str]:
    """Which of the statuses have a time."""
    named = ["in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"]
    return {status for status in named if getattr(batch, f"{status}_at") is not None}


async def test_a_new_batch_has_every_field(http: httpx2.AsyncClient, client: AsyncOpenAI) -> None:
    file = await upload(client, TEN)
    asked = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h", "metadata": {"a": "b"}}
    response = await http.post("/batches", json=asked)
    shown = response.json()
    assert response.status_code == 200
    assert re.fullmatch("batch_[0-9a-f]{32}", shown["id"])
    assert shown["expires_at"] == shown["created_at"] + DAY
    set_fields = {key: value for key, value in shown.items() if value is not None}
    assert set_fields == {
        **asked,
        "id": shown["id"],
        "object": "batch",
        "status": "validating",
        "created_at": shown["created_at"],
        "expires_at": shown["expires_at"],
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
    }
    assert set(shown) == set(Batch.model_fields)


async def test_a_batch_goes_through_its_statuses(client: AsyncOpenAI, account: Account) -> None:
    account.configure(hold=["validating", "in_progress", "finalizing"])
    batch = await submit(client, TEN)
    seen = [batch]
    for _ in range(3):
        await account.advance(batch.id)
        seen.append(await client.batches.retrieve(batch.id))
    assert [each.status for each in seen] == ["validating", "in_progress", "finalizing", "completed"]
    assert [counts(each) for each in seen] == [(0, 0, 0), (10, 5, 0), (10, 10, 0), (10, 10, 0)]
    assert [each.model for each in seen] == [None, "gpt-4o-mini", "gpt-4o-mini", "gpt-4o-mini"]
    assert [each.output_file_id is None for each in seen] == [True, True, True, False]
    assert stamps(seen[-1]) == {"in_progress", "finalizing", "completed"}


async def test_results_hold_each_line_once_in_another_order(client: AsyncOpenAI, account: Account) -> None:
    asked = [line(f"é {number} \N{GRINNING FACE}") for number in range(50)]
    batch = await finished(client, account, jsonl(*asked))
    content = await download(client, batch.output_file_id)
    order = [row["custom_id"] for row in rows(content)]
    assert sorted(order) == sorted(each["custom_id"] for each in asked)
    assert order != [each["custom_id"] for each in asked]
    assert batch.error_file_id is None


async def test_result_files_are_files(client: AsyncOpenAI, account: Account) -> None:
    batch = await finished(
        client, account, TEN, output_expires_after={"anchor": "created_at", "seconds": 7200}
    )
    assert batch.output_file_id is not None
    file = await client.files.retrieve(batch.output_file_id)
    assert (file.purpose, file.filename) == ("batch_output", f"{batch.id}_output.jsonl")
    assert file.expires_at == file.created_at + 7200
    assert [each.id async for each in client.files.list(purpose="batch_output")] == [file.id]


async def test_failed_lines_go_to_the_error_file(client: AsyncOpenAI, account: Account) -> None:
    content = jsonl(
        line("good"),
        line("status", simulate="429"),
        line("worded", simulate={"status": 400, "code": "bad", "message": "No."}),
        line("timeout", simulate='{"error": "request_timeout", "message": "Too slow."}'),
        line("unreadable", simulate={"speed": 3}),
    )
    batch = await finished(client, account, content)
    assert counts(batch) == (5, 1, 4)
    assert list(by_id(await download(client, batch.output_file_id))) == ["good"]
    errors = by_id(await download(client, batch.error_file_id))
    assert {name: row["error"] for name, row in errors.items()} == {
        "status": None,
        "worded": None,
        "unreadable": None,
        "timeout": {"code": "request_timeout", "message": "Too slow."},
    }
    assert errors["timeout"]["response"] is None
    assert errors["status"]["response"]["status_code"] == 429
    assert errors["status"]["response"]["body"]["error"]["code"] == "rate_limit_exceeded"
    assert errors["unreadable"]["response"]["status_code"] == 400
    assert errors["worded"]["response"]["body"] == {
        "error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": "bad"}
    }


async def test_a_batch_whose_lines_all_fail_is_completed(client: AsyncOpenAI, account: Account) -> None:
    batch = await finished(client, account, jsonl(line("a", simulate=500)))
    assert (batch.status, batch.output_file_id, counts(batch)) == ("completed", None, (1, 0, 1))
    assert batch.error_file_id is not None


async def test_usage_is_that_of_the_good_rows(client: AsyncOpenAI, account: Account) -> None:
    used = {"input_tokens": 100, "cached_tokens": 60, "output_tokens": 50, "reasoning_tokens": 10}
    batch = await finished(
        client, account, jsonl(line("a", simulate=used), line("b", simulate=used), line("c", simulate=500))
    )
    assert batch.usage is not None
    assert batch.usage.model_dump() == {
        "input_tokens": 200,
        "input_tokens_details": {"cached_tokens": 120},
        "output_tokens": 100,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 300,
    }
    for row in rows(await download(client, batch.output_file_id)):
        assert row["response"]["body"]["usage"]["prompt_tokens_details"]["cached_tokens"] == 60


@pytest.mark.parametrize("held", ["validating", "in_progress", "finalizing"])
async def test_cancelled_batches_finish_late(client: AsyncOpenAI, account: Account, held: str) -> None:
    account.configure(hold=[held, "cancelling"])
    batch = await submit(client, TEN)
    await account.reached(batch.id, "validating" if held == "validating" else "in_progress", "finalizing")
    if held == "finalizing":
        await account.reached(batch.id, "finalizing")
    cancelling = await client.batches.cancel(batch.id)
    assert (cancelling.status, cancelling.cancelled_at) == ("cancelling", None)
    assert (await client.batches.cancel(batch.id)).status == "cancelling"
    await account.advance(batch.id)
    batch = await client.batches.cancel(batch.id)
    assert batch.status == "cancelled"
    done = {"validating": 0, "in_progress": 5, "finalizing": 10}[held]
    assert counts(batch) == (10, done, 10 - done)
    finished_rows = rows(await download(client, batch.output_file_id)) if done else []
    errors = rows(await download(client, batch.error_file_id)) if done < 10 else []
    assert len({row["custom_id"] for row in finished_rows + errors}) == 10
    assert all(row["response"] is None for row in errors)
    assert {row["error"]["code"] for row in errors} <= {"batch_cancelled"}
    assert batch.usage is not None
    assert (batch.usage.total_tokens > 0) is (done > 0)


async def test_an_expired_batch_keeps_what_was_done(client: AsyncOpenAI, account: Account) -> None:
    account.configure(hold=["in_progress"])
    batch = await submit(client, TEN)
    await account.reached(batch.id, "in_progress")
    account.configure(clock_offset=float(DAY))
    await account.reached(batch.id, "expired")
    batch = await client.batches.retrieve(batch.id)
    assert (batch.status, counts(batch)) == ("expired", (10, 5, 5))
    assert stamps(batch) == {"in_progress", "expired"}
    errors = rows(await download(client, batch.error_file_id))
    assert {row["error"]["code"] for row in errors} == {"batch_expired"}
    with pytest.raises(openai.ConflictError):
        await client.batches.cancel(batch.id)


async def test_cancelled_counts_can_be_reset(client: AsyncOpenAI, account: Account) -> None:
    account.configure(hold=["in_progress"], reset_cancelled_counts=True)
    batch = await submit(client, TEN)
    await account.reached(batch.id, "in_progress")
    await client.batches.cancel(batch.id)
    shown = await account.reached(batch.id)
    assert (shown.request_counts.completed, shown.output_file_id is None) == (0, False)


async def test_a_bad_file_may_be_cancelled_before_anybody_looks_at_it(
    client: AsyncOpenAI, account: Account
) -> None:
    account.configure(hold=["validating"])
    batch = await submit(client, b"{}")
    await client.batches.cancel(batch.id)
    shown = await account.reached(batch.id)
    assert (shown.status, shown.errors, shown.error_file_id) == ("cancelled", None, None)


async def test_a_defect_ends_the_batch_and_is_logged(
    client: AsyncOpenAI, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    account.configure(hold=["in_progress"])
    batch = await submit(client, TEN)
    await account.reached(batch.id, "in_progress")
    account.disk.path(f"{batch.id}.output").mkdir()
    account.configure(hold=[])
    shown = await account.reached(batch.id)
    assert shown.errors is not None
    assert (shown.status, shown.errors.data[0].code) == ("failed", "server_error")
    assert "IsADirectoryError" in caplog.text


async def test_a_completed_batch_cannot_be_cancelled(client: AsyncOpenAI, account: Account) -> None:
    batch = await finished(client, account, TEN)
    with pytest.raises(openai.ConflictError) as conflict:
        await client.batches.cancel(batch.id)
    assert conflict.value.body == {
        "message": "Cannot cancel a batch with status 'completed'.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


async def test_a_provider_may_finish_while_it_cancels(client: AsyncOpenAI, account: Account) -> None:
    account.configure(hold=["in_progress"])
    account.add_fault(Fault(call="run_batch", ending="completed"))
    batch = await submit(client, TEN)
    await account.reached(batch.id, "in_progress")
    await client.batches.cancel(batch.id)
    await account.reached(batch.id)
    batch = await client.batches.retrieve(batch.id)
    assert (batch.status, counts(batch)) == ("completed", (10, 10, 0))
    assert "cancelling" in stamps(batch)


async def test_an_unknown_input_file_fails_later(client: AsyncOpenAI, account: Account) -> None:
    other = await client.files.create(file=("a.jsonl", TEN), purpose="user_data")
    for file_id in ("file-unknown", other.id):
        batch = await client.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window="24h")
        assert batch.status == "validating"
        await account.reached(batch.id, "failed")
        batch = await client.batches.retrieve(batch.id)
        assert (counts(batch), stamps(batch), batch.output_file_id) == ((0, 0, 0), {"failed"}, None)
        assert batch.errors is not None
        assert batch.errors.data is not None
        (error,) = batch.errors.data
        assert (error.code, error.param, error.line) == ("invalid_request", "file_id", None)
        assert error.message == (
            f"Cannot find file {file_id}, or organization org-simulator does not have access to it."
        )


async def test_deleting_the_input_does_not_harm_a_batch_that_has_begun(
    client: AsyncOpenAI, account: Account
) -> None:
    account.configure(hold=["in_progress"])
    batch = await submit(client, TEN)
    await account.reached(batch.id, "in_progress")
    await client.files.delete(batch.input_file_id)
    account.configure(hold=[])
    assert (await account.reached(batch.id)).status == "completed"


async def test_the_queue_of_tokens_is_limited_and_freed(client: AsyncOpenAI, account: Account) -> None:
    account.configure(max_enqueued_tokens=30, hold=["in_progress"])
    first = await submit(client, TEN)
    await account.reached(first.id, "in_progress")
    second = await submit(client, TEN)
    failed = await account.reached(second.id)
    assert failed.errors is not None
    (error,) = failed.errors.data
    assert (error.code, error.param, error.line) == ("token_limit_exceeded", None, None)
    assert error.message == (
        "Enqueued token limit reached for gpt-4o-mini in organization org-simulator. "
        "Limit: 30 enqueued tokens. Please try again once some in_progress batches have been completed."
    )
    account.configure(hold=[])
    await account.reached(first.id, "completed")
    third = await submit(client, TEN)
    assert (await account.reached(third.id)).status == "completed"


async def test_listing_pages_every_batch_exactly_once_newest_first(
    client: AsyncOpenAI, account: Account
) -> None:
    made = [(await submit(client, TEN)).id for _ in range(5)]
    assert [each.id async for each in client.batches.list(limit=2)] == made[::-1]
    page = await client.batches.list(limit=2, after=made[3])
    assert ([each.id for each in page.data], page.has_more) == ([made[2], made[1]], True)


@pytest.mark.parametrize("query", [{"limit": "101"}, {"limit": "0"}, {"after": "batch_unknown"}])
async def test_wrong_list_parameters_are_refused(http: httpx2.AsyncClient, query: dict[str, str]) -> None:
    response = await http.get("/batches", params=query)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == next(iter(query))


async def test_an_unknown_batch_is_not_found(client: AsyncOpenAI) -> None:
    for call in (client.batches.retrieve, client.batches.cancel):
        with pytest.raises(openai.NotFoundError) as error:
            await call("batch_x")
        assert error.value.body == {
            "message": "No batch found with id 'batch_x'.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"input_file_id": None}, "input_file_id", "missing_required_parameter"),
        ({"input_file_id": 3}, "input_file_id", "invalid_type"),
        ({"endpoint": "/v1/x"}, "endpoint", "invalid_value"),
        ({"completion_window": "1h"}, "completion_window", "invalid_value"),
        ({"metadata": {"tags": ["a"]}}, "metadata.tags", "invalid_type"),
        ({"metadata": "a"}, "metadata", "invalid_type"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "object_above_max_properties"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a", "string_above_max_length"),
        ({"metadata": {"a" * 65: "x"}}, "metadata." + "a" * 65, "string_above_max_length"),
        ({"output_expires_after": 3}, "output_expires_after", "invalid_type"),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 1}},
            "output_expires_after.seconds",
            "integer_below_min_value",
        ),
        ({"priority": 1}, "priority", "unknown_parameter"),
    ],
)
async def test_wrong_requests_are_refused(
    http: httpx2.AsyncClient, simulator: Simulator, change: dict[str, Any], param: str, code: str
) -> None:
    asked = {"input_file_id": "file-a", "endpoint": CHAT, "completion_window": "24h"}
    response = await http.post("/batches", json=asked | change)
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (400, param, code)
    assert not simulator.journal[0].done


async def test_a_body_that_is_no_json_is_refused(http: httpx2.AsyncClient) -> None:
    response = await http.post("/batches", content=b"{nope")
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_final_newlines_are_sometimes_missing(client: AsyncOpenAI, account: Account) -> None:
    async def last_byte() -> bytes:
        batch = await finished(client, account, TEN)
        return (await download(client, batch.output_file_id))[-1:]

    drawn = {await last_byte() for _ in range(8)}
    assert drawn == {b"\n", b"}"}
    account.configure(final_newline=True)
    assert await last_byte() == b"\n"


async def test_order_and_spelling_are_settings(client: AsyncOpenAI, account: Account) -> None:
    account.configure(shuffle=False, escape_unicode=True)
    batch = await finished(client, account, jsonl(line("é"), line("b"), line("a")))
    content = await download(client, batch.output_file_id)
    assert [row["custom_id"] for row in rows(content)] == ["é", "b", "a"]
    assert rb'"custom_id": "\u00e9"' in content


async def test_the_same_seed_gives_the_same_order(address: str, simulator: Simulator) -> None:
    orders: list[list[str]] = []
    for seed in (1, 1, 2):
        await simulator.reset()
        account = simulator.account("east")
        account.configure(seed=seed)
        async with stock_client(address) as client:
            batch = await finished(client, account, TEN)
            content = await download(client, batch.output_file_id)
        orders.append([row["custom_id"] for row in rows(content)])
    assert orders[0] == orders[1] != orders[2]
