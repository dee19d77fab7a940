"""The adapter for Anthropic: what stands on the wire, and what answers mean."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from litebatch_asgi.dialects import surrogate
from litebatch_asgi.errors import (
    ConfigError,
    ContentRefused,
    DeploymentRefused,
    NoClearAnswer,
    ProviderBusy,
    ProviderError,
    ProviderNotFound,
)
from litebatch_asgi.models import BatchStatus, Deployment, ProviderBatch, ProviderFileStatus, Settings
from litebatch_asgi.provider import AdapterFactory, FileUpload, ProviderAdapter
from litebatch_asgi.providers.anthropic import AnthropicAdapter
from litebatch_asgi.providers.anthropic.adapter import MOST_BYTES
from litebatch_asgi.providers.anthropic.bodies import body_bytes
from litebatch_asgi.providers.anthropic.marks import mark_of
from litebatch_asgi.simulator import Account, Fault, RowFaults, Simulator, SimulatorSettings

from .anthropic import KEY, adapter_at, blocks_of, line, submission_of, tag
from .wire import answer, cut, raw_server, silence

MADE: dict[str, Any] = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "in_progress",
    "request_counts": {"processing": 2, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
    "created_at": "2026-11-26T10:00:00.5Z",
    "results_url": None,
}
ASKED = {"cancel_initiated_at": "2026-11-26T11:00:00Z"}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def simulator() -> Simulator:
    quick = SimulatorSettings(
        flavour="anthropic", running_seconds=0.01, finalizing_seconds=0.0, cancelling_seconds=0.01
    )
    return Simulator(settings=quick)


@pytest.fixture
async def address(simulator: Simulator) -> AsyncIterator[str]:
    async with simulator.running() as address:
        yield f"{address}/east"


@pytest.fixture
def account(simulator: Simulator) -> Account:
    return simulator.account("east")


@pytest.fixture
async def adapter(address: str) -> AsyncIterator[AnthropicAdapter]:
    async with adapter_at(address, page_size=2) as adapter:
        yield adapter


async def ended(adapter: AnthropicAdapter, account: Account, *lines: bytes, **changes: Any) -> ProviderBatch:
    batch = await adapter.create_batch(submission_of(*lines, **changes))
    await account.reached(batch.id)
    return await adapter.retrieve_batch(batch.id)


async def rows_of(adapter: AnthropicAdapter, batch_id: str) -> list[Any]:
    async with adapter.stream_file(batch_id) as stream:
        assert stream.size is None
        content = b"".join([block async for block in stream.blocks])
    return [json.loads(row) for row in content.splitlines()]


def test_the_adapter_fits_the_seam() -> None:
    factory: AdapterFactory = AnthropicAdapter
    deployment = Deployment(model_name="m", model="anthropic/claude-x", api_key=KEY, exclusive=True)
    adapter: ProviderAdapter = factory(deployment, Settings())
    assert (adapter.keeps_files, adapter.tells_tags, adapter.is_exclusive) == (False, False, True)
    assert (adapter.min_poll_seconds, adapter.max_metadata_pairs) == (10.0, 2)
    assert (adapter.tells_progress, adapter.ends_at_expiry) == (False, True)
    assert adapter.max_requests == 100_000
    assert adapter.max_bytes is not None
    assert body_bytes(adapter.max_bytes, adapter.max_requests) <= MOST_BYTES


def test_anthropic_itself_needs_a_key() -> None:
    with pytest.raises(ConfigError, match="ANTHROPIC_API_KEY"):
        AnthropicAdapter(Deployment(model_name="m", model="anthropic/claude-x"), Settings())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"api_key": KEY}, {"x-api-key": KEY}),
        ({"api_key": None, "extra_headers": {"Authorization": "Bearer t"}}, {"authorization": "Bearer t"}),
        ({"api_key": None, "extra_headers": {"anthropic-version": "2026-10-21"}}, {}),
    ],
)
@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/messages"])
async def test_requests_prove_themselves(path: str, given: dict[str, Any], expected: dict[str, str]) -> None:
    async with raw_server(answer(MADE)) as server, adapter_at(server.root + path, **given) as adapter:
        await adapter.retrieve_batch("msgbatch_1/x")
    [request] = server.received
    assert (request.method, request.target) == ("GET", "/v1/messages/batches/msgbatch_1%2Fx")
    assert request.headers.items() >= expected.items()
    version = given.get("extra_headers", {}).get("anthropic-version", "2023-06-01")
    assert request.headers["anthropic-version"] == version
    assert ("x-api-key" in request.headers) is (given["api_key"] is not None)


async def test_a_create_has_all_lines_and_says_its_length() -> None:
    lines = [line(number, "größe 😀" * number) for number in (1, 2, 40)]
    content = b"".join(lines)
    blocks = [content[start : start + 7] for start in range(0, len(content), 7)]
    async with raw_server(answer(MADE)) as server, adapter_at(server.root) as adapter:
        batch = await adapter.create_batch(submission_of(*lines, content=lambda: blocks_of(*blocks)))
    [request] = server.received
    assert (request.method, request.target) == ("POST", "/v1/messages/batches")
    assert request.headers["content-type"] == "application/json"
    assert "transfer-encoding" not in request.headers
    assert int(request.headers["content-length"]) == len(request.body)
    mark = mark_of(tag()).decode()
    expected = [json.loads(each) for each in lines]
    for each in expected:
        each["custom_id"] += f"_{mark}"
    assert json.loads(request.body) == {"requests": expected}
    assert (batch.id, batch.status) == ("msgbatch_1", BatchStatus.IN_PROGRESS)
    assert batch.created_at == datetime(2026, 11, 26, 10, 0, 0, 500_000, UTC)
    assert batch.counts is not None
    assert (batch.counts.total, batch.counts.done) == (2, 0)


class TornContent(Exception):
    pass


@pytest.mark.parametrize(
    ("blocks", "announced", "error"),
    [
        ([line(1), line(2)], {"size": len(line(1) + line(2)) + 1}, ContentRefused),
        ([line(1), line(2)], {"size": len(line(1) + line(2)) - 1}, ContentRefused),
        ([line(1), line(2)], {"requests": 1}, ContentRefused),
        ([line(1), line(2)], {"requests": 3}, ContentRefused),
        ([line(1), line(2)[:-1]], {}, ContentRefused),
        ([line(1), b"{" + line(2)], {}, ContentRefused),
        ([line(1), TornContent()], {}, TornContent),
        ([line(1), NoClearAnswer("cut")], {}, DeploymentRefused),
    ],
)
async def test_a_torn_body_makes_no_batch(
    adapter: AnthropicAdapter,
    account: Account,
    blocks: list[Any],
    announced: dict[str, int],
    error: type[Exception],
) -> None:
    begun: list[int] = []

    async def content() -> AsyncIterator[bytes]:
        begun.append(1)
        for block in blocks:
            if isinstance(block, Exception):
                raise block
            yield block

    told: dict[str, Any] = {
        "size": sum(len(each) for each in blocks if isinstance(each, bytes)),
        "requests": 2,
        **announced,
    }
    with pytest.raises(error):
        await adapter.create_batch(submission_of(content=content, **told))
    assert begun == [1]
    assert account.batches == {}


async def test_a_create_that_is_cancelled_in_its_middle_makes_no_batch(
    adapter: AnthropicAdapter, account: Account
) -> None:
    stuck = anyio.Event()

    async def content() -> AsyncIterator[bytes]:
        yield line(1)
        stuck.set()
        await anyio.sleep_forever()

    submission = submission_of(content=content, size=len(line(1) + line(2)), requests=2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(adapter.create_batch, submission)
        await stuck.wait()
        tasks.cancel_scope.cancel()
    assert account.batches == {}


async def test_a_batch_needs_requests(adapter: AnthropicAdapter) -> None:
    lacks: list[dict[str, Any]] = [{"content": None}, {"size": None}, {"requests": None}]
    for lacking in lacks:
        with pytest.raises(ContentRefused):
            await adapter.create_batch(submission_of(line(1), **lacking))


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (cut(), NoClearAnswer),
        (answer(status=502), NoClearAnswer),
        (answer({"type": "message_batch"}), NoClearAnswer),
        (answer(raw=b"<html>"), NoClearAnswer),
    ],
)
async def test_a_lost_answer_is_never_asked_for_again(reply: Any, error: type[ProviderError]) -> None:
    async with raw_server(reply) as server, adapter_at(server.root) as adapter:
        with pytest.raises(error):
            await adapter.create_batch(submission_of(line(1), timeout_seconds=None))
    assert len(server.received) == 1


async def test_silence_is_no_clear_answer() -> None:
    async with raw_server(silence) as server, adapter_at(server.root) as adapter:
        with pytest.raises(NoClearAnswer):
            await adapter.create_batch(submission_of(line(1), timeout_seconds=1.5))
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("status", "kind", "message", "error"),
    [
        (400, "invalid_request_error", "requests.0.custom_id: String should match", ContentRefused),
        (
            400,
            "invalid_request_error",
            "Your credit balance is too low",
            DeploymentRefused,
        ),
        (401, "authentication_error", "invalid x-api-key", DeploymentRefused),
        (402, "billing_error", "no money", DeploymentRefused),
        (403, "permission_error", "not this workspace", DeploymentRefused),
        (404, "not_found_error", "Not found", DeploymentRefused),
        (413, "request_too_large", "Request exceeds the maximum", ContentRefused),
        (429, "rate_limit_error", "too many", DeploymentRefused),
        (500, "api_error", "Internal server error", ProviderBusy),
        (529, "overloaded_error", "Overloaded", ProviderBusy),
    ],
)
async def test_errors_of_a_create(
    adapter: AnthropicAdapter,
    account: Account,
    status: int,
    kind: str,
    message: str,
    error: type[ProviderError],
) -> None:
    account.add_fault(
        Fault(call="create_batch", status=status, code=kind, message=message, headers={"retry-after": "7"})
    )
    with pytest.raises(error) as raised:
        await adapter.create_batch(submission_of(line(1)))
    assert type(raised.value) is error
    assert message in raised.value.message
    assert (raised.value.status, raised.value.retry_after) == (status, 7.0)


async def test_no_message_shows_the_key(adapter: AnthropicAdapter, account: Account) -> None:
    account.add_fault(Fault(call="create_batch", status=401, message=f"not {KEY}, sk-ant-api03-abc"))
    with pytest.raises(DeploymentRefused) as raised:
        await adapter.create_batch(submission_of(line(1)))
    assert "sk-ant" not in raised.value.message


async def test_results_come_without_marks(adapter: AnthropicAdapter, account: Account) -> None:
    numbers = [1, 35, 36, 1295, 1296]
    batch = await ended(adapter, account, *map(line, numbers))
    assert (batch.status, batch.output_file_id, batch.error_file_id) == (
        BatchStatus.COMPLETED,
        batch.id,
        None,
    )
    rows = await rows_of(adapter, batch.id)
    assert sorted(row["custom_id"] for row in rows) == sorted(map(surrogate, numbers))
    assert {row["result"]["type"] for row in rows} == {"succeeded"}
    assert mark_of(tag()) in await account.content(batch.id)


async def test_foreign_rows_are_not_taken_for_ours(adapter: AnthropicAdapter, account: Account) -> None:
    account.add_fault(Fault(call="run_batch", rows=RowFaults(foreign=2)))
    batch = await ended(adapter, account, line(1), line(2))
    names = [row["custom_id"] for row in await rows_of(adapter, batch.id)]
    assert sorted(names) == ["foreign-0", "foreign-1", "r1", "r2"]


async def test_results_that_are_cut_are_no_whole_file(adapter: AnthropicAdapter, account: Account) -> None:
    batch = await ended(adapter, account, line(1), line(2))
    account.add_fault(Fault(call="stream_file", cut_after=100))
    with pytest.raises(NoClearAnswer):
        await rows_of(adapter, batch.id)


async def test_a_batch_tells_by_its_results_whose_it_is(adapter: AnthropicAdapter, account: Account) -> None:
    account.configure(hold=["in_progress"])
    made = await adapter.create_batch(submission_of(line(1), line(2)))
    assert await adapter.is_tagged(made, tag()) is None
    account.release(made.id)
    await account.reached(made.id)
    batch = await adapter.retrieve_batch(made.id)
    assert await adapter.is_tagged(batch, tag()) is True
    assert await adapter.is_tagged(batch, {**tag(), "more": "pairs"}) is True
    assert await adapter.is_tagged(batch, tag("another")) is False


async def test_only_the_first_row_is_read_for_that(adapter: AnthropicAdapter, account: Account) -> None:
    batch = await ended(adapter, account, *(line(number, "x" * 300) for number in range(1, 3_000)))
    account.add_fault(Fault(call="stream_file", cut_after=600_000))
    assert await adapter.is_tagged(batch, tag()) is True
    account.add_fault(Fault(call="stream_file", cut_after=600_000))
    with pytest.raises(NoClearAnswer):
        await rows_of(adapter, batch.id)


async def test_the_simulator_finds_a_job_by_its_mark(
    adapter: AnthropicAdapter, account: Account, simulator: Simulator
) -> None:
    first = await ended(adapter, account, line(1))
    second = await ended(adapter, account, line(1))
    other = await ended(adapter, account, line(1), job="another")
    mark = mark_of(tag()).decode()
    twins = simulator.summary().twins()
    assert {each.id for each in twins.pop(mark)} == {first.id, second.id}
    assert twins == {}
    await adapter.delete_file(second.id)
    assert {each.id for each in simulator.summary().batches[mark]} == {first.id, second.id}
    (entry, *_) = simulator.journal.select("create_batch", object_id=other.id)
    assert entry.request == {"requests": 1}
    assert entry.bytes == body_bytes(len(line(1)), 1)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"processing_status": "in_progress"}, BatchStatus.IN_PROGRESS),
        ({"processing_status": "canceling"}, BatchStatus.CANCELLING),
        ({"processing_status": "thinking"}, BatchStatus.IN_PROGRESS),
        ({"processing_status": None}, BatchStatus.IN_PROGRESS),
        ({"succeeded": 2}, BatchStatus.COMPLETED),
        ({"errored": 2}, BatchStatus.COMPLETED),
        ({"succeeded": 2, **ASKED}, BatchStatus.COMPLETED),
        (
            {"succeeded": 1, "canceled": 1, **ASKED},
            BatchStatus.CANCELLED,
        ),
        ({"expired": 1, "canceled": 1, **ASKED}, BatchStatus.CANCELLED),
        ({"expired": 2, **ASKED}, BatchStatus.CANCELLED),
        ({"canceled": 2}, BatchStatus.CANCELLED),
        ({"succeeded": 1, "expired": 1}, BatchStatus.EXPIRED),
        ({"expired": 2}, BatchStatus.EXPIRED),
        ({"request_counts": None}, BatchStatus.COMPLETED),
        ({"request_counts": None, **ASKED}, BatchStatus.CANCELLED),
    ],
)
async def test_how_a_batch_has_ended(told: dict[str, Any], status: BatchStatus) -> None:
    counts = {name: told.get(name, 0) for name in ("succeeded", "errored", "canceled", "expired")}
    content = {**MADE, "processing_status": "ended", "request_counts": counts, "results_url": "https://x"}
    async with raw_server(answer(content | told)) as server, adapter_at(server.root) as adapter:
        batch = await adapter.retrieve_batch("msgbatch_1")
    assert batch.status is status
    assert batch.output_file_id == ("msgbatch_1" if status.is_final else None)
    if batch.counts is not None and status.is_final:
        assert batch.counts.done == batch.counts.total == sum(counts.values())
        assert batch.counts.completed == counts["succeeded"]


async def test_results_may_be_told_late(adapter: AnthropicAdapter, account: Account) -> None:
    account.add_fault(Fault(call="run_batch", ids_late=1))
    batch = await ended(adapter, account, line(1))
    assert (batch.status, batch.output_file_id) == (BatchStatus.COMPLETED, None)
    assert (await adapter.retrieve_batch(batch.id)).output_file_id == batch.id


async def test_cancelled_requests_come_out(adapter: AnthropicAdapter, account: Account) -> None:
    account.configure(hold=["in_progress"])
    made = await adapter.create_batch(submission_of(*map(line, range(1, 5))))
    assert (await adapter.cancel_batch(made.id)).status is BatchStatus.CANCELLING
    await account.reached(made.id)
    batch = await adapter.cancel_batch(made.id)
    assert (batch.status, batch.output_file_id) == (BatchStatus.CANCELLED, made.id)
    kinds = sorted(row["result"]["type"] for row in await rows_of(adapter, made.id))
    assert kinds == ["canceled", "canceled", "succeeded", "succeeded"]


async def test_a_cancel_that_is_refused_for_another_reason_is_an_error(
    adapter: AnthropicAdapter, account: Account
) -> None:
    account.configure(hold=["in_progress"])
    made = await adapter.create_batch(submission_of(line(1)))
    account.add_fault(Fault(call="cancel_batch", status=400))
    with pytest.raises(ContentRefused):
        await adapter.cancel_batch(made.id)


async def test_lists_are_complete_and_end_at_a_moment(adapter: AnthropicAdapter, account: Account) -> None:
    account.configure(clock_offset=-3600.0)
    for _ in range(5):
        await adapter.create_batch(submission_of(line(1)))
    account.configure(clock_offset=0.0)
    made = [(await adapter.create_batch(submission_of(line(1)))).id for _ in range(3)]
    since = datetime.now(UTC) - 5 * MINUTE
    before = account.lists_made["list_batches"]
    assert [batch.id async for batch in adapter.list_batches(since=since)] == made[::-1]
    assert account.lists_made["list_batches"] - before == 2
    everything = [batch.id async for batch in adapter.list_batches(since=since - 120 * MINUTE)]
    assert len(everything) == len(set(everything)) == 8


async def test_a_list_of_which_a_page_fails_is_not_complete(
    adapter: AnthropicAdapter, account: Account
) -> None:
    for _ in range(3):
        await adapter.create_batch(submission_of(line(1)))
    account.add_fault(Fault(call="list_batches", page=2, status=400))
    with pytest.raises(ProviderError):
        _ = [batch async for batch in adapter.list_batches(since=datetime.now(UTC) - MINUTE)]


async def test_one_garbled_batch_hides_no_other(adapter: AnthropicAdapter, account: Account) -> None:
    made = [(await adapter.create_batch(submission_of(line(1)))).id for _ in range(3)]
    account.add_fault(Fault(garbled="bad_utf8", match=made[1], times=None))
    assert [each.id async for each in adapter.list_batches(since=datetime.now(UTC) - MINUTE)] == made[::-1]
    assert (await adapter.retrieve_batch(made[1])).id == made[1]


async def test_files_are_names(adapter: AnthropicAdapter, simulator: Simulator) -> None:
    def content() -> AsyncIterator[bytes]:
        raise AssertionError("nothing is to be read")

    upload = FileUpload(
        filename="file-lb1-inst.jsonl", purpose="batch", size=7, content=content, expires_after_seconds=None
    )
    file = await adapter.upload_file(upload)
    assert (file.id, file.status, file.bytes) == (upload.filename, ProviderFileStatus.READY, 7)
    assert (await adapter.retrieve_file(file.id)).status is ProviderFileStatus.READY
    await adapter.delete_file(file.id)
    assert [each async for each in adapter.list_files(since=datetime.now(UTC) - MINUTE)] == []
    with pytest.raises(ProviderNotFound):
        await rows_of(adapter, file.id)
    assert len(simulator.journal) == 0


async def test_results_are_deleted_with_their_batch(adapter: AnthropicAdapter, account: Account) -> None:
    account.configure(hold=["in_progress"])
    made = await adapter.create_batch(submission_of(line(1)))
    with pytest.raises(ProviderNotFound):
        await adapter.retrieve_file(made.id)
    with pytest.raises(ContentRefused):
        await adapter.delete_file(made.id)
    account.release(made.id)
    await account.reached(made.id)
    assert (await adapter.retrieve_file(made.id)).status is ProviderFileStatus.READY
    await adapter.delete_file(made.id)
    await adapter.delete_file(made.id)
    with pytest.raises(ProviderNotFound):
        await rows_of(adapter, made.id)
    with pytest.raises(ProviderNotFound):
        await adapter.retrieve_batch(made.id)


async def test_texts_of_the_provider_name_no_model(adapter: AnthropicAdapter, account: Account) -> None:
    account.configure(models=["claude-x"])
    batch = await ended(adapter, account, line(1))
    dialect = adapter.dialect("claude-haiku-4-5")
    assert dialect is not None
    (row,) = await rows_of(adapter, batch.id)
    told = dialect.decode(json.dumps(row).encode())
    assert told.line == 1
    text = told.row("a", job="j", line=1, created=0).decode()
    assert "claude-haiku" not in text
    assert "model: virtual" in text


async def test_a_large_create_passes_as_it_is_read(adapter: AnthropicAdapter, account: Account) -> None:
    lines = [line(number, "x" * 100_000) for number in range(1, 101)]
    batch = await ended(adapter, account, *lines)
    rows = await rows_of(adapter, batch.id)
    assert len(rows) == 100
    assert batch.counts is not None
    assert batch.counts.completed == 100
