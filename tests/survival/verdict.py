"""What must hold of a world after a round: what clients were promised, and what `tests.faults` promises."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import TypeVar

import anyio
from openai import APIConnectionError, APIStatusError, NotFoundError
from openai.types import Batch

from litebatch_asgi.models.provider import TAG_JOB
from litebatch_asgi.simulator.journal import JournalEntry
from litebatch_asgi.simulator.objects import BatchObject
from tests.faults.promises import SENT_SECONDS, broken, robbed
from tests.faults.tags import JOURNEY
from tests.faults.world import World
from tests.harness import rows_of
from tests.survival.clients import ENDED, PARTS_NAME, Memory
from tests.survival.lines import failed_innocents, wrong_lines
from tests.survival.money import wrong_charges
from tests.survival.settings import PROMPT_SECONDS

REPAIR_SECONDS = 300.0
"""far more than leases, graces and polls add up to, on a machine that has other things to do"""
REFUSED = frozenset({401, 403, 404, 429, 500, 503})
"""answers to a create after which another deployment may be tried although a job was made"""

T = TypeVar("T")


async def violations(memory: Memory) -> list[str]:
    """What does not hold once everything runs, nothing is in its way, and the repair time is over."""
    world = memory.world
    for file_id in list(memory.maybe_deleted):
        await _insist(partial(_deleted, world, file_id))
    found = [*await _insist(partial(_files, memory)), *await _insist(partial(_batches, memory))]
    found += await _unended(memory)
    found += await broken(world, repair_seconds=REPAIR_SECONDS)
    found += [text async for text in _endings(memory)]
    found += [text async for text in wrong_charges(world)]
    found += await _contents(world)
    found += [text async for text in wrong_lines(world, repair_seconds=REPAIR_SECONDS)]
    found += await memory.telling.violations(repair_seconds=REPAIR_SECONDS)
    return found + [text async for text in _made_in_vain(memory)]


async def _insist(call: Callable[[], Awaitable[T]]) -> T:
    """What a call comes to once the gateway answers it."""
    with anyio.fail_after(REPAIR_SECONDS):
        while True:
            try:
                return await call()
            except (APIConnectionError, APIStatusError) as error:
                if isinstance(error, APIStatusError) and error.status_code != 503:
                    raise
                await anyio.sleep(0.2)


async def _deleted(world: World, file_id: str) -> None:
    client = world.gateway.client()
    with suppress(NotFoundError):
        await client.files.delete(file_id)


async def _files(memory: Memory) -> list[str]:
    """Every acknowledged file is listed, no deleted one is; what was taken without a word is taken whole."""
    world = memory.world
    client = world.gateway.client()
    gone = memory.deleted | memory.maybe_deleted
    files = {file.id: file.filename async for file in client.files.list(purpose="batch")}
    listed = files.keys()
    names = Counter(name for name in files.values() if name.startswith(PARTS_NAME))
    found = [f"{name} was made {count} times of one upload" for name, count in names.items() if count > 1]
    found += [f"{file_id} was acknowledged and is lost" for file_id in world.files.keys() - listed]
    found += [f"{file_id} was deleted and is listed" for file_id in gone & listed]
    world.files |= {file_id: world.content_of(files[file_id]) for file_id in listed - gone}
    return found


async def _contents(world: World) -> list[str]:
    """Every part has its content, and nothing is kept that no part names."""
    kept = {row[0] for row in await world.rows("""SELECT "key" FROM contents WHERE state = 'kept'""")}
    named = {row[0] for row in await world.rows("SELECT content_key FROM upload_parts")}
    of_files = "SELECT content_key FROM file_parts WHERE content_key IS NOT NULL"
    named |= {row[0] for row in await world.rows(of_files)}
    ended = (
        "SELECT upload_id FROM upload_parts WHERE upload_id IN (SELECT id FROM uploads WHERE ended_at > 0)"
    )
    found = [f"content {key} is named and not kept" for key in named - kept]
    found += [f"content {key} is kept and not named" for key in kept - named]
    return [*found, *(f"upload {row[0]} has ended and has parts" for row in await world.rows(ended))]


async def _batches(memory: Memory) -> list[str]:
    """Every acknowledged batch is listed, and no create has made two."""
    world = memory.world
    client = world.gateway.client()
    listed: defaultdict[str, list[str]] = defaultdict(list)
    theirs: dict[str, str] = {}
    async for batch in client.batches.list(limit=100):
        if batch.id in memory.theirs:
            theirs[batch.id] = batch.status
            continue
        listed[(batch.metadata or {})[JOURNEY]].append(batch.id)
    found = [f"{name} was made {len(ids)} times" for name, ids in listed.items() if len(ids) > 1]
    lost = [name for name, batch_id in world.batches.items() if batch_id not in listed.get(name, ())]
    world.batches = {name: ids[0] for name, ids in listed.items()}
    if theirs != memory.theirs:
        found.append(f"batches of the original should be {memory.theirs} and are {theirs}")
    return [*found, *(f"{name} was acknowledged and is lost" for name in lost)]


async def _unended(memory: Memory) -> list[str]:
    """Batches that do not end."""
    left = set(memory.world.batches)
    with anyio.move_on_after(REPAIR_SECONDS):
        while left:
            for journey in sorted(left):
                if (await _insist(partial(memory.world.batch, journey))).status in ENDED:
                    left.discard(journey)
            await anyio.sleep(0.1)
    return [f"{journey} does not end: {await _jobs_of(memory.world, journey)}" for journey in left]


async def _jobs_of(world: World, journey: str) -> str:
    columns = "shard, attempt, deployment_id, state, reason, stop_reason, claimed_by, checks"
    batch_id = world.batches[journey]
    return str(await world.rows(f"SELECT {columns} FROM jobs WHERE batch_id = '{batch_id}' ORDER BY 1, 2"))


async def _endings(memory: Memory) -> AsyncIterator[str]:
    """A batch is cancelled if that was asked for, unless it was through before; no row is lost.

    One of which a provider has broken a job off may end without some rows: there may have been nobody left
    who could run them. So may one whose time was over.
    """
    broken_off = {(batch.metadata or {})[JOURNEY] for batch in _broken_off(memory.world)}
    may_expire = memory.aged | broken_off
    live = {row[0] for row in await memory.world.rows("SELECT batch_id FROM jobs WHERE lane = 'live'")}
    memory.released |= {name for name, batch_id in memory.world.batches.items() if batch_id in live}
    for journey in memory.world.batches:
        batch = await _insist(partial(memory.world.batch, journey))
        if not _may_end(memory, journey, batch) and not (batch.status == "expired" and journey in may_expire):
            yield f"{journey} is {batch.status}: {batch.errors}, {await _jobs_of(memory.world, journey)}"
        if memory.ended.setdefault(journey, batch.status) != batch.status:
            yield f"{journey} was {memory.ended[journey]} and is {batch.status}"
    ended = {journey for journey in memory.world.contents if memory.ended.get(journey) != "completed"}
    async for text in failed_innocents(memory.world, ended | broken_off, memory.sightings.lapses):
        yield text
    journeys_robbed = {(batch.metadata or {})[JOURNEY] for batch in robbed(memory.world)}
    for journey, (_, errors) in memory.world.results.items():
        lost = any(row["error"] and row["error"]["code"] == "batch_line_lost" for row in rows_of(errors))
        if lost and journey not in journeys_robbed | broken_off:
            yield f"{journey} has lost rows that the provider has"


def _broken_off(world: World) -> Iterator[BatchObject]:
    """Providers' jobs that have ended half-way, and not because they were cancelled."""
    for _, batch in world.jobs():
        has_run = batch.in_progress_at is not None and batch.cancelling_at is None
        if batch.status == "expired" or (has_run and batch.status in ("failed", "cancelled")):
            yield batch


