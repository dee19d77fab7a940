"""What comes out of a batch."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from msgspec.structs import replace
from openai import ConflictError, NotFoundError

from litebatch_asgi.simulator import Fault, RowFaults
from tests.database import Database
from tests.harness import ENDPOINT, MODEL, QUICK, Gateway, ids_of, lines, rows_of, running_gateway


def a_line(custom_id: str, url: str = ENDPOINT, **body: Any) -> bytes:
    row = {"custom_id": custom_id, "method": "POST", "url": url, "body": {"model": MODEL} | body}
    return json.dumps(row).encode()


MESSAGES = [{"role": "user", "content": "hello"}]


async def test_what_was_uploaded_comes_out_byte_for_byte(gateway: Gateway) -> None:
    odd = (
        b'  {"body" : {"messages":[{"role":"user",'
        b'"content":"\\"model\\": \\"gpt-4o-batch\\" \xc3\xa9 \\u00e9"}],'
        b' "model"\t:  "gpt-4o-batch" , "metadata":{"model":"gpt-4o-batch"}},"url":"/v1/chat/completions",'
        b'"method":"POST","custom_id":"\xe2\x82\xac 1"}  \r\n\r\n'
    )
    content = odd + a_line("2", messages=MESSAGES) + b"\n\n" + a_line("3", messages=MESSAGES)
    file = await gateway.upload(content)
    assert file.bytes == len(content)
    assert await gateway.content(file.id) == content
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert batch.status == "completed"
    assert ids_of((await gateway.results(batch))[0]) == ["2", "3", "€ 1"]


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/v1/chat/completions", {"messages": MESSAGES}),
        ("/v1/responses", {"input": "hello"}),
        ("/v1/embeddings", {"input": ["hello", "you"]}),
    ],
)
async def test_usage_is_summed_over_the_rows(gateway: Gateway, url: str, body: dict[str, Any]) -> None:
    file = await gateway.upload(b"\n".join(a_line(str(n), url, **body) for n in range(7)))
    batch = await gateway.ended((await gateway.create(file.id, endpoint=url)).id)
    output, _ = await gateway.results(batch)
    usages = [row["response"]["body"]["usage"] for row in rows_of(output)]
    assert batch.usage is not None
    assert batch.usage.total_tokens == sum(usage["total_tokens"] for usage in usages) > 0
    inputs = [usage.get("prompt_tokens", usage.get("input_tokens")) for usage in usages]
    assert batch.usage.input_tokens == sum(inputs)


async def test_failed_rows_are_counted_and_come_out_in_the_error_file(gateway: Gateway) -> None:
    rows = [a_line(str(n), messages=MESSAGES) for n in range(3)]
    rows += [a_line(f"bad-{n}", messages=MESSAGES, metadata={"simulate": "429"}) for n in range(2)]
    file = await gateway.upload(b"\n".join(rows))
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert batch.request_counts is not None
    assert batch.request_counts.model_dump() == {"total": 5, "completed": 3, "failed": 2}
    output, errors = await gateway.results(batch)
    assert (ids_of(output), ids_of(errors)) == (["0", "1", "2"], ["bad-0", "bad-1"])


async def test_a_batch_whose_every_row_failed_is_completed_without_an_output_file(gateway: Gateway) -> None:
    file = await gateway.upload(lines(2, metadata={"simulate": "500"}))
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert (batch.status, batch.output_file_id) == ("completed", None)
    assert len(ids_of((await gateway.results(batch))[1])) == 2


async def test_a_completed_batch_has_its_output_file_from_the_first_moment(gateway: Gateway) -> None:
    """Source: BerriAI/litellm#37715."""
    file = await gateway.upload()
    seen = await gateway.reached((await gateway.create(file.id)).id, "completed")
    assert seen.output_file_id is not None
    assert seen.in_progress_at is not None
    assert seen.finalizing_at is not None
    assert seen.completed_at is not None
    assert seen.created_at <= seen.in_progress_at <= seen.finalizing_at <= seen.completed_at


