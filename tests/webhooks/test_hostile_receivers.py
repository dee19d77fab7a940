"""Receivers that want to reach what they must not, or to cost us what they should not: each is held off."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.abc
import pytest
from anyio.streams.tls import TLSStream
from msgspec.structs import replace

from litebatch_asgi.webhooks.outcomes import Outcome
from tests.providers.wire import Answer, answer, cut, listening, says, silence
from tests.webhooks.receivers import (
    ABRUPT,
    BRIEF,
    HASTY,
    NAME,
    PATIENT,
    Names,
    an_event,
    endless,
    receiver,
    sender,
    trusted,
)

OK = b"HTTP/1.1 200 OK\r\n"
INSIDE = (
    *("127.0.0.1", "10.0.0.1", "169.254.169.254", "168.63.129.16", "::1", "fd00:ec2::254"),
    *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::", "2001:0:7f00:1::", "::127.0.0.1", "fe80::1%lo"),
)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_127_0_0_1(status: int) -> None:
    async with receiver(answer()) as inside, sender() as send:
        to = {"location": f"{inside.root}/admin"}
        async with receiver(answer(status=status, headers=to)) as hook:
            delivery = await send.send(hook.url(), an_event())
    assert (delivery.outcome, delivery.status) == (Outcome.REFUSED, status)
    assert delivery.reason == f"it answered {status}, and redirects are not followed"
    assert inside.connections == 0


@pytest.mark.parametrize("address", INSIDE)
async def test_a_name_that_leads_inside(address: str) -> None:
    """Alone, and hidden behind an address that would do."""
    async with receiver(answer()) as hook:
        for addresses in ([address], ["8.8.8.8", address]):
            names = Names(addresses)
            async with sender(names=names, to_private=False) as send:
                delivery = await send.send(hook.url(), an_event())
            assert delivery.outcome is Outcome.FAILED
            assert delivery.reason == "its name leads to an address that is not on the Internet"
            assert names.asked == [NAME]
    assert hook.connections == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]", "[64:ff9b::7f00:1]", "169.254.169.254"])
async def test_an_address_inside_in_the_url_itself(address: str) -> None:
    """Such a URL is not registered; one that was, when the operator allowed it, is not sent to any more."""
    async with receiver(answer()) as hook, sender(to_private=False) as send:
        delivery = await send.send(hook.url(address), an_event())
    assert delivery.outcome is Outcome.FAILED
    assert hook.connections == 0


async def test_a_name_that_leads_inside_only_the_second_time() -> None:
    """What was checked is what is connected to: a try looks the name up once."""
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    async with receiver(answer(), answer()) as hook, sender(names=names) as send:
        first = await send.send(hook.url(), an_event())
        assert names.asked == [NAME]
        second = await send.send(hook.url(), an_event())
    assert (first.outcome, second.outcome) == (Outcome.DELIVERED, Outcome.FAILED)
    assert names.asked == [NAME, NAME]
    assert hook.connections == 1


async def test_two_names_on_one_address(tmp_path: Path) -> None:
    """No connection is used for another name, nor for another try, however long it would stay open."""
    context, authority = trusted(tmp_path, "one.example", "two.example")
    alive = answer(headers={"connection": "keep-alive", "keep-alive": "timeout=600"})
    async with receiver(alive, alive, alive, tls=context) as hook, sender(authority=authority) as send:
        for name in ("one.example", "two.example", "one.example"):
            assert (await send.send(hook.url(name), an_event())).outcome is Outcome.DELIVERED
    assert hook.names == ["one.example", "two.example", "one.example"]
    assert [request.connection for request in hook.received] == [1, 2, 3]


async def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    context, authority = trusted(tmp_path, "other.example")
    async with receiver(answer(), tls=context) as hook, sender(authority=authority) as send:
        delivery = await send.send(hook.url(), an_event())
    assert (delivery.outcome, delivery.reason) == (
        Outcome.FAILED,
        "its certificate is not valid for its name",
    )
    assert not hook.received


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    context, _ = trusted(tmp_path)
    async with receiver(answer(), tls=context) as hook, sender() as send:
        delivery = await send.send(hook.url(), an_event())
    assert delivery.reason == "its certificate is not valid for its name"
    assert not hook.received


async def test_something_else_than_tls() -> None:
    async with listening(cut(b"220 mail.example.com ESMTP\r\n")) as base, sender() as send:
        delivery = await send.send(base.replace("http://127.0.0.1", f"https://{NAME}"), an_event())
    assert (delivery.outcome, delivery.reason) == (Outcome.FAILED, "it speaks no TLS that we do")


async def test_tls_that_wants_a_certificate_of_ours(tmp_path: Path) -> None:
    """Since TLS 1.3 a receiver says so only once the handshake is over."""
    context, authority = trusted(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority)
    async with receiver(answer(), tls=context) as hook, sender(authority=authority) as send:
        delivery = await send.send(hook.url(), an_event())
    assert delivery.outcome is Outcome.FAILED
    assert delivery.reason in ("it speaks no TLS that we do", "the connection broke off")
    assert not hook.received


@pytest.mark.parametrize("answered", [False, True])
async def test_tls_that_breaks_once_it_has_begun(tmp_path: Path, answered: bool) -> None:
    async def break_off(stream: anyio.abc.ByteStream) -> None:
        assert isinstance(stream, TLSStream)
        if answered:
            await stream.send(OK + b"content-length: 99\r\n\r\n")
        await stream.transport_stream.send(b"\x17\x03\x03\x00\x20" + b"x" * 32)  # a record of another key

    context, authority = trusted(tmp_path)
    async with receiver(break_off, tls=context) as hook, sender(authority=authority) as send:
        delivery = await send.send(hook.url(), an_event())
    wanted = (Outcome.DELIVERED, None) if answered else (Outcome.FAILED, "it speaks no TLS that we do")
    assert (delivery.outcome, delivery.reason) == wanted


HEAD = b"content-length: 3\r\n\r\n"
COSTLY: dict[str, tuple[Answer, str]] = {
    "silence": (silence, "it gave no answer within 0.4 seconds"),
    "a byte of the head at a time": (
        endless(OK, b"x", every_seconds=0.02),
        "it gave no answer within 0.4 seconds",
    ),
    "a header at a time": (
        endless(OK, b"a: b\r\n", every_seconds=0.02),
        "it gave no answer within 0.4 seconds",
    ),
}
ENDLESS: dict[str, tuple[Answer, str]] = {
    "100,000 headers": (says(OK + b"a: b\r\n" * 100_000 + HEAD), "its answer is too long"),
    "101 headers": (says(OK + b"a: b\r\n" * 100 + HEAD + b"abc"), "its answer has 101 headers"),
    "one huge header": (says(OK + b"a: " + b"b" * 200_000 + b"\r\n" + HEAD), "its answer is too long"),
    "a huge status line": (
        says(b"HTTP/1.1 200 " + b"O" * 200_000 + b"\r\n" + HEAD),
        "its answer is too long",
    ),
    "endless headers": (endless(OK, b"a: b\r\n" * 1000), "its answer is too long"),
    "answers before the answer": (
        endless(b"", b"HTTP/1.1 100 Go on\r\n\r\n" * 100),
        "its answer is too long",
    ),
    "no HTTP": (cut(b"220 mail.example.com ESMTP\r\n\r\n"), "its answer is no HTTP"),
    "nothing": (cut(), "its answer is no HTTP"),
    "half a head": (cut(OK + b"content-le"), "its answer is no HTTP"),
    "two lengths": (
        cut(OK + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabc"),
        "its answer is no HTTP",
    ),
}
BODIES: dict[str, Answer] = {
    "an endless body": endless(OK + b"\r\n", b"x" * 65_536),
    "an endless body in chunks": endless(OK + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 5_000),
    "an endless trailer": endless(OK + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n" * 5_000),
    "a body of which the end is missing": cut(OK + b"content-length: 100\r\n\r\nabc"),
    "a chunk that is none": cut(OK + b"transfer-encoding: chunked\r\n\r\nxyz\r\n"),
    "a body that swells": says(
        OK + b"content-encoding: gzip\r\ncontent-length: 10222\r\n\r\n" + gzip.compress(bytes(10 << 20))
    ),
    "a body that is longer than it says": says(OK + HEAD + b"x" * 100_000),
}


@pytest.mark.parametrize("trick", COSTLY)
async def test_tricks_that_take_time(trick: str) -> None:
    script, reason = COSTLY[trick]
    async with receiver(script) as hook, sender(limits=HASTY) as send:
        began = time.monotonic()
        delivery = await send.send(hook.url(), an_event())
        assert time.monotonic() - began < 5
    assert (delivery.outcome, delivery.reason) == (Outcome.FAILED, reason)


@pytest.mark.parametrize("trick", ENDLESS)
async def test_answers_without_an_end(trick: str) -> None:
    """All are given up long before the time is over."""
    script, reason = ENDLESS[trick]
    async with receiver(script) as hook, sender(limits=PATIENT) as send:
        with anyio.fail_after(PATIENT.seconds / 2):
            delivery = await send.send(hook.url(), an_event())
    assert (delivery.outcome, delivery.reason) == (Outcome.FAILED, reason)


@pytest.mark.parametrize("trick", BODIES)
async def test_once_the_status_is_there_the_body_counts_no_more(trick: str) -> None:
    async with receiver(BODIES[trick]) as hook, sender(limits=PATIENT) as send:
        with anyio.fail_after(PATIENT.seconds / 2):
            delivery = await send.send(hook.url(), an_event())
    assert (delivery.outcome, delivery.status) == (Outcome.DELIVERED, 200)


async def test_a_body_a_byte_at_a_time() -> None:
    """It is listened to as long as there is time."""
    script = endless(OK + b"content-length: 999\r\n\r\n", b"x", every_seconds=0.02)
    async with receiver(script) as hook, sender(limits=replace(PATIENT, seconds=1.5)) as send:
        with anyio.fail_after(5):
            delivery = await send.send(hook.url(), an_event())
    assert delivery.outcome is Outcome.DELIVERED


async def test_no_more_is_read_than_is_allowed() -> None:
    """What the receiver gets rid of is what is read, and what sockets hold."""
    given = 0

    async def pour(stream: anyio.abc.SocketStream) -> None:
        nonlocal given
        await stream.send(OK + b"\r\n")
        while True:
            await stream.send(b"x" * 65_536)
            given += 65_536

    async with receiver(pour) as hook, sender() as send:
        await send.send(hook.url(), an_event())
    assert given < 16 << 20


async def test_a_receiver_that_never_accepts() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address: tuple[str, int] = listener.getsockname()
        with socket.socket() as first, socket.socket() as second:
            for waiting in (first, second):  # as many as the system lets wait
                waiting.setblocking(False)
                waiting.connect_ex(address)
            async with sender(limits=ABRUPT) as send:
                delivery = await send.send(f"http://{NAME}:{address[1]}/", an_event())
    assert (delivery.outcome, delivery.reason) == (Outcome.FAILED, "it took no connection in time")


async def test_a_receiver_that_is_not_there() -> None:
    async with receiver() as hook:
        url = hook.url()
    async with sender() as send:
        delivery = await send.send(url, an_event())
    assert (delivery.outcome, delivery.reason) == (Outcome.FAILED, "it took no connection")


@pytest.mark.parametrize("leaves", [False, True])
async def test_tls_that_never_begins(leaves: bool) -> None:
    """The connection is closed then, also when whoever waits for it leaves."""
    begun, ended = anyio.Event(), anyio.Event()

    async def hold(stream: anyio.abc.SocketStream) -> None:
        await stream.receive()
        begun.set()
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
        ended.set()

    reasons: list[str | None] = []
    async with listening(hold) as base, sender(limits=PATIENT if leaves else BRIEF) as send:
        url = base.replace("http://127.0.0.1", f"https://{NAME}")

        async def wait() -> None:
            reasons.append((await send.send(url, an_event())).reason)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await begun.wait()
                if leaves:
                    tasks.cancel_scope.cancel()
            await ended.wait()
    assert reasons == ([] if leaves else ["it took no connection in time"])


async def test_a_name_that_is_never_found() -> None:
    class Hanging(Names):
        async def __call__(self, host: str, port: int) -> Sequence[str]:
            await asyncio.sleep(3600)
            return []

    async with sender(names=Hanging([]), limits=ABRUPT) as send:
        delivery = await send.send(f"https://{NAME}/", an_event())
    assert (delivery.outcome, delivery.reason) == (
        Outcome.FAILED,
        "its name was not found within 0.1 seconds",
    )


async def test_a_name_without_an_address() -> None:
    async with sender(names=Names([])) as send:
        delivery = await send.send(f"https://{NAME}/", an_event())
    assert (delivery.outcome, delivery.reason) == (Outcome.FAILED, "its name has no address")


async def test_a_name_that_nobody_knows() -> None:
    class Unknown(Names):
        async def __call__(self, host: str, port: int) -> Sequence[str]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with sender(names=Unknown([])) as send:
        delivery = await send.send(f"https://{NAME}/", an_event())
    assert (delivery.outcome, delivery.reason) == (Outcome.FAILED, "its name was not found")
