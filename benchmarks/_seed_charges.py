"""Many charges with their sums, written by SQL in a few statements."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from litebatch_asgi.models import ChargedUsage
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing import a_charge, a_job
from litebatch_asgi.testing.conformance.base import stored_batch, writing
from litebatch_postgres import PostgresStorage
from litebatch_sql.tables import CHARGES, SPEND
from litebatch_sqlite import SQLiteStorage
from tests.postgres import Server, run_on, with_database

DAYS = 365
OWNERS = 10
"""teams, each with two keys, on two deployments that answer with four models: 160 sums a day"""
END = date(2026, 12, 31)
_BEGIN = datetime(END.year, END.month, END.day, tzinfo=UTC) - timedelta(days=DAYS - 1)
_DAY = 86_400_000_000
"""microseconds"""
_NUMBERS = {
    "sqlite": "(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})"
    " SELECT n FROM numbers) AS numbers",
    "postgresql": "generate_series(1, {count}) AS numbers (n)",
}


def owner(number: int) -> str:
    """The owner of this number."""
    return f"team:{number}"


async def _statements(storage: Storage, dialect: str, count: int) -> list[str]:
    """Write one charge; the statements that make so many of it, over the days, and add them up."""
    await storage.open()
    batch = await stored_batch(storage)
    usage = ChargedUsage(input_tokens=1000, output_tokens=100, total_tokens=1100, requests=1)
    charge = a_charge(a_job(batch), batch, usage=usage, created_at=_BEGIN, price_source="config")
    await storage.change_batch(batch.id, writing(charges=(charge,)))
    await storage.close()
    own = {
        "id": "'chg_lb' || CAST(n AS text)",
        "job_id": "'job_lb' || CAST(n AS text)",
        "batch_id": "'batch_lb' || CAST(n AS text)",
        "owner": f"'team:' || CAST(n / {DAYS} % {OWNERS} AS text)",
        "created_by": f"'key_' || CAST(n / {DAYS * OWNERS} % 2 AS text)",
        "model": f"'model-' || CAST(n / {DAYS * OWNERS * 2} % 4 AS text)",
        "deployment_id": f"'deployment-' || CAST(n / {DAYS * OWNERS * 8} % 2 AS text)",
        "cost": "'0.0000' || CAST(12340 + n % 100 AS text)",
        "created_at": f"created_at + CAST(n % {DAYS} AS bigint) * {_DAY}",
    }
    if dialect == "postgresql":
        own["cost"] = f"CAST({own['cost']} AS numeric)"
    columns = CHARGES.sql("columns")
    values = ", ".join(own.get(column, f'"{column}"') for column in CHARGES.columns)
    sums = f"""
        SELECT created_at / {_DAY}, owner, created_by, substr(owner, 6), model, deployment_id,
            sum(CAST(round(CAST(cost AS numeric) * 1000000000) AS bigint)),
            1000 * count(*), 0, 100 * count(*), count(*), 0, count(*)
        FROM charges GROUP BY 1, 2, 3, 4, 5, 6
    """
    return [
        f"INSERT INTO charges ({columns}) SELECT {values} FROM charges, "
        + _NUMBERS[dialect].format(count=count),
        f"DELETE FROM charges WHERE id = '{charge.id}'",
        "DELETE FROM jobs",
        "DELETE FROM spend_daily",
        f"INSERT INTO spend_daily ({SPEND.sql('columns')}) {sums}",
    ]


async def seed_sqlite(path: Path, count: int) -> str:
    """A database with so many charges, and its URL."""
    statements = await _statements(SQLiteStorage(path), "sqlite", count)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        for statement in statements:
            connection.execute(statement)
    return f"sqlite:///{path}"


async def seed_postgres(server: Server, count: int) -> str:
    """The same in a PostgreSQL database."""
    name = f"charges_{count}"
    await run_on(server.url(), f"CREATE DATABASE {name}")
    url = with_database(server.url(), name)
    statements = await _statements(PostgresStorage(url), "postgresql", count)
    await run_on(url, *statements, "VACUUM ANALYZE", "SELECT 1")
    return url
