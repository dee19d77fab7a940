"""What Azure does in its own way."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio
import msgspec
import pytest

from litebatch_asgi.errors import (
    ContentRefused,
    CopyRefused,
    DeploymentRefused,
    NoClearAnswer,
    ProviderError,
    ProviderNotFound,
)
from litebatch_asgi.models import BatchError, BatchStatus, Counts, ProviderFileStatus
from litebatch_asgi.providers.azure import AzureAdapter

from .azure import BATCH, FILE, NO_ROOM, PENDING, azure_for, azure_refusal
from .wire import (
    Answer,
    Received,
    answer,
    parts_of,
    raw_server,
    says,
    silence,
    submission_of,
    upload_of,
)

MOMENT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def expiry_of(request: Received) -> dict[str, object]:
    parts = {
        part.get_param("name", header="content-disposition"): part.get_payload() for part in parts_of(request)
    }
    return {str(name): value for name, value in parts.items() if "expires_after" in str(name)}


@pytest.mark.parametrize("status", ["pending", None, ""])
async def test_an_uploaded_file_is_not_ready_yet(status: str | None) -> None:
    created = answer(
        {**FILE, "status": status}, status=201, headers={"Location": "https://r/openai/files/file-1"}
    )
    async with raw_server(created) as server, azure_for(server.root) as adapter:
        file = await adapter.upload_file(upload_of(b"{}"))
    assert (file.id, file.bytes, file.created_at) == ("file-1", 140, MOMENT)
    assert file.status is ProviderFileStatus.PENDING


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("uploaded", ProviderFileStatus.PENDING),
        ("pending", ProviderFileStatus.PENDING),
        ("running", ProviderFileStatus.PENDING),
        ("processed", ProviderFileStatus.READY),
        ("Processed", ProviderFileStatus.READY),
        ("error", ProviderFileStatus.FAILED),
        ("deleting", ProviderFileStatus.FAILED),
        ("deleted", ProviderFileStatus.FAILED),
        (None, ProviderFileStatus.PENDING),
        ("new", ProviderFileStatus.PENDING),
    ],
)
@pytest.mark.parametrize("path", ["", "/openai/v1"])
async def test_only_a_processed_file_is_ready(
    path: str, written: str | None, status: ProviderFileStatus
) -> None:
    described = answer({**FILE, "status": written, "status_details": "so", "bytes": None})
    async with raw_server(described) as server, azure_for(server.root + path) as adapter:
        file = await adapter.retrieve_file("file-1")
    assert (file.status, file.status_details, file.bytes) == (status, "so", None)


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [(1, "1209600"), (1_209_600, "1209600"), (2_000_000, "2000000"), (10**9, "2592000"), (None, "2592000")],
)
async def test_a_batch_input_always_expires(wanted: int | None, sent: str) -> None:
    async with raw_server(answer(FILE)) as server, azure_for(server.root) as adapter:
        await adapter.upload_file(upload_of(b"{}", expires=wanted))
    assert expiry_of(server.received[0]) == {
        "expires_after[anchor]": "created_at",
        "expires_after[seconds]": sent,
    }


async def test_another_file_lives_as_long_as_it_is_told() -> None:
    upload = msgspec.structs.replace(upload_of(b"{}"), purpose="fine-tune")
    async with raw_server(answer(FILE), answer(FILE)) as server, azure_for(server.root) as adapter:
        await adapter.upload_file(upload)
        await adapter.upload_file(msgspec.structs.replace(upload, expires_after_seconds=1))
    assert [expiry_of(request).get("expires_after[seconds]") for request in server.received] == [
        None,
        "1209600",
    ]


async def test_no_room_for_files_is_the_deployments_fault() -> None:
    full = azure_refusal(
        400, "quotaExceeded", "The quota for files without expiry is reached. The maximum is 500."
    )
    async with raw_server(full) as server, azure_for(server.root) as adapter:
        with pytest.raises(DeploymentRefused, match="The maximum is 500"):
            await adapter.upload_file(upload_of(b"{}"))


async def test_a_batch_is_read_however_it_is_written() -> None:
    async with raw_server(answer(BATCH, status=201)) as server, azure_for(server.root) as adapter:
        batch = await adapter.create_batch(submission_of())
    assert msgspec.json.decode(server.received[0].body)["metadata"] == submission_of().metadata
    assert (batch.id, batch.status, batch.created_at) == ("batch_1", BatchStatus.VALIDATING, MOMENT)
    assert (batch.output_file_id, batch.error_file_id, batch.counts) == (None, None, None)
    assert batch.metadata == {"litebatch_job": "job-1"}


@pytest.mark.parametrize("status", ["completed", "Completed", "COMPLETED"])
async def test_a_finished_batch_is_read_whole(status: str) -> None:
    done = BATCH | {
        "status": status,
        "output_file_id": "file-out",
        "error_file_id": "file-err",
        "in_progress_at": "2023-11-14T22:13:20.1234567Z",
        "finalizing_at": "0001-01-01T00:00:00",
        "request_counts": {"total": 3, "completed": 3, "failed": None},
    }
    async with raw_server(answer(done)) as server, azure_for(server.root) as adapter:
        batch = await adapter.retrieve_batch("batch_1")
    assert (batch.status, batch.output_file_id, batch.error_file_id) == (
        BatchStatus.COMPLETED,
        "file-out",
        "file-err",
    )
    assert batch.in_progress_at == MOMENT.replace(microsecond=123_456)
    assert batch.finalizing_at is None
    assert batch.counts == Counts(total=3, completed=3)


async def test_a_batch_that_failed_for_want_of_room_says_so() -> None:
    """In the regions that do not answer the create with 400."""
    entry = {"code": "token_limit_exceeded", "message": NO_ROOM, "param": None, "line": None}
    failed = BATCH | {"status": "failed", "errors": {"object": "list", "data": [entry]}}
    async with raw_server(answer(failed)) as server, azure_for(server.root) as adapter:
        batch = await adapter.retrieve_batch("batch_1")
    assert batch.status is BatchStatus.FAILED
    assert batch.errors == (BatchError(code="token_limit_exceeded", message=NO_ROOM),)


@pytest.mark.parametrize(
    ("given", "meaning"),
    [
        (azure_refusal(400, "token_limit_exceeded", NO_ROOM), DeploymentRefused),
        (azure_refusal(400, "400", NO_ROOM), DeploymentRefused),
        (azure_refusal(400, "400", "token_limit_exceeded"), DeploymentRefused),
        (azure_refusal(400, "invalidPayload", PENDING), CopyRefused),
        (azure_refusal(400, "400", PENDING.replace("pending", "running")), CopyRefused),
        (azure_refusal(401, "401", "Access denied."), DeploymentRefused),
        (azure_refusal(403, "403", "Traffic is not from an approved network."), DeploymentRefused),
        (azure_refusal(429, "429", "Requests have exceeded the call rate limit."), DeploymentRefused),
        (azure_refusal(400, "400", "Invalid value for 'completion_window'."), ContentRefused),
        (azure_refusal(400, "invalidPayload", "The request is not valid."), ContentRefused),
    ],
)
@pytest.mark.parametrize("path", ["", "/openai/v1"])
async def test_what_azure_answers_to_a_create(given: Answer, meaning: type[ProviderError], path: str) -> None:
    async with raw_server(given, answer(BATCH)) as server, azure_for(server.root + path) as adapter:
        with pytest.raises(ProviderError) as caught:
            await adapter.create_batch(submission_of())
    assert type(caught.value) is meaning
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("file", "meaning"),
    [
        (azure_refusal(404, "404", "Resource not found"), CopyRefused),
        (answer(FILE), DeploymentRefused),
        (azure_refusal(403, "403", "No."), DeploymentRefused),
        (silence, DeploymentRefused),
    ],
)
async def test_what_a_create_did_not_find_is_looked_for(file: Answer, meaning: type[ProviderError]) -> None:
    """Within the time of the call: who waits for it holds a lease."""
    missing = azure_refusal(404, "404", "Resource not found")
    async with raw_server(missing, file) as server, azure_for(server.root) as adapter:
        with anyio.fail_after(4), pytest.raises(ProviderError) as caught:
            await adapter.create_batch(submission_of(timeout=1.0))
    assert type(caught.value) is meaning
    assert caught.value.status == 404
    assert [(request.method, request.target.partition("?")[0]) for request in server.received] == [
        ("POST", "/openai/batches"),
        ("GET", "/openai/files/file-1"),
    ]


async def test_a_code_that_repeats_the_status_is_no_code() -> None:
    async with raw_server(azure_refusal(400, "400", "No.")) as server, azure_for(server.root) as adapter:
        with pytest.raises(ContentRefused) as caught:
            await adapter.create_batch(submission_of())
    assert (caught.value.code, caught.value.param, caught.value.message) == (None, None, "No.")


async def test_what_is_gone_is_not_found() -> None:
    gone = azure_refusal(404, "404", "Resource not found")
    async with raw_server(*[gone] * 4) as server, azure_for(server.root) as adapter:
        with pytest.raises(ProviderNotFound):
            await adapter.retrieve_file("file-1")
        with pytest.raises(ProviderNotFound):
            await adapter.retrieve_batch("batch_1")
        with pytest.raises(ProviderNotFound):
            await adapter.cancel_batch("batch_1")
        await adapter.delete_file("file-1")
    assert len(server.received) == 4


async def test_a_cancel_that_comes_too_late_is_no_error() -> None:
    answers = [
        azure_refusal(400, "unexpectedEntityState", "The batch has ended."),
        answer(BATCH | {"status": "Completed"}),
    ]
    async with raw_server(*answers) as server, azure_for(server.root) as adapter:
        assert (await adapter.cancel_batch("batch_1")).status is BatchStatus.COMPLETED


@pytest.mark.parametrize("given", [answer(raw=b""), says(b"HTTP/1.1 204 No Content\r\n\r\n")])
async def test_an_empty_error_file_is_a_file_of_no_bytes(given: Answer) -> None:
    async with (
        raw_server(given) as server,
        azure_for(server.root) as adapter,
        adapter.stream_file("file-err") as stream,
    ):
        assert stream.size == 0
        assert [block async for block in stream.blocks] == []


def page(*names: str, **more: object) -> Answer:
    return answer({"object": "list", "data": [FILE | {"id": name} for name in names], **more})


async def listed(adapter: AzureAdapter) -> list[str]:
    return [file.id async for file in adapter.list_files(since=MOMENT)]


async def test_the_classic_list_of_files_comes_whole() -> None:
    """It says nothing of more, and would give the same again whatever is asked for."""
    async with raw_server(page("f1", "f2"), page("f1", "f2")) as server, azure_for(server.root) as adapter:
        assert await listed(adapter) == ["f1", "f2"]
    assert [request.target for request in server.received] == ["/openai/files?api-version=2024-10-21"]


async def test_a_classic_list_of_files_that_has_more_is_read_on() -> None:
    pages = [page("f1", has_more=True), page("f2", has_more=False)]
    async with raw_server(*pages) as server, azure_for(server.root) as adapter:
        assert await listed(adapter) == ["f1", "f2"]
    assert server.received[1].target == "/openai/files?api-version=2024-10-21&after=f1"


async def test_the_v1_list_of_files_is_openais() -> None:
    pages = [page("f1", has_more=True), page("f2", has_more=False)]
    async with raw_server(*pages) as server, azure_for(server.root + "/openai/v1") as adapter:
        assert await listed(adapter) == ["f1", "f2"]
    assert [request.target for request in server.received] == [
        "/openai/v1/files?order=desc&limit=100",
        "/openai/v1/files?order=desc&limit=100&after=f1",
    ]


async def test_a_v1_list_that_says_nothing_of_more_is_not_taken_for_whole() -> None:
    async with (
        raw_server(page("f1"), page("f1")) as server,
        azure_for(server.root + "/openai/v1") as adapter,
    ):
        with pytest.raises(NoClearAnswer):
            await listed(adapter)


async def test_batches_are_listed_page_by_page() -> None:
    pages = [
        answer({"object": "list", "data": [BATCH | {"id": "b1"}], "has_more": True}),
        answer({"object": "list", "data": [BATCH | {"id": "b2"}], "has_more": False}),
    ]
    async with raw_server(*pages) as server, azure_for(server.root) as adapter:
        assert [batch.id async for batch in adapter.list_batches(since=MOMENT)] == ["b1", "b2"]
    assert [request.target for request in server.received] == [
        "/openai/batches?api-version=2024-10-21&limit=100",
        "/openai/batches?api-version=2024-10-21&limit=100&after=b1",
    ]
