"""Batch inputs that are cut into several tiles: each of them goes to some deployments, and all come back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from openai import APIConnectionError, BadRequestError, InternalServerError

from litebatch_asgi.files.cutting import MOST_TILES
from litebatch_asgi.files.on_demand import ensure_copy
from litebatch_asgi.models import Settings
from litebatch_asgi.simulator import Fault, Simulator
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.faults.tiles import served
from tests.harness import MODEL, QUICK, SWIFT, InProcess, lines

CONTENT = lines(10)
COPIES = "SELECT shard, deployment_id, state FROM file_copies ORDER BY shard, deployment_id"


class Stage:
    """Simulated accounts, which go on when gateways come and go."""

    def __init__(self, provider: str, simulator: Simulator, folder: Path, database: Database) -> None:
        self.simulator = simulator
        self.database = database
        self._provider = provider
        self._gateway = partial(gateway_on, simulator, provider, folder, database=database)

    @asynccontextmanager
    async def gateway(
        self, names: Sequence[str], *, most: int = 4, settings: Settings = QUICK, **options: Any
    ) -> AsyncGenerator[InProcess]:
        """A gateway over some of them."""
        deployments = served(self._provider, names, most=most)
        async with self._gateway(settings=settings, served=deployments, **options) as gateway:
            yield gateway

    def tags(self, names: Sequence[str]) -> dict[str, list[str]]:
        """What each account has, by the names of the files without the installation."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in names:
            for file in self.simulator.account(name).files.values():
                found[name].append(file.filename.rpartition("-")[0].partition("file-lb")[2][26:])
        return {name: sorted(tags) for name, tags in found.items()}


@pytest.fixture
async def stage(tmp_path: Path, database: Database) -> AsyncGenerator[Stage]:
    simulator = Simulator(settings=SWIFT)
    async with simulator.running() as provider:
        yield Stage(provider, simulator, tmp_path, database)


async def until_rows(stage: Stage, gateway: InProcess, statement: str, rows: list[tuple[Any, ...]]) -> None:
    """Wait until a query has these rows."""

    async def are_there() -> bool:
        return await stage.database.rows(statement) == rows

    await gateway.eventually(are_there)


async def test_each_of_three_tiles_is_at_two_deployments(stage: Stage) -> None:
    async with stage.gateway("ab") as gateway:
        file = await gateway.upload(CONTENT)
        assert file.status == "processed"
        rows = [(tile, where, "ready") for tile in range(3) for where in "ab"]
        assert await stage.database.rows(COPIES) == rows
        assert stage.tags("ab") == {"a": ["", "-1", "-2"], "b": ["", "-1", "-2"]}
        assert await gateway.content(file.id) == CONTENT


async def test_three_deployments_share_the_tiles_and_get_the_others_on_demand(stage: Stage) -> None:
    async with stage.gateway("abc") as gateway:
        file = await gateway.upload(CONTENT)
        copies = [row[:2] for row in await stage.database.rows(COPIES)]
        assert sorted(copies) == [(0, "a"), (0, "b"), (1, "b"), (1, "c"), (2, "a"), (2, "c")]
        assert await gateway.content(file.id) == CONTENT
        state = await gateway.storage.get_file(file.id)
        assert state is not None
        runtime = gateway.litebatch.files._runtime  # pyright: ignore[reportPrivateUsage]
        for _ in range(2):
            state = await ensure_copy(runtime, state, state.shards[1], "a", runtime.now())
        rows = [(1, where, "ready") for where in "abc"]
        await until_rows(stage, gateway, COPIES.replace("ORDER", "WHERE shard = 1 ORDER"), rows)
        made = Counter(file.filename for name in "abc" for file in gateway.provider_files(name))
        assert sorted(made.values()) == [2, 2, 3]


async def test_the_rows_tell_which_lines_a_tile_has(stage: Stage) -> None:
    async with stage.gateway("ab") as gateway:
        content = b"\n".join([*CONTENT.splitlines()[:4], b"", *CONTENT.splitlines()[4:], b"  ", b""])
        file = await gateway.upload(content)
        state = await gateway.storage.get_file(file.id)
        assert state is not None
        tiles = state.shards
        assert [tile.lines for tile in tiles] == [4, 4, 2]
        assert [tile.first_line for tile in tiles] == [0, 5, 9]
        assert tiles[0].start == 0
        assert [tile.start + tile.bytes for tile in tiles] == [
            *(tile.start for tile in tiles[1:]),
            len(content),
        ]
        assert sum(tile.id_sum for tile in tiles) % 2**128 == state.file.id_sum
        assert sum(tile.id_count for tile in tiles) == state.file.id_count
        for tile in tiles:
            (size,) = {copy.bytes for copy in state.copies_of(tile.shard)}
            assert size == tile.bytes + tile.lines * (len("gpt-a") - len(MODEL))


