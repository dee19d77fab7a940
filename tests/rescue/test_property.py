"""Whatever the file, the limits, the deployments and what goes wrong: each line comes out once."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.models import Deployment
from litebatch_asgi.simulator import Course, Fault, Simulator
from litebatch_asgi.simulator.faults import CallName
from tests.faults.promises import broken
from tests.faults.stage import HELD, gateway_on
from tests.faults.tiled import stand_still
from tests.faults.world import CANCEL, RUN, World, world_of
from tests.harness import HASTY, MODEL, PATIENCE_SECONDS, deployments, ids_of

NAMES = ("east", "west", "north", "south")
CALLS: tuple[CallName, ...] = (
    *("upload_file", "create_batch", "retrieve_batch", "stream_file", "cancel_batch", "list_batches"),
)


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """A file, who runs it, and what goes wrong meanwhile."""

    texts: tuple[str, ...]
    """of the lines: what each asks, or the status that it always fails with"""
    blank: int
    """after so many lines there is an empty one each time; 0: never"""
    deployments: tuple[dict[str, Any], ...]
    """limits of each"""
    settings: dict[str, Any]
    accounts: dict[str, Any]
    faults: tuple[Fault, ...]
    cancels_at: int | None
    """once so many jobs were made one batch is cancelled; None: never"""
    stands_still: bool
    """a job does not get on while a day passes"""

    @property
    def content(self) -> bytes:
        """The file."""
        rows: list[str] = []
        for number, text in enumerate(self.texts):
            body: dict[str, Any] = {
                "model": MODEL,
                "messages": [{"role": "user", "content": f"{number}: {text}"}],
            }
            if text.isdigit():
                body["metadata"] = {"simulate": text}
            custom_id = f"request-{number}"
            row = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
            rows.append(json.dumps(row))
            if self.blank and number % self.blank == 0:
                rows.append("")
        return "\n".join(rows).encode()


def courses() -> st.SearchStrategy[Fault]:
    """Jobs that end half-way, in whatever way and with whatever results."""
    course = st.builds(
        Course,
        ends_at=st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]),
        ends_as=st.sampled_from(["expired", "failed", "cancelled"]),
        cut_short_results=st.sampled_from(["whole", "partial", "none"]),
    )
    names = st.none() | st.sampled_from(NAMES)
    return st.builds(
        Fault, call=st.just("start_batch"), account=names, times=st.integers(1, 3), course=course
    )


FAILURES = (
    Fault(status=503),
    Fault(status=429),
    Fault(drop=True, when="early"),
    Fault(drop=True, when="after"),
    Fault(status=504, when="after"),
    Fault(cut_after=10),
)
GIVEN_BACK = tuple(
    Fault(call="validate_batch", code=code) for code in ("token_limit_exceeded", "invalid_json_line")
)


@st.composite
def refusals(draw: st.DrawFn) -> Fault:
    """Calls that fail, done or not, and batches that are given back."""
    fault = draw(st.sampled_from((*FAILURES, *GIVEN_BACK)))
    return replace(fault, call=fault.call or draw(st.sampled_from(CALLS)), skip=draw(st.integers(0, 4)))


limits = st.fixed_dictionaries(
    {},
    optional={
        "max_job_requests": st.integers(1, 9),
        "max_job_bytes": st.integers(700, 2500),  # no line is longer
        "max_job_tokens": st.integers(20, 400),
    },
)
texts = st.one_of(
    st.integers(0, 99).map(lambda number: f"Say {number}."),
    st.integers(0, 99).map(lambda number: f"Say {number} and more. " + "And more. " * (number % 30)),
    st.sampled_from(["429", "500", "400"]),
)
stories = st.builds(
    Story,
    texts=st.lists(texts, min_size=1, max_size=16).map(tuple),
    blank=st.integers(0, 3),
    deployments=st.lists(limits, min_size=1, max_size=len(NAMES)).map(tuple),
    settings=st.fixed_dictionaries(
        {
            "min_retry_rows": st.integers(0, 3),
            "row_retries": st.integers(0, 2),
            "max_rescues": st.integers(0, 3),
            "parallel_shards": st.integers(1, 3),
            "min_shard_requests": st.integers(1, 4),
            "copies_per_shard": st.integers(1, 3),
            "rescue": st.sampled_from([True, True, True, False]),
        }
    ),
    accounts=st.fixed_dictionaries(
        {
            "first_run_status": st.sampled_from([None, 429, 503]),
            "first_run_share": st.sampled_from([0.3, 1.0]),
            "final_newline": st.booleans(),
        }
    ),
    faults=st.lists(courses() | courses() | refusals(), max_size=6).map(tuple),
    cancels_at=st.none() | st.integers(1, 6),
    stands_still=st.sampled_from([True, False, False, False]),
)


def served(story: Story, provider: str) -> list[Deployment]:
    """The deployments of a story."""
    all_of_them = deployments(provider, NAMES)
    return [replace(each, **own) for each, own in zip(all_of_them, story.deployments, strict=False)]


async def run(story: Story, folder: Path) -> list[str]:
    """What does not hold when a story is over."""
    simulator = Simulator(settings=replace(HELD, **story.accounts))
    hasty = replace(HASTY, late_rows_grace_seconds=0.3, at_expiry="stop", **story.settings)
    async with simulator.running() as provider:
        for name in NAMES:
            simulator.account(name)
        async with gateway_on(
            simulator, provider, folder, settings=hasty, served=served(story, provider)
        ) as gateway:
            world = await world_of(gateway, provider)
            world.content = story.content
            armed = [simulator.add_fault(fault) for fault in story.faults]
            await act(story, world)
            for fault in armed:
                simulator.remove_fault(fault)
            return [*await broken(world), *await wrong_tiles(story, world)]


async def act(story: Story, world: World) -> None:
    """Upload, run one batch to its end, and another one perhaps not so far."""
    file_id = await world.upload()
    async with anyio.create_task_group() as group:
        for journey in (RUN, CANCEL):
            group.start_soon(world.let_run, journey)
        if story.stands_still:
            group.start_soon(stand_still, world)
        await world.create(file_id, RUN)
        if story.cancels_at is not None:
            await world.create(file_id, CANCEL)
            await until_jobs(world, CANCEL, story.cancels_at)
            await world.cancel(CANCEL)
            await world.ended(CANCEL)
        await world.ended(RUN)
        group.cancel_scope.cancel()


async def until_jobs(world: World, journey: str, count: int) -> None:
    """Wait until so many jobs were made for a batch, or it has ended; not for ever."""
    ended = ("completed", "failed", "expired", "cancelled")
    with anyio.move_on_after(PATIENCE_SECONDS):
        while (await world.batch(journey)).status not in ended:
            if len(world.jobs(journey)) >= count:
                return
            await anyio.sleep(0.02)


async def wrong_tiles(story: Story, world: World) -> list[str]:
    """Tiles that do not cover the file, or are more than a job may have; jobs that have more than that."""
    (file_id,) = world.files
    ((size, count, id_sum, tokens),) = await world.rows(
        f"SELECT bytes, id_count, id_sum, tokens FROM files WHERE id = '{file_id}'"
    )
    tiles = await world.rows(
        'SELECT "start", bytes, id_count, id_sum, tokens FROM file_shards'
        f" WHERE file_id = '{file_id}' AND batch_id IS NULL ORDER BY 1"
    )
    found: list[str] = []
    starts = [0]
    for start, length, *_ in tiles:
        found += [f"a tile begins at {start} and not at {starts[-1]}"] if start != starts[-1] else []
        starts.append(start + length)
    sums = [sum(int(tile[place]) for tile in tiles) for place in (1, 2, 4)]
    if [starts[-1], *sums] != [size, size, count, tokens] or count != len(story.texts):
        found.append(f"{sums} in tiles, {size, count, tokens} in the file")
    if sum(int(tile[3], 16) for tile in tiles) % 2**128 != int(id_sum, 16):
        found.append("the sums of ids do not add up")
    for account, batch in world.jobs():
        own = story.deployments[NAMES.index(account.name)]
        content = await account.content(batch.input_file_id) if batch.input_file_id in account.files else b""
        lines = len(ids_of(content))
        is_too_long = lines > 1 and len(content) > own.get("max_job_bytes", len(content))
        if lines > own.get("max_job_requests", lines) or is_too_long:
            found.append(
                f"{lines} lines, {len(content)} bytes were sent to {account.name}, which takes {own}"
            )
    return found


@pytest.mark.parametrize("examples", [2, pytest.param(60, marks=pytest.mark.long)])
def test_each_line_comes_out_once_whatever_happens(examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # a story is short, and takes its time
    )
    @given(story=stories)
    def holds(story: Story) -> None:
        is_quick = examples < 10
        with tempfile.TemporaryDirectory() as folder:
            told = replace(story, stands_still=False) if is_quick else story
            assert anyio.run(run, told, Path(folder)) == []

    holds()
