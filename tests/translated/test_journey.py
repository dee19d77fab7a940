"""The same file at providers of every language: one shape of results, whoever runs it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from openai import BadRequestError

from litebatch_asgi.simulator import Fault
from tests.database import Database
from tests.harness import HASTY, rows_of
from tests.translated.deployed import ANTHROPIC, EVERYWHERE, MISTRAL, OPENAI, TRANSLATED, UPSTREAM, VERTEX
from tests.translated.stage import ODD_IDS, Stage, file_of, request, simulate, spelled, swiftly


def rest(stage: Stage, *but: str) -> None:
    """Let every deployment refuse batches but these."""
    for name in EVERYWHERE:
        if name not in but:
            stage.simulator.account(name).add_fault(Fault(call="create_batch", status=429, times=None))


@pytest.mark.parametrize("chosen", EVERYWHERE)
async def test_the_same_file_comes_to_the_same_wherever_it_runs(stage: Stage, chosen: str) -> None:
    """Lesson 16: custom ids of every kind are back, spelled as they were (LL#22723)."""
    content = file_of(ODD_IDS)
    rest(stage, chosen)
    async with stage.gateway(*EVERYWHERE) as gateway:
        file = await gateway.upload(content)
        assert (file.bytes, file.status) == (len(content), "processed")
        batch = await gateway.ended((await gateway.create(file.id)).id)
        assert [len(stage.jobs(name)) for name in EVERYWHERE] == [name == chosen for name in EVERYWHERE]
        assert batch.status == "completed"
        assert batch.request_counts is not None
        assert (batch.request_counts.completed, batch.request_counts.failed) == (len(ODD_IDS), 0)
        assert batch.error_file_id is None
        output, _ = await gateway.results(batch)
        assert await gateway.content(file.id) == content
    assert sorted(row["custom_id"] for row in rows_of(output)) == sorted(map(json.loads, ODD_IDS))
    if chosen in (MISTRAL, *TRANSLATED):
        assert spelled(output) == sorted(ODD_IDS)
    assert batch.usage is not None
    assert batch.usage.total_tokens > 0
    for row in rows_of(output):
        assert row["error"] is None
        assert row["response"]["status_code"] == 200
        body = row["response"]["body"]
        assert (body["object"], body["choices"][0]["finish_reason"]) == ("chat.completion", "stop")
        assert {"prompt_tokens", "completion_tokens", "total_tokens"} <= body["usage"].keys()
        assert row["response"].keys() == {"status_code", "request_id", "body"}


@pytest.mark.parametrize("name", TRANSLATED)
async def test_failed_requests_are_in_the_error_file_and_have_a_response_or_an_error(
    stage: Stage, name: str
) -> None:
    """Lesson 17: both were set (LL#27041)."""
    lines = [request('"good"'), request('"bad"', simulate(400)), request('"busy"', simulate(500))]
    async with stage.gateway(name) as gateway:
        file = await gateway.upload("\n".join(lines).encode())
        batch = await gateway.ended((await gateway.create(file.id)).id)
        output, error = await gateway.results(batch)
        assert batch.request_counts is not None
        assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 2)
        assert await gateway.content(batch.output_file_id) == output
    assert [row["custom_id"] for row in rows_of(output)] == ["good"]
    assert sorted(row["custom_id"] for row in rows_of(error)) == ["bad", "busy"]
    for row in (*rows_of(output), *rows_of(error)):
        assert (row["response"] is None) != (row["error"] is None)
    for private in (UPSTREAM[name].encode() if name == VERTEX else b"msgbatch_", b"my-project", b"sk-ant"):
        assert private not in error


@pytest.mark.parametrize("name", TRANSLATED)
async def test_a_batch_at_a_translated_deployment_has_a_cost(
    stage: Stage, database: Database, name: str
) -> None:
    """Lesson 5: Vertex cost is 0 (LL#27891, #19925)."""
    async with stage.gateway(name) as gateway:
        file = await gateway.upload(file_of(['"a"', '"b"']))
        batch = await gateway.ended((await gateway.create(file.id)).id)
        assert batch.usage is not None
    (row,) = await database.rows("SELECT cost, price_source, model FROM charges")
    assert Decimal(row[0]) > 0
    assert str(row[1]).startswith("genai-prices")
    assert str(row[2]).startswith(UPSTREAM[name])
    assert batch.usage.input_tokens > 0


async def test_a_line_that_one_provider_refuses_goes_to_the_others(stage: Stage) -> None:
    """It is told to admins what the others do not take."""
    content = file_of(['"a"'], logit_bias={"1": 1})
    async with stage.gateway(OPENAI, *TRANSLATED) as gateway:
        file = await gateway.upload(content)
        for _ in range(3):
            batch = await gateway.ended((await gateway.create(file.id)).id)
            assert batch.status == "completed"
        assert [len(stage.jobs(name)) for name in (OPENAI, *TRANSLATED)] == [3, 0, 0]
        assert gateway.provider_files(VERTEX) == []
        stage.simulator.account(OPENAI).add_fault(Fault(call="create_batch", status=429, times=None))
        await gateway.create(file.id)
        async with gateway.http("admin") as http:
            asked = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
            answer = await http.post("/batches/dry_run", json=asked)
        told = {each["id"]: each["waiting_for"] for each in answer.json()["deployments"]}
        for name in TRANSLATED:
            assert told[name]["reason"] == "copy_failed"
            assert "logit_bias" in told[name]["said"]


