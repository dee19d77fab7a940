"""What looking after many running batches costs an operation, measured in a short run on PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import psutil
from msgspec.structs import replace

from benchmarks._bulk import PADDED, copies, durable
from benchmarks._processes import scratch
from benchmarks._running import job_id, seed_running
from benchmarks._seed import batch_id
from litebatch_asgi.batches.rounds import NEWS_AT_ONCE, PAGE, ROWS_AT_ONCE
from litebatch_asgi.lifecycle import batch_change, move
from litebatch_asgi.models import BatchChange, BatchState, Counts, Job, JobState, ProviderBatch, Work
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.providers.openai.objects import parse_batch
from litebatch_asgi.reconciler import LOOKS_AT_ONCE
from litebatch_postgres import PostgresStorage
from litebatch_sql.tables import BATCHES, JOBS
from tests.postgres import Server, own_server, run_on

ASKED = 100
"""deployments"""
SEEDED = 10
"""of them, which have jobs"""
JOBS_EACH = 10_000
OWNERS = 20
ALONE = 20
"""jobs of each deployment that are looked at one by one"""
_LEASE_SECONDS = 3600.0
_MADE = 1_795_000_000
_LATER = timedelta(hours=1)


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Of one operation, in milliseconds."""

    wall: float
    database: float
    """CPU of the database's processes"""
    own: float
    """CPU of the replica that asks"""


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Of what the loop does."""

    due: Cost
    """which of 100 deployments have work that is due, with nothing due"""
    due_beside_round: Cost
    """the same, and what each deployment adds of which 10,000 jobs are claimed and due: a round goes on"""
    claim: Cost
    """500 jobs of the 10,000 that are due at a deployment"""
    renew: Cost
    """the claims on 500 jobs"""
    postpone: Cost
    """giving back 500 jobs of which nothing is new"""
    note: Cost
    """writing what is new of 100 jobs, and giving them back"""
    single: Cost
    """claiming one job, and writing what a look at it alone has shown"""
    read: Cost
    """a batch, for a client that asks"""
    page: Cost
    """reading a page of 100 batches of a provider's list; the provider's time is not in it"""


class Meter:
    """What operations take, of us and of the processes of a database."""

    def __init__(self, postmaster: int) -> None:
        self._postmaster = psutil.Process(postmaster)

    async def cost(self, operations: Sequence[Callable[[], Awaitable[object]]]) -> Cost:
        """The mean of these, one after the other: the system counts CPU too coarsely for one."""
        database, own, began = self._database(), time.process_time(), time.perf_counter()
        for operation in operations:
            await operation()
        each = 1000 / len(operations)
        return Cost(
            wall=each * (time.perf_counter() - began),
            database=each * (self._database() - database),
            own=each * (time.process_time() - own),
        )

    def _database(self) -> float:
        processes = [self._postmaster, *self._postmaster.children(recursive=True)]
        times = [process.cpu_times() for process in processes]
        return sum(each.user + each.system for each in times)


def _provider_batch(number: int) -> dict[str, Any]:
    """A running batch as OpenAI's list has it."""
    return {
        "id": f"batch_{number:032x}",
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "errors": None,
        "input_file_id": f"file-{number:024x}",
        "completion_window": "24h",
        "status": "in_progress",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": _MADE,
        "in_progress_at": _MADE + 60,
        "expires_at": _MADE + 86_400,
        "request_counts": {"total": 50_000, "completed": number, "failed": 0},
        "metadata": {TAG_JOB: job_id(number), TAG_INSTALLATION: "benchmark"},
    }


def measured(jobs_each: int = JOBS_EACH) -> Costs:
    """Measure all of it, with so many jobs at each of `SEEDED` deployments; takes about a minute."""
    with scratch() as folder:
        folder.chmod(0o755)
        with own_server(folder) as server:
            seed_running(server.url(), [parse_batch(_provider_batch(0))])
            return asyncio.run(_measure(server, jobs_each))


async def _measure(server: Server, jobs_each: int) -> Costs:
    await _fill(server, jobs_each)
    storage = PostgresStorage(server.url())
    await storage.open()
    try:
        return await _costs(storage, Meter(server.pid), jobs_each)
    finally:
        await storage.close()


