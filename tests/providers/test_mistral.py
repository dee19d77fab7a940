"""The adapter for Mistral."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from litebatch_asgi.dialects.mistral import MistralDialect
from litebatch_asgi.errors import (
    ConfigError,
    ContentRefused,
    CopyRefused,
    DeploymentRefused,
    NoClearAnswer,
    ProviderError,
    ProviderNotFound,
)
from litebatch_asgi.models import BatchStatus, Counts, Deployment, ProviderFileStatus, Settings
from litebatch_asgi.provider import BatchSubmission
from litebatch_asgi.providers.mistral import MistralAdapter
from litebatch_asgi.providers.mistral.adapter import MISTRAL_BASE
from litebatch_asgi.providers.mistral.jobs import hours

from .wire import KEY, Answer, answer, field_names, raw_server, submission_of, upload_of

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
FILE_ID = "0b1c2d3e-1111-2222-3333-444455556666"
JOB_ID = "7d0f6b52-9d3c-4c6e-8a54-3b5a6f1c2e10"
OUTPUT_ID = "11111111-1111-2222-3333-444455556666"
FILE: dict[str, Any] = {
    "id": FILE_ID,
    "object": "file",
    "bytes": 3,
    "created_at": 1_700_000_000,
    "filename": "a.jsonl",
    "purpose": "batch",
    "sample_type": "batch_request",
    "num_lines": 1,
    "source": "upload",
}
JOB: dict[str, Any] = {
    "id": JOB_ID,
    "object": "batch",
    "input_files": [FILE_ID],
    "metadata": {"litebatch_job": "job-1", "litebatch_installation": "inst"},
    "endpoint": "/v1/chat/completions",
    "model": "mistral-small-latest",
    "output_file": None,
    "error_file": None,
    "errors": [],
    "status": "QUEUED",
    "created_at": 1_700_000_000,
    "total_requests": 0,
    "completed_requests": 0,
    "succeeded_requests": 0,
    "failed_requests": 0,
    "started_at": None,
    "completed_at": None,
}
NO_FILE = answer({"detail": "File not found"}, status=404)


@asynccontextmanager
async def mistral_for(
    base: str | None, key: str | None = KEY, size: int = 100
) -> AsyncGenerator[MistralAdapter]:
    deployment = Deployment(
        model_name="virtual", model="mistral/mistral-small-latest", api_base=base, api_key=key
    )
    async with aclosing(MistralAdapter(deployment, Settings())) as adapter:
        adapter.page_size = size
        yield adapter


def submission(**more: Any) -> BatchSubmission:
    told = msgspec.structs.replace(submission_of(), input_file_id=FILE_ID, model="mistral-small-latest")
    return msgspec.structs.replace(told, **more)


async def test_the_address_is_known_and_the_key_is_not() -> None:
    assert MISTRAL_BASE == "https://api.mistral.ai/v1"
    async with mistral_for(None):
        pass
    with pytest.raises(ConfigError, match="MISTRAL_API_KEY"):
        async with mistral_for(None, key=None):
            pass


async def test_it_says_what_it_takes() -> None:
    async with mistral_for(None) as adapter:
        assert isinstance(adapter.dialect("mistral-small-latest"), MistralDialect)
        assert adapter.purposes == {"batch"}
        assert (adapter.max_requests, adapter.max_bytes) == (1_000_000, 512_000_000)


async def test_a_file_is_ready_at_once_and_has_no_end() -> None:
    async with raw_server(answer(FILE)) as server, mistral_for(server.base_url) as adapter:
        file = await adapter.upload_file(upload_of(b"{}\n", expires=86_400))
    [request] = server.received
    assert request.target == "/v1/files"
    assert field_names(request) == ["purpose", "file"]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert (file.id, file.status, file.bytes) == (FILE_ID, ProviderFileStatus.READY, 3)


async def test_a_job_is_asked_for_in_mistrals_words() -> None:
    async with raw_server(answer(JOB)) as server, mistral_for(server.base_url) as adapter:
        batch = await adapter.create_batch(submission(completion_window="7d"))
    [request] = server.received
    assert (request.method, request.target) == ("POST", "/v1/batch/jobs")
    assert msgspec.json.decode(request.body) == {
        "input_files": [FILE_ID],
        "endpoint": "/v1/chat/completions",
        "model": "mistral-small-latest",
        "timeout_hours": 168,
        "metadata": {"litebatch_job": "job-1", "litebatch_installation": "inst"},
    }
    assert (batch.id, batch.status, batch.input_file_id) == (JOB_ID, BatchStatus.VALIDATING, FILE_ID)
    assert batch.metadata == JOB["metadata"]


@pytest.mark.parametrize(
    ("window", "count"), [("24h", 24), ("1h", 1), ("7d", 168), ("soon", 24), ("", 24), ("1.5h", 24)]
)
def test_hours_of_windows(window: str, count: int) -> None:
    assert hours(window) == count


async def test_of_the_clients_metadata_goes_along_what_fits() -> None:
    tag = {"litebatch_job": "job-1", "litebatch_installation": "inst"}
    metadata = {"short": "yes", "k" * 33: "x", "empty": "", "": "x", "long": "x" * 513, "fits": "x" * 512}
    async with raw_server(answer(JOB)) as server, mistral_for(server.base_url) as adapter:
        await adapter.create_batch(submission(metadata=metadata | tag))
    [request] = server.received
    sent = msgspec.json.decode(request.body)["metadata"]
    assert sent == {"short": "yes", "fits": "x" * 512} | tag


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("QUEUED", BatchStatus.VALIDATING),
        ("RUNNING", BatchStatus.IN_PROGRESS),
        ("SUCCESS", BatchStatus.COMPLETED),
        ("FAILED", BatchStatus.FAILED),
        ("TIMEOUT_EXCEEDED", BatchStatus.EXPIRED),
        ("CANCELLATION_REQUESTED", BatchStatus.CANCELLING),
        ("CANCELLED", BatchStatus.CANCELLED),
        ("SOMETHING_NEW", BatchStatus.IN_PROGRESS),
    ],
)
async def test_statuses(status: str, meaning: BatchStatus) -> None:
    async with (
        raw_server(answer({**JOB, "status": status})) as server,
        mistral_for(server.base_url) as adapter,
    ):
        assert (await adapter.retrieve_batch(JOB_ID)).status is meaning
    assert server.received[0].target == f"/v1/batch/jobs/{JOB_ID}"


async def test_a_job_that_has_ended() -> None:
    """`completed_requests` are those that were processed, whatever came of them."""
    job = {
        **JOB,
        "status": "SUCCESS",
        "started_at": 1_700_000_010,
        "completed_at": 1_700_000_020,
        "total_requests": 5,
        "completed_requests": 4,
        "succeeded_requests": 3,
        "failed_requests": 1,
        "output_file": OUTPUT_ID,
        "error_file": FILE_ID,
        "errors": [{"message": "This model is not for batches", "count": 2}],
    }
    async with raw_server(answer(job)) as server, mistral_for(server.base_url) as adapter:
        batch = await adapter.retrieve_batch(JOB_ID)
    assert batch.counts == Counts(total=5, completed=3, failed=1)
    assert (batch.output_file_id, batch.error_file_id) == (OUTPUT_ID, FILE_ID)
    assert batch.in_progress_at == datetime.fromtimestamp(1_700_000_010, UTC)
    assert [error.message for error in batch.errors] == ["This model is not for batches"]


async def test_counts_of_a_job_that_tells_no_successes() -> None:
    job = {key: value for key, value in JOB.items() if key != "succeeded_requests"}
    told = {**job, "total_requests": 5, "completed_requests": 4, "failed_requests": 1}
    async with raw_server(answer(told)) as server, mistral_for(server.base_url) as adapter:
        assert (await adapter.retrieve_batch(JOB_ID)).counts == Counts(total=5, completed=3, failed=1)


async def test_cancelling() -> None:
    done = answer({**JOB, "status": "CANCELLED"})
    refused = answer({"detail": "Job is not cancellable"}, status=400)
    async with (
        raw_server(answer({**JOB, "status": "CANCELLATION_REQUESTED"}), refused, done) as server,
        mistral_for(server.base_url) as adapter,
    ):
        assert (await adapter.cancel_batch(JOB_ID)).status is BatchStatus.CANCELLING
        assert (await adapter.cancel_batch(JOB_ID)).status is BatchStatus.CANCELLED
    assert [(each.method, each.target) for each in server.received[:2]] == [
        ("POST", f"/v1/batch/jobs/{JOB_ID}/cancel")
    ] * 2


@pytest.mark.parametrize(
    ("given", "meaning"),
    [
        ([answer({"detail": "Invalid API Key"}, status=401)], DeploymentRefused),
        ([answer({"detail": "Invalid model: m"}, status=400), answer(FILE)], ContentRefused),
        ([answer({"detail": "Invalid model: m"}, status=404), answer(FILE)], DeploymentRefused),
        ([answer({"detail": "Files not usable"}, status=422), NO_FILE], CopyRefused),
        ([NO_FILE, NO_FILE], CopyRefused),
        ([NO_FILE, answer({**FILE, "deleted": True})], CopyRefused),
        ([answer({"message": "Requests rate limit exceeded"}, status=429)], DeploymentRefused),
        ([answer(raw=b"")], NoClearAnswer),
    ],
)
async def test_a_create_that_is_refused(given: list[Answer], meaning: type[ProviderError]) -> None:
    """Whether it is for the file, Mistral does not say: the file is looked for."""
    async with raw_server(*given) as server, mistral_for(server.base_url) as adapter:
        with pytest.raises(ProviderError) as caught:
            await adapter.create_batch(submission())
    assert type(caught.value) is meaning
    assert len(server.received) == len(given)


async def test_what_is_no_uuid_is_not_asked_for() -> None:
    """Mistral would say that the request is wrong, and not that nothing is there."""
    async with raw_server() as server, mistral_for(server.base_url) as adapter:
        with pytest.raises(ProviderNotFound):
            await adapter.retrieve_batch("batch_1")
        with pytest.raises(ProviderNotFound):
            await adapter.cancel_batch("batch_1")
        with pytest.raises(ProviderNotFound):
            await adapter.retrieve_file("file-1")
        with pytest.raises(ProviderNotFound):
            async with adapter.stream_file("file-1"):
                pass
        await adapter.delete_file("file-1")
    assert server.connections == 0


async def test_a_file_that_is_told_to_be_deleted_is_gone() -> None:
    async with (
        raw_server(answer({**FILE, "deleted": True}), answer({**FILE, "deleted": False})) as server,
        mistral_for(server.base_url) as adapter,
    ):
        with pytest.raises(ProviderNotFound):
            await adapter.retrieve_file(FILE_ID)
        assert (await adapter.retrieve_file(FILE_ID)).id == FILE_ID


def page(*numbers: int, total: int | None) -> Answer:
    jobs = [{**JOB, "id": f"{number:032d}", "created_at": 1_700_000_000 + number} for number in numbers]
    return answer({"object": "list", "data": jobs, **({} if total is None else {"total": total})})


async def listed(adapter: MistralAdapter) -> list[int]:
    return [int(batch.id) async for batch in adapter.list_batches(since=LONG_AGO)]


@pytest.mark.parametrize(
    ("pages", "found", "asked"),
    [
        pytest.param([page(total=0)], [], [0], id="nothing"),
        pytest.param([page(9, 8, total=2)], [9, 8], [0], id="one page"),
        pytest.param([page(9, 8, total=3), page(7, total=3)], [9, 8, 7], [0, 1], id="two pages"),
        pytest.param(
            [page(9, 8, total=None), page(7, total=None), page(total=None)],
            [9, 8, 7],
            [0, 1, 2],
            id="no total",
        ),
        pytest.param(
            [page(9, 8, total=4), page(8, 7, total=5), page(6, total=5)],
            [9, 8, 7, 6],
            [0, 1, 2],
            id="one is made meanwhile",
        ),
        pytest.param(
            # 9 goes after the first page was read: 7 is on it then.
            [page(9, 8, total=4), page(6, total=3), page(8, 7, total=3), page(6, total=3)],
            [9, 8, 7, 6],
            [0, 1, 0, 1],
            id="one is deleted meanwhile",
        ),
        pytest.param(
            [
                page(9, 8, total=8),
                page(7, 6, total=8),
                page(2, total=5),  # 9, 8 and 7 went: 5 and 4 are on the page before
                page(6, 5, total=5),
                page(4, 3, total=5),
                page(2, total=5),
            ],
            [9, 8, 7, 6, 5, 4, 3, 2],
            [0, 1, 2, 0, 1, 2],
            id="several are deleted meanwhile",
        ),
    ],
)
async def test_lists_are_complete(pages: list[Answer], found: list[int], asked: list[int]) -> None:
    async with raw_server(*pages) as server, mistral_for(server.base_url, size=2) as adapter:
        assert await listed(adapter) == found
    assert [request.target for request in server.received] == [
        f"/v1/batch/jobs?page={number}&page_size=2" for number in asked
    ]


async def test_a_list_that_becomes_shorter_all_the_time_is_given_up() -> None:
    pages = [page(9, 8, total=1000 - number) for number in range(300)]
    async with raw_server(*pages) as server, mistral_for(server.base_url, size=2) as adapter:
        with pytest.raises(NoClearAnswer, match="shorter"):
            await listed(adapter)


async def test_files_are_listed_by_page_too() -> None:
    whole = answer({"object": "list", "data": [FILE], "total": 1})
    async with raw_server(whole) as server, mistral_for(server.base_url) as adapter:
        assert [file.id async for file in adapter.list_files(since=LONG_AGO)] == [FILE_ID]
    assert server.received[0].target == "/v1/files?page=0&page_size=100"
