"""Starting and stopping: on a socket, in another host's app, and alone in a process."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from litebatch_asgi.simulator import Fault, Simulator, SimulatorSettings

from .journeys import jsonl, line, stock_client, submit, upload
from .raw import get

CONTENT = jsonl(line("a"))
AUTHORIZED = {"authorization": "Bearer k"}


async def test_stopping_leaves_nothing_behind(tmp_path: Path) -> None:
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    simulator = Simulator(settings=SimulatorSettings(hold=frozenset({"in_progress"})))
    async with (
        simulator.running() as address,
        stock_client(address) as client,
    ):
        batch = await submit(client, CONTENT)
        await simulator.account("east").reached(batch.id, "in_progress")
        folder = simulator.account("east").disk.path("x").parent
        assert await anyio.Path(folder).exists()
    assert not await anyio.Path(folder).exists()
    assert asyncio.all_tasks() == tasks
    assert {thread for thread in threading.enumerate() if "simulator" in thread.name} <= threads


async def test_a_folder_that_was_handed_in_is_kept(tmp_path: Path) -> None:
    simulator = Simulator(tmp_path / "new")
    async with (
        simulator.running() as address,
        stock_client(address) as client,
    ):
        await upload(client, CONTENT)
    assert [each.read_bytes() for each in (tmp_path / "new").iterdir()] == [CONTENT]


async def test_stopping_waits_for_no_idle_connection_and_no_stalled_call(simulator: Simulator) -> None:
    armed = simulator.add_fault(Fault(call="list_files", stall=True))
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            async with simulator.running() as address:
                port = int(address.rpartition(":")[2])
                idle = await anyio.connect_tcp("127.0.0.1", port)
                await idle.send(get("/v1/files/x"))
                assert (await idle.receive()).startswith(b"HTTP/1.1 404")
                group.start_soon(stalled, port)
                await simulator.until(lambda: armed.struck == 1)
            await idle.aclose()
    assert simulator.journal[-1].status == "dropped"


async def stalled(port: int) -> None:
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(get("/v1/files"))
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await stream.receive()


async def test_it_runs_again_after_a_stop(simulator: Simulator) -> None:
    for _ in range(2):
        async with (
            simulator.running() as address,
            stock_client(address) as client,
        ):
            await upload(client, CONTENT)
    assert len(simulator.journal) == 2


async def test_logging_and_signals_are_left_alone(simulator: Simulator) -> None:
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access")]
    before = [(each.level, each.propagate, list(each.handlers)) for each in loggers]
    handler = signal.getsignal(signal.SIGTERM)
    async with simulator.running():
        assert signal.getsignal(signal.SIGTERM) is handler
    assert [(each.level, each.propagate, list(each.handlers)) for each in loggers] == before


async def test_without_uvicorn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r"pip install 'litebatch-asgi\[server\]'"):
        async with Simulator().running():
            pass


async def test_a_taken_port_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            async with Simulator().running(port=taken.getsockname()[1]):
                pass


def test_the_app_runs_under_other_servers(simulator: Simulator) -> None:
    with TestClient(simulator.app, headers=AUTHORIZED) as client:
        files = {"file": ("a.jsonl", CONTENT)}
        file = client.post("/east/v1/files", data={"purpose": "batch"}, files=files).json()
        assert client.get(f"/east/v1/files/{file['id']}/content").content == CONTENT
        simulator.add_fault(Fault(drop=True))
        with pytest.raises(RuntimeError, match=r"running\(\)"):
            client.get("/v1/files")


async def test_without_its_lifespan_it_says_what_to_do(simulator: Simulator) -> None:
    transport = httpx2.ASGITransport(Starlette(routes=simulator.app.routes))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x", headers=AUTHORIZED) as client:
        with pytest.raises(RuntimeError, match=r"running\(\)"):
            await client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("a.jsonl", CONTENT)})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_serves_until_a_signal(number: signal.Signals) -> None:
    script = (
        "from litebatch_asgi.simulator import Fault, run\n"
        "run(port=0, faults=[Fault(status=418)], started=lambda url: print(url, flush=True))\n"
    )
    with subprocess.Popen([sys.executable, "-W", "error", "-c", script], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        address = child.stdout.readline().decode().strip()
        try:
            assert httpx2.get(f"{address}/v1/files", headers=AUTHORIZED).status_code == 418
        finally:
            child.send_signal(number)
        assert child.wait(10) == 0
