"""The host's pool of PostgreSQL connections under the shared SQL storage."""

from __future__ import annotations

from databases import Database
from databases.core import Connection as HostConnection

from litebatch_asgi.errors import StorageUnavailable
from litebatch_databases.lending import give_back, lend
from litebatch_postgres.session import Connection


class HostPool:
    """The pool of the host's database, as what lends a `PostgresExecutor` its connections."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lent: dict[Connection, HostConnection] = {}

    async def acquire(self) -> Connection:
        """See `Lender.acquire`. Raises `StorageUnavailable` if the host has disconnected."""
        if not self._database.is_connected:
            raise StorageUnavailable("The host's database is not connected.")
        lent = await lend(self._database)
        connection: Connection = lent.raw_connection
        self._lent[connection] = lent
        return connection

    async def release(self, connection: Connection, *, timeout: float) -> None:
        """See `Lender.release`; whoever is cancelled."""
        await give_back(self._lent.pop(connection), within_seconds=timeout)