async def test_a_cancelled_batch_keeps_what_was_done_and_lists_the_rest_once(held_gateway: Gateway) -> None:
    """Source: llm-d/llm-d-batch-gateway#221 and #504, cancelled lines lost or in the wrong file."""
    gateway = held_gateway
    file = await gateway.upload(lines(10))
    batch = await gateway.reached((await gateway.create(file.id)).id, "in_progress")
    client = gateway.client()
    assert (await client.batches.cancel(batch.id)).status == "cancelling"
    assert (await client.batches.cancel(batch.id)).status == "cancelling"
    done = await gateway.reached(batch.id, "cancelled")
    assert (await client.batches.cancel(batch.id)).status == "cancelled"
    output, errors = await gateway.results(done)
    assert sorted(ids_of(output) + ids_of(errors)) == sorted(f"request-{n}" for n in range(10))
    codes = {row["error"]["code"] for row in rows_of(errors)}
    assert codes == {"batch_cancelled"}
    assert done.request_counts is not None
    assert done.request_counts.completed == len(ids_of(output))
    assert done.cancelling_at is not None
    assert done.cancelled_at is not None


async def test_a_batch_that_has_ended_cannot_be_cancelled(gateway: Gateway) -> None:
    file = await gateway.upload()
    batch = await gateway.ended((await gateway.create(file.id)).id)
    client = gateway.client()
    with pytest.raises(ConflictError) as refused:
        await client.batches.cancel(batch.id)
    assert refused.value.message.endswith("Cannot cancel a batch with status 'completed'.") or (
        "Cannot cancel a batch with status 'completed'." in str(refused.value)
    )
    assert refused.value.response.headers["x-should-retry"] == "false"


async def test_an_expired_batch_keeps_what_was_done(gateway: Gateway) -> None:
    gateway.simulator.add_fault(Fault(call="run_batch", ending="expired"))
    file = await gateway.upload(lines(8))
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert batch.status == "expired"
    assert batch.expired_at is not None
    output, errors = await gateway.results(batch)
    assert sorted(ids_of(output) + ids_of(errors)) == sorted(f"request-{n}" for n in range(8))
    assert {row["error"]["code"] for row in rows_of(errors)} == {"batch_expired"}


async def test_a_batch_refused_in_validation_fails_with_the_providers_errors(gateway: Gateway) -> None:
    gateway.simulator.add_fault(
        Fault(call="validate_batch", code="invalid_json_line", message="This line is not parseable.")
    )
    file = await gateway.upload()
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert batch.errors.data[0].code == "invalid_json_line"
    assert batch.output_file_id is None
    assert batch.error_file_id is None


async def test_result_files_expire_when_the_client_said(gateway: Gateway) -> None:
    """Source: BerriAI/litellm#22705, `output_expires_after` silently dropped."""
    file = await gateway.upload()
    expiry = {"anchor": "created_at", "seconds": 7200}
    created = await gateway.create(file.id, output_expires_after=expiry)
    batch = await gateway.ended(created.id)
    assert batch.output_file_id is not None
    client = gateway.client()
    output = await client.files.retrieve(batch.output_file_id)
    assert output.expires_at is not None
    assert output.expires_at - output.created_at == 7200


async def test_a_result_file_can_be_deleted(gateway: Gateway) -> None:
    """Source: BerriAI/litellm#18340, deleting an output file fails or returns null."""
    file = await gateway.upload()
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert batch.output_file_id is not None
    client = gateway.client()
    deleted = await client.files.delete(batch.output_file_id)
    assert (deleted.id, deleted.deleted) == (batch.output_file_id, True)
    await client.files.delete(file.id)
    await gateway.simulator.until(
        lambda: not any(account.files for account in gateway.simulator.accounts.values())
    )


async def test_deleting_the_input_of_a_running_batch_does_not_hurt_it(held_gateway: Gateway) -> None:
    gateway = held_gateway
    file = await gateway.upload()
    batch = await gateway.reached((await gateway.create(file.id)).id, "in_progress")
    client = gateway.client()
    await client.files.delete(file.id)
    for account in gateway.simulator.accounts.values():
        for running in account.batches:
            account.release(running)
    done = await gateway.ended(batch.id)
    assert done.status == "completed"
    assert len(ids_of((await gateway.results(done))[0])) == 3
    await gateway.simulator.until(lambda: not gateway.provider_files("east") + gateway.provider_files("west"))


