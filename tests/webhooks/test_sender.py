"""Sending to receivers that do what they should."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from pathlib import Path

import pytest
from openai import OpenAI

from litebatch_asgi.threads import Threads
from litebatch_asgi.webhooks.outcomes import Delivery, Outcome
from litebatch_asgi.webhooks.resolving import SystemResolver, to_try
from tests.providers.wire import answer, says
from tests.webhooks.receivers import BATCH, NAME, SECRET, Names, an_event, receiver, sender, trusted


async def test_a_webhook_comes_as_openais_clients_expect_it(tmp_path: Path) -> None:
    """Over TLS, to the name that it was registered with."""
    context, authority = trusted(tmp_path)
    async with receiver(answer(), tls=context) as hook, sender(authority=authority) as send:
        delivery = await send.send(hook.url(), an_event())
    assert delivery == Delivery(outcome=Outcome.DELIVERED, status=200)
    [request] = hook.received
    assert (request.method, request.target) == ("POST", "/hooks?token=in-the-query")
    assert request.headers["host"].startswith(f"{NAME}:")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"] == "litebatch"
    assert hook.names == [NAME]
    assert SECRET is not None
    event = OpenAI(api_key="sk-x").webhooks.unwrap(request.body, request.headers, secret=SECRET)
    assert event.type == "batch.completed"
    assert event.data.id == BATCH


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (204, {}, Delivery(outcome=Outcome.DELIVERED, status=204)),
        (299, {}, Delivery(outcome=Outcome.DELIVERED, status=299)),
        (
            410,
            {"retry-after": "9"},
            Delivery(outcome=Outcome.GONE, status=410, reason="it answered 410, which means no more"),
        ),
        (400, {}, Delivery(outcome=Outcome.REFUSED, status=400, reason="it answered 400")),
        (
            429,
            {"retry-after": "7"},
            Delivery(outcome=Outcome.REFUSED, status=429, retry_after=7, reason="it answered 429"),
        ),
        (
            503,
            {"Retry-After": "999999"},
            Delivery(outcome=Outcome.REFUSED, status=503, retry_after=3600, reason="it answered 503"),
        ),
        (
            502,
            {"retry-after": "\xff soon"},
            Delivery(outcome=Outcome.REFUSED, status=502, reason="it answered 502"),
        ),
    ],
)
async def test_what_an_answer_means(status: int, headers: dict[str, str], expected: Delivery) -> None:
    raw = says(
        f"HTTP/1.1 {status} So\r\n".encode()
        + b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in headers.items())
        + b"content-length: 0\r\n\r\n"
    )
    async with receiver(raw) as hook, sender() as send:
        assert await send.send(hook.url(), an_event()) == expected


async def test_one_name_that_leads_to_several_addresses() -> None:
    """Those that answer nothing are passed over, in the time that one would have had."""
    names = Names(["127.0.0.3", "::1", "127.0.0.1"])
    async with receiver(answer()) as hook, sender(names=names) as send:
        delivery = await send.send(hook.url(), an_event())
    assert delivery.outcome is Outcome.DELIVERED


def test_a_few_addresses_of_both_kinds_are_tried() -> None:
    assert to_try(["::1", "::2", "::3", "1.1.1.1"], 3) == ["::1", "1.1.1.1", "::2"]
    assert to_try(["1.1.1.1", "::1"], 3) == ["1.1.1.1", "::1"]
    assert to_try(["1.1.1.1", "2.2.2.2"], 3) == ["1.1.1.1", "2.2.2.2"]
    assert to_try([], 3) == []


async def test_an_address_in_the_url_is_not_looked_up() -> None:
    names = Names([])
    async with receiver(answer()) as hook, sender(names=names) as send:
        delivery = await send.send(hook.url("127.0.0.1"), an_event())
    assert delivery.outcome is Outcome.DELIVERED
    assert not names.asked


async def test_nothing_of_the_environment_is_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies see nothing of it: they would connect to what a name means to them."""
    async with receiver() as proxy, receiver(answer()) as hook, sender() as send:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.root)
        delivery = await send.send(hook.url(), an_event())
    assert delivery.outcome is Outcome.DELIVERED
    assert proxy.connections == 0


async def test_no_log_shows_secrets_or_queries(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not even the most talkative one."""
    caplog.set_level(logging.DEBUG)
    context, authority = trusted(tmp_path)
    event = an_event()
    async with (
        receiver(answer(), answer(status=500), tls=context) as hook,
        sender(authority=authority) as send,
        sender(names=Names(["10.0.0.1"]), to_private=False) as careful,
    ):
        for _ in range(3):
            await send.send(hook.url(), event)
        await careful.send(hook.url(), event)
    told = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert NAME in told
    assert SECRET is not None
    for secret in (SECRET, SECRET.removeprefix("whsec_"), "in-the-query", event.headers["webhook-signature"]):
        assert secret not in told


async def test_the_system_looks_names_up() -> None:
    threads = Threads(2)
    resolve = SystemResolver(threads)
    assert "127.0.0.1" in await resolve("localhost", 443)
    assert await resolve("8.8.8.8", 443) == ["8.8.8.8"]
    with pytest.raises(OSError, match="label"):
        await resolve(f"{'a' * 64}.example", 443)
    assert await threads.aclose(5)


async def test_names_that_the_system_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    threads = Threads(1)
    with pytest.raises(OSError, match="not known"):
        await SystemResolver(threads)("nowhere.example", 443)
    assert await threads.aclose(5)


async def test_a_name_that_hangs_holds_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is asked for; who gives up leaves the answer to the others."""
    answers, asked = threading.Event(), list[str]()

    def hang(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        assert answers.wait(20)
        return [(0, 0, 0, "", ("192.0.2.7", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    threads = Threads(1)
    resolve = SystemResolver(threads)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await resolve("hangs.example", 443)
    waiting = asyncio.create_task(resolve("hangs.example", 443))
    await asyncio.sleep(0)
    answers.set()
    assert await waiting == ["192.0.2.7"]
    assert asked == ["hangs.example"]
    assert await resolve("hangs.example", 443) == ["192.0.2.7"]
    assert len(asked) == 2
    assert await threads.aclose(5)
