"""What a batch holds of its creator's limits: from its first moment to its last, and not twice."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from litebatch_asgi.errors import LimitExceeded
from litebatch_asgi.failpoints import InjectedFault, armed
from litebatch_asgi.simulator import Fault
from tests.database import Database, database_on
from tests.harness import HASTY, InProcess, running_gateway
from tests.limits.callers import caller, create, reserved, upload

ENDINGS = {
    "completed": None,
    "failed": Fault(call="validate_batch", code="invalid_file"),
    "expired": Fault(call="run_batch", ending="expired"),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_batch_that_has_ended_holds_nothing(gateway: InProcess, ending: str) -> None:
    fault = ENDINGS[ending]
    if fault is not None:
        gateway.simulator.add_fault(fault)
    only = caller(max_open_batches=1, max_enqueued_requests=3)
    uploaded = await upload(gateway, only)
    batch = await create(gateway, only, uploaded)
    assert (await gateway.ended(batch.id)).status == ending
    assert await reserved(gateway) == []
    await create(gateway, only, uploaded)


async def test_a_cancelled_batch_holds_until_it_has_ended(held_gateway: InProcess) -> None:
    only = caller(max_open_batches=1)
    uploaded = await upload(held_gateway, only)
    batch = await create(held_gateway, only, uploaded)
    await held_gateway.litebatch.batches.cancel(only, batch.id)
    await held_gateway.reached(batch.id, "cancelled")
    assert await reserved(held_gateway) == []
    await create(held_gateway, only, uploaded)


async def test_a_batch_that_waits_for_room_is_open(gateway: InProcess) -> None:
    """Cancelled before anything was sent, it gives back what it held."""
    gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
    only = caller(max_open_batches=1)
    uploaded = await upload(gateway, only)
    batch = await create(gateway, only, uploaded)
    with pytest.raises(LimitExceeded):
        await create(gateway, only, uploaded)
    await gateway.litebatch.batches.cancel(only, batch.id)
    assert (await gateway.ended(batch.id)).status == "cancelled"
    assert await reserved(gateway) == []


async def test_a_repetition_holds_nothing_more(held_gateway: InProcess) -> None:
    only = caller(max_open_batches=1)
    uploaded = await upload(held_gateway, only)
    first = await create(held_gateway, only, uploaded, idempotency_key="k")
    again = await create(held_gateway, only, uploaded, idempotency_key="k")
    assert again.id == first.id
    with pytest.raises(LimitExceeded):
        await create(held_gateway, only, uploaded, idempotency_key="other")
    await held_gateway.litebatch.batches.cancel(only, first.id)
    await held_gateway.reached(first.id, "cancelled")
    other = await create(held_gateway, only, uploaded, idempotency_key="other")
    assert other.id != first.id


@pytest.mark.parametrize("place", ["create.before", "create.stored", "place.intended"])
async def test_nothing_stays_reserved_when_a_create_breaks_off(
    tmp_path: Path, database: Database, place: str
) -> None:
    """Where the batch is there it is carried on, ends, and gives back what it held."""
    only = caller(max_open_batches=1)
    async with running_gateway(tmp_path, database=database, settings=HASTY) as gateway:
        uploaded = await upload(gateway, only)
        with armed(f"{place}=raise"):
            if place == "place.intended":
                await create(gateway, only, uploaded)
            else:
                with pytest.raises(InjectedFault):
                    await create(gateway, only, uploaded)
        for batch in (await gateway.client().batches.list()).data:
            assert (await gateway.ended(batch.id)).status == "completed"
        assert await reserved(gateway) == []


@pytest.mark.parametrize(
    "most", [{"max_open_batches": 3}, {"max_enqueued_requests": 9}, {"max_enqueued_requests": 11}]
)
async def test_servers_on_one_database_never_pass_a_limit(
    tmp_path: Path, backend: str, most: dict[str, int]
) -> None:
    """However many creates race for the last unit."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_on(backend, tmp_path))
        servers: Sequence[InProcess] = [
            await stack.enter_async_context(running_gateway(tmp_path, database=database)) for _ in range(2)
        ]
        for server in servers:
            server.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        team = caller(scope="team:search", **most)
        uploaded = await upload(servers[0], team)
        passed: list[str] = []
        refused: list[LimitExceeded] = []

        async def one(number: int) -> None:
            try:
                passed.append((await create(servers[number % 2], team, uploaded)).id)
            except LimitExceeded as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(one, number)
        assert (len(passed), len(refused)) == (3, 7)
        assert [row[:3] for row in await reserved(servers[1])] == [("team:search", "3", "9")]
        for batch_id in passed:
            await servers[1].litebatch.batches.cancel(team, batch_id)
            await servers[0].reached(batch_id, "cancelled")
        assert await reserved(servers[0]) == []
