"""Batch prediction jobs: what they look like on their way, and what they leave behind."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx2
import pytest

from litebatch_asgi.simulator import Account, Fault, RowFaults, Simulator

from .journeys import JSON
from .vertex import (
    BUCKET,
    EMBEDDINGS,
    JOBS,
    MODEL,
    TEN,
    asked,
    create,
    finished,
    job,
    line,
    lines,
    listed,
    output,
    request,
    upload,
    vertex_http,
)

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
NAME = re.compile(r"projects/\d{12}/locations/us-central1/batchPredictionJobs/\d{17,19}")


@pytest.fixture
def account(account: Account) -> Account:
    account.configure(flavour="vertex")
    return account


@pytest.fixture
async def http(address: str, account: Account) -> AsyncIterator[httpx2.AsyncClient]:
    async with vertex_http(address, account) as http:
        yield http


def by_id(rows: list[JSON]) -> dict[str, JSON]:
    named = {str(row["custom_id"]): row for row in rows}
    assert len(named) == len(rows)
    return named


async def test_a_job_shows_more_as_it_goes_on(http: httpx2.AsyncClient, account: Account) -> None:
    account.configure(hold=["validating", "in_progress", "finalizing"])
    await upload(http, TEN)
    told = await create(http, labels={"team": "a"})
    assert NAME.fullmatch(told["name"])
    assert told.keys() == {*asked(labels={}), "name", "state", "createTime", "updateTime"}
    assert {key: told[key] for key in asked(labels={})} == asked(labels={"team": "a"})
    assert told["state"] == "JOB_STATE_PENDING"
    await account.advance(told["name"])
    told = await job(http, told["name"])
    assert told["state"] == "JOB_STATE_RUNNING"
    assert set(told["completionStats"]) <= {"successfulCount", "incompleteCount"}
    assert sum(map(int, told["completionStats"].values())) == 10
    assert "outputInfo" not in told
    assert "endTime" not in told
    await account.advance(told["name"])
    assert (await job(http, told["name"])).keys() == told.keys()
    account.configure(hold=[])
    await account.reached(told["name"])
    told = await job(http, told["name"])
    assert told["state"] == "JOB_STATE_SUCCEEDED"
    assert told["completionStats"] == {"successfulCount": "10"}
    times = [told[name] for name in ("createTime", "startTime", "endTime")]
    assert all(STAMP.fullmatch(at) for at in times)
    assert sorted(times) == times
    assert told["updateTime"] == told["endTime"]
    assert "error" not in told
    directory = told["outputInfo"]["gcsOutputDirectory"]
    assert re.fullmatch(rf"gs://{BUCKET}/out/1/prediction-model-[-0-9T:.]+Z", directory)
    assert await listed(http, "out/") == [f"{directory.removeprefix(f'gs://{BUCKET}/')}/predictions.jsonl"]
    batch = account.batches[told["name"]]
    assert (batch.output_file_id, batch.input_file_id) == (f"{directory}/", f"gs://{BUCKET}/in/a.jsonl")


async def test_a_queued_job(http: httpx2.AsyncClient, account: Account) -> None:
    account.configure(scheduling_seconds=0.0, hold=["scheduling"])
    await upload(http, TEN)
    assert (await create(http))["state"] == "JOB_STATE_QUEUED"


async def test_rows_hold_what_was_asked_and_answered(http: httpx2.AsyncClient, account: Account) -> None:
    content = lines(
        line("r1", "How are you?", labels={"a": "b"}), line("r2", "simulate 429"), line("r3", temperature=1)
    )
    ended = await finished(http, account, content)
    assert ended["completionStats"] == {"successfulCount": "1", "failedCount": "2"}
    assert ended["state"] == "JOB_STATE_SUCCEEDED"
    rows = by_id(await output(http, ended))
    assert {key: len(row) for key, row in rows.items()} == {"r1": 5, "r2": 4, "r3": 4}
    first = rows["r1"]
    assert first["status"] == ""
    assert datetime.fromisoformat(first["processed_time"]).tzinfo is not None
    assert first["request"] == request("How are you?", labels={"a": "b"})
    (candidate,) = first["response"]["candidates"]
    assert candidate["content"] == {"role": "model", "parts": [{"text": "echo: How are you?"}]}
    assert candidate["finishReason"] == "STOP"
    assert first["response"]["modelVersion"] == "gemini-2.5-flash"
    usage = first["response"]["usageMetadata"]
    assert usage["promptTokenCount"] == 3
    assert usage["thoughtsTokenCount"] + usage["candidatesTokenCount"] == 5
    assert usage["totalTokenCount"] == 8
    name, _, told = rows["r2"]["status"].partition(": ")
    assert name == "Too Many Requests"
    assert json.loads(told)["error"]["status"] == "RESOURCE_EXHAUSTED"
    name, _, told = rows["r3"]["status"].partition(": ")
    assert name == "Bad Request"
    assert json.loads(told)["error"] == {
        "code": 400,
        "message": 'Invalid JSON payload received. Unknown name "temperature": Cannot find field.',
        "status": "INVALID_ARGUMENT",
    }
    billed = account.batches[ended["name"]].usage
    assert billed is not None
    assert (billed.input_tokens, billed.output_tokens) == (3, 5)
    assert billed.output_tokens_details.reasoning_tokens == usage["thoughtsTokenCount"]


async def test_the_same_request_gets_the_same_answer(http: httpx2.AsyncClient, account: Account) -> None:
    def answers(rows: list[JSON]) -> dict[str, Any]:
        return {key: row["response"]["candidates"] for key, row in by_id(rows).items()}

    first = await output(http, await finished(http, account, TEN))
    second = await output(http, await finished(http, account, TEN))
    assert answers(first) == answers(second)


async def test_rows_are_shuffled_and_so_are_their_members(http: httpx2.AsyncClient, account: Account) -> None:
    rows = await output(http, await finished(http, account, TEN))
    assert list(by_id(rows)) != [f"r{number}" for number in range(10)]
    assert len({tuple(row) for row in rows}) > 1


async def test_what_the_import_changes(http: httpx2.AsyncClient, account: Account) -> None:
    config = {"topP": None, "temperature": 1, "maxOutputTokens": 5}
    content = lines(
        {"custom_id": "000123", "request": request("a", generationConfig=config), "more": {"b": 1, "a": "2"}},
        {"custom_id": "1e3", "request": request("b"), "none": None},
    )
    rows = by_id(await output(http, await finished(http, account, content)))
    assert set(rows) == {"123", "1000.0"}
    first = rows["123"]
    assert first["request"]["generationConfig"] == {"temperature": 1, "maxOutputTokens": 5}
    assert list(first["request"]["generationConfig"]) == ["maxOutputTokens", "temperature"]
    assert first["more"] == {"a": "2", "b": 1}
    assert "none" not in rows["1000.0"]


async def test_embeddings(http: httpx2.AsyncClient, account: Account) -> None:
    content = lines(
        {"key": "r1", "request": {"content": {"parts": [{"text": "one two"}]}}},
        {
            "key": "r2",
            "request": {
                "content": {"parts": [{"text": "three"}]},
                "embed_content_config": {"output_dimensionality": 3},
            },
        },
        {"key": "r3", "request": {"content": {"parts": [{"text": ""}]}}},
    )
    ended = await finished(http, account, content, model=EMBEDDINGS)
    rows = {row["key"]: row for row in await output(http, ended)}
    assert len(rows["r1"]["response"]["embedding"]["values"]) == 8
    assert rows["r1"]["response"]["usageMetadata"]["promptTokenCount"] == 2
    assert len(rows["r2"]["response"]["embedding"]["values"]) == 3
    assert rows["r3"]["status"].startswith("Bad Request: ")


async def test_several_files_of_output(http: httpx2.AsyncClient, account: Account) -> None:
    account.configure(output_shards=3)
    ended = await finished(http, account, TEN)
    names = [name.rpartition("/")[2] for name in await listed(http, "out/")]
    assert names == ["predictions_0001.jsonl", "predictions_0002.jsonl", "predictions_0003.jsonl"]
    assert len(by_id(await output(http, ended))) == 10


async def test_candidates_logprobs_and_calls(http: httpx2.AsyncClient, account: Account) -> None:
    config = {"candidateCount": 2, "responseLogprobs": True, "logprobs": 2}
    tools: dict[str, Any] = {
        "tools": [{"functionDeclarations": [{"name": "weather"}, {"name": "time"}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["time"]}},
    }
    content = lines(
        line("r1", "one two", generationConfig=config),
        line("r2", **tools),
        line("r3", 'simulate {"finish_reason": "SAFETY", "input_tokens": 8, "cached_tokens": 6}'),
    )
    rows = by_id(await output(http, await finished(http, account, content)))
    first, second = rows["r1"]["response"]["candidates"]
    assert (first.get("index"), second["index"]) == (None, 1)
    assert [len(each["candidates"]) for each in first["logprobsResult"]["topCandidates"]] == [2] * 3
    (called,) = rows["r2"]["response"]["candidates"]
    assert called["content"]["parts"] == [{"functionCall": {"name": "time", "args": {}}}]
    (blocked,) = rows["r3"]["response"]["candidates"]
    assert (blocked["finishReason"], "content" in blocked) == ("SAFETY", False)
    usage = rows["r3"]["response"]["usageMetadata"]
    assert (usage["promptTokenCount"], usage["cachedContentTokenCount"]) == (8, 6)


# jobs that do not come to a good end


async def failed(http: httpx2.AsyncClient, account: Account, **more: Any) -> JSON:
    told = await create(http, **more)
    assert told["state"] == "JOB_STATE_PENDING"
    await account.reached(told["name"])
    ended = await job(http, told["name"])
    assert ended["state"] == "JOB_STATE_FAILED"
    assert not ended.keys() & {"outputInfo", "completionStats", "startTime"}
    assert ended["updateTime"] == ended["endTime"]
    error: JSON = ended["error"]
    return error


async def test_a_bad_line_fails_the_job(http: httpx2.AsyncClient, account: Account) -> None:
    bad = {"custom_id": "r", "request": request("a", generationConfig={})}
    await upload(http, lines(line("r1"), line("r2"), bad, bad))
    error = await failed(http, account)
    assert error["code"] == 3
    assert error["message"].startswith("Failed to import data. ")
    assert "Rows: 2" in error["message"]
    (batch,) = account.batches.values()
    assert batch.errors is not None
    assert len(batch.errors.data) == 1
    assert await listed(http, "out/") == []


@pytest.mark.parametrize("content", [b"", b"\n\n"])
async def test_an_empty_input(http: httpx2.AsyncClient, account: Account, content: bytes) -> None:
    await upload(http, content)
    assert (await failed(http, account))["code"] == 3


async def test_a_bucket_or_an_object_that_is_not_there(http: httpx2.AsyncClient, account: Account) -> None:
    await upload(http, TEN)
    assert (await failed(http, account, name="in/b.jsonl"))["code"] == 5
    account.configure(buckets=["another"])
    assert (await failed(http, account))["code"] == 9
    account.configure(buckets=[BUCKET])
    output_config = {
        "predictionsFormat": "jsonl",
        "gcsDestination": {"outputUriPrefix": "gs://another/out"},
    }
    assert (await failed(http, account, outputConfig=output_config))["code"] == 9
    account.configure(agent_buckets=["another"])
    assert (await failed(http, account))["code"] == 7


async def test_errors_to_order(http: httpx2.AsyncClient, account: Account) -> None:
    await upload(http, TEN)
    account.add_fault(Fault(call="validate_batch", code="13", message="INTERNAL"))
    assert await failed(http, account) == {"code": 13, "message": "INTERNAL"}
    account.add_fault(Fault(call="validate_batch", no_such_file=True))
    assert (await failed(http, account))["code"] == 5
    account.configure(max_enqueued_tokens=1)
    assert (await failed(http, account))["code"] == 8
    account.configure(max_enqueued_tokens=None, max_lines=9)
    assert (await failed(http, account))["code"] == 3


async def test_a_cancelled_job_keeps_what_is_done(http: httpx2.AsyncClient, account: Account) -> None:
    account.configure(hold=["in_progress", "cancelling"], done_share=0.3)
    await upload(http, TEN)
    name = (await create(http))["name"]
    await account.reached(name, "in_progress")
    response = await http.post(f"/v1/{name}:cancel", json={})
    assert (response.status_code, response.json()) == (200, {})
    assert (await job(http, name))["state"] == "JOB_STATE_CANCELLING"
    account.configure(hold=[])
    await account.reached(name)
    ended = await job(http, name)
    assert (ended["state"], ended["error"]["code"]) == ("JOB_STATE_CANCELLED", 1)
    assert ended["completionStats"] == {"successfulCount": "3", "incompleteCount": "7"}
    assert len(await output(http, ended)) == 3
    billed = account.batches[name].usage
    assert billed is not None
    assert billed.output_tokens > 0
    again = await http.post(f"/v1/{name}:cancel", json={})
    assert (again.status_code, again.json()["error"]["status"]) == (400, "FAILED_PRECONDITION")


async def test_a_job_cancelled_before_it_ran_has_nothing(http: httpx2.AsyncClient, account: Account) -> None:
    account.configure(hold=["validating"])
    await upload(http, TEN)
    name = (await create(http))["name"]
    await http.post(f"/v1/{name}:cancel", json={})
    await account.reached(name, "cancelled")
    ended = await job(http, name)
    assert not ended.keys() & {"outputInfo", "completionStats", "startTime"}
    assert await listed(http, "out/") == []


async def test_a_job_expires_a_day_after_its_start(http: httpx2.AsyncClient, account: Account) -> None:
    account.configure(hold=["validating", "in_progress"])
    await upload(http, TEN)
    name = (await create(http))["name"]
    account.configure(clock_offset=3 * 86_400.0)
    assert (await job(http, name))["state"] == "JOB_STATE_PENDING"
    await account.advance(name)
    assert (await job(http, name))["state"] == "JOB_STATE_RUNNING"
    account.configure(clock_offset=4 * 86_400.0 + 60)
    await account.reached(name)
    ended = await job(http, name)
    assert ended["state"] == "JOB_STATE_EXPIRED"
    assert ended["completionStats"] == {"successfulCount": "5", "incompleteCount": "5"}
    assert len(await output(http, ended)) == 5


@pytest.mark.parametrize("ending", ["completed", "cancelled"])
async def test_an_input_that_is_deleted_meanwhile_is_used(
    http: httpx2.AsyncClient, account: Account, ending: str
) -> None:
    account.configure(hold=["in_progress"])
    await upload(http, TEN)
    name = (await create(http))["name"]
    await account.reached(name, "in_progress")
    await account.delete_file(f"gs://{BUCKET}/in/a.jsonl")
    if ending == "cancelled":
        await http.post(f"/v1/{name}:cancel")
    account.release(name)
    assert (await account.reached(name)).status == ending
    assert await output(http, await job(http, name))


# what a create must say

WRONG: list[dict[str, Any]] = [
    {"displayName": ""},
    {"displayName": "x" * 129},
    {"displayName": 5},
    {"model": "gemini-2.5-flash"},
    {"model": None},
    {"foo": "bar"},
    {"labels": {"Team": "a"}},
    {"labels": {"team": "A"}},
    {"labels": {"team": "a" * 64}},
    {"labels": {f"l{number}": "" for number in range(65)}},
    {"labels": ["a"]},
    {"inputConfig": {"instancesFormat": "jsonl"}},
    {"inputConfig": {"instancesFormat": "csv", "gcsSource": {"uris": ["gs://b0/a"]}}},
    {"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": []}}},
    {"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://b0"]}}},
    {"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["s3://b0/a"]}}},
    {"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uri": "gs://b0/a"}}},
    {"outputConfig": {"predictionsFormat": "jsonl"}},
    {"outputConfig": {"predictionsFormat": "csv", "gcsDestination": {"outputUriPrefix": "gs://b0/a"}}},
    {"outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "/a"}}},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
async def test_a_create_that_is_wrong(
    http: httpx2.AsyncClient, account: Account, wrong: dict[str, Any]
) -> None:
    response = await http.post(JOBS, json={**asked(), **wrong})
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert not account.batches


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"\xff"'])
async def test_a_create_that_is_no_object(http: httpx2.AsyncClient, account: Account, body: bytes) -> None:
    assert (await http.post(JOBS, content=body)).status_code == 400
    assert not account.batches


async def test_names_may_be_in_snake_case(http: httpx2.AsyncClient) -> None:
    await upload(http, TEN)
    told = asked()
    body = {
        "display_name": told["displayName"],
        "model": MODEL,
        "input_config": {
            "instances_format": "jsonl",
            "gcs_source": told["inputConfig"]["gcsSource"],
        },
        "output_config": {
            "predictions_format": "jsonl",
            "gcs_destination": {"output_uri_prefix": f"gs://{BUCKET}/out/1"},
        },
    }
    response = (await http.post(JOBS.replace("/v1/", "/v1beta1/"), json=body)).json()
    assert {key: response[key] for key in told} == told


async def test_a_model_or_project_that_is_none_of_ours(http: httpx2.AsyncClient, account: Account) -> None:
    account.configure(models=["gemini-2.5-pro"])
    response = await http.post(JOBS, json=asked())
    assert (response.status_code, response.json()["error"]["status"]) == (404, "NOT_FOUND")
    account.configure(models=None, projects=["q"])
    for call in (
        http.post(JOBS, json=asked()),
        http.get(JOBS),
        http.get(f"{JOBS}/1"),
        http.post(f"{JOBS}/1:cancel"),
    ):
        refused = await call
        assert (refused.status_code, refused.json()["error"]["status"]) == (403, "PERMISSION_DENIED")


async def test_a_job_is_of_its_project_and_location(http: httpx2.AsyncClient) -> None:
    await upload(http, TEN)
    name = (await create(http))["name"]
    number, job_id = name.split("/")[1], name.rpartition("/")[2]
    assert (await http.get(f"{JOBS}/{job_id}")).json()["name"] == name
    for other in (
        f"/v1/projects/{number}/locations/europe-west4/batchPredictionJobs/{job_id}",
        f"/v1/projects/q/locations/us-central1/batchPredictionJobs/{job_id}",
        f"{JOBS}/1",
    ):
        response = await http.get(other)
        assert (response.status_code, response.json()["error"]["status"]) == (404, "NOT_FOUND")


async def test_a_deleted_job_is_gone(http: httpx2.AsyncClient, account: Account) -> None:
    account.configure(hold=["in_progress"])
    await upload(http, TEN)
    names = [(await create(http))["name"] for _ in range(3)]
    response = await http.delete(f"/v1/{names[1]}")
    assert (response.status_code, response.json()["error"]["status"]) == (400, "FAILED_PRECONDITION")
    account.configure(hold=[])
    for name in names:
        await account.reached(name)
    operation = (await http.delete(f"/v1/{names[1]}")).json()
    assert operation["done"] is True
    assert (await http.get(f"/v1/{names[1]}")).status_code == 404
    assert list(account.batches) == [names[0], names[2]]
    new = await create(http)
    told = (await http.get(JOBS)).json()["batchPredictionJobs"]
    assert [each["name"] for each in told] == [new["name"], names[2], names[0]]


# faults


async def test_a_create_whose_answer_is_lost_has_made_a_job(
    http: httpx2.AsyncClient, simulator: Simulator
) -> None:
    await upload(http, TEN)
    labels = {"litebatch_job": "job-1"}
    simulator.add_fault(Fault(call="create_batch", when="after", drop=True, match="job-1"))
    with pytest.raises(httpx2.TransportError):
        await http.post(JOBS, json=asked(labels=labels))
    simulator.add_fault(Fault(call="create_batch", status=429))
    refused = await http.post(JOBS, json=asked(labels=labels))
    assert (refused.status_code, refused.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert [len(found) for found in simulator.summary().batches.values()] == [1]
    await create(http, labels=labels)
    (twins,) = simulator.summary().twins().values()
    assert [each.account for each in twins] == ["east", "east"]
    assert [entry.done for entry in simulator.journal.select("create_batch")] == [True, False, True]
    assert simulator.journal.select("create_batch")[0].metadata == {**labels, "displayName": "a job"}


async def test_jobs_vanish_and_are_garbled(http: httpx2.AsyncClient, simulator: Simulator) -> None:
    await upload(http, TEN)
    first, second = await create(http, displayName="first"), await create(http, displayName="second")
    simulator.add_fault(Fault(call="list_batches", vanish=True, match="first"))
    assert [each["name"] for each in (await http.get(JOBS)).json()["batchPredictionJobs"]] == [second["name"]]
    simulator.add_fault(Fault(call="retrieve_batch", vanish=True))
    assert (await http.get(f"/v1/{first['name']}")).status_code == 404
    simulator.add_fault(Fault(call="retrieve_batch", garbled="bad_utf8"))
    response = await http.get(f"/v1/{first['name']}")
    told = json.loads(response.content.decode(errors="replace"))
    assert (told["displayName"], told["name"]) == ("first\ufffd", first["name"])


async def test_rows_go_wrong(http: httpx2.AsyncClient, account: Account) -> None:
    account.add_fault(
        Fault(call="run_batch", rows=RowFaults(lost=1, doubled=2, unparsable=3, foreign=1), ids_late=1)
    )
    await upload(http, TEN)
    name = (await create(http))["name"]
    await account.reached(name)
    early = await job(http, name)
    assert (early["state"], "outputInfo" in early) == ("JOB_STATE_SUCCEEDED", False)
    ended = await job(http, name)
    directory = ended["outputInfo"]["gcsOutputDirectory"]
    content = (await account.content(f"{directory}/predictions.jsonl")).splitlines()
    assert len(content) == 1 + 9 + 2
    foreign = json.loads(content[0])
    assert foreign["custom_id"] == "foreign-0"
    assert foreign["response"]["usageMetadata"]["promptTokenCount"] == 1_000_000
    with pytest.raises(json.JSONDecodeError):
        json.loads(content[1])


async def test_jobs_that_the_simulator_makes(http: httpx2.AsyncClient, account: Account) -> None:
    account.configure(hold=["in_progress"])
    await upload(http, TEN)
    (foreign,) = account.add_foreign_batches(1)
    (running,) = await account.add_running_batches(
        f"gs://{BUCKET}/in/a.jsonl", [{"litebatch_job": "j"}], MODEL
    )
    told = await job(http, foreign.id)
    assert (told["state"], told["labels"]) == ("JOB_STATE_SUCCEEDED", {"project": "foreign"})
    told = await job(http, running.id)
    assert (told["state"], told["labels"], told["model"]) == (
        "JOB_STATE_RUNNING",
        {"litebatch_job": "j"},
        MODEL,
    )
    account.release(running.id)
    await account.reached(running.id)
    assert (await job(http, running.id))["completionStats"] == {"successfulCount": "10"}
