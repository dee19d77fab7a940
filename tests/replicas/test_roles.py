"""Replicas that only serve, and replicas that only work."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.database import BACKENDS
from tests.forks import run
from tests.harness import lines
from tests.replicas.running import SERVE, WORK, Site

RARE = {"min_poll_seconds": 2, "max_poll_seconds": 300}
"""long enough for a look to be one that the worker has made"""


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_one_serves_and_another_works(here: Site) -> None:
    """The one places what it is asked for, the other looks after it."""
    api = await here.replica(*SERVE, "--no-reconciler", **RARE)
    batch = await api.create((await api.upload(lines(5))).id)
    assert batch.status in ("validating", "in_progress")
    await here.simulator.until(lambda: {job.status for job in api.provider_jobs()} == {"completed"})
    assert (await api.client().batches.retrieve(batch.id)).status == batch.status
    worker = await here.replica(*WORK, **RARE)
    assert "looks after batches" in worker.process.told

    async def worker_has_told() -> bool:
        return len(worker.log("job settled")) == 1

    began = time.monotonic()
    batch = await api.ended(batch.id)
    assert (batch.status, time.monotonic() - began < 20) == ("completed", True)
    await api.eventually(worker_has_told)
    assert api.log("job settled") == []
    assert await worker.stop() == 0


def test_there_is_nothing_to_work_on_in_another_s_memory(tmp_path: Path) -> None:
    ended = run("work", "--database", "memory://", cwd=tmp_path, OPENAI_API_KEY="sk-own")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: memory:// is in one process's memory")