def _may_end(memory: Memory, journey: str, batch: Batch) -> bool:
    if batch.status == "completed":
        return journey not in memory.cancelled or journey in memory.released
    return batch.status == "cancelled" and journey in memory.maybe_cancelled


async def _made_in_vain(memory: Memory) -> AsyncIterator[str]:
    """Jobs that were made although the one before was there to be found.

    That one was done promptly, nobody had refused it, and it was done before it was given up: who gives up
    has searched for it, and has waited for as long as lists may lag. What a database that was restored knows
    nothing of was not there to be found in it.
    """
    world = memory.world
    rows = await world.rows(
        "SELECT batch_id, shard, attempt, id, submit_started_at, created_at FROM jobs ORDER BY 1, 2, 3"
    )
    made = _made(world)
    for (*shard, attempt, job_id, started_at, _), (*next_shard, _, _, _, given_up_at) in pairwise(rows):
        if shard != next_shard or shard[0] in memory.theirs or started_at is None:
            continue
        for entry in made.get(job_id, ()):
            done_at = entry.time * 1_000_000
            if done_at < min(given_up_at, started_at + PROMPT_SECONDS * 1_000_000):
                yield f"{shard}: attempt {attempt} was made at {entry.account}, and was given up"


def _made(world: World) -> dict[str, list[JournalEntry]]:
    """By job: the creates that were done, and of which nothing else was said."""
    made: defaultdict[str, list[JournalEntry]] = defaultdict(list)
    tags = {(account.name, batch.id): (batch.metadata or {})[TAG_JOB] for account, batch in world.jobs()}
    for entry in _creates(world):
        made[tags.get((entry.account, entry.object_id or ""), "")].append(entry)
    return made


def _creates(world: World) -> Iterator[JournalEntry]:
    failed = {batch.id for _, batch in world.jobs() if batch.status == "failed"}
    began, ended = world.lost_times or (math.inf, -math.inf)
    for entry in world.simulator.journal.select("create_batch"):
        if began - SENT_SECONDS <= entry.time <= ended + SENT_SECONDS:
            continue  # there to be found for a history that is lost
        if entry.done and entry.status not in REFUSED and entry.object_id not in failed:
            yield entry