IDS = sorted(f"request-{n}" for n in range(20))


@pytest.mark.parametrize(
    "rows",
    [
        RowFaults(lost=3),
        RowFaults(doubled=4),
        RowFaults(foreign=2),
        RowFaults(unparsable=2),
        RowFaults(lost=2, doubled=2, foreign=2, unparsable=2),
    ],
    ids=repr,
)
async def test_every_id_that_went_in_comes_out_exactly_once(gateway: Gateway, rows: RowFaults) -> None:
    gateway.simulator.add_fault(Fault(call="run_batch", rows=rows))
    content = b"\n".join(
        [
            lines(16),
            *(a_line(f"request-{n}", messages=MESSAGES, metadata={"simulate": "429"}) for n in range(16, 20)),
        ]
    )
    file = await gateway.upload(content)
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert batch.status == "completed"
    output, errors = await gateway.results(batch)
    assert sorted(ids_of(output) + ids_of(errors)) == IDS
    lost = [row for row in rows_of(errors) if row["error"] and row["error"]["code"] == "batch_line_lost"]
    assert len(lost) == rows.lost + rows.unparsable
    assert batch.request_counts is not None
    assert batch.request_counts.completed == len(ids_of(output))
    assert batch.request_counts.failed == len(ids_of(errors))
    for file_id, told in ((batch.output_file_id, output), (batch.error_file_id, errors)):
        assert file_id is not None
        assert (await gateway.client().files.retrieve(file_id)).bytes == len(told)


async def test_the_error_file_stays_the_same_when_the_input_is_deleted(gateway: Gateway) -> None:
    gateway.simulator.add_fault(Fault(call="run_batch", rows=RowFaults(lost=3)))
    file = await gateway.upload(lines(20))
    batch = await gateway.ended((await gateway.create(file.id)).id)
    _, before = await gateway.results(batch)
    await gateway.client().files.delete(file.id)
    await gateway.simulator.until(lambda: not gateway.provider_files("east") + gateway.provider_files("west"))
    _, after = await gateway.results(batch)
    assert before == after
    assert len(ids_of(after)) == 3


async def test_rows_are_not_declared_lost_before_several_reads_agree(
    tmp_path: Path, database: Database
) -> None:
    settings = replace(QUICK, lost_grace_seconds=1)
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        gateway.simulator.add_fault(Fault(call="run_batch", ids_late=4))
        file = await gateway.upload(lines(20))
        batch = await gateway.ended((await gateway.create(file.id)).id)
        output, errors = await gateway.results(batch)
        assert (ids_of(output), errors) == (IDS, b"")


async def test_a_download_that_is_cut_is_read_again(gateway: Gateway) -> None:
    gateway.simulator.add_fault(Fault(call="stream_file", cut_after=100, times=2))
    file = await gateway.upload(lines(20))
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert ids_of((await gateway.results(batch))[0]) == IDS


async def test_a_short_download_is_not_taken_for_lost_rows(gateway: Gateway) -> None:
    gateway.simulator.add_fault(Fault(call="stream_file", short_after=1000, times=2))
    file = await gateway.upload(lines(20))
    batch = await gateway.ended((await gateway.create(file.id)).id)
    output, errors = await gateway.results(batch)
    assert (ids_of(output), errors) == (IDS, b"")


async def test_a_reader_never_gets_a_clean_short_end(gateway: Gateway) -> None:
    file = await gateway.upload(lines(2000))
    batch = await gateway.ended((await gateway.create(file.id)).id)
    for fault in (
        Fault(call="stream_file", cut_after=1_000_000),
        Fault(call="stream_file", short_after=1_000_000),
    ):
        gateway.simulator.add_fault(fault)
        async with gateway.http() as http:
            with pytest.raises(httpx2.TransportError):
                await http.get(f"/files/{batch.output_file_id}/content")


