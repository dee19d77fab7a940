"""Requests that may be repeated: when they are, and when not."""

from __future__ import annotations

import anyio
import pytest

from litebatch_asgi.errors import (
    ContentRefused,
    DeploymentRefused,
    NoClearAnswer,
    ProviderBusy,
    ProviderError,
    ProviderNotFound,
)

from .wire import BATCH, FILE, Answer, adapter_for, answer, cut, listening, raw_server, refusal, silence


@pytest.mark.parametrize(
    "failing",
    [
        refusal(500),
        refusal(503),
        refusal(429, "rate_limit_exceeded"),
        refusal(502),
        refusal(408),
        cut(),
    ],
)
async def test_a_passing_failure_is_not_seen(failing: Answer) -> None:
    async with raw_server(failing, answer(FILE)) as server, adapter_for(server.base_url) as adapter:
        assert (await adapter.retrieve_file("file-1")).id == "file-1"
    assert len(server.received) == 2


@pytest.mark.parametrize("said", [{"retry_after": "0"}, {"retry_after_ms": "1"}])
async def test_a_failing_provider_has_a_second_whatever_it_says(said: dict[str, str]) -> None:
    async with (
        raw_server(refusal(503, **said), answer(FILE)) as server,
        adapter_for(server.base_url) as adapter,
    ):
        began = anyio.current_time()
        await adapter.retrieve_file("file-1")
    assert anyio.current_time() - began >= 1.0


async def test_repeats_are_bounded() -> None:
    answers = [refusal(503)] * 5
    async with raw_server(*answers) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(ProviderBusy):
            await adapter.retrieve_batch("batch_1")
    assert len(server.received) == 3


@pytest.mark.parametrize(
    ("given", "meaning"),
    [
        (refusal(400), ContentRefused),
        (refusal(401), DeploymentRefused),
        (refusal(403), DeploymentRefused),
        (refusal(404), ProviderNotFound),
        (refusal(410), ProviderNotFound),
        (refusal(429, "rate_limit_exceeded", retry_after="3600"), DeploymentRefused),
        (refusal(503, retry_after="3600"), ProviderBusy),
        (answer(raw=b"<html>"), NoClearAnswer),
        (answer({}), NoClearAnswer),
    ],
)
async def test_what_a_repeat_would_not_change_is_told_at_once(
    given: Answer, meaning: type[ProviderError]
) -> None:
    async with raw_server(given, answer(FILE)) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(ProviderError) as caught:
            await adapter.retrieve_file("file-1")
    assert type(caught.value) is meaning
    assert len(server.received) == 1


async def test_all_tries_together_end_by_the_time_of_one_call() -> None:
    answers = [answer(BATCH), silence, answer(BATCH)]
    async with raw_server(*answers) as server, adapter_for(server.base_url, seconds=0.5) as adapter:
        await adapter.retrieve_batch("batch_1")
        with anyio.fail_after(5), pytest.raises(NoClearAnswer):
            await adapter.retrieve_batch("batch_1")
    assert len(server.received) == 2


async def test_deleting_what_is_gone_is_no_error() -> None:
    answers = [answer({"id": "file-1", "deleted": True}), refusal(404), answer(status=204, raw=b"")]
    async with raw_server(*answers) as server, adapter_for(server.base_url) as adapter:
        for _ in answers:
            await adapter.delete_file("file-1")
    assert {(request.method, request.target) for request in server.received} == {
        ("DELETE", "/v1/files/file-1")
    }
    assert server.connections == 1


async def test_a_lost_answer_to_a_delete_is_asked_for_again() -> None:
    async with raw_server(cut(), refusal(404)) as server, adapter_for(server.base_url) as adapter:
        await adapter.delete_file("file-1")
    assert len(server.received) == 2


async def test_an_endless_error_body_is_not_read_to_its_end() -> None:
    async def endless(stream: anyio.abc.SocketStream) -> None:
        await stream.send(b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await stream.send(b"10000\r\n" + b"x" * 65_536 + b"\r\n")

    async with raw_server(endless) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(ProviderNotFound):
            await adapter.retrieve_file("file-1")


async def test_an_answer_without_end_is_no_answer() -> None:
    async def endless(stream: anyio.abc.SocketStream) -> None:
        await stream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await stream.send(b"100000\r\n" + b" " * 1_048_576 + b"\r\n")

    async with raw_server(endless, endless, endless) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(NoClearAnswer):
            await adapter.retrieve_file("file-1")


async def test_nobody_listening_is_a_refusal() -> None:
    async with raw_server() as server:
        base_url = server.base_url
    async with adapter_for(base_url) as adapter:
        with pytest.raises(DeploymentRefused):
            await adapter.retrieve_file("file-1")


async def test_a_closed_adapter_opens_nothing() -> None:
    async with raw_server(answer(BATCH)) as server:
        async with adapter_for(server.base_url) as adapter:
            pass
        with pytest.raises(DeploymentRefused, match="closed"):
            await adapter.retrieve_batch("batch_1")
    assert server.connections == 0


async def test_connections_are_kept_and_shared() -> None:
    async with raw_server(*[answer(BATCH)] * 3) as server, adapter_for(server.base_url) as adapter:
        for _ in range(3):
            await adapter.retrieve_batch("batch_1")
    assert server.connections == 1


async def test_a_server_without_a_valid_certificate_gets_nothing() -> None:
    received: list[bytes] = []

    async def plain(stream: anyio.abc.SocketStream) -> None:
        received.append(await stream.receive())
        await stream.send(b"not tls")

    async with listening(plain) as base_url, adapter_for(base_url.replace("http", "https")) as adapter:
        with pytest.raises(DeploymentRefused):
            await adapter.retrieve_batch("batch_1")
    assert all(b"sk-test" not in hello for hello in received)
