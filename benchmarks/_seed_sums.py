"""Many sums of days without the charges that they are made of, written by SQL in a few statements."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from benchmarks._bulk import fill_postgres, fill_sqlite, numbers
from litebatch_asgi.storage import Storage
from litebatch_sql import Queries
from litebatch_sql.migrations import load_migrations
from litebatch_sql.tables import TABLES
from tests.postgres import Server

DAYS, TEAMS, KEYS, MODELS, DEPLOYMENTS = 90, 40, 120, 5, 4
"""each key has used each model at each deployment on each of the days up to today"""
WHAT = "sums"
COUNT = DAYS * KEYS * MODELS * DEPLOYMENTS
END = date.today()
BEGIN = END - timedelta(days=DAYS - 1)


_KEY = f"(n % {KEYS})"
_TEAM = f"(n % {TEAMS})"
_MODEL = f"(n / {KEYS} % {MODELS})"
_DEPLOYMENT = f"(n / {KEYS * MODELS} % {DEPLOYMENTS})"
_DAY = f"(n / {KEYS * MODELS * DEPLOYMENTS} % {DAYS})"
OWNER, KEY, MODEL, DEPLOYMENT = "team:7", "key_47", "gpt-4o-mini-2", "azure-region-1"
"""one of each: a key of that owner's"""


def sums(dialect: str) -> list[str]:
    """What writes so many sums, and rolls them up."""
    return [
        f"""
        INSERT INTO spend_daily SELECT
            {(BEGIN - date(1970, 1, 1)).days} + {_DAY}, 'team:' || {_TEAM}, 'key_' || {_KEY},
            CAST({_TEAM} AS text), 'gpt-4o-mini-' || {_MODEL}, 'azure-region-' || {_DEPLOYMENT},
            1000000 * (n % 997), 100000 + n % 83, n % 71, 10000 + n % 61, 100 + n % 53, 0, 1
        FROM {numbers(dialect, COUNT)}
        """,
        *rolled_up(dialect),
    ]


def rolled_up(dialect: str) -> list[str]:
    """What fills the rollups from the sums, as the migration did that made them."""
    package = {"sqlite": "litebatch_sqlite", "postgresql": "litebatch_postgres"}[dialect]
    migrations = load_migrations(package, Queries.load(package, TABLES))
    [made] = (each.sql for each in migrations if "CREATE TABLE spend_rollups" in each.sql)
    return ["DELETE FROM spend_rollups", made[made.index("INSERT INTO spend_rollups") :]]


async def _statements(storage: Storage, dialect: str) -> list[str]:
    await storage.open()
    await storage.close()
    return sums(dialect)


async def seed_sqlite(path: Path) -> str:
    """A database with them, and its URL."""
    return await fill_sqlite(path, _statements)


async def seed_postgres(server: Server) -> str:
    """The same in a PostgreSQL database."""
    return await fill_postgres(server, "sums", _statements)