async def _fill(server: Server, jobs_each: int) -> None:
    """Jobs that run at each deployment, all of them due."""
    count, padded = SEEDED * jobs_each, PADDED["postgresql"]
    own = {"id": f"'batch_lb' || {padded}", "owner": f"'team:' || n % {OWNERS}"}
    jobs = {
        "id": f"'job_lb' || {padded}",
        "batch_id": own["id"],
        "owner": own["owner"],
        "deployment_id": f"'{_deployment('')}' || n % {SEEDED}",
        "provider_batch_id": "'batch_' || n",
    }
    tables = [copies(BATCHES, "postgresql", count, **own), copies(JOBS, "postgresql", count, **jobs)]
    await run_on(server.url(), *tables, "VACUUM ANALYZE", "SELECT 1")
    await durable(server)


def _deployment(number: int | str) -> str:
    return f"deployment-{number}"


async def _costs(storage: PostgresStorage, meter: Meter, jobs_each: int) -> Costs:
    claims, ids = storage.claims, [None, *map(_deployment, range(ASKED))]
    held: list[Job] = []

    async def claim(where: int, limit: int) -> None:
        room: dict[str | None, int] = {_deployment(where): limit}
        found = await claims.claim_jobs("a worker", lease_seconds=_LEASE_SECONDS, room=room, work=Work.LOOK)
        if len(found) != limit:
            raise RuntimeError(f"{len(found)} of {limit} jobs were claimed")
        held.extend(found)

    async def single(where: int) -> None:
        await claim(where, 1)
        await note(held[-1:])

    async def note(jobs: Sequence[Job]) -> None:
        await storage.change_batches([job.batch_id for job in jobs], _news)

    parts = jobs_each // LOOKS_AT_ONCE
    alone = await meter.cost([partial(single, where) for where in range(SEEDED) for _ in range(ALONE)])
    left = jobs_each - ALONE
    sizes = [min(LOOKS_AT_ONCE, left - LOOKS_AT_ONCE * number) for number in range(parts)]
    taken = [await meter.cost([partial(claim, where, size) for size in sizes]) for where in range(SEEDED)]
    claiming = taken[0]
    del held[: ALONE * SEEDED]
    due_in_rounds = await meter.cost([partial(claims.due, ids)] * 20)
    groups = [held[at : at + ROWS_AT_ONCE] for at in range(0, parts * ROWS_AT_ONCE, ROWS_AT_ONCE)]
    renew = partial(claims.renew, lease_seconds=_LEASE_SECONDS)
    renewing = await meter.cost([partial(renew, each) for each in groups])
    news, quiet = held[: 40 * NEWS_AT_ONCE], held[40 * NEWS_AT_ONCE :]
    noted = [news[at : at + NEWS_AT_ONCE] for at in range(0, len(news), NEWS_AT_ONCE)]
    noting = await meter.cost([partial(note, each) for each in noted])
    later = [replace(job, next_check_at=job.created_at + _LATER, checks=job.checks + 1) for job in quiet]
    given = [later[at : at + ROWS_AT_ONCE] for at in range(0, len(later), ROWS_AT_ONCE)]
    giving = await meter.cost([partial(claims.postpone, each) for each in given])
    idle = await meter.cost([partial(claims.due, ids)] * 100)
    reading = await meter.cost([partial(storage.get_batch, batch_id(1 + n)) for n in range(1000)])
    paging = await meter.cost([_parse_page] * 40)
    return Costs(
        due=idle,
        due_beside_round=_each(due_in_rounds, idle, SEEDED),
        claim=claiming,
        renew=renewing,
        postpone=giving,
        note=noting,
        single=alone,
        read=reading,
        page=paging,
    )


def _news(state: BatchState) -> BatchChange:
    """What a list has shown of a batch that goes on."""
    now = state.batch.created_at
    jobs = [move(job, JobState.SUBMITTED, snapshot=_further(job), due=now + _LATER) for job in state.jobs]
    return batch_change(state, now, jobs=jobs, batch=state.batch)


def _further(job: Job) -> ProviderBatch:
    assert job.snapshot is not None
    return replace(job.snapshot, counts=Counts(total=50_000, completed=1000))


_PAGE_SEEN = msgspec.json.encode({"data": [_provider_batch(number) for number in range(PAGE)]})


async def _parse_page() -> None:
    for seen in msgspec.json.decode(_PAGE_SEEN)["data"]:
        parse_batch(seen)


def _each(many: Cost, none: Cost, count: int) -> Cost:
    """What each of so many adds."""
    parts = {name: (getattr(many, name) - getattr(none, name)) / count for name in Cost.__struct_fields__}
    return Cost(**{name: max(0.0, part) for name, part in parts.items()})


if __name__ == "__main__":
    print(msgspec.json.format(msgspec.json.encode(measured())).decode())