async def test_a_tile_that_no_deployment_takes_refuses_the_file(stage: Stage) -> None:
    async with stage.gateway("abc") as gateway:
        refused = stage.simulator.add_fault(
            Fault(call="upload_file", match="-1-", status=400, message="not this one", times=None)
        )
        with pytest.raises(BadRequestError, match="not this one"):
            await gateway.upload(CONTENT)
        assert refused.struck == 3
        assert await gateway.client().files.list() is not None
        await until_rows(stage, gateway, "SELECT id FROM files", [])
        await until_rows(stage, gateway, "SELECT 1 FROM file_shards", [])
        assert stage.tags("abc") == {}


async def test_a_tile_goes_to_whoever_takes_it(stage: Stage) -> None:
    """Two of three deployments take nothing: the third one has all."""
    async with stage.gateway("abc", settings=replace(QUICK, max_parallel_copies=1)) as gateway:
        for name in "ab":
            stage.simulator.account(name).add_fault(Fault(call="upload_file", status=500, times=None))
        file = await gateway.upload(CONTENT)
        assert stage.tags("abc") == {"c": ["", "-1", "-2"]}
        assert await gateway.content(file.id) == CONTENT


async def test_a_copy_that_is_lost_while_it_is_read_hides_nothing(stage: Stage) -> None:
    content = lines(2000)
    async with stage.gateway("ab", most=700) as gateway:
        file = await gateway.upload(content)
        reads = ("a", "b")
        first, second = (stage.simulator.account(name) for name in reads)
        cut = first.add_fault(Fault(call="stream_file", match="-1-", cut_after=300_000 // 4))
        first.add_fault(Fault(call="stream_file", match="-1-", status=404, times=None))
        assert await gateway.content(file.id) == content
        assert cut.struck == 1
        gone = second.add_fault(Fault(call="stream_file", match="-1-", status=404, times=None))
        with pytest.raises(APIConnectionError):
            await gateway.content(file.id)
        assert gone.struck


async def test_tiles_in_doubt_are_given_up_by_their_own_tags(stage: Stage) -> None:
    stage.simulator.add_fault(Fault(call="upload_file", when="after", drop=True, times=4))
    async with stage.gateway("ab") as gateway:
        with pytest.raises(InternalServerError):
            await gateway.upload(lines(8))
        await until_rows(stage, gateway, "SELECT 1 FROM file_copies WHERE state <> 'deleted'", [])
        assert stage.tags("ab") == {}


async def test_a_tile_that_is_nowhere_else_is_read_from_the_original(stage: Stage) -> None:
    content = lines(2000)
    async with stage.gateway("ab", most=700, settings=replace(QUICK, keep_originals="always")) as gateway:
        file = await gateway.upload(content)
        stage.simulator.account("a").add_fault(Fault(call="stream_file", match="-1-", status=404, times=None))
        cut = stage.simulator.account("b").add_fault(
            Fault(call="stream_file", match="-1-", cut_after=75_000, times=None)
        )
        assert await gateway.content(file.id) == content
        assert cut.struck


async def test_copies_that_wait_for_their_turn_stay_the_uploaders(stage: Stage) -> None:
    """Sent one by one, they take several times as long as a claim runs that nobody renews."""
    slowly = replace(QUICK, lease_seconds=0.6, max_parallel_copies=1)
    async with stage.gateway("ab", settings=slowly) as gateway:
        slow = stage.simulator.add_fault(Fault(call="upload_file", delay=0.4, times=None))
        file = await gateway.upload(CONTENT)
        assert slow.struck == 6
        assert file.status == "processed"
        assert stage.tags("ab") == {"a": ["", "-1", "-2"], "b": ["", "-1", "-2"]}
        assert await stage.database.rows("SELECT max(epoch), count(*) FROM file_copies") == [(0, 6)]


async def test_no_more_copies_are_sent_at_a_time_than_may_be(stage: Stage) -> None:
    """And one of each tile goes first: no deployment has a second one of a tile before all have one."""
    async with stage.gateway("ab", settings=replace(QUICK, max_parallel_copies=2), most=2) as gateway:
        stalled = stage.simulator.add_fault(Fault(call="upload_file", skip=3, stall=True, times=None))
        async with anyio.create_task_group() as group:
            group.start_soon(gateway.upload, CONTENT)

            async def have_come() -> bool:
                return stalled.struck == 2

            await gateway.eventually(have_come)
            tags = stage.tags("ab")
            there = sorted(tag for each in tags.values() for tag in each)
            begun = await stage.database.rows("SELECT shard FROM file_copies WHERE started_at IS NOT NULL")
            assert len(there) == 3
            each_tile = [f"-{tile}" if tile else "" for tile in range(5)]
            rest = [each_tile[int(row[0])] for row in begun]
            assert sorted([*there, *rest]) == each_tile
            stage.simulator.remove_fault(stalled)
        assert await stage.database.rows(COPIES) == [
            (tile, where, "ready") for tile in range(5) for where in "ab"
        ]


async def test_a_file_that_would_be_too_many_jobs_is_refused(stage: Stage) -> None:
    async with stage.gateway("ab", most=1) as gateway:
        with pytest.raises(BadRequestError, match=f"more than {MOST_TILES} jobs") as refused:
            await gateway.upload(lines(MOST_TILES + 1))
        assert refused.value.code == "too_many_tasks"
        assert await stage.database.rows("SELECT 1 FROM files") == []
