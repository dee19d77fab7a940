"""Batch inputs of several tiles, and what goes wrong when one is taken for another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import anyio

from litebatch_asgi.models import Deployment, FileState
from litebatch_asgi.simulator import Account, Fault, Simulator
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import HASTY, MODEL, SWIFT, InProcess, lines

CONTENT = lines(9)
"""three tiles of equal size for deployments that take three requests at once"""
FOUND_WITHIN_SECONDS = 8.0


def served(provider: str, names: Sequence[str], *, most: int) -> list[Deployment]:
    """Deployments that take so many requests at once, each with a name of its own for the model."""
    return [
        Deployment(
            model_name=MODEL,
            model=f"openai/gpt-{name}",
            api_base=f"{provider}/{name}/v1",
            api_key=f"sk-{name}",
            id=name,
            max_job_requests=most,
        )
        for name in names
    ]


async def wrong_copies(state: FileState, accounts: Sequence[Account], content: bytes) -> list[str]:
    """Which copies are not what they are to be: each tile once at each of the accounts, and nothing else."""
    found: list[str] = []
    models = {copy.deployment_id: copy.model for copy in state.copies}
    for account in accounts:
        kept = Counter(file.id for file in account.files.values())
        for tile in state.shards:
            (copy,) = [each for each in state.copies_of(tile.shard) if each.deployment_id == account.name]
            name = f"{copy.name}, {copy.state}, {copy.provider_file_id}"
            if copy.provider_file_id is None or not kept.pop(copy.provider_file_id, 0):
                found.append(f"{name}: the provider has it no more, or it is another tile's as well")
                continue
            lines_of_tile = content[tile.start : tile.start + tile.bytes]
            told = lines_of_tile.replace(f'"{MODEL}"'.encode(), f'"{models[account.name]}"'.encode())
            if await account.content(copy.provider_file_id) != told:
                found.append(f"{name}: holds something else")
        found += [f"{account.name} has an orphan: {id_}" for id_ in kept]
    return found


async def tiles_in_doubt(folder: Path, database: Database | None = None) -> list[str]:
    """One deployment takes all tiles and says so to nobody: each copy is to find its own."""
    simulator = Simulator(settings=SWIFT)
    async with simulator.running() as provider:
        deployments = served(provider, ("one", "two"), most=3)
        two = simulator.account("two")
        lost = two.add_fault(Fault(call="upload_file", when="after", drop=True, times=3))
        async with gateway_on(
            simulator, provider, folder, settings=HASTY, served=deployments, database=database
        ) as gateway:
            file = await gateway.upload(CONTENT)
            wrong = ["what was to be in doubt was not"] if lost.struck != 3 else []
            with anyio.move_on_after(FOUND_WITHIN_SECONDS):
                while await _unfinished(gateway):  # noqa: ASYNC110 - what is waited for is in the database
                    await anyio.sleep(0.05)
            wrong += await _unfinished(gateway)
            state = await gateway.storage.get_file(file.id)
            assert state is not None
            return wrong + await wrong_copies(state, [simulator.account("one"), two], CONTENT)


async def _unfinished(gateway: InProcess) -> list[str]:
    rows = await gateway.database.rows(
        "SELECT shard, deployment_id, state FROM file_copies WHERE state <> 'ready' ORDER BY 1, 2"
    )
    return [f"still to be done: {row}" for row in rows]
