"""What must hold of a world when its troubles are over, whatever they were."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Container, Iterator

import anyio
from openai import NotFoundError
from openai.types import Batch

from litebatch_asgi.models.ids import BATCH_PREFIX, JOB_PREFIX, family_of
from litebatch_asgi.models.provider import TAG_JOB
from litebatch_asgi.simulator import Account, JobRecord, overlaps
from litebatch_asgi.simulator.objects import BatchObject
from tests.faults.stories import untrue_stories
from tests.faults.world import THEIRS, World, at, possessions
from tests.harness import ids_of, rows_of

REPAIR_SECONDS = 12.0
ENDED = ("completed", "failed", "expired", "cancelled")
GIVEN_UP = ("watched", "closed")
"""states of jobs that another attempt is gone on with in place of"""
SENT_SECONDS = 6.0
"""how long a provider may take for a call that was sent"""


async def broken(world: World, *, repair_seconds: float = REPAIR_SECONDS) -> list[str]:
    """What does not hold, once nothing is left to be repaired or `repair_seconds` are over."""
    await world.learn()
    with anyio.move_on_after(repair_seconds):
        while await _unfinished(world):  # noqa: ASYNC110 - database and providers have no common wakeup
            await anyio.sleep(0.02)
    found = [*world.wrong, *await _unfinished(world)]
    for check in (
        _settled_once,
        _charged_as_done,
        _nothing_runs_twice,
        _copies_are_exact,
        _strangers_are_untouched,
        _marks_are_of_jobs,
        _files_can_be_read,
        _results,
        untrue_stories,
    ):
        found += [text async for text in check(world)]
    return found


async def _unfinished(world: World) -> list[str]:
    """What is still to be done, and what there is too much of."""
    open_rows = await world.rows(
        "SELECT 'job', attempt, deployment_id, state, reason FROM jobs"
        " WHERE state IN ('waiting', 'submitting', 'unclear', 'submitted', 'ended')"
        " UNION ALL SELECT 'copy', attempts, deployment_id, state, error FROM file_copies"
        " WHERE state IN ('intent', 'pending', 'deleting')"
        " UNION ALL SELECT 'copy of a rest', copies.attempts, copies.deployment_id, state, copies.error"
        " FROM file_copies AS copies JOIN file_shards AS shards ON shards.file_id = copies.file_id"
        " AND shards.shard = copies.shard JOIN batches ON batches.id = shards.batch_id"
        f" WHERE state = 'ready' AND batches.status IN {ENDED}"
    )
    await world.learn()
    found = [f"still to be done: {row}" for row in open_rows]
    return [*found, *await _twins(world), *await _orphans(world), *_leftovers(world)]


async def _twins(world: World) -> list[str]:
    """Shards that keep two provider jobs, and provider jobs that no job of ours speaks of."""
    known = await world.rows("SELECT id, batch_id, shard, provider_batch_id FROM jobs")
    jobs = {job_id: rest for job_id, *rest in known}
    lost = await _jobs_of_lost_history(world, jobs)
    kept: Counter[tuple[str, int]] = Counter()
    found: list[str] = []
    for account, batch in world.jobs():
        if not is_kept(account, batch):
            continue
        job_id = tag_of(batch)
        if (account.name, batch.id) in lost:
            continue
        batch_id, shard, provider_batch_id = jobs.get(job_id, ("no batch", 0, None))
        kept[batch_id, shard] += 1
        if provider_batch_id != batch.id:
            found.append(f"nobody speaks of {batch.id} at {account.name}, {batch.status}")
    return found + [f"{shard} keeps {count} provider jobs" for shard, count in kept.items() if count > 1]


async def lost_orphans(world: World) -> set[str]:
    """By account and id: inputs and jobs that only a part of history knew which was lost with a restore.

    A copy is of it if the provider made it then, or a little later for somebody who had asked for it then.
    """
    if world.lost_times is None:
        return set()
    began, ended = world.lost_times
    known = {row[0] for row in await world.rows("SELECT DISTINCT id FROM jobs")}
    lost = await _jobs_of_lost_history(world, known)
    copies = await world.rows(
        "SELECT deployment_id, provider_file_id FROM file_copies WHERE provider_file_id IS NOT NULL"
    )
    in_use = {f"{deployment_id}/{file_id}" for deployment_id, file_id in copies}
    jobs = {
        f"{account.name}/{batch.id}"
        for account, batch in world.jobs()
        if is_kept(account, batch) and (account.name, batch.id) in lost
    }
    files = {
        f"{account.name}/{file.id}"
        for account in world.accounts
        for file in account.files.values()
        if file.purpose == "batch"
        and world.installation in file.filename
        and began - SENT_SECONDS <= file.created_at <= ended + SENT_SECONDS
    }
    return jobs | (files - in_use)


def robbed(world: World) -> Iterator[BatchObject]:
    """Providers' jobs whose results were deleted, as those of a twin, in a history that is lost.

    The one that is left may follow such a job. It waits for the files, and ends without their rows.
    """
    if world.lost_times is None:
        return
    began, ended = world.lost_times
    deleted = {
        (entry.account, entry.object_id)
        for entry in world.simulator.journal.select("delete_file")
        if entry.done and began - SENT_SECONDS <= entry.time <= ended + SENT_SECONDS
    }
    for account, batch in world.jobs():
        if any(is_result(file_id, batch) for name, file_id in deleted if name == account.name):
            yield batch


async def _jobs_of_lost_history(world: World, known: Container[str]) -> set[tuple[str, str]]:
    """By account and id: jobs of batches that were made in a part of history that is lost.

    Or of a shard that this part alone has derived, of what another job had left undone there.
    """
    if world.lost_times is None:
        return set()
    began, ended = world.lost_times
    made = {(record.account, record.id): record.created_at for record in await world.simulator.jobs()}
    return {
        (account.name, batch.id)
        for account, batch in world.jobs()
        if not any(other in known for other in (tag_of(batch), f"{family_of(tag_of(batch))}1"))
        if _is_lost(world, tag_of(batch))
        or began - SENT_SECONDS <= made[account.name, batch.id] <= ended + SENT_SECONDS
    }


def _is_lost(world: World, job_id: str) -> bool:
    """Whether a job is of a batch that was made in a part of history that is lost."""
    if world.lost_times is None:
        return False
    began, ended = world.lost_times
    return began - SENT_SECONDS <= _time_in(family_of(job_id)) <= ended


def _time_in(family: str) -> float:
    """When an id was made, in seconds since 1970: the first 48 bits of a UUIDv7 (RFC 9562)."""
    body = family.removeprefix(JOB_PREFIX)[:26]
    value = 0
    for letter in body:
        value = value << 5 | "0123456789abcdefghjkmnpqrstvwxyz".index(letter)
    return (value >> 80) / 1000


def tag_of(batch: BatchObject) -> str:
    """The id of the job that a provider's batch was made for."""
    return (batch.metadata or {})[TAG_JOB]


