"""Jobs of Vertex AI: what stands on the wire, and what their answers mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from litebatch_asgi.causes import Cause, cause_of
from litebatch_asgi.errors import (
    ContentRefused,
    DeploymentRefused,
    NoClearAnswer,
    ProviderBusy,
    ProviderError,
    ProviderNotFound,
)
from litebatch_asgi.models import BatchStatus, Counts
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.providers.vertex import reading
from litebatch_asgi.providers.vertex.jobs import read_job, write_job

from .vertex import JOB, JOB_NAME, JOBS, OBJECT, SUBMISSION, google_refusal, vertex_for
from .wire import Answer, answer, cut, raw_server

TAG = {TAG_JOB: "job-1", TAG_INSTALLATION: "inst"}
SINCE = datetime(2026, 11, 14, 22, 13, 20, 500_000, UTC)
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}


async def test_a_job_names_model_input_a_place_of_its_own_for_results_and_its_tag() -> None:
    submission = msgspec.structs.replace(
        SUBMISSION, input_file_id="gs://my-bucket/in.jsonl", model="gemini-2.5-flash"
    )
    async with raw_server(answer(JOB), answer(JOB)) as server, vertex_for(server.root) as adapter:
        batch = await adapter.create_batch(submission)
        await adapter.create_batch(submission)
    first, second = (msgspec.json.decode(each.body) for each in server.received)
    assert {(each.method, each.target) for each in server.received} == {("POST", JOBS)}
    output = first.pop("outputConfig")
    prefix = output["gcsDestination"]["outputUriPrefix"]
    assert output["predictionsFormat"] == "jsonl"
    assert prefix.startswith("gs://my-bucket/litebatch/vertex-1/out/")
    assert prefix != second["outputConfig"]["gcsDestination"]["outputUriPrefix"]
    assert first == {
        "displayName": "litebatch/inst/job-1",
        "model": "publishers/google/models/gemini-2.5-flash",
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://my-bucket/in.jsonl"]}},
        "labels": TAG,
    }
    assert (batch.id, batch.status) == (JOB_NAME, BatchStatus.VALIDATING)
    assert (batch.input_file_id, batch.output_file_id) == ("gs://my-bucket/in.jsonl", None)
    assert batch.created_at == datetime(2026, 11, 14, 22, 13, 20, 123_456, UTC)
    assert batch.counts is None
    assert await adapter.is_tagged(batch, TAG)
    assert not await adapter.is_tagged(batch, {**TAG, TAG_JOB: "job-2"})


@pytest.mark.parametrize(
    "model",
    ["projects/p/locations/l/models/77", "projects/p/locations/l/endpoints/7", "publishers/a/models/c"],
)
def test_a_model_that_is_told_in_full_goes_out_as_it_is(model: str) -> None:
    assert write_job(SUBMISSION, model=model, output="gs://b/o")["model"] == model


@pytest.mark.parametrize("tag", ["job-1", "Größe/模型 %2F", "x" * 64, "UPPER"])
def test_a_tag_comes_back_from_name_and_labels(tag: str) -> None:
    metadata = {TAG_JOB: tag, TAG_INSTALLATION: "inst"}
    job = write_job(msgspec.structs.replace(SUBMISSION, metadata=metadata), model="m", output="gs://b/o")
    assert read_job({**JOB, **job}).metadata == metadata
    for key in ("displayName", "labels"):
        told = {name: value for name, value in {**JOB, **job}.items() if name != key}
        if key == "displayName" and TAG_JOB not in job["labels"]:
            continue
        assert read_job(told).metadata == metadata


@pytest.mark.parametrize("name", [None, "", "a job of somebody else", "litebatch", "other/inst/job-1"])
def test_jobs_of_others_carry_no_tag(name: str | None) -> None:
    assert read_job({**JOB, "displayName": name, "labels": {"team": "a"}}).metadata == {}


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("UNSPECIFIED", "validating"),
        ("QUEUED", "validating"),
        ("PENDING", "validating"),
        ("RUNNING", "in_progress"),
        ("PAUSED", "in_progress"),
        ("UPDATING", "in_progress"),
        ("SUCCEEDED", "completed"),
        ("PARTIALLY_SUCCEEDED", "completed"),
        ("FAILED", "failed"),
        ("CANCELLING", "cancelling"),
        ("CANCELLED", "cancelled"),
        ("EXPIRED", "expired"),
        ("OF_NEXT_YEAR", "in_progress"),
    ],
)
def test_each_state_is_a_status(state: str, status: str) -> None:
    content = {**JOB, "state": f"JOB_STATE_{state}", "outputInfo": {"gcsOutputDirectory": "gs://b/out/d"}}
    batch = read_job(content)
    assert batch.status == status
    assert batch.output_file_id == ("gs://b/out/d/" if batch.status.is_final else None)


@pytest.mark.parametrize(
    ("stats", "counts"),
    [
        (None, None),
        ({}, None),
        ({"successfulCount": "7"}, Counts(total=7, completed=7)),
        ({"failedCount": "7"}, Counts(total=7, failed=7)),
        (
            {"successfulCount": "3", "failedCount": "1", "incompleteCount": "6"},
            Counts(total=10, completed=3, failed=1),
        ),
        ({"incompleteCount": "6"}, Counts(total=6)),
        ({"successfulCount": "3", "incompleteCount": "-1"}, Counts(total=0, completed=3)),
        ({"successfulCount": "-1", "incompleteCount": "-1"}, None),
    ],
)
def test_counters_are_texts_without_zeros(stats: dict[str, str] | None, counts: Counts | None) -> None:
    assert read_job({**JOB, "completionStats": stats}).counts == counts


@pytest.mark.parametrize(
    ("code", "cause", "alone"),
    [
        (3, Cause.DEPLOYMENT, Cause.CONTENT),
        (5, Cause.DEPLOYMENT, Cause.DEPLOYMENT),
        (7, Cause.DEPLOYMENT, Cause.DEPLOYMENT),
        (8, Cause.DEPLOYMENT, Cause.DEPLOYMENT),
        (9, Cause.DEPLOYMENT, Cause.DEPLOYMENT),
        (13, Cause.DEPLOYMENT, Cause.DEPLOYMENT),
    ],
)
async def test_a_job_that_failed_is_the_deployments_fault(code: int, cause: Cause, alone: Cause) -> None:
    """A file that no deployment is left to take another way is at fault itself if it cannot be imported."""
    failed = {**JOB, "state": "JOB_STATE_FAILED", "error": {"code": code, "message": "It failed."}}
    async with raw_server(answer(failed), answer(OBJECT)) as server, vertex_for(server.root) as adapter:
        batch = await adapter.retrieve_batch(JOB_NAME)
    assert cause_of(batch.errors, others_left=True) is cause
    assert cause_of(batch.errors, others_left=False) is alone
    assert (batch.errors[0].message or "").startswith("It failed.")


@pytest.mark.parametrize("code", [7, 9])
async def test_an_operator_is_told_what_to_grant(code: int) -> None:
    failed = {**JOB, "state": "JOB_STATE_FAILED", "error": {"code": code, "message": "No access."}}
    async with raw_server(answer(failed), answer(OBJECT)) as server, vertex_for(server.root) as adapter:
        batch = await adapter.retrieve_batch(JOB_NAME)
    [error] = batch.errors
    assert error.message == (
        "No access. - does the bucket my-bucket exist, and has the service agent of Vertex AI, "
        "service-1234567890@gcp-sa-aiplatform.iam.gserviceaccount.com, the role Storage Object Admin there "
        "(roles/storage.objectAdmin)?"
    )


async def test_a_job_whose_input_is_gone_failed_for_the_copys_sake() -> None:
    failed = {**JOB, "state": "JOB_STATE_FAILED", "error": {"code": 3, "message": "Failed to import data."}}
    gone = google_refusal(404, "NOT_FOUND", "No such object: my-bucket/in.jsonl")
    async with raw_server(answer(failed), gone) as server, vertex_for(server.root) as adapter:
        batch = await adapter.retrieve_batch(JOB_NAME)
    assert server.received[1].target == "/storage/v1/b/my-bucket/o/in.jsonl"
    assert cause_of(batch.errors, others_left=True) is Cause.COPY


def test_the_error_of_a_cancelled_job_is_none() -> None:
    content = {**JOB, "state": "JOB_STATE_CANCELLED", "error": {"code": 1, "message": "CANCELED"}}
    assert read_job(content).errors == ()


@pytest.mark.parametrize(
    ("given", "meaning", "wait"),
    [
        (google_refusal(400, "INVALID_ARGUMENT"), DeploymentRefused, None),
        (google_refusal(400, "FAILED_PRECONDITION"), DeploymentRefused, None),
        (google_refusal(403, "PERMISSION_DENIED"), DeploymentRefused, None),
        (google_refusal(404, "NOT_FOUND", "Publisher Model `x` was not found"), DeploymentRefused, None),
        (google_refusal(429, "RESOURCE_EXHAUSTED", "wait", RETRY_INFO), DeploymentRefused, 12.5),
        (google_refusal(500, "INTERNAL"), ProviderBusy, None),
        (google_refusal(503, "UNAVAILABLE", "wait", RETRY_INFO), ProviderBusy, 12.5),
        (google_refusal(504, "DEADLINE_EXCEEDED"), NoClearAnswer, None),
        (cut(), NoClearAnswer, None),
        (answer([JOB]), NoClearAnswer, None),
        (answer({}), NoClearAnswer, None),
    ],
)
async def test_a_create_is_sent_once_and_never_the_contents_fault(
    given: Answer, meaning: type[ProviderError], wait: float | None
) -> None:
    async with raw_server(given, answer(JOB)) as server, vertex_for(server.root) as adapter:
        with pytest.raises(ProviderError) as caught:
            await adapter.create_batch(SUBMISSION)
    assert type(caught.value) is meaning
    assert caught.value.retry_after == wait
    assert len(server.received) == 1


async def test_a_refusal_tells_googles_name_for_it() -> None:
    given = google_refusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded.")
    async with raw_server(given) as server, vertex_for(server.root) as adapter:
        with pytest.raises(DeploymentRefused) as caught:
            await adapter.create_batch(SUBMISSION)
    assert caught.value.code == "RESOURCE_EXHAUSTED"
    assert caught.value.message == "the provider answered 429 RESOURCE_EXHAUSTED: Quota exceeded."


async def test_a_list_is_read_page_by_page_from_a_time_on() -> None:
    old = {**JOB, "name": f"{JOB_NAME}8", "createTime": "2026-11-14T22:13:18Z"}
    pages = (
        answer({"batchPredictionJobs": [JOB], "nextPageToken": "t1"}),
        answer({"nextPageToken": "t2"}),
        answer({"batchPredictionJobs": [old, {**JOB, "name": f"{JOB_NAME}9"}]}),
    )
    async with raw_server(*pages) as server, vertex_for(server.root) as adapter:
        listed = [batch.id async for batch in adapter.list_batches(since=SINCE)]
    assert listed == [JOB_NAME, f"{JOB_NAME}9"]
    queries = [parse_qs(urlsplit(each.target).query) for each in server.received]
    assert [query.get("pageToken") for query in queries] == [None, ["t1"], ["t2"]]
    assert {query["filter"][0] for query in queries} == {'create_time>="2026-11-14T22:13:19Z"'}


@pytest.mark.parametrize(
    "pages",
    [
        [
            {"batchPredictionJobs": [JOB], "nextPageToken": "t"},
            {"nextPageToken": "t"},
            {"nextPageToken": "t"},
        ],
        [{"batchPredictionJobs": {}}],
        [{"batchPredictionJobs": [None]}],
        [{"batchPredictionJobs": [{"state": "JOB_STATE_PENDING"}]}],
        [[]],
    ],
)
async def test_a_list_that_is_none_or_has_no_end_is_not_complete(pages: list[Any]) -> None:
    async with raw_server(*map(answer, pages)) as server, vertex_for(server.root) as adapter:
        with pytest.raises(NoClearAnswer):
            assert [batch async for batch in adapter.list_batches(since=SINCE)]


async def test_a_list_of_pages_without_anything_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_EMPTY_PAGES", 3)
    nothing = [answer({"nextPageToken": f"t{number}"}) for number in range(8)]
    jobs = answer({"batchPredictionJobs": [JOB], "nextPageToken": "t"})
    async with raw_server() as server, vertex_for(server.root) as adapter:
        server.script(*nothing[:3], jobs, *nothing[3:])
        with pytest.raises(NoClearAnswer, match="4 pages without anything"):
            assert [batch async for batch in adapter.list_batches(since=SINCE)]
    assert len(server.received) == 8


async def test_a_list_that_is_refused_is_no_fault_of_a_file() -> None:
    refused = google_refusal(404, "NOT_FOUND")
    async with raw_server(refused) as server, vertex_for(server.root) as adapter:
        with pytest.raises(DeploymentRefused):
            assert [batch async for batch in adapter.list_batches(since=SINCE)]


async def test_cancelling_a_job_that_has_ended_tells_how_it_ended() -> None:
    ended = {**JOB, "state": "JOB_STATE_SUCCEEDED"}
    refused = google_refusal(400, "FAILED_PRECONDITION", "its state is JOB_STATE_SUCCEEDED")
    async with raw_server(refused, answer(ended)) as server, vertex_for(server.root) as adapter:
        assert (await adapter.cancel_batch(JOB_NAME)).status is BatchStatus.COMPLETED
    assert [(each.method, each.target) for each in server.received] == [
        ("POST", f"/v1/{JOB_NAME}:cancel"),
        ("GET", f"/v1/{JOB_NAME}"),
    ]


async def test_cancelling_a_job_that_goes_on_may_be_refused() -> None:
    refused = google_refusal(400, "INVALID_ARGUMENT")
    async with raw_server(refused, answer(JOB)) as server, vertex_for(server.root) as adapter:
        with pytest.raises(ContentRefused):
            await adapter.cancel_batch(JOB_NAME)


@pytest.mark.parametrize("name", ["batch_1", "projects/p", f"{JOB_NAME}/../x", f"x/{JOB_NAME}", ""])
async def test_ids_of_other_things_are_not_found_and_not_asked_for(name: str) -> None:
    async with raw_server() as server, vertex_for(server.root) as adapter:
        with pytest.raises(ProviderNotFound):
            await adapter.retrieve_batch(name)
        with pytest.raises(ProviderNotFound):
            await adapter.cancel_batch(name)
    assert server.received == []


async def test_texts_for_clients_name_neither_project_nor_bucket() -> None:
    row = msgspec.json.encode(
        {
            "custom_id": "r1",
            "status": "Forbidden: my-project (1234567890) may not read my-bucket in europe-west4",
            "request": {},
        }
    )
    async with raw_server(answer(JOB)) as server, vertex_for(server.root) as adapter:
        await adapter.retrieve_batch(JOB_NAME)
        dialect = adapter.dialect("gemini-2.5-flash")
    assert dialect is not None
    told = msgspec.json.encode(dialect.decode(row).row("c", job="j", line=1, created=0)).decode()
    assert not [name for name in ("my-project", "1234567890", "my-bucket", "europe-west4") if name in told]
