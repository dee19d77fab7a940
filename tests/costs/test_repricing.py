"""Charges become what today's prices make them, by processes of their own, on real databases."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.costs import PriceBook
from litebatch_asgi.models import ChargedUsage, Deployment
from litebatch_asgi.repricing import Repricer
from tests import forks
from tests.database import Database
from tests.harness import MODEL, InProcess, running_gateway

from .repricing import SINCE, charged, configure, costs, opened, reprice, told
from .settled import settled
from .sums import nanodollars, unbalanced
from .test_money import LONG, MIXED, OLD, OPENAI, OWN, OWN_PRICES, WEST, Prices, nano_dollars

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OWN_OF_ALL: Prices = dict.fromkeys((WEST, LONG, OLD), OWN)


@pytest.fixture
async def gateway(tmp_path: Path, database: Database) -> AsyncGenerator[InProcess]:
    """A gateway over one deployment, with published prices."""
    async with running_gateway(tmp_path, names=("west",), database=database) as running:
        yield running


async def test_charges_become_what_the_prices_of_today_make_them(
    gateway: InProcess, database: Database, tmp_path: Path
) -> None:
    """Beside the gateway, with a dry run before; and once."""
    _, output = await settled(gateway, *MIXED)
    before = await database.rows("SELECT count(*) FROM charges")
    old, new = nano_dollars(output, OPENAI), nano_dollars(output, OWN_OF_ALL)
    config = configure(tmp_path, "new", OWN_PRICES)
    tried = await reprice(config, database.url, "--dry-run")
    assert await database.rows("SELECT count(*) FROM charges") == before
    assert (tried.returncode, told(tried)) == (
        0,
        [
            {
                "model": model,
                "deployment": "west",
                "batches": 1,
                "before": dollars(old[model]),
                "after": dollars(new[model]),
                "difference": dollars(new[model] - old[model]),
            }
            for model in sorted(old)
        ],
    )
    assert "3 of 3 charges would be corrected" in tried.stderr
    done = await reprice(config, database.url)
    assert (done.returncode, done.stdout) == (0, tried.stdout)
    assert done.stderr == tried.stderr.replace("would be", "were")
    assert await costs(database) == new
    again = await reprice(config, database.url)
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr == "none of 3 charges has to be corrected\n"
    assert await unbalanced(database) == []


def dollars(nano: int) -> str:
    return f"{Decimal(nano).scaleb(-9):.9f}"


async def test_a_charge_for_wrong_usage_is_taken_back_for_good(
    gateway: InProcess, database: Database, tmp_path: Path
) -> None:
    """Budgets get it back; its requests stay without a price, whatever prices come."""
    absurd = {"usage": {"prompt_tokens": 100_000_000, "completion_tokens": 1, "total_tokens": 100_000_001}}
    await settled(gateway, absurd)
    [(batch_id,)] = await database.rows("SELECT batch_id FROM charges")
    config = configure(tmp_path, "same", OWN_PRICES)
    other = await reprice(config, database.url, "--take-back", "batch_lb0")
    assert (other.returncode, other.stdout) == (0, "")
    done = await reprice(config, database.url, "--take-back", batch_id)
    assert done.returncode == 0
    assert [line["after"] for line in told(done)] == [dollars(0)]
    assert sum((await costs(database)).values()) == 0
    assert await database.rows("SELECT unpriced_requests FROM batches") == [(1,)]
    for options in ((), ("--take-back", batch_id)):
        again = await reprice(config, database.url, *options)
        assert (again.returncode, again.stdout) == (0, "")
    assert await unbalanced(database) == []


async def test_what_had_no_price_gets_one(tmp_path: Path, database: Database) -> None:
    """The cost of the batch is known then."""
    async with running_gateway(tmp_path, names=("east",), database=database) as gateway:
        _, output = await settled(gateway, {}, {"input_tokens": 200_000, "output_tokens": 5})
        config = configure(tmp_path, "new", OWN_PRICES, deployments=("east",))
        assert await database.rows("SELECT cost FROM batches") == [(None,)]
        (line,) = told(await reprice(config, database.url))
        (expected,) = nano_dollars(output, {"gpt-4o-mini-east-deployment": OWN}).values()
        assert (line["before"], line["after"]) == (None, dollars(expected))
        ((cost,),) = await database.rows("SELECT CAST(cost AS text) FROM batches")
        assert nanodollars(cost) == expected
        assert await database.rows("SELECT sum(requests), sum(unpriced_requests) FROM spend_daily") == [
            (2, 0)
        ]
        assert await unbalanced(database) == []


async def test_some_charges_can_be_chosen(gateway: InProcess, database: Database, tmp_path: Path) -> None:
    await settled(gateway, {}, {"model": OLD})
    config = configure(tmp_path, "new", OWN_PRICES)
    for options, models in (
        (["--model", OLD], [OLD]),
        (["--model", "gpt-4o-batch"], [OLD, WEST]),
        (["--model", "unknown"], []),
    ):
        ended = await reprice(config, database.url, "--dry-run", *options)
        assert [line["model"] for line in told(ended)] == models
    ended = await reprice(config, database.url, since="2999-12-31T12:00:00")
    assert (ended.returncode, ended.stderr) == (0, "none of 0 charges has to be corrected\n")


async def test_what_cannot_be_repriced_is_told(
    gateway: InProcess, database: Database, tmp_path: Path
) -> None:
    """It stays as it is, and all else is corrected."""
    await settled(gateway, {"input_tokens": 150_000}, {"model": OLD})
    before = await costs(database)
    moved = {**OWN_PRICES, "input_cost_per_token_above_150k_tokens": "6e-7"}
    for name, prices, deployments, reason in (
        ("moved", moved, ("west",), "the price changes at lengths of inputs"),
        ("less", {"input_cost_per_token": "1e-7"}, ("west",), "the price lacks a kind of token"),
        ("gone", OWN_PRICES, ("east",), "the configuration lacks the deployment"),
    ):
        config = configure(tmp_path, name, prices, deployments=deployments)
        ended = await reprice(config, database.url)
        assert ended.returncode == 1
        lines = ended.stderr.splitlines()
        assert f"1 charge of {WEST} at west cannot be repriced: {reason}" in lines[-1]
        assert await costs(database) | {OLD: 0} == before | {OLD: 0}
    assert await unbalanced(database) == []


async def test_the_price_is_that_of_the_day_of_the_charge(tmp_path: Path, database: Database) -> None:
    """The correction counts on the day on which it is written."""
    days = [datetime(2026, 12, 31, 12, tzinfo=UTC), datetime(2027, 1, 1, 12, tzinfo=UTC)]
    async with opened(database) as storage:
        for day in days:
            await charged(storage, ["gemini-3.6-flash"], created_at=day)
        deployment = Deployment(model_name=MODEL, model="gemini/gemini-3.6-flash", id="west")
        catalog = Catalog([deployment])
        done = await Repricer(storage, catalog, PriceBook([deployment])).reprice(days[0])
        today = await storage.now()
    assert done.looked_at == 2
    rows = await database.rows("SELECT day, cost, batches FROM spend_daily ORDER BY day")
    # 0.375 dollars a million until the end of the year, then 0.75
    assert rows == [
        ((today - EPOCH).days, 1000 * (375 + 750), 0),
        *(((day - EPOCH).days, 0, 1) for day in days),
    ]
    assert await unbalanced(database) == []


async def test_charges_of_an_earlier_version_stay_as_they_are(tmp_path: Path, database: Database) -> None:
    """It kept no lengths of inputs, and no prices."""
    async with opened(database) as storage:
        await charged(storage, [WEST], usage=ChargedUsage(input_tokens=20, total_tokens=30))
    ended = await reprice(configure(tmp_path, "new", OWN_PRICES), database.url)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "1 charge of gpt-4o-mini at west cannot be repriced: it was made by a version" in ended.stderr
    assert await database.rows("SELECT count(*) FROM charges") == [(1,)]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--since", "yesterday"), "'yesterday' does not match the formats"),
        (("--since", SINCE, "--database", "memory://"), "error: memory:// is in the gateway's memory alone"),
        (("--since", SINCE, "--database", "sqlite:///typo.db"), "error: there is no database file typo.db"),
        (("--since", SINCE, "--config", "missing.yaml"), "error: there is no missing.yaml"),
        ((), "Missing option '--since'"),
    ],
)
def test_a_wrong_use_is_told(tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    ended = forks.run("reprice", *options, cwd=tmp_path, OPENAI_API_KEY="sk-any")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