def batch_of(job_id: str) -> str:
    """The id of the batch that a job is of."""
    return BATCH_PREFIX + job_id.removeprefix(JOB_PREFIX).partition("-")[0]


async def _orphans(world: World) -> list[str]:
    """Copies of ours that belong to no file, or more of them than one of each tile at a deployment.

    Shards that were made for a batch have copies while it is open.
    """
    tiles = await world.rows("SELECT file_id, shard FROM file_shards WHERE batch_id IS NULL")
    wanted = {
        f"{file_id}-{f'{shard}-' if shard else ''}{world.installation}.jsonl"
        for file_id, shard in tiles
        if file_id in world.files
    }
    found: list[str] = []
    lost = await lost_orphans(world)
    for account in world.accounts:
        names = Counter(
            file.filename
            for file in account.files.values()
            if file.purpose == "batch" and f"{account.name}/{file.id}" not in lost
        )
        ours = {name: count for name, count in names.items() if world.installation in name}
        found += [f"{account.name} has an orphan: {name}" for name in ours.keys() - wanted]
        found += [f"{account.name} has {count} of {name}" for name, count in ours.items() if count > 1]
    return found


def is_kept(account: Account, batch: BatchObject) -> bool:
    """Whether a provider's job was neither given back nor cancelled in time, whatever came of that.

    Where a batch tells at its end only whose it is, one too many is deleted then.
    """
    is_there = account.batch_store.find(batch.id) is not None
    return batch.status != "failed" and batch.cancelling_at is None and is_there


def is_result(file_id: str | None, batch: BatchObject) -> bool:
    """Whether this file is one of a batch's results, which may be all that is in a directory."""
    named = [each for each in (batch.output_file_id, batch.error_file_id) if each]
    return file_id is not None and any(
        file_id == each or (each.endswith("/") and file_id.startswith(each)) for each in named
    )


