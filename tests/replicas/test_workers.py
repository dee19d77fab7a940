"""`litebatch serve --workers N`: several processes behind one port."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import anyio
import anyio.to_thread
import httpx2
import psutil
import pytest

from tests.harness import PATIENCE_SECONDS, ids_of, lines
from tests.replicas.running import SERVE, Replica, Site, stalled

TWO = (*SERVE, "--workers", "2")


@pytest.fixture
def backend() -> str:
    return "postgresql"


async def journey(replica: Replica) -> None:
    file = await replica.upload(lines(3))
    batch = await replica.ended((await replica.create(file.id)).id)
    assert batch.status == "completed"
    output, _ = await replica.results(batch)
    assert ids_of(output) == ["request-0", "request-1", "request-2"]


async def gone(pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        await anyio.to_thread.run_sync(psutil.Process(pid).wait, PATIENCE_SECONDS)


async def test_all_of_them_serve_and_sigterm_ends_all(here: Site) -> None:
    replica = await here.replica(*TWO)
    assert replica.process.told.count("listens on") == 1
    assert await replica.served_by(2) == set(replica.workers)
    await journey(replica)
    assert await replica.stop() == 0
    for pid in replica.workers:
        await gone(pid)
    assert {line["worker"] for line in replica.log("worker ended")} == set(replica.workers)
    assert "Traceback" not in replica.process.log.read_text()


async def test_a_worker_that_dies_is_replaced(here: Site) -> None:
    replica = await here.replica(*TWO)
    first, second = await replica.served_by(2)
    os.kill(first, signal.SIGKILL)
    await replica.served_by(3)
    (told,) = replica.log("a worker has died")
    assert (told["worker"], told["exit_code"], told["level"]) == (first, -signal.SIGKILL, "warning")
    assert len(replica.workers) == 3
    await journey(replica)
    assert psutil.pid_exists(second)


async def test_without_their_parent_they_end_as_well(here: Site) -> None:
    """Otherwise they would hold the port, and nobody would replace them."""
    replica = await here.replica(*TWO)
    pids = await replica.served_by(2)
    replica.signal(signal.SIGKILL)
    for pid in pids:
        await gone(pid)


async def test_requests_in_progress_end_before_their_workers(here: Site) -> None:
    """And their connections are told to close."""
    replica = await here.replica(*TWO)
    held = here.simulator.add_fault(stalled("upload_file"))
    answers: list[httpx2.Response] = []

    async def upload() -> None:
        async with replica.http() as http:
            file = {"file": ("in.jsonl", lines())}
            answers.append(await http.post("/files", files=file, data={"purpose": "batch"}))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(upload)
        await here.simulator.until(lambda: held.struck == 2)
        replica.signal(signal.SIGTERM)
        await replica.refused()
        here.simulator.remove_fault(held)
        assert await replica.exit_code() == 0
    assert answers[0].json()["status"] == "processed"
    assert answers[0].headers["connection"] == "close"
