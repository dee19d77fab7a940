"""Numbered migrations: `migrations/<number>_<name>.sql`, those of all databases, and those of one.

A database's own package may have a file with the number of a shared one: it goes on where that ends.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.storage import Installation
from litebatch_sql.executor import Executor, Reader, Transaction
from litebatch_sql.queries import Queries


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the schema."""

    number: int
    """counted from 1 without gaps"""
    sql: str


def load_migrations(package: str, queries: Queries) -> tuple[Migration, ...]:
    """The shared migrations and those of an import package, in order, with the types of `queries`.

    Reads files.
    """
    texts: dict[int, list[str]] = {}
    for file in (*_files("litebatch_sql"), *_files(package)):
        texts.setdefault(int(file.name.split("_")[0]), []).append(file.read_text(encoding="utf-8"))
    if sorted(texts) != list(range(1, len(texts) + 1)):
        raise ValueError(f"the migrations of {package} are not numbered 1, 2, 3 ...")
    return tuple(
        Migration(number=number, sql=queries.expanded("\n".join(texts[number]))) for number in sorted(texts)
    )


def _files(package: str) -> list[Traversable]:
    folder = resources.files(package).joinpath("migrations")
    files = folder.iterdir() if folder.is_dir() else ()
    return sorted((file for file in files if file.name.endswith(".sql")), key=lambda file: file.name)


async def migrate(executor: Executor, queries: Queries, migrations: Sequence[Migration]) -> Installation:
    """Apply what is missing, in one transaction, and return what the database says of itself.

    Raises `ConfigError` if the database is newer than the migrations.
    """
    newest = migrations[-1].number
    installation = await _read_installation(executor, queries)
    if installation is None or installation.schema_version < newest:
        async with executor.write() as transaction:
            installation = await _apply(transaction, queries, migrations)
    if installation.schema_version > newest:
        raise ConfigError(
            f"the database has schema version {installation.schema_version}, this LiteBatch knows up to"
            f" {newest}: install the newer litebatch-asgi that it was used with, or name another database"
        )
    return installation


async def _apply(transaction: Transaction, queries: Queries, migrations: Sequence[Migration]) -> Installation:
    if "lock_schema" in queries:
        await transaction.execute(queries.sql("lock_schema"), {})
    # read again: another process may have been quicker
    installation = await _read_installation(transaction, queries)
    if installation is None:
        installation = Installation(id=secrets.token_hex(8), schema_version=0)
    missing = [migration for migration in migrations if migration.number > installation.schema_version]
    if not missing:
        return installation
    for migration in missing:
        await transaction.run_script(migration.sql)
    written = msgspec.structs.replace(installation, schema_version=missing[-1].number)
    await transaction.execute(
        queries.sql("put_installation"),
        {"id": written.id, "schema_version": written.schema_version, "now": time.time_ns() // 1000},
    )
    return written


async def _read_installation(reader: Reader, queries: Queries) -> Installation | None:
    exists = await reader.fetch_one(queries.sql("has_installation"), {})
    row = await reader.fetch_one(queries.sql("get_installation"), {}) if exists else None
    return Installation(id=row[0], schema_version=row[1], fingerprint=row[2]) if row else None