async def test_a_batch_cancelled_in_the_waiting_room_lists_every_line(gateway: Gateway) -> None:
    gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
    file = await gateway.upload(lines(20))
    batch = await gateway.create(file.id)
    assert batch.status == "validating"
    await gateway.client().batches.cancel(batch.id)
    done = await gateway.ended(batch.id)
    assert done.status == "cancelled"
    output, errors = await gateway.results(done)
    assert (output, ids_of(errors)) == (b"", IDS)
    assert {row["error"]["code"] for row in rows_of(errors)} == {"batch_cancelled"}
    assert gateway.provider_jobs() == []
    assert (await gateway.content(done.error_file_id)) == errors


async def test_a_batch_still_waiting_when_its_time_is_over_expires(
    tmp_path: Path, database: Database
) -> None:
    ahead = timedelta()
    async with running_gateway(
        tmp_path, database=database, clock=lambda: datetime.now(UTC) + ahead
    ) as gateway:
        gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        file = await gateway.upload(lines(20))
        batch = await gateway.create(file.id)
        ahead = timedelta(hours=24, seconds=1)
        done = await gateway.ended(batch.id)
        assert done.status == "expired"
        _, errors = await gateway.results(done)
        assert {row["error"]["code"] for row in rows_of(errors)} == {"batch_expired"}
        assert ids_of(errors) == IDS


async def test_an_expired_file_is_gone(tmp_path: Path, database: Database) -> None:
    ahead = timedelta()
    async with running_gateway(
        tmp_path, database=database, clock=lambda: datetime.now(UTC) + ahead
    ) as gateway:
        file = await gateway.client().files.create(
            file=("in.jsonl", lines()),
            purpose="batch",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )
        assert file.expires_at == file.created_at + 3600
        ahead = timedelta(hours=1, seconds=1)
        with pytest.raises(NotFoundError):
            await gateway.client().files.content(file.id)
        with pytest.raises(NotFoundError):
            await gateway.create(file.id)
        assert (await gateway.client().files.list()).data == []


async def test_results_that_were_written_out_by_us_need_their_provider_no_more(gateway: Gateway) -> None:
    gateway.simulator.add_fault(Fault(call="run_batch", rows=RowFaults(doubled=4, foreign=2)))
    batch = await gateway.ended((await gateway.create((await gateway.upload(lines(9))).id)).id)
    before = await gateway.results(batch)
    gateway.simulator.add_fault(Fault(call="stream_file", match="_output", status=404, times=None))
    output, errors = await gateway.results(batch)
    assert (output, errors) == before
    assert (ids_of(output), ids_of(errors)) == ([f"request-{n}" for n in range(9)], [])


def a_row(number: int, **rest: Any) -> str:
    """A row of a result file."""
    return json.dumps({"id": f"r-{number}", "custom_id": f"request-{number}"} | rest)


async def test_of_doubled_rows_the_one_that_was_executed_is_kept(gateway: Gateway) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    done = {"response": {"status_code": 200, "body": {"usage": usage}}, "error": None}
    failed: dict[str, Any] = {"response": {"status_code": 500, "body": {}}, "error": None}
    undone = {"response": None, "error": {"code": "batch_expired", "message": "not executed"}}
    output = [a_row(0, **undone), a_row(0, **done), a_row(1, **undone), a_row(1, **undone)]
    errors = [a_row(2, **undone), a_row(1, **failed), a_row(2, **failed), a_row(0, **undone)]
    for kind, rows in (("_output", output), ("_error", errors)):
        text = "\n".join(rows)
        gateway.simulator.add_fault(Fault(call="stream_file", match=kind, status=200, body=text, times=None))
    content = b"\n".join([lines(2), lines(3, metadata={"simulate": "500"}).splitlines()[2]])
    batch = await gateway.ended((await gateway.create((await gateway.upload(content)).id)).id)
    kept = [rows_of(content) for content in await gateway.results(batch)]
    assert [[each["id"] for each in rows] for rows in kept] == [["r-0"], ["r-1", "r-2"]]
    assert all(each["response"] is not None for rows in kept for each in rows)
    assert batch.request_counts is not None
    assert batch.request_counts.model_dump() == {"total": 3, "completed": 1, "failed": 2}
    assert batch.usage is not None
    assert batch.usage.total_tokens == 3