def _leftovers(world: World) -> list[str]:
    """What providers still have of results that were deleted."""
    return [
        f"{account.name} still has {file_id}"
        for journey in world.deleted
        for account, batch in world.jobs(journey)
        if is_kept(account, batch)
        for file_id in account.files
        if is_result(file_id, batch)
    ]


async def _settled_once(world: World) -> AsyncIterator[str]:
    """One charge for each job that was settled, except those that ran nothing."""
    charges = await world.rows("SELECT batch_id, job_id FROM charges ORDER BY 1, 2")
    settled = await world.rows(
        "SELECT batch_id, id FROM jobs WHERE state = 'settled' AND errors = '[]'"
        " AND (reason IS NULL OR reason NOT IN ('halved', 'cut_for_canary')) ORDER BY 1, 2"
    )
    if charges != settled or len(set(charges)) != len(charges):
        more, fewer = Counter(charges) - Counter(settled), Counter(settled) - Counter(charges)
        yield f"charged and not settled: {more}, settled and not charged: {fewer}, of {len(settled)}"


async def _charged_as_done(world: World) -> AsyncIterator[str]:
    """What is charged of a batch is what has come out of it as executed."""
    charged: Counter[str] = Counter()
    for batch_id, usage in await world.rows("SELECT batch_id, usage FROM charges"):
        charged[batch_id] += json.loads(usage)["requests"]
    for batch_id, status, counts in await world.rows("SELECT id, status, counts FROM batches"):
        done = json.loads(counts)["completed"]
        if status in ENDED and batch_id not in world.copied and charged[batch_id] != done:
            yield f"{batch_id}: {charged[batch_id]} requests are charged, and {done} were completed"


async def _nothing_runs_twice(world: World) -> AsyncIterator[str]:
    """No line is sent to another job while the one that had it before can still run it.

    One that was given up before it showed up is a twin: it is cancelled as soon as it is seen, also where
    what its successor left undone was handed on meanwhile.
    """
    rows = await world.rows("SELECT id, batch_id, shard, parent, state FROM jobs")
    given_up = {job_id: (batch, shard) for job_id, batch, shard, _, state in rows if state in GIVEN_UP}
    followed = {job_id for job_id, *_ in rows} - given_up.keys()
    parents = {(batch, shard): (batch, parent) for _, batch, shard, parent, _ in rows}
    shards = {job_id: (batch, shard) for job_id, batch, shard, *_ in rows}

    def comes_after(job_id: str, twin: str) -> bool:
        """Whether the lines of a job were handed on by a successor of one that was given up."""
        shard = shards.get(job_id)
        while shard is not None and (shard := parents.get(shard)) is not None:
            if shard == given_up.get(twin):
                return True
        return False

    tags = {(account.name, batch.id): tag_of(batch) for account, batch in world.jobs()}
    of_batch: defaultdict[str, list[JobRecord]] = defaultdict(list)
    for record in await world.simulator.jobs():
        job_id = tags.get((record.account, record.id))
        if job_id is not None and not _is_lost(world, job_id):
            of_batch[batch_of(job_id)].append(record)
    for batch_id, records in of_batch.items():
        found = {
            (tags[overlap.first], tags[overlap.second])
            for overlap in overlaps(records)
            if family_of(tags[overlap.first]) != family_of(tags[overlap.second])
            if tags[overlap.first] in followed
            if not comes_after(tags[overlap.first], tags[overlap.second])
        }
        for first, second in sorted(found):
            yield f"{batch_id}: {second} has lines that {first} could run still"


async def _copies_are_exact(world: World) -> AsyncIterator[str]:
    """A copy in use holds every byte of its tile, with the deployment's own model name.

    One that is translated asks the same in the same order, each line with an id of its own.
    """
    ready = await world.rows(
        "SELECT copies.file_id, copies.shard, copies.deployment_id, copies.provider_file_id,"
        ' shards."start", shards.bytes FROM file_copies AS copies'
        " JOIN file_shards AS shards ON shards.file_id = copies.file_id AND shards.shard = copies.shard"
        " JOIN files ON files.id = copies.file_id"
        " WHERE copies.state = 'ready' AND kind = 'input' AND shards.batch_id IS NULL"
    )
    for file_id, shard, deployment_id, provider_file_id, start, size in ready:
        account = world.simulator.account(deployment_id)
        if provider_file_id not in account.files or file_id not in world.files:
            continue  # lost there, or deleted
        copy, tile = await account.content(provider_file_id), world.files[file_id][start : start + size]
        if account.settings.flavour == "vertex":
            is_right = _is_translated(copy, tile)
        else:
            is_right = copy == at(deployment_id, tile)
        if not is_right:
            yield f"the copy of tile {shard} of {file_id} at {deployment_id} is not what was uploaded"


