"""Many charges with their sums, written by SQL in a few statements."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from benchmarks._bulk import copies, fill_postgres, fill_sqlite
from benchmarks._seed_sums import rolled_up
from litebatch_asgi.models import ChargedUsage
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing import a_charge, a_job
from litebatch_asgi.testing.conformance.base import stored_batch, writing
from litebatch_sql.tables import CHARGES, SPEND
from tests.postgres import Server

WHAT = "charges"
COUNT = 1_000_000
DAYS = 365
OWNERS = 10
"""teams, each with two keys, on two deployments that answer with four models: 160 sums a day"""
END = date(2026, 12, 31)
_BEGIN = datetime(END.year, END.month, END.day, tzinfo=UTC) - timedelta(days=DAYS - 1)
_DAY = 86_400_000_000
"""microseconds"""


def owner(number: int) -> str:
    """The owner of this number."""
    return f"team:{number}"


async def _statements(storage: Storage, dialect: str) -> list[str]:
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
    sums = f"""
        SELECT created_at / {_DAY}, owner, created_by, substr(owner, 6), model, deployment_id,
            sum(CAST(round(CAST(cost AS numeric) * 1000000000) AS bigint)),
            1000 * count(*), 0, 100 * count(*), count(*), 0, count(*)
        FROM charges GROUP BY 1, 2, 3, 4, 5, 6
    """
    return [
        copies(CHARGES, dialect, COUNT, **own),
        f"DELETE FROM charges WHERE id = '{charge.id}'",
        "DELETE FROM jobs",
        "DELETE FROM spend_daily",
        f"INSERT INTO spend_daily ({SPEND.sql('columns')}) {sums}",
        *rolled_up(dialect),
    ]


async def seed_sqlite(path: Path) -> str:
    """A database with so many charges, and its URL."""
    return await fill_sqlite(path, _statements)


async def seed_postgres(server: Server) -> str:
    """The same in a PostgreSQL database."""
    return await fill_postgres(server, "charges", _statements)
