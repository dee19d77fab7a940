"""Repricing is cut short, done twice at once, and done while batches are settled: the account balances."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import anyio
import pytest

from litebatch_asgi.repricing import PAGE
from tests.database import Database
from tests.harness import InProcess, running_gateway

from .repricing import charged, configure, costs, opened, reprice, told
from .settled import requests
from .sums import unbalanced
from .test_money import OWN, OWN_PRICES, WEST, nano_dollars

COUNT = 2 * PAGE + 10
MODELS = [f"model-{number:04}" for number in range(COUNT)]
AT_OWN_PRICES = 100_000
"""nano-dollars for 1,000 tokens of input"""


@pytest.mark.parametrize(
    ("place", "left"),
    [("reprice.before=2*kill", COUNT - PAGE), ("reprice.written=2*kill", COUNT - 2 * PAGE)],
)
async def test_who_dies_in_the_middle_has_corrected_all_of_a_page_or_nothing(
    tmp_path: Path, database: Database, place: str, left: int
) -> None:
    """And whoever goes on does the rest."""
    config = configure(tmp_path, "new", OWN_PRICES)
    async with opened(database) as storage:
        await charged(storage, MODELS)
    assert (await reprice(config, database.url, failpoints=place)).returncode == -signal.SIGKILL
    assert await unbalanced(database) == []
    done = await reprice(config, database.url)
    assert (done.returncode, len(told(done))) == (0, left)
    assert await costs(database) == dict.fromkeys(MODELS, AT_OWN_PRICES)
    assert await unbalanced(database) == []


async def test_two_at_once_correct_each_charge_once(tmp_path: Path, database: Database) -> None:
    """What one of them tells that it has corrected the other one has not."""
    config = configure(tmp_path, "new", OWN_PRICES)
    async with opened(database) as storage:
        await charged(storage, MODELS)
    corrected: list[str] = []

    async def run() -> None:
        ended = await reprice(config, database.url)
        assert ended.returncode == 0, ended.stderr
        corrected.extend(line["model"] for line in told(ended))

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(run)
    assert sorted(corrected) == MODELS
    assert await costs(database) == dict.fromkeys(MODELS, AT_OWN_PRICES)
    assert await unbalanced(database) == []


async def test_batches_are_settled_meanwhile(tmp_path: Path, database: Database) -> None:
    """By a gateway with other prices than those of two processes, which have different ones as well."""
    new = configure(tmp_path, "new", OWN_PRICES)
    other = configure(tmp_path, "other", {"input_cost_per_token": "1e-5", "output_cost_per_token": "1e-5"})
    async with running_gateway(tmp_path, names=("west",), database=database) as gateway:
        file = await gateway.upload(requests({}, {"input_tokens": 200_000, "output_tokens": 7}))
        ends = anyio.Event()
        made: list[str] = []
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(_keep_settling, gateway, file.id, made, ends)
            for _ in range(2):
                async with anyio.create_task_group() as both:
                    for config in (new, other):
                        both.start_soon(partial(_repriced, config, database))
            ends.set()
        assert await unbalanced(database) == []
        ended = await gateway.client().batches.retrieve(made[0])
        output, _ = await gateway.results(ended)
        await _repriced(new, database)
    (cost,) = nano_dollars(output, {WEST: OWN}).values()
    assert await costs(database) == {WEST: cost * len(made)}
    assert await unbalanced(database) == []


async def _keep_settling(gateway: InProcess, file_id: str, made: list[str], ends: anyio.Event) -> None:
    while not ends.is_set():
        made.append((await gateway.ended((await gateway.create(file_id)).id)).id)


async def _repriced(config: Path, database: Database) -> None:
    ended = await reprice(config, database.url)
    assert ended.returncode == 0, ended.stderr
