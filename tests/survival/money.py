"""What the money comes to after a round: computed from what providers say they did, not by our code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from fractions import Fraction

from litebatch_asgi.simulator import Account
from tests.costs import sums
from tests.costs.sums import nanodollars
from tests.faults.promises import robbed
from tests.faults.world import World
from tests.harness import rows_of
from tests.jsonl.reference import as_object, classes_of
from tests.survival.clients import CALLER, POOR_CALLER
from tests.survival.server import KEY, PRICES, Deployed

BUDGETS = {CALLER: 1000.0, POOR_CALLER: 0.001}
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
    """Each job is charged once what its rows cost, all sums are those of the charges, and nothing is held."""
    without_rows = {batch.id for batch in robbed(world)}
    charged: dict[str, list[int | None]] = {}
    for job_id, cost in await world.rows("SELECT job_id, CAST(cost AS text) FROM charges"):
        charged.setdefault(job_id, []).append(nanodollars(cost))
    for job_id, deployment, provider_id in await world.rows(
        "SELECT id, deployment_id, provider_batch_id FROM jobs WHERE state = 'settled'"
    ):
        told = charged.pop(job_id, [])
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


async def cost_of(account: Account, provider_batch_id: str) -> int:
    """What the rows of a provider's batch cost, in nano-dollars.

    Once they are deleted, what was told of them counts.
    """
    batch = account.batches[provider_batch_id]
    plain = cached = made = 0
    if batch.output_file_id in account.files:
        assert batch.output_file_id is not None
        for row in rows_of(await account.content(batch.output_file_id)):
            classes = classes_of(as_object(row["response"]["body"]))
            assert classes is not None
            plain += classes["plain_input"]
            cached += classes["cached"]
            made += classes["plain_output"]
    elif batch.usage is not None:
        cached = batch.usage.input_tokens_details.cached_tokens
        plain, made = batch.usage.input_tokens - cached, batch.usage.output_tokens
    prices = PRICES[account.name]
    dollars = (
        plain * Fraction(prices["input_cost_per_token_batches"])
        + cached * Fraction(prices["cache_read_input_token_cost_batches"])
        + made * Fraction(prices["output_cost_per_token_batches"])
    )
    return round(dollars * 10**9)
