"""A short form of `python -m tests.survival`: some seconds of killing on each database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from pathlib import Path
from random import Random

import pytest

from tests.postgres import Server, own_server
from tests.survival.databases import new_database
from tests.survival.fates import EVERYTHING, LIVE, POISONED, RESCUING, TRANSLATING, Features, Toll, failpoints
from tests.survival.plans import Plan
from tests.survival.staging import played
from tests.survival.turns import Turn


@pytest.fixture
def server(backend: str) -> Generator[Server | None]:
    """A PostgreSQL that may be restarted; None for the other database."""
    if backend == "sqlite":
        yield None
        return
    with own_server() as server:
        yield server


async def test_nothing_is_lost_and_nothing_done_twice(tmp_path: Path, server: Server | None) -> None:
    plan = Plan(seed="short", seconds=5, replicas=2, clients=4, outage_seconds=3, least_kills=1)
    async with new_database(tmp_path, server) as database:
        result = await played(plan, tmp_path, database, server)
    assert result.violations == []
    assert result.toll.kills > 0
    assert result.memory.world.files
    assert result.memory.telling.taken > 0


@pytest.mark.long
@pytest.mark.parametrize("turn", [Turn.CLONE, Turn.RESTORE])
async def test_a_clone_and_a_restore_do_no_harm(tmp_path: Path, server: Server | None, turn: Turn) -> None:
    plan = Plan(seed="short", seconds=15, replicas=2, clients=4, outage_seconds=5, turn=turn)
    async with new_database(tmp_path, server) as database:
        result = await played(plan, tmp_path, database, server)
    assert result.violations == []
    assert result.toll.clones + result.toll.restores == 1


@pytest.mark.long
@pytest.mark.parametrize("turn", Turn)
async def test_nothing_is_lost_where_not_everybody_speaks_openai(
    tmp_path: Path, server: Server | None, turn: Turn
) -> None:
    plan = Plan(
        seed="short",
        seconds=15,
        replicas=2,
        clients=4,
        outage_seconds=5,
        turn=turn,
        is_mixed=True,
        least_kills=1,
    )
    async with new_database(tmp_path, server) as database:
        result = await played(plan, tmp_path, database, server)
    assert result.violations == []
    accounts = result.memory.world.accounts
    assert all(account.batch_store.ever() for account in accounts)


@pytest.mark.long
@pytest.mark.parametrize(
    ("turn", "is_mixed"), [(Turn.NONE, False), (Turn.CLONE, True), (Turn.RESTORE, False)]
)
async def test_nothing_is_lost_where_jobs_are_rescued(
    tmp_path: Path, server: Server | None, turn: Turn, is_mixed: bool
) -> None:
    plan = Plan(
        seed="short",
        seconds=15,
        replicas=2,
        clients=4,
        outage_seconds=5,
        turn=turn,
        is_mixed=is_mixed,
        rescues=True,
        least_kills=1,
        least_rescues=1,
    )
    async with new_database(tmp_path, server) as database:
        result = await played(plan, tmp_path, database, server)
    assert result.violations == []
    assert result.rescues > 0


@pytest.mark.long
@pytest.mark.parametrize(("replicas", "rescues"), [(2, False), (3, True)])
async def test_each_line_is_run_once_at_live_deployments(
    tmp_path: Path, server: Server | None, replicas: int, rescues: bool
) -> None:
    plan = Plan(
        seed="short",
        seconds=8,
        replicas=replicas,
        clients=4,
        outage_seconds=4,
        live=True,
        poison=True,
        rescues=rescues,
        least_kills=2,
        least_requests=1,
    )
    async with new_database(tmp_path, server) as database:
        result = await played(plan, tmp_path, database, server)
    assert result.violations == []
    assert result.toll.kills > 0
    assert result.requests > 0


def test_every_place_has_its_turn() -> None:
    few = Features(translates=False, rescues=False, live=False, poison=False)
    toll, chance = Toll(few), Random(1)
    places = failpoints(few)
    had = Counter(toll.next_place(chance) for _ in range(5 * len(places)))
    assert sorted(had) == places
    assert max(had.values()) < 9  # although none of them was passed


def test_every_place_is_known() -> None:
    every = set(failpoints(EVERYTHING))
    assert {"place.answered", "upload.answered", "settle.before", "cancel.before", "live.written"} < every
    assert every - set(failpoints(Features(translates=False))) == TRANSLATING
    assert every - set(failpoints(Features(rescues=False))) == RESCUING
    assert every - set(failpoints(Features(poison=False))) == POISONED
    assert every - set(failpoints(Features(live=False))) == {name for name in every if name.startswith(LIVE)}
