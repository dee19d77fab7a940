"""What goes on for ever is not ended by what goes wrong beside it."""

from __future__ import annotations

import anyio
import pytest

from litebatch_asgi.loops import beside


async def test_a_task_that_fails_ends_alone(caplog: pytest.LogCaptureFixture) -> None:
    goes_on = anyio.Event()

    async def fail(reason: str) -> None:
        raise ValueError(reason)

    async with anyio.create_task_group() as group:
        start = beside(group)
        start(fail, "no reason")
        await anyio.wait_all_tasks_blocked()
        start(goes_on.wait)
        await anyio.wait_all_tasks_blocked()
        goes_on.set()
    assert "no reason" in caplog.text
