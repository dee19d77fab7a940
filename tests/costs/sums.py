"""Whether an account balances: what its sums say is what its charges say, to the nano-dollar."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tests.database import Database

DAY = 86_400_000_000
"""microseconds"""
PLACE = ("day", "owner", "key", "team", "model", "deployment")
ROLLUPS = ("owner,key,team", "owner,team,deployment", "owner,team,model", "owner,team", "model,deployment")
COUNTED = ("input_tokens", "cached_tokens", "output_tokens", "requests", "unpriced_requests")
SUMS = ("cost", "batches", *COUNTED)


async def unbalanced(database: Database) -> list[str]:
    """What the sums by day, scope and batch say, where the charges say something else."""
    days: dict[tuple[Any, ...], Counter[str]] = {}
    scopes: Counter[tuple[str, int]] = Counter()
    costs: dict[str, dict[tuple[str, str], int | None]] = {}
    for (
        *place,
        created_by,
        job_id,
        batch_id,
        corrects,
        written_usage,
        written_cost,
        put_on,
        assumed,
    ) in await _charges(database):
        owner, model, deployment, day = place
        team = owner.removeprefix("team:") if owner.startswith("team:") else ""
        usage, cost = json.loads(written_usage), nanodollars(written_cost)
        counted = (cost or 0) + (nanodollars(assumed) or 0)
        sums = days.setdefault((day, owner, created_by or "", team, model, deployment), Counter())
        sums.update(cost=cost or 0, batches=corrects is None, **{name: usage[name] for name in COUNTED})
        scopes.update({(scope, day): counted for scope in json.loads(put_on)})
        of_batch = costs.setdefault(batch_id, {})
        before = of_batch.get((job_id, model))
        of_batch[job_id, model] = before if cost is None else (before or 0) + cost
    found = [
        *_differences("spend", days, await _spend(database)),
        *_differences("rollup", _rolled_up(days), await _rollups(database)),
        *_differences("budget", +scopes, await _budgets(database)),
    ]
    told = {
        batch_id: nanodollars(cost)
        for batch_id, cost in await database.rows("SELECT id, CAST(cost AS text) FROM batches")
    }
    for batch_id, of_batch in costs.items():
        expected = None if None in of_batch.values() else sum(filter(None, of_batch.values()))
        if batch_id in told and told[batch_id] != expected:
            found.append(f"{batch_id} costs {told[batch_id]} and is charged {of_batch}")
    return found


async def _charges(database: Database) -> list[tuple[Any, ...]]:
    return await database.rows(
        f"SELECT owner, model, deployment_id, created_at / {DAY}, created_by, job_id, batch_id, corrects, "
        "CAST(usage AS text), CAST(cost AS text), CAST(scopes AS text), CAST(assumed_cost AS text) "
        "FROM charges"
    )


async def _spend(database: Database) -> dict[tuple[Any, ...], Counter[str]]:
    rows = await database.rows(f"SELECT {_columns(PLACE)}, {_columns(SUMS)} FROM spend_daily")
    return {tuple(row[:6]): Counter(dict(zip(SUMS, row[6:], strict=True))) for row in rows}


async def _rollups(database: Database) -> dict[tuple[Any, ...], Counter[str]]:
    rows = await database.rows(f"SELECT fields, {_columns(PLACE)}, {_columns(SUMS)} FROM spend_rollups")
    return {tuple(row[:7]): Counter(dict(zip(SUMS, row[7:], strict=True))) for row in rows}


def _rolled_up(days: dict[tuple[Any, ...], Counter[str]]) -> dict[tuple[Any, ...], Counter[str]]:
    """What the sums of the days come to by what each rollup tells apart."""
    found: dict[tuple[Any, ...], Counter[str]] = {}
    for place, sums in days.items():
        for fields in ROLLUPS:
            kept = {"day", *fields.split(",")}
            key = (fields, *(value if name in kept else "" for name, value in zip(PLACE, place, strict=True)))
            found.setdefault(key, Counter()).update(sums)
    return found


def _columns(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


async def _budgets(database: Database) -> Counter[tuple[str, int]]:
    rows = await database.rows("SELECT scope, day, spent FROM budgets WHERE spent <> 0")
    return Counter({(scope, day): spent for scope, day, spent in rows})


def _differences(what: str, expected: dict[Any, Any], told: dict[Any, Any]) -> list[str]:
    return [
        f"{what} of {key} is {told.get(key)} and should be {expected.get(key)}"
        for key in sorted(expected.keys() | told.keys())
        if told.get(key) != expected.get(key)
    ]


def nanodollars(cost: str | None) -> int | None:
    """A cost as it stands in the database."""
    return None if cost is None else int(Decimal(cost).scaleb(9))
