"""What a client does while things go wrong, and how it may come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import anyio
import msgspec

from litebatch_asgi import failpoints
from litebatch_asgi.failpoints import armed
from litebatch_asgi.models.ids import family_of
from litebatch_asgi.simulator import ArmedFault, Fault
from tests.database import Database
from tests.faults.promises import broken, tag_of
from tests.faults.stage import MIXED, TILES, shared_world
from tests.faults.world import CANCEL, RUN, World
from tests.harness import HASTY

LEFT_SECONDS = 5.0
"""what troubles have left to end by themselves once the client is through"""

Act = Callable[[World], Coroutine[Any, Any, None]]


class Phase(StrEnum):
    """What a trouble hits first."""

    UPLOAD = "upload"
    CREATE = "create"
    POLL = "poll"
    SETTLE = "settle"
    CANCEL = "cancel"
    DELETE = "delete"


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something that goes wrong during a journey."""

    name: str
    phase: Phase
    faults: tuple[Fault, ...] = ()
    """in force from the start"""
    dies_at: str = ""
    """failpoints at which our own work ends as if its process had died"""
    accounts: dict[str, Any] = {}
    """settings of the provider accounts, by name of the account or, for both, of the setting"""
    settings: dict[str, Any] = {}
    """of the gateway"""
    uploaded: Act | None = None
    """done between the upload and the batches"""
    meanwhile: Act | None = None
    """done from the start on, beside the client; ends by itself"""
    ends: frozenset[str] = frozenset({"completed"})
    """how the batch that is left alone may end"""
    cancels: frozenset[str] = frozenset({"cancelled"})
    """how the batch that is cancelled may end"""
    loses: int = 0
    """how many rows the provider loses"""
    makes_twins: bool = False
    """whether a second provider job may be made for a shard, to be cancelled when it is seen"""


async def outcome(
    troubles: Sequence[Trouble],
    folder: Path,
    *,
    flavour: str = "openai",
    database: Database | None = None,
) -> list[str]:
    """Go on the whole journey under these troubles: everything that came out as it may not.

    `flavour` is one that `shared_world` has; the database is a file in `folder` unless another one is given.
    """
    settings = HASTY
    for trouble in troubles:
        settings = msgspec.structs.replace(settings, **trouble.settings)
    deaths = ",".join(trouble.dies_at for trouble in troubles if trouble.dies_at)
    async with shared_world(folder, settings=settings, flavour=flavour, database=database) as world:
        faults = _begin(world, troubles)
        async with _whatever_is_told(world, flavour):
            with armed(deaths):
                async with anyio.create_task_group() as group:
                    for trouble in troubles:
                        if trouble.meanwhile is not None:
                            group.start_soon(trouble.meanwhile, world)
                    await travel(world, troubles)
                    group.cancel_scope.deadline = anyio.current_time() + LEFT_SECONDS
                wrong = [*await broken(world), *await _unexpected(world, troubles)]
                if not wrong:
                    await world.delete(next(iter(world.files)), RUN)
                    wrong = await broken(world)
                survived = sorted(failpoints._armed)  # pyright: ignore[reportPrivateUsage]
        if len(troubles) == 1 and (flavour in ("openai", TILES) or flavour in MIXED):
            wrong += [f"{each.fault} never struck" for each in faults if not each.struck]
            wrong += [f"{place} was never passed" for place in survived]
        return wrong


@asynccontextmanager
async def _whatever_is_told(world: World, flavour: str) -> AsyncGenerator[None]:
    """Keep up with providers that do not tell whose a batch is."""
    async with anyio.create_task_group() as group:
        if flavour in MIXED:
            group.start_soon(world.keep_learning)
            group.start_soon(world.let_doubtful_end)
        yield
        group.cancel_scope.cancel()


def _begin(world: World, troubles: Sequence[Trouble]) -> list[ArmedFault]:
    for account in world.accounts:
        for trouble in troubles:
            account.configure(**trouble.accounts.get(account.name, {}))
    return [world.simulator.add_fault(fault) for trouble in troubles for fault in trouble.faults]


async def travel(world: World, troubles: Sequence[Trouble] = ()) -> None:
    """Upload, run one batch to its end and cancel another."""
    file_id = await world.upload()
    for trouble in troubles:
        if trouble.uploaded is not None:
            await trouble.uploaded(world)
    async with anyio.create_task_group() as group:
        group.start_soon(world.let_run)
        for journey in (RUN, CANCEL):
            await world.create(file_id, journey)
        await world.ended(RUN)
        await world.cancel(CANCEL)
        await world.ended(CANCEL)
        group.cancel_scope.cancel()


async def _unexpected(world: World, troubles: Sequence[Trouble]) -> list[str]:
    """Endings and losses that these troubles do not explain, and twins that need not have been made."""
    ends = frozenset[str]().union(*(trouble.ends for trouble in troubles))
    cancels = frozenset[str]().union(*(trouble.cancels for trouble in troubles))
    found: list[str] = []
    for journey, allowed, loses in ((RUN, ends, sum(each.loses for each in troubles)), (CANCEL, cancels, 0)):
        status = (await world.batch(journey)).status
        if status not in allowed:
            found.append(f"{journey} is {status}")
        lost = world.lost(journey)
        if lost > loses or (lost < loses and len(troubles) == 1):
            found.append(f"{journey} has lost {lost} rows")
        made = Counter(
            family_of(tag_of(batch)) for _, batch in world.jobs(journey) if batch.status != "failed"
        )
        if len(troubles) == 1 and not troubles[0].makes_twins:
            found += [f"{shard} was made {count} times" for shard, count in made.items() if count > 1]
    return found
