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
from litebatch_sql.executor import Executor, Namespace, Place, Reader, Transaction
from litebatch_sql.queries import Queries


class NamespaceChanged(Exception):
    """Others have made tables since it was looked for."""


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


async def migrate(
    executor: Executor,
    queries: Queries,
    migrations: Sequence[Migration],
    *,
    namespace: Namespace,
    prefix: str = "",
) -> Installation:
    """Apply what is missing, in one transaction, and return what the database says of itself.

    A database that does not know yet where it lives takes the present place. Raises `ConfigError` if it lives
    elsewhere, is newer than the migrations, or may not be written to, and `NamespaceChanged` if `queries` are
    of another namespace than what is there now; then nothing is written.
    """
    place = await executor.place()
    installation = await read_installation(executor, queries)
    if not _is_up_to_date(installation, migrations):
        async with executor.write() as transaction:
            current = await locked_namespace(executor, transaction, queries)
            if current.qualifier != namespace.qualifier:
                raise NamespaceChanged
            installation = await _apply(transaction, queries, migrations, place, current, prefix)
    assert installation is not None
    _check_place(installation, place, prefix)
    return installation


def _is_up_to_date(installation: Installation | None, migrations: Sequence[Migration]) -> bool:
    if installation is None:
        return False
    check_version(installation, migrations)
    is_current = installation.schema_version == migrations[-1].number
    return is_current and installation.fingerprint is not None


def check_version(installation: Installation, migrations: Sequence[Migration]) -> None:
    """Raises `ConfigError` if the database is newer than the migrations."""
    newest = migrations[-1].number
    if installation.schema_version > newest:
        raise ConfigError(
            f"the database has schema version {installation.schema_version}, this LiteBatch knows up to"
            f" {newest}: install the newer litebatch-asgi that it was used with, or name another database"
        )


def is_at_home(installation: Installation, place: Place) -> bool:
    """Whether a database lives at this place, or does not know yet where it lives."""
    return installation.fingerprint is None or place.is_the_one(installation.fingerprint)


def _check_place(installation: Installation, place: Place, prefix: str) -> None:
    if is_at_home(installation, place):
        return
    options = f"--database URL --table-prefix {prefix}" if prefix else "--database URL"
    raise ConfigError(
        f"the database is not where it was: it is now {place}; it was {installation.fingerprint}. Nothing was"
        " started, for two databases with one installation id cancel and delete each other's jobs and files"
        " at the providers. If it was moved or restored, and nothing uses the other one any more:"
        f" `litebatch database moved {options}`. If it is a copy and the original lives on, such as staging"
        f" made from production: `litebatch database copied {options}`"
    )


async def _apply(
    transaction: Transaction,
    queries: Queries,
    migrations: Sequence[Migration],
    place: Place,
    namespace: Namespace,
    prefix: str,
) -> Installation:
    # read again: another process may have been quicker
    installation = await read_installation(transaction, queries)
    if installation is None:
        if namespace.refusal is not None:
            raise ConfigError(namespace.refusal)
        installation = Installation(id=secrets.token_hex(8), schema_version=0)
    check_version(installation, migrations)
    _check_place(installation, place, prefix)
    if installation.fingerprint is None:
        installation = msgspec.structs.replace(installation, fingerprint=str(place))
    return await apply_missing(transaction, queries, migrations, installation, namespace)


async def locked_namespace(executor: Executor, transaction: Transaction, queries: Queries) -> Namespace:
    """The namespace, which nobody who migrates changes until the transaction ends."""
    if "lock_schema" in queries:
        await transaction.execute(queries.sql("lock_schema"), {})
    return await executor.namespace(transaction)


async def apply_missing(
    transaction: Transaction,
    queries: Queries,
    migrations: Sequence[Migration],
    installation: Installation,
    namespace: Namespace,
) -> Installation:
    """Apply the migrations that `installation` does not have yet, and write it."""
    missing = [migration for migration in migrations if migration.number > installation.schema_version]
    if missing and namespace.set_up:
        await transaction.run_script(namespace.set_up)
    for migration in missing:
        await transaction.run_script(migration.sql)
    written = msgspec.structs.replace(installation, schema_version=migrations[-1].number)
    parameters = msgspec.structs.asdict(written) | {"now": time.time_ns() // 1000}
    await transaction.execute(queries.sql("put_installation"), parameters)
    return written


async def read_installation(reader: Reader, queries: Queries) -> Installation | None:
    """What the database says of itself; None if no migration was applied."""
    exists = await reader.fetch_one(queries.sql("has_installation"), {})
    row = await reader.fetch_one(queries.sql("get_installation"), {}) if exists else None
    return Installation(id=row[0], schema_version=row[1], fingerprint=row[2]) if row else None
