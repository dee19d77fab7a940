"""Whole pages of the gateway over sockets, with 1,000,000 batches, on SQLite and PostgreSQL.

Beside the batches there are their jobs, files and events, 216,000 sums of what was spent in 90 days, 2,000
keys of 100 teams and 1,000 users, and a few webhook endpoints.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import yaml

from benchmarks import _report, _seed_accounts, _seed_search, _seed_sums
from benchmarks._bulk import fill_postgres, fill_sqlite
from benchmarks._client import milliseconds
from benchmarks._gateway import SERVE
from benchmarks._processes import running, scratch
from benchmarks._seed_search import DEPLOYMENTS, batch_id, cursor, file_id
from litebatch_asgi.storage import Storage
from litebatch_asgi.wire.search import cursor_text
from litebatch_sql import SQLStorage
from tests.postgres import Server, own_server

MANY, FEWER = 1_000_000, 50_000
BAR = 50.0
MASTER = "sk-master-of-the-benchmark"


def pages(count: int) -> Mapping[str, str]:
    """What is asked for, as an admin: a name and a path."""
    batch, middle = batch_id(count // 3), cursor_text(cursor(count // 2))
    going = batch_id(count // 1000 * 1000 - 991)
    deployment = DEPLOYMENTS[3]
    return {
        "batches": "/batches",
        "batches, older": f"/batches?before={middle}",
        "batches that failed": "/batches?status=failed",
        "batches of an owner": "/batches?owner=team:7",
        "batches of a model at a deployment": f"/batches?model=model-3&deployment={deployment}",
        "batches with a text": "/batches?text=nightly",
        "batches with a text: none": "/batches?text=nowhere",
        "a batch": f"/batches/{batch}",
        "a batch that is going on": f"/batches/{going}",
        "its story": f"/batches/{batch}/story",
        "files": "/files",
        "files of an owner": "/files?owner=team:7&purpose=batch",
        "a file": f"/files/{file_id(count // 3)}",
        "a batch of a file": f"/files/{file_id(count // 3)}/batch",
        "sending a file": "/files/new",
        "deployments": "/deployments",
        "a deployment": f"/deployments/one?id={deployment}",
        "spend of 30 days by model": "/spend",
        "spend of 90 days by owner": "/spend?days=90&by=owner",
        "spend of 90 days by key": "/spend?days=90&by=key",
        "an owner's spend of 90 days by model": f"/spend?days=90&owner={_seed_sums.OWNER}",
        "a model's spend of 90 days by owner": f"/spend?days=90&by=owner&model={_seed_sums.MODEL}",
        "webhooks": "/webhooks",
        "a webhook": f"/webhooks/{_seed_accounts.ENDPOINT}",
        "keys": "/keys",
        "a key": f"/keys/one?id={_seed_accounts.KEY}",
        "teams": "/teams",
        "a team": f"/teams/one?id={_seed_accounts.TEAM}",
        "users": "/users",
        "a user": f"/users/one?id={_seed_accounts.USER}",
    }


OWN = {
    "an owner's own batches": "/batches",
    "an owner's own batches that failed": "/batches?status=failed",
    "an owner's own files": "/files",
    "an owner's own spend of 90 days": "/spend?days=90",
    "an owner's own webhooks": "/webhooks",
}
"""The same as the owner of the most batches."""


async def statements(storage: Storage, dialect: str, count: int) -> list[str]:
    """What fills the database."""
    assert isinstance(storage, SQLStorage)
    found = await _seed_search.statements(storage, dialect, count)
    events = (
        "INSERT INTO events (id, subject, seq, type, batch_id, owner, payload, created_at)"
        " SELECT 'evt_' || id, id, 1, 'batch.created', id, owner, '{}', created_at FROM batches"
    )
    return [*found, events, *_seed_sums.sums(dialect), *await _seed_accounts.statements(storage, dialect)]


def config(folder: Path, url: str) -> Path:
    """The configuration of a gateway on this database. Its deployments are nowhere."""
    models = [
        {
            "model_name": f"model-{number}",
            "params": {"model": "openai/gpt-4o-mini", "api_base": "http://127.0.0.1:9/v1", "api_key": "any"},
            "model_info": {"id": DEPLOYMENTS[number % len(DEPLOYMENTS)] + ("" if number < 10 else "-b")},
        }
        for number in range(20)
    ]
    settings = {"spool_dir": str(folder), "webhook_keys": ["a key of webhooks that is long enough"]}
    told = {
        "model_list": models,
        "general_settings": {"database_url": url, "master_key": MASTER},
        "litebatch_settings": settings,
    }
    path = folder / "litebatch.yaml"
    path.write_text(yaml.safe_dump(told))
    return path


def measure(name: str, folder: Path, url: str, count: int, times: int) -> None:
    """Show each page, and the one that takes the longest."""
    with (
        running(folder, [*SERVE, str(config(folder, url))]) as gateway,
        _report.medians(f"{name}: the slowest page", BAR) as medians,
    ):
        for key, asked in ((MASTER, pages(count)), (_seed_accounts.SECRET, OWN)):
            for page, path in asked.items():
                milliseconds(gateway.address, f"/ui{path}", 3, key)
                before = gateway.cpu()
                took = milliseconds(gateway.address, f"/ui{path}", times, key)
                used = 1000 * gateway.cpu().since(before).total / times
                medians.add(page, took, f"CPU of the gateway {used:.1f}")


def run(folder: Path, server: Server, count: int, times: int) -> None:
    filling = partial(statements, count=count)
    measure("SQLite", folder, asyncio.run(fill_sqlite(folder / "pages.db", filling)), count, times)
    measure("PostgreSQL", folder, asyncio.run(fill_postgres(server, "pages", filling)), count, times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50, help="that each page is asked for")
    parser.add_argument("--quick", action="store_true", help=f"{FEWER:,} batches")
    options = parser.parse_args()
    with scratch() as folder:
        folder.chmod(0o755)
        with own_server(folder) as server:
            run(folder, server, FEWER if options.quick else MANY, options.times)


if __name__ == "__main__":
    main()
