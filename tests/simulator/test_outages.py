"""An inference server that is down, and up again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from typing import Literal

import anyio
import httpx2
import pytest

from litebatch_asgi.simulator import Account, Downtime, Fault, Simulator, SimulatorSettings

from .journeys import JSON, plain_http
from .raw import get

How = Literal["refused", "cut_at_accept", "cut_at_request"]
PATH = "/east/v1/completions"
ASKED: JSON = {"model": "m", "prompt": "hello"}
hows = pytest.mark.parametrize("how", ["refused", "cut_at_accept", "cut_at_request"])


@pytest.fixture
def simulator() -> Simulator:
    return Simulator(settings=SimulatorSettings(flavour="vllm"))


@pytest.fixture
async def http(address: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with plain_http(base_url=address, timeout=10) as client:
        yield client


async def is_unreachable(address: str, how: How) -> None:
    """Check what a new connection meets at a server that is down so."""
    with pytest.raises(httpx2.TransportError) as seen:
        async with plain_http(base_url=address, timeout=10) as http:
            await http.post(PATH, json=ASKED)
    assert isinstance(seen.value, httpx2.ConnectError) == (how == "refused")


@hows
async def test_a_server_is_down_until_it_is_up_again(
    address: str, http: httpx2.AsyncClient, simulator: Simulator, how: How
) -> None:
    assert (await http.post(PATH, json=ASKED)).status_code == 200
    for _ in range(2):
        await simulator.go_down(Downtime(how=how), "east")
        with pytest.raises(httpx2.TransportError):
            await http.post(PATH, json=ASKED)
        await is_unreachable(address, how)
        await simulator.come_up()
        assert (await http.post(PATH, json=ASKED)).status_code == 200
    assert simulator.requests.totals().statuses == {"200": 3}


@hows
async def test_what_is_in_flight_is_cut(http: httpx2.AsyncClient, simulator: Simulator, how: How) -> None:
    simulator.account("east").configure(latency={"seconds": 30.0}, max_running=2)
    asked = [asyncio.create_task(http.post(PATH, json=ASKED)) for _ in range(4)]
    await simulator.until(lambda: len(simulator.requests) == 4)
    await simulator.go_down(Downtime(how=how), "east")
    for each in asked:
        with pytest.raises(httpx2.RemoteProtocolError):
            await each
    await simulator.until(lambda: simulator.requests.totals().statuses == {"cut": 4})
    slots = simulator.inference_server("east").slots
    assert (slots.running, slots.waiting) == (0, 0)


async def test_it_is_up_by_itself_after_the_longest_of_its_downtimes(
    http: httpx2.AsyncClient, simulator: Simulator
) -> None:
    began = time.monotonic()
    await simulator.go_down(Downtime(seconds=0.3))
    await simulator.go_down(Downtime(seconds=0.01))
    await answered(http, ASKED)
    assert time.monotonic() - began >= 0.3


async def answered(http: httpx2.AsyncClient, body: JSON) -> httpx2.Response:
    """The answer, once the server is there."""
    while True:
        try:
            return await http.post(PATH, json=body)
        except httpx2.TransportError:
            await asyncio.sleep(0.01)


async def test_one_account_may_be_down_alone(http: httpx2.AsyncClient, simulator: Simulator) -> None:
    await simulator.go_down(Downtime(how="cut_at_request"), "east")
    with pytest.raises(httpx2.RemoteProtocolError):
        await http.post(PATH, json=ASKED)
    assert (await http.post(PATH.replace("east", "west"), json=ASKED)).status_code == 200
    await simulator.come_up()
    began = time.monotonic()
    await simulator.go_down(Downtime(how="cut_at_request", seconds=0.1), "east")
    assert (await answered(http, ASKED)).status_code == 200
    assert time.monotonic() - began >= 0.1


@hows
async def test_a_line_kills_the_server_each_time_it_comes(
    address: str, http: httpx2.AsyncClient, simulator: Simulator, how: How
) -> None:
    fault = {"down": {"how": how}, "times": None}
    poison = ASKED | {"metadata": {"simulate": {"fault": fault}}}
    for _ in range(2):
        simulator.account("east").configure(latency={"seconds": 30.0})
        begun = len(simulator.requests)
        bystander = asyncio.create_task(http.post(PATH, json=ASKED))
        await simulator.until(lambda begun=begun: len(simulator.requests) == begun + 1)  # type: ignore[misc]
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.post(PATH, json=poison)
        with pytest.raises(httpx2.RemoteProtocolError):
            await bystander
        await is_unreachable(address, how)
        await simulator.come_up()
        simulator.account("east").configure(latency={})
        assert (await http.post(PATH, json=ASKED)).status_code == 200
    assert simulator.requests.totals().statuses == {"cut": 4, "200": 2}
    well, deadly = simulator.requests.lines()
    assert (well.received, well.succeeded) == (4, 2)
    assert (deadly.received, deadly.statuses) == (2, {"cut": 2})


async def test_a_request_that_fits_a_fault_lets_the_server_go_down(
    http: httpx2.AsyncClient, simulator: Simulator, account: Account
) -> None:
    account.add_fault(Fault(call="run_request", match="deadly", down=Downtime(seconds=0.05)))
    with pytest.raises(httpx2.RemoteProtocolError):
        await http.post(PATH, json=ASKED | {"prompt": "deadly"})
    assert (await answered(http, ASKED | {"prompt": "deadly"})).status_code == 200


async def test_it_is_steered_over_http_while_it_is_down(address: str, http: httpx2.AsyncClient) -> None:
    async with plain_http(base_url=f"{address}/_simulator") as control:
        for body in ({}, {"how": "cut_at_accept"}):
            assert (await control.post("/down", json=body)).json() == {}
            with pytest.raises(httpx2.TransportError):
                await http.post(PATH, json=ASKED)
            assert (await control.get("/totals")).status_code == 200
            assert (await control.post("/up")).json() == {}
            assert (await http.post(PATH, json=ASKED)).status_code == 200
        assert (await control.post("/down", params={"account": "east"}, json={"how": "?"})).status_code == 400
        down = {"how": "cut_at_request"}
        await control.post("/down", params={"account": "east"}, json=down)
        with pytest.raises(httpx2.TransportError):
            await http.post(PATH, json=ASKED)
        await control.post("/reset")
        assert (await http.post(PATH, json=ASKED)).status_code == 200


async def test_unused_connections_are_cut_and_steering_ones_are_not(
    address: str, simulator: Simulator
) -> None:
    port = int(address.rpartition(":")[2])
    async with (
        await anyio.connect_tcp("127.0.0.1", port) as unused,
        await anyio.connect_tcp("127.0.0.1", port) as steering,
    ):
        await steering.send(get("/_simulator/counts"))
        await steering.receive()
        await simulator.go_down()
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await unused.receive()
        await steering.send(get("/_simulator/counts"))
        assert (await steering.receive()).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("turns", range(4))
async def test_connections_that_are_just_being_taken_are_cut(
    address: str, simulator: Simulator, turns: int
) -> None:
    place = ("127.0.0.1", int(address.rpartition(":")[2]))
    clients = [socket.create_connection(place) for _ in range(3)]
    for _ in range(turns):
        await asyncio.sleep(0)
    await simulator.go_down()
    with anyio.fail_after(5):
        for client in clients:
            client.setblocking(False)
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
            client.close()


@hows
async def test_stopping_does_not_wait_until_it_is_up(how: How) -> None:
    simulator = Simulator(settings=SimulatorSettings(flavour="vllm"))
    with anyio.fail_after(5):
        async with simulator.running():
            await simulator.go_down(Downtime(how=how, seconds=3600))
        async with simulator.running() as address, plain_http(base_url=address) as http:
            status = (await http.post("/west/v1/completions", json=ASKED)).status_code
    assert status == 200


async def test_what_does_not_listen_cannot_go_down(simulator: Simulator) -> None:
    with pytest.raises(RuntimeError, match=r"running\(\)"):
        await simulator.go_down()
