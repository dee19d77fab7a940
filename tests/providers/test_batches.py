"""Creating, looking at and cancelling batches."""

from __future__ import annotations

import anyio
import msgspec
import pytest

from litebatch_asgi.errors import (
    ContentRefused,
    CopyRefused,
    DeploymentRefused,
    NoClearAnswer,
    ProviderBusy,
    ProviderError,
)
from litebatch_asgi.models import BatchStatus

from .wire import (
    BATCH,
    Answer,
    adapter_for,
    answer,
    cut,
    listening,
    raw_server,
    refusal,
    says,
    silence,
    submission_of,
)


async def dribble(stream: anyio.abc.SocketStream) -> None:
    while True:
        await stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await anyio.sleep(0.01)


async def test_a_batch_is_asked_for_in_openais_words() -> None:
    async with raw_server(answer(BATCH)) as server, adapter_for(server.base_url) as adapter:
        batch = await adapter.create_batch(submission_of())
    [request] = server.received
    assert (request.method, request.target) == ("POST", "/v1/batches")
    assert request.headers["content-type"] == "application/json"
    assert msgspec.json.decode(request.body) == {
        "input_file_id": "file-1",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {"litebatch_job": "job-1", "litebatch_installation": "inst"},
    }
    assert (batch.id, batch.status) == ("batch_1", BatchStatus.VALIDATING)


