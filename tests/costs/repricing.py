"""`litebatch reprice` as a process, with configurations of other prices."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import anyio.to_thread

from litebatch_asgi.app import open_storage
from litebatch_asgi.models import ChargedUsage, UsageBucket
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import stored_batch, writing
from litebatch_asgi.testing.samples import a_batch, a_charge, a_file, a_job
from tests import forks
from tests.database import Database
from tests.harness import MODEL, UPSTREAM

from .sums import nanodollars

SINCE = "2026-01-01"
PER_TOKEN = {
    "input": "input_cost_per_token_batches",
    "cached": "cache_read_input_token_cost_batches",
    "cache_write": "cache_creation_input_token_cost_batches",
    "output": "output_cost_per_token_batches",
}


def configure(
    folder: Path, name: str, prices: Mapping[str, str], *, deployments: Sequence[str] = ("west",)
) -> Path:
    """A configuration with these prices of a token, for each of the deployments."""
    path = folder / f"{name}.yaml"
    models = [
        {
            "model_name": MODEL,
            "params": {"model": f"openai/{UPSTREAM[each]}", "api_key": "sk-none"},
            "model_info": {"id": each, "mode": "batch", **prices},
        }
        for each in deployments
    ]
    path.write_text(json.dumps({"model_list": models}))
    return path


async def reprice(
    config: Path, url: str, *options: str, since: str = SINCE, failpoints: str = ""
) -> CompletedProcess[str]:
    """Run the command to its end."""
    arguments = ("reprice", "--since", since, "--config", str(config), "--database", url, *options)
    run = partial(forks.run, *arguments, cwd=config.parent, LITEBATCH_FAILPOINTS=failpoints)
    return await anyio.to_thread.run_sync(run)


def told(ended: CompletedProcess[str]) -> list[dict[str, Any]]:
    """The lines that it prints for programs."""
    return [json.loads(line) for line in ended.stdout.splitlines()]


async def costs(database: Database) -> dict[str, int]:
    """What is charged for each model, in nano-dollars."""
    found: dict[str, int] = {}
    for name, cost in await database.rows("SELECT model, CAST(cost AS text) FROM charges"):
        found[name] = found.get(name, 0) + (nanodollars(cost) or 0)
    return found


@asynccontextmanager
async def opened(database: Database) -> AsyncGenerator[Storage]:
    """The storage of a database, which is made if it is not there."""
    storage = open_storage(database.url)
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


async def charged(storage: Storage, models: Sequence[str], **fields: Any) -> None:
    """A batch whose job was charged for each of these models, a request of 1,000 tokens, without a price."""
    bucket = UsageBucket(until=32_000, requests=1, plain_input_tokens=1000)
    given: dict[str, Any] = {
        "usage": ChargedUsage(
            input_tokens=1000, total_tokens=1000, requests=1, unpriced_requests=1, buckets=(bucket,)
        ),
        "cost": None,
        "deployment_id": "west",
        "scopes": ("team:search",),
        "created_at": datetime(2026, 11, 1, tzinfo=UTC),
    }
    batch = a_batch(a_file(), model=MODEL)
    job = a_job(batch)
    await stored_batch(storage, job, batch=batch)
    charges = [a_charge(job, batch, model=model, **(given | fields)) for model in models]
    await storage.change_batch(batch.id, writing(charges=charges))
