"""What the money comes to after a round: computed from what providers say they did, not by our code."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from litebatch_asgi.models import Lane
from litebatch_asgi.simulator import Account
from tests.costs import sums
from tests.costs.sums import nanodollars
from tests.faults.promises import is_result, robbed
from tests.faults.world import World
from tests.harness import rows_of
from tests.jsonl.reference import as_object, classes_of
from tests.survival.clients import CALLER, POOR_CALLER
from tests.survival.live import SERVERS
from tests.survival.server import KEY, PRICES, Deployed
from tests.translated.deployed import ANTHROPIC, VERTEX

BUDGETS = {CALLER: 1000.0, POOR_CALLER: 0.0014}
"""of the keys that clients come with, in US dollars"""
TEAM = "search"


async def make_callers(gateway: Deployed) -> None:
    """Make the keys that clients come with, and their team: what is charged is put on key and team."""
    async with gateway.http(KEY) as http:
        bodies = [("/team/new", {"team_id": TEAM, "max_budget": 1000.0})]
        for key, budget in BUDGETS.items():
            bodies.append(("/key/generate", {"key": key, "team_id": TEAM, "max_budget": budget}))
        for path, body in bodies:
            (await http.post(path, json=body)).raise_for_status()


async def wrong_charges(world: World) -> AsyncIterator[str]:
    """Each job is charged once what its rows cost, all sums are those of the charges, and nothing is held.

    One that its provider failed before it ran anything, or that was cut in two, costs nothing.
    """
    without_rows = {batch.id for batch in robbed(world)}
    charged: dict[str, list[int | None]] = {}
    for job_id, cost in await world.rows("SELECT job_id, CAST(cost AS text) FROM charges"):
        charged.setdefault(job_id, []).append(nanodollars(cost))
    answered = await _answered(world)
    for job_id, deployment, provider_id, lane in await world.rows(
        "SELECT id, deployment_id, provider_batch_id, lane FROM jobs WHERE state = 'settled'"
        " AND errors = '[]' AND (reason IS NULL OR reason NOT IN ('halved', 'cut_for_canary'))"
    ):
        told = charged.pop(job_id, [])
        if lane == Lane.LIVE:
            cost = _price(deployment, [OF_A_LINE] * answered[job_id])
        else:
            cost = await cost_of(world.simulator.account(deployment), provider_id)
        if told != [cost] and not (told == [0] and provider_id in without_rows):
            yield f"{job_id} is charged {told}, and {provider_id} at {deployment} has cost {cost}"
    for job_id, told in charged.items():
        yield f"{job_id} is charged {told} and was not settled"
    for text in await sums.unbalanced(world.database):
        yield text
    for row in await world.rows("SELECT scope, batch_id FROM reservations"):
        yield f"still reserved: {row}"
    spent = dict(await world.rows("SELECT scope, sum(spent) FROM budgets GROUP BY scope"))
    for key_id, budget in await world.rows("SELECT id, CAST(max_budget AS text) FROM virtual_keys"):
        limit = nanodollars(budget)
        assert limit is not None
        if spent.get(f"key:{key_id}", 0) > limit:  # no answer is longer than estimated
            yield f"key {key_id} has spent {spent[f'key:{key_id}']} of {limit}"


async def _answered(world: World) -> Counter[str]:
    """Requests of each live job that were answered with success, as its results tell, or as it was charged.

    The latter where results may have been deleted.
    """
    found: Counter[str] = Counter()
    whole = {batch_id for journey, batch_id in world.batches.items() if journey not in world.deleted}
    for job_id, batch_id, usage in await world.rows("SELECT job_id, batch_id, usage FROM charges"):
        if batch_id not in whole:
            found[job_id] = json.loads(usage)["requests"]
    for job_id, batch_id, count in await world.rows(
        "SELECT job_id, batch_id, count(*) FROM line_results JOIN jobs ON jobs.id = job_id"
        " WHERE kind = 'output' GROUP BY job_id, batch_id"
    ):
        if batch_id in whole:
            found[job_id] = count
    return found


class Used(NamedTuple):
    """Tokens of a row, or of several."""

    plain: int
    """of the input, without those that were cached"""
    cached: int
    made: int
    """of the output"""


OF_A_LINE = Used(73, 7, 4)
"""what each request of clients uses at a live deployment"""


async def cost_of(account: Account, provider_batch_id: str) -> int:
    """What the rows of a provider's batch cost, in nano-dollars.

    Once they are deleted, what was told of them counts.
    """
    ever = account.batch_store.ever()
    (batch,) = [progress.batch for progress in ever if progress.batch.id == provider_batch_id]
    named = [id_ for id_ in account.files if id_ != batch.error_file_id and is_result(id_, batch)]
    used: list[Used] = []
    if named:
        reader = _READERS.get(account.settings.flavour, _used_at_openai)
        for file_id in named:
            used += map(reader, rows_of(await account.content(file_id)))
    elif batch.usage is not None:
        cached = batch.usage.input_tokens_details.cached_tokens
        used = [Used(batch.usage.input_tokens - cached, cached, batch.usage.output_tokens)]
    return _price(account.name, used)


def _price(deployment: str, used: Sequence[Used]) -> int:
    """In nano-dollars."""
    suffix = "" if deployment in SERVERS else "_batches"
    prices = {name.removesuffix(suffix): Fraction(price) for name, price in PRICES[deployment].items()}
    dollars = (
        sum(each.plain for each in used) * prices["input_cost_per_token"]
        + sum(each.cached for each in used) * prices["cache_read_input_token_cost"]
        + sum(each.made for each in used) * prices["output_cost_per_token"]
    )
    return round(dollars * 10**9)


def _used_at_openai(row: dict[str, Any]) -> Used:
    classes = classes_of(as_object(row["response"]["body"]))
    assert classes is not None
    return Used(classes["plain_input"], classes["cached"], classes["plain_output"])


def _used_at_vertex(row: dict[str, Any]) -> Used:
    answer: dict[str, Any] = row.get("response") or {}
    told: dict[str, Any] = answer.get("usageMetadata") or {}  # without what is zero
    cached = told.get("cachedContentTokenCount", 0)
    made = told.get("candidatesTokenCount", 0) + told.get("thoughtsTokenCount", 0)
    return Used(told.get("promptTokenCount", 0) - cached, cached, made)


def _used_at_anthropic(row: dict[str, Any]) -> Used:
    if row["result"]["type"] != "succeeded":
        return Used(0, 0, 0)
    told = row["result"]["message"]["usage"]
    return Used(told["input_tokens"], told["cache_read_input_tokens"], told["output_tokens"])


_READERS: Mapping[str, Callable[[dict[str, Any]], Used]] = {
    VERTEX: _used_at_vertex,
    ANTHROPIC: _used_at_anthropic,
}
"""by what an account speaks; all others write usage as OpenAI does"""
