"""Budgets of keys, users and teams."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, RateLimitError

from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.access.standalone import Standalone, standalone
from tests.database import BACKENDS, database_on
from tests.harness import lines
from tests.limits.test_budgets import A_DOLLAR, dollars, spent

QUICK_ENOUGH = SimulatorSettings(validating_seconds=0, running_seconds=0.05, finalizing_seconds=0)


@pytest.fixture(params=BACKENDS)
async def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Standalone]:
    """A gateway whose requests are estimated at a dollar each, and that runs batches when they are let."""
    simulator = Simulator(settings=QUICK_ENOUGH)
    async with (
        database_on(request.param, tmp_path) as database,
        standalone(tmp_path, database, simulator=simulator, prices=A_DOLLAR) as gateway,
    ):
        await gateway.manage("/team/new", team_id="search")
        await gateway.manage("/team/new", team_id="other")
        yield gateway


async def hold(gateway: Standalone) -> None:
    """Let no batch end from now on."""
    for name in ("east", "west"):
        gateway.simulator.account(name).configure(hold=frozenset({"in_progress"}))


def named(kind: str, key: str) -> dict[str, str]:
    return {"key": key} if kind == "key" else {f"{kind}_id": "search" if kind == "team" else "7"}


@pytest.mark.parametrize("kind", ["key", "user", "team"])
async def test_each_kind_has_a_budget(gateway: Standalone, kind: str) -> None:
    """What was spent before it was set counts."""
    key = await gateway.new_key(team_id="search", user_id="7", key_alias="nightly")
    file = await gateway.upload(dollars("1.5", "2"), key=key)
    await gateway.ended((await gateway.create(file.id, key=key)).id, key=key)
    await gateway.manage(f"/{kind}/update", max_budget="5.4", budget_duration="30d", **named(kind, key))
    whose = {"key": "the key 'nightly'", "user": "user:7", "team": "team:search"}[kind]
    with pytest.raises(
        RateLimitError, match=rf"max_budget of {whose} is 5\.4: 3\.5 spent, 0 reserved"
    ) as refused:
        await gateway.create(file.id, key=key)
    assert refused.value.code == "budget_exceeded"
    larger = await gateway.upload(lines(6), key=key)
    with pytest.raises(BadRequestError, match="can never pass"):
        await gateway.create(larger.id, key=key)
    await gateway.manage(f"/{kind}/update", max_budget=None, **named(kind, key))
    await gateway.create(file.id, key=key)


async def test_keys_of_a_team_share_its_budget(gateway: Standalone) -> None:
    await gateway.manage("/team/update", team_id="search", max_budget=3)
    await hold(gateway)
    keys = [await gateway.new_key(team_id="search") for _ in range(2)]
    files = [await gateway.upload(lines(2), key=key) for key in keys]
    await gateway.create(files[0].id, key=keys[0])
    with pytest.raises(RateLimitError, match="is 3: 0 spent, 2 reserved"):
        await gateway.create(files[1].id, key=keys[1])


async def test_what_a_moved_key_has_begun_is_charged_to_its_old_team(gateway: Standalone) -> None:
    await gateway.manage("/team/update", team_id="search", max_budget=3)
    await gateway.manage("/team/update", team_id="other", max_budget=3)
    await hold(gateway)
    key = await gateway.new_key(team_id="search")
    batch = await gateway.create((await gateway.upload(dollars("1.5", "1"), key=key)).id, key=key)
    await gateway.reached(batch.id, "in_progress", key=key)
    await gateway.manage("/key/update", key=key, team_id="other")
    moved = await gateway.upload(dollars("0.75", "0.5"), key=key)
    await gateway.create(moved.id, key=key)
    await end_all(gateway)
    assert await spent_of(gateway, "team:search", "team:other") == ["2.5", "1.25"]


async def end_all(gateway: Standalone) -> None:
    """Let all batches end, and wait until they have."""
    for name in ("east", "west"):
        gateway.simulator.account(name).configure(hold=frozenset())

    async def are_over() -> bool:
        return await gateway.database.rows("SELECT 1 FROM reservations") == []

    await gateway.eventually(are_over)


async def spent_of(gateway: Standalone, *scopes: str) -> list[str]:
    """The dollars charged to scopes."""
    found = await spent(gateway.database)
    return [f"{found.get(scope, Decimal(0)).normalize():f}" for scope in scopes]


@pytest.mark.parametrize("way", ["regenerated", "deleted"])
async def test_a_key_keeps_its_budget_whatever_becomes_of_it(gateway: Standalone, way: str) -> None:
    """What it has begun is charged to it, to its user and its team."""
    await hold(gateway)
    key = await gateway.new_key(team_id="search", user_id="7", max_budget=4)
    file = await gateway.upload(lines(3), key=key)
    batch = await gateway.create((await gateway.upload(dollars("1.5", "1"), key=key)).id, key=key)
    await gateway.reached(batch.id, "in_progress", key=key)
    scope = f"key:{(await gateway.database.rows('SELECT id FROM virtual_keys'))[0][0]}"
    if way == "deleted":
        await gateway.manage("/key/delete", keys=[key])
    else:
        key = (await gateway.manage("/key/regenerate", key=key))["key"]
        with pytest.raises(RateLimitError, match="is 4: 0 spent, 2 reserved"):
            await gateway.create(file.id, key=key)
    await end_all(gateway)
    assert await spent_of(gateway, scope, "user:7", "team:search") == ["2.5", "2.5", "2.5"]
    if way == "regenerated":
        with pytest.raises(RateLimitError, match=r"is 4: 2\.5 spent, 0 reserved"):
            await gateway.create(file.id, key=key)


async def test_budgets_are_shown(gateway: Standalone) -> None:
    """Under LiteLLM's names."""
    fields: dict[str, Any] = {"max_budget": 10, "soft_budget": "7.5", "budget_duration": "1mo"}
    shown = {"max_budget": 10.0, "soft_budget": 7.5, "budget_duration": "1mo"}
    made = [
        await gateway.manage("/key/generate", **fields),
        await gateway.manage("/team/new", **fields),
        await gateway.manage("/user/new", **fields, auto_create_key=False),
    ]
    for each in made:
        assert {name: each[name] for name in fields} == shown
        anew = datetime.fromisoformat(each["budget_reset_at"])
        assert (anew.day, anew.time(), anew.tzinfo) == (1, datetime.min.time(), UTC)
        assert anew > datetime.now(UTC)
        assert "warnings" not in each
    changed = await gateway.manage("/key/update", key=made[0]["key"], budget_duration=None, soft_budget=None)
    assert [changed[name] for name in ("max_budget", "soft_budget")] == [10, None]
    assert [changed[name] for name in ("budget_duration", "budget_reset_at")] == [None, None]
