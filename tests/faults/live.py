"""Journeys of live jobs whose holders are lost, late, or cut off from the database: what comes out wrong."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from msgspec.structs import replace

from litebatch_asgi.app import open_storage
from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.jsonl.ranges import MOST_BYTES as RANGE_BYTES
from litebatch_asgi.models import Claim, LineRange, RangeWrite
from litebatch_asgi.simulator import ArmedFault, Fault, Latency, Simulator, SimulatorSettings
from litebatch_asgi.storage import Storage
from tests.database import Database, SQLiteDatabase
from tests.faults.promises import broken
from tests.faults.stage import gateway_on
from tests.faults.world import RUN, World, world_of
from tests.faults.zombies import asleep
from tests.harness import QUICK, InProcess, lines, live_deployments, rows_of
from tests.live.stage import asking, live_gateway

SERVER = "live"
STALLED = Fault(call="run_request", stall=True, times=None)
AWAY = StorageUnavailable("The database does not answer.")
LOST = (
    "UPDATE line_ranges SET epoch = epoch + 1, claimed_by = 'another', claimed_until = 1"
    " WHERE next_check_at IS NOT NULL"
)
"""all holders of ranges"""
MOST = 4
"""requests under way"""
MOST_FAILED_WRITES = 3
SHORT_SECONDS = 2.0
"""a time-out after which claims lapse soon"""


class Stage:
    """An inference server, and any number of gateways before it on one database."""

    def __init__(
        self,
        stack: AsyncExitStack,
        folder: Path,
        provider: str,
        simulator: Simulator,
        database: Database,
    ) -> None:
        self.stack = stack
        self.simulator = simulator
        self.database = database
        self._folder = folder
        self._served = live_deployments(provider, [SERVER], max_parallel_requests=MOST)
        self._provider = provider

    def gateway(self, storage: Storage | None = None, *, timeout: float = 30.0, lease: float = 60.0) -> Any:
        """A gateway, as a context. `timeout`: seconds that a request may take."""
        return gateway_on(
            self.simulator,
            self._provider,
            self._folder,
            settings=replace(QUICK, live_timeout_seconds=timeout, lease_seconds=lease),
            database=self.database,
            storage=storage,
            served=self._served,
        )

    async def started(self, storage: Storage | None = None, **options: Any) -> InProcess:
        """A gateway that runs as long as the stage."""
        started: InProcess = await self.stack.enter_async_context(self.gateway(storage, **options))
        return started

    async def world(self, gateway: InProcess, count: int) -> World:
        """The world of a gateway, to which `count` requests are sent."""
        world = await world_of(gateway, self._provider)
        world.content = lines(count)
        return world


async def _stage(stack: AsyncExitStack, folder: Path, database: Database | None, **server: Any) -> Stage:
    simulator = Simulator(settings=SimulatorSettings(flavour="vllm", **server))
    provider = await stack.enter_async_context(simulator.running())
    return Stage(stack, folder, provider, simulator, database or SQLiteDatabase.migrated(folder))


async def answers_come_late(folder: Path, database: Database | None = None) -> list[str]:
    """A batch is cancelled, and who had its requests, and knows nothing of that, is answered then."""
    async with AsyncExitStack() as stack:
        stage = await _stage(stack, folder, database)
        stalled = stage.simulator.add_fault(STALLED)
        storage, has_written = asleep(stage.database), anyio.Event()
        write, claim_jobs = storage.lines.write, storage.claims.claim_jobs

        async def written(writes: Sequence[RangeWrite]) -> list[LineRange | None]:
            after = await write(writes)
            has_written.set()
            return after

        async def no_jobs(*arguments: Any, **options: Any) -> Any:
            return await claim_jobs(*arguments, **{**options, "room": {}})

        async def nothing_lost(_: Sequence[LineRange]) -> list[LineRange]:
            return []

        storage.lines.write = written  # type: ignore[method-assign]
        storage.lines.lost = nothing_lost  # type: ignore[method-assign, assignment]
        storage.claims.claim_jobs = no_jobs  # type: ignore[method-assign]
        world = await stage.world(await stage.started(storage), 12)
        await world.create(await world.upload(), RUN)
        await stage.simulator.until(lambda: stalled.struck > 0)
        world.gateway = await stage.started()
        await world.cancel(RUN)
        await world.ended(RUN)
        batch = await world.batch(RUN)
        world.results[RUN] = await world.read(batch.output_file_id), await world.read(batch.error_file_id)
        stage.simulator.remove_fault(stalled)
        with anyio.fail_after(20):
            await has_written.wait()
        late = await world.rows("SELECT line FROM line_results")
        found = await broken(world)
        return [*found, f"results came after the end: {late}"] if late else found


async def nothing_is_stored(folder: Path, database: Database | None = None) -> list[str]:
    """No result can be stored for a while."""
    async with AsyncExitStack() as stack:
        stage = await _stage(stack, folder, database)
        storage, failed, is_back = open_storage(stage.database.url), list[None](), anyio.Event()
        write = storage.lines.write

        async def written(writes: Sequence[RangeWrite]) -> list[LineRange | None]:
            if not is_back.is_set():
                failed.append(None)
                raise AWAY
            return await write(writes)

        async def has_failed() -> bool:
            return len(failed) >= MOST_FAILED_WRITES

        storage.lines.write = written  # type: ignore[method-assign]
        gateway = await stage.started(storage)
        world = await stage.world(gateway, 40)
        await world.create(await world.upload(), RUN)
        await gateway.eventually(has_failed)
        sent = len(stage.simulator.requests)
        is_back.set()
        await world.ended(RUN)
        found = await broken(world)
        return [*found, f"{sent} were sent while nothing could be stored"] if sent > MOST else found


async def claims_run_out(folder: Path, database: Database | None = None) -> list[str]:
    """Claims cannot be renewed; results can be stored."""
    async with AsyncExitStack() as stack:
        latency = Latency(seconds=SHORT_SECONDS / 20)
        stage = await _stage(stack, folder, database, latency=latency, max_running=1)
        storage, claimed = open_storage(stage.database.url), list[LineRange]()
        claim = storage.lines.claim

        async def claim_once(*arguments: Any, **options: Any) -> list[LineRange]:
            if not claimed:
                claimed.extend(await claim(*arguments, **options))
                return claimed
            raise AWAY

        async def renew(claims: Sequence[Claim], *, lease_seconds: float) -> list[Claim]:
            raise AWAY

        async def has_lapsed() -> bool:
            return bool(claimed) and _ends(claimed[0]) < time.time()

        storage.lines.claim = claim_once  # type: ignore[method-assign]
        storage.claims.renew = renew  # type: ignore[method-assign]
        gateway = await stage.started(storage, timeout=SHORT_SECONDS, lease=1.0)
        world = await stage.world(gateway, 200)
        await world.create(await world.upload(), RUN)
        await gateway.eventually(has_lapsed)
        over = [
            entry.received + SHORT_SECONDS - _ends(claimed[0]) for entry in stage.simulator.requests.select()
        ]
        if not over:
            return ["nothing was sent"]
        late = max(over)
        return [f"a request began {late:.1f} s too late for its claim"] if late > SHORT_SECONDS / 2 else []


def _ends(line_range: LineRange) -> float:
    assert line_range.claimed_until is not None
    return line_range.claimed_until.timestamp()


async def holder_dies(folder: Path, database: Database | None = None) -> list[str]:
    """A process is lost with requests under way; another one goes on with them."""
    async with AsyncExitStack() as stack:
        stage = await _stage(stack, folder, database)
        stalled = stage.simulator.add_fault(STALLED)
        dying = open_storage(stage.database.url)

        async def never(writes: Sequence[RangeWrite]) -> list[LineRange | None]:
            raise AWAY

        dying.lines.write = never  # type: ignore[method-assign]
        async with stage.gateway(dying, timeout=SHORT_SECONDS, lease=1.0) as gateway:
            world = await stage.world(gateway, 12)
            await world.create(await world.upload(), RUN)
            await stage.simulator.until(lambda: stalled.struck == MOST)
        stage.simulator.remove_fault(stalled)
        storage, tried = open_storage(stage.database.url), dict[str, float]()
        write = storage.lines.write

        async def written(writes: Sequence[RangeWrite]) -> list[LineRange | None]:
            after = await write(writes)
            for each in writes:
                tried.setdefault(f"Say {each.trying}.", time.time())
            return after

        storage.lines.write = written  # type: ignore[method-assign]
        before = len(stage.simulator.requests)
        world.gateway = await stage.started(storage, timeout=SHORT_SECONDS, lease=1.0)
        await world.ended(RUN)
        found = await broken(world)
        for entry in stage.simulator.requests.select(after=before):
            if entry.received < tried.get(entry.text, entry.received + 1):
                found.append(f"{entry.text} was sent before it was written that it is")
        at_once = stage.simulator.requests.totals(after=before).most_in_progress
        return [*found, f"{at_once} were under way at once"] if at_once > 1 else found


async def one_kills_its_holders(folder: Path, database: Database | None = None) -> list[str]:
    """Whoever has a request is lost, with others that are as long: each of them is a range of its own."""
    settings = replace(QUICK, live_attempts=2, live_timeout_seconds=5, lease_seconds=10)
    long, count, killer = " and" * (RANGE_BYTES // 7), 4, 2
    content = b"".join(asking(number, text=f"Say{long}") for number in range(count))
    slow = SimulatorSettings(flavour="vllm", latency=Latency(seconds=0.3))
    await anyio.Path(folder).mkdir(exist_ok=True)
    own = database or SQLiteDatabase(folder)
    async with live_gateway(folder, own, server=slow, settings=settings) as gateway:
        stalled = gateway.simulator.add_fault(replace(STALLED, match=f"Say{long} {killer}."))
        batch = await gateway.create((await gateway.upload(content)).id)
        for death in (1, 2, 3):
            await gateway.simulator.until(partial(_has_struck, stalled, death))
            await own.change(LOST)
        ended = await gateway.ended(batch.id)
        output, error = await gateway.results(ended)
    done = sorted(row["custom_id"] for row in rows_of(output))
    expected = [f"request-{number}" for number in range(count) if number != killer]
    failed = [(row["custom_id"], row["error"]["code"]) for row in rows_of(error)]
    is_right = done == expected and failed == [(f"request-{killer}", "line_abandoned")]
    return [] if is_right else [f"{done} came out, and {failed}"]


def _has_struck(armed: ArmedFault, times: int) -> bool:
    return armed.struck >= times


async def commits_without_an_answer(folder: Path, database: Database | None = None) -> list[str]:
    """Results are stored, who has stored them is not told, and stores them again; so it goes with all."""
    async with AsyncExitStack() as stack:
        stage = await _stage(stack, folder, database)
        storage, is_told = open_storage(stage.database.url), True
        write = storage.lines.write

        async def written(writes: Sequence[RangeWrite]) -> list[LineRange | None]:
            nonlocal is_told
            after = await write(writes)
            is_told = not is_told
            if not is_told:
                raise AWAY
            return after

        storage.lines.write = written  # type: ignore[method-assign]
        world = await stage.world(await stage.started(storage), 24)
        await world.create(await world.upload(), RUN)
        await world.ended(RUN)
        found, lost = await broken(world), world.lost(RUN)
        return [*found, f"{lost} requests have no result"] if lost else found