async def test_a_create_that_one_provider_refuses_goes_to_the_others(stage: Stage) -> None:
    """Its translation is given up; without another deployment the batch fails."""
    error = {"type": "invalid_request_error", "message": "requests.0.params: not so"}
    refused = Fault(
        call="create_batch", account=ANTHROPIC, status=400, body={"type": "error", "error": error}
    )
    stage.simulator.add_fault(refused)
    stage.simulator.add_fault(Fault(call="create_batch", account=OPENAI, status=429))
    async with stage.gateway(OPENAI, ANTHROPIC, settings=HASTY) as gateway:
        file = await gateway.upload(file_of(['"a"']))
        for _ in range(3):
            batch = await gateway.ended((await gateway.create(file.id)).id)
            assert batch.status == "completed"
        assert (len(stage.jobs(OPENAI)), len(stage.jobs(ANTHROPIC))) == (3, 0)
    stage.simulator.add_fault(refused)
    async with stage.gateway(ANTHROPIC) as gateway:
        batch = await gateway.ended((await gateway.create((await gateway.upload(file_of(['"a"']))).id)).id)
    assert batch.status == "failed"


async def test_what_no_deployment_can_take_is_refused_with_its_lines(stage: Stage) -> None:
    lines = [request('"a"'), request('"b"', logit_bias={"1": 1}), "", request('"c"', store=True, audio={})]
    async with stage.gateway(*TRANSLATED) as gateway:
        with pytest.raises(BadRequestError) as raised:
            await gateway.upload("\n".join(lines).encode())
        assert (await gateway.client().files.list()).data == []
        assert gateway.provider_files(VERTEX) == []
    body: Any = raised.value.body
    told = [(each["line"], each["param"]) for each in body["errors"]]
    assert told == [(2, "body.logit_bias"), (4, "body.audio")]
    assert raised.value.code == "unsupported_parameter"


@pytest.mark.parametrize("name", [MISTRAL, *TRANSLATED])
async def test_results_come_out_after_the_deployment_that_speaks_openai_is_gone(
    stage: Stage, name: str
) -> None:
    content = file_of(ODD_IDS)
    rest(stage, name)
    stage.simulator.account(name).configure(hold=frozenset({"in_progress"}))
    async with stage.gateway(OPENAI, name) as gateway:
        file = await gateway.upload(content)
        batch = await gateway.create(file.id)
        await gateway.reached(batch.id, "in_progress")
    stage.simulator.account(name).configure(hold=frozenset())
    async with stage.gateway(name) as gateway:
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert spelled((await gateway.results(ended))[0]) == sorted(ODD_IDS)
        assert await gateway.content(file.id) == content


@pytest.mark.parametrize("name", TRANSLATED)
async def test_results_stay_as_they_are_and_go_with_their_file(
    stage: Stage, database: Database, name: str
) -> None:
    async with stage.gateway(name) as gateway:
        file = await gateway.upload(file_of(['"a"', '"b"']))
        batch = await gateway.ended((await gateway.create(file.id)).id)
        output, _ = await gateway.results(batch)
        stage.simulator.account(name).add_fault(Fault(call="stream_file", status=500, times=None))
        assert (await gateway.results(batch))[0] == output
        assert await database.rows(
            "SELECT DISTINCT kind FROM file_parts WHERE seq = 0 AND kind <> 'stored'"
        ) == [("inline",)]
        left = len(gateway.result_files())
        assert left >= 1
        assert batch.output_file_id is not None
        await gateway.client().files.delete(batch.output_file_id)

        async def is_gone() -> bool:
            return len(gateway.result_files()) < left

        await gateway.eventually(is_gone)


async def test_a_cancelled_batch_has_every_line_in_one_of_its_files(stage: Stage) -> None:
    for name in TRANSLATED:
        stage.simulator.account(name).configure(hold=frozenset({"in_progress"}))
        async with stage.gateway(name) as gateway:
            batch = await gateway.create((await gateway.upload(file_of(ODD_IDS))).id)
            await gateway.reached(batch.id, "in_progress")
            await gateway.client().batches.cancel(batch.id)
            ended = await gateway.ended(batch.id)
            assert ended.status == "cancelled"
            files = await gateway.results(ended)
            told = [row["custom_id"] for each in files for row in rows_of(each)]
            assert sorted(told) == sorted(map(json.loads, ODD_IDS))


@pytest.mark.parametrize("name", TRANSLATED)
async def test_large_results_are_stored(stage: Stage, database: Database, name: str) -> None:
    long = [f'"{number:04}{"x" * 490}"' for number in range(2300)]
    async with stage.gateway(name, settings=swiftly()) as gateway:
        batch = await gateway.ended((await gateway.create((await gateway.upload(file_of(long))).id)).id)
        output, error = await gateway.results(batch)
        assert error == b""
        assert spelled(output) == sorted(long)
        assert batch.output_file_id is not None
        where = f"WHERE file_id = '{batch.output_file_id}'"
        assert await database.rows(f"SELECT kind FROM file_parts {where}") == [("stored",)]


async def test_no_error_of_a_batch_tells_where_its_deployment_is(stage: Stage) -> None:
    said = "Import of gs://my-bucket/vertex/a.jsonl failed: my-bucket of my-project in europe-west4 at row 3"
    stage.simulator.add_fault(Fault(call="validate_batch", account=VERTEX, code="3", message=said))
    async with stage.gateway(VERTEX) as gateway:
        batch = await gateway.ended((await gateway.create((await gateway.upload(file_of(['"a"']))).id)).id)
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert [each.message for each in batch.errors.data] == [
        "Import of [address] failed: the bucket of the project in the location at row 3"
    ]