@pytest.mark.parametrize(
    ("given", "meaning"),
    [
        (refusal(403), DeploymentRefused),
        (refusal(404), DeploymentRefused),
        (refusal(429, "rate_limit_exceeded"), DeploymentRefused),
        (refusal(400, "token_limit_exceeded", retry_after="5"), DeploymentRefused),
        (refusal(400, "invalid_request", "Cannot find file file-1"), CopyRefused),
        (refusal(400, "invalid_value"), ContentRefused),
        (refusal(500), ProviderBusy),
        (refusal(503), ProviderBusy),
        (refusal(408), NoClearAnswer),
        (refusal(502), NoClearAnswer),
        (refusal(504), NoClearAnswer),
        (cut(), NoClearAnswer),
        (cut(b"HTTP/1.1 200 OK\r\n"), NoClearAnswer),
        (cut(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"id"'), NoClearAnswer),
        (cut(b"HTTP/1.1 400 Bad\r\nContent-Length: 99\r\n\r\n{"), ContentRefused),
        (says(b"\x16\x03\x01 not http\r\n\r\n"), NoClearAnswer),
        (answer(raw=b""), NoClearAnswer),
        (answer(raw=b'{"id":"batch_1"'), NoClearAnswer),
        (answer({"object": "batch"}), NoClearAnswer),
        (answer(None, status=302, headers={"Location": "http://127.0.0.1:9/"}), NoClearAnswer),
        (answer(None, status=307, headers={"Location": "http://127.0.0.1:9/"}), DeploymentRefused),
    ],
)
async def test_a_create_is_never_sent_again(given: Answer, meaning: type[ProviderError]) -> None:
    async with (
        raw_server(given, answer(BATCH), answer(BATCH)) as server,
        adapter_for(server.base_url) as adapter,
    ):
        with pytest.raises(ProviderError) as caught:
            await adapter.create_batch(submission_of())
    assert type(caught.value) is meaning
    assert len(server.received) == server.connections == 1


@pytest.mark.parametrize("given", [silence, dribble])
async def test_a_create_ends_by_its_time_whatever_the_provider_does(given: Answer) -> None:
    """One that keeps sending a little would never run into the time-out of a single read."""
    async with raw_server(answer(BATCH), given) as server, adapter_for(server.base_url) as adapter:
        await adapter.retrieve_batch("batch_1")
        with anyio.fail_after(5), pytest.raises(NoClearAnswer):
            await adapter.create_batch(submission_of(timeout=0.1))
    assert len(server.received) == 2
    assert server.connections == 1


async def test_time_that_runs_out_before_anything_was_sent_is_a_refusal() -> None:
    """A deployment that cannot be reached must not hold a batch: nothing was done there."""
    async with listening(silence) as base_url, adapter_for(base_url.replace("http", "https")) as adapter:
        with pytest.raises(DeploymentRefused):
            await adapter.create_batch(submission_of(timeout=1.5))


async def test_nobody_listening_means_that_nothing_was_done() -> None:
    async with raw_server() as server:
        base_url = server.base_url
    async with adapter_for(base_url) as adapter:
        with pytest.raises(DeploymentRefused) as caught:
            await adapter.create_batch(submission_of())
    assert caught.value.status is None


async def test_a_connection_that_the_server_closed_meanwhile_costs_no_answer() -> None:
    closed = anyio.Event()

    async def answer_and_close(stream: anyio.abc.SocketStream) -> None:
        await answer(BATCH)(stream)
        await stream.aclose()
        closed.set()

    async with (
        raw_server(answer_and_close, answer(BATCH)) as server,
        adapter_for(server.base_url) as adapter,
    ):
        await adapter.retrieve_batch("batch_1")
        await closed.wait()
        assert (await adapter.create_batch(submission_of())).id == "batch_1"
    assert server.connections == 2


async def test_a_cancelled_create_leaves_the_adapter_usable() -> None:
    async with raw_server(silence) as server, adapter_for(server.base_url) as adapter:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(adapter.create_batch, submission_of())
            await server.arrived.wait()
            tasks.cancel_scope.cancel()
        server.script(answer(BATCH))
        assert (await adapter.create_batch(submission_of())).id == "batch_1"
    assert server.connections == 2


@pytest.mark.parametrize("name", ["batch_1", "batch_1/../../files", "ä b?c#d"])
async def test_an_id_stays_one_segment_of_the_path(name: str) -> None:
    async with raw_server(answer({**BATCH, "id": name})) as server, adapter_for(server.base_url) as adapter:
        assert (await adapter.retrieve_batch(name)).id == name
    segment = server.received[0].target.removeprefix("/v1/batches/")
    assert not set(segment) & set("/?#ä ")


@pytest.mark.parametrize("status", ["paused", "", None, 7, {"a": 1}, "x" * 10_000])
async def test_a_status_that_nobody_knows_is_looked_at_again_and_told_once(
    status: object, caplog: pytest.LogCaptureFixture
) -> None:
    answers = [answer({**BATCH, "status": status})] * 2
    async with raw_server(*answers) as server, adapter_for(server.base_url) as adapter:
        for _ in answers:
            assert (await adapter.retrieve_batch("batch_1")).status is BatchStatus.IN_PROGRESS
    (told,) = [vars(record) for record in caplog.records if "unknown status" in record.message]
    assert told["deployment"] == "openai/upstream"
    assert len(told["about"]) <= 200


async def test_a_known_status_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    answers = [answer({**BATCH, "status": status}) for status in ("In Progress", "running", "scheduling")]
    async with raw_server(*answers) as server, adapter_for(server.base_url) as adapter:
        for _ in answers:
            await adapter.retrieve_batch("batch_1")
    assert not caplog.records


async def test_a_cancelled_batch_comes_back_as_it_is_then() -> None:
    cancelling = {**BATCH, "status": "cancelling"}
    async with raw_server(answer(cancelling)) as server, adapter_for(server.base_url) as adapter:
        assert (await adapter.cancel_batch("batch_1")).status is BatchStatus.CANCELLING
    [request] = server.received
    assert (request.method, request.target) == ("POST", "/v1/batches/batch_1/cancel")
    assert request.headers["content-length"] == "0"


@pytest.mark.parametrize(
    ("refused", "status"), [(409, "completed"), (409, "failed"), (409, "cancelling"), (400, "expired")]
)
async def test_cancelling_what_has_ended_is_no_error(refused: int, status: str) -> None:
    answers = [
        refusal(refused, None, f"Cannot cancel a batch with status '{status}'."),
        answer({**BATCH, "status": status}),
    ]
    async with raw_server(*answers) as server, adapter_for(server.base_url) as adapter:
        assert (await adapter.cancel_batch("batch_1")).status == status
    assert [request.method for request in server.received] == ["POST", "GET"]


async def test_a_cancel_that_is_refused_while_the_batch_runs_says_so() -> None:
    answers = [refusal(400, None, "no"), answer({**BATCH, "status": "in_progress"})]
    async with raw_server(*answers) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(ContentRefused):
            await adapter.cancel_batch("batch_1")


async def test_a_lost_answer_to_a_cancel_is_asked_for_again() -> None:
    answers = [cut(), answer({**BATCH, "status": "cancelling"})]
    async with raw_server(*answers) as server, adapter_for(server.base_url) as adapter:
        assert (await adapter.cancel_batch("batch_1")).status is BatchStatus.CANCELLING
    assert len(server.received) == 2