def _is_translated(copy: bytes, content: bytes) -> bool:
    lines, asked = rows_of(copy), rows_of(content)
    told = [line["request"]["contents"][-1]["parts"][-1]["text"] for line in lines]
    return len({line["custom_id"] for line in lines}) == len(lines) and told == [
        line["body"]["messages"][-1]["content"] for line in asked
    ]


async def _strangers_are_untouched(world: World) -> AsyncIterator[str]:
    """What others have at the same accounts is as it was, and nobody asked for it."""
    now = possessions(world.simulator)
    for name, status in world.foreign.items():
        if now.get(name) != status:
            yield f"a stranger's {name} was {status} and is {now.get(name)}"
    ids = {name.partition("/")[2] for name in world.foreign}
    for entry in world.simulator.journal:
        flavour = world.simulator.account(entry.account).settings.flavour
        tells_whose = (flavour, entry.call) == ("anthropic", "stream_file")  # by its results only
        if entry.object_id in ids and entry.api_key != THEIRS and not tells_whose:
            yield f"{entry.call} was asked for a stranger's {entry.object_id}"


async def _marks_are_of_jobs(world: World) -> AsyncIterator[str]:
    """Nothing is made under a mark that stands for no job."""
    made = [
        (account.name, progress.batch)
        for account in world.accounts
        for progress in account.batch_store.ever()
        if f"{account.name}/{progress.batch.id}" not in world.foreign
    ]
    worlds = [world, *world.neighbours]
    for each in worlds:
        await each.learn()
    for name, batch in made:
        if all(each.tags.is_strange(batch) for each in worlds):
            yield f"{batch.id} at {name} has a mark of no job"


async def _files_can_be_read(world: World) -> AsyncIterator[str]:
    """What was acknowledged comes out byte for byte, and nothing else is listed."""
    for file_id, content in world.files.items():
        try:
            if await world.read(file_id) != content:
                yield f"{file_id} is not what was uploaded"
        except (NotFoundError, TimeoutError) as error:
            yield f"{file_id} cannot be read: {error!r}"
    client = world.gateway.client()
    listed = {file.id async for file in client.files.list(purpose="batch")}
    if listed != world.files.keys():
        yield f"listed: {listed}, acknowledged: {world.files.keys()}"


async def _results(world: World) -> AsyncIterator[str]:
    """Every custom id comes out exactly once, always the same, and what is told of them is counted."""
    for journey in world.batches.keys() - world.deleted:
        batch = await world.batch(journey)
        if batch.status not in ("completed", "cancelled", "expired"):
            if batch.output_file_id or batch.error_file_id:
                yield f"{journey} is {batch.status} and has results"
            continue
        try:
            results = await world.read(batch.output_file_id), await world.read(batch.error_file_id)
            wrong = list(_wrong_with(batch, *results, world.content_of(journey)))
        except (NotFoundError, TimeoutError, ValueError) as error:
            wrong = [f"the results cannot be read: {error!r}"]
        else:
            if world.results.setdefault(journey, results) != results:
                wrong.append("the results have changed")
        for text in wrong:
            yield f"{journey}, {batch.status}: {text}"


def _wrong_with(batch: Batch, output: bytes, errors: bytes, content: bytes) -> Iterator[str]:
    went, came = ids_of(content), sorted(ids_of(output) + ids_of(errors))
    if came != went:
        yield f"went in: {went}, came out: {came}"
    asked = {row["custom_id"]: row["body"]["messages"][-1]["content"] for row in rows_of(content)}
    answers = {row["custom_id"]: row["response"]["body"] for row in rows_of(output)}
    for custom_id, body in answers.items():
        told = body["choices"][0]["message"]["content"]
        if told != f"echo: {asked.get(custom_id)}":
            yield f"{custom_id} is answered with {told}"
    counts = batch.request_counts
    counted = (len(went), len(ids_of(output)), len(ids_of(errors)))
    if counts is None or (counts.total, counts.completed, counts.failed) != counted:
        yield f"told: {counts}, counted: {counted}"
    tokens = sum(row["response"]["body"]["usage"]["total_tokens"] for row in rows_of(output))
    if (batch.usage.total_tokens if batch.usage else 0) != tokens:
        yield f"told: {batch.usage}, counted: {tokens} tokens"
