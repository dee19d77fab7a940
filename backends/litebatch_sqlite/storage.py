"""The SQLite storage."""

from __future__ import annotations

from pathlib import Path

from litebatch_asgi.errors import ConfigError
from litebatch_sql import SQLStorage
from litebatch_sqlite.executor import SQLiteExecutor

_SCHEME = "sqlite://"


class SQLiteStorage(SQLStorage):
    """A `Storage` in one SQLite file, for one process or several on the same machine.

    `database` is a path, or a URL: `sqlite:///relative.db`, `sqlite:////absolute.db`. The file is made when
    it is opened first; its folder must be there. A database that another process has locked is waited for
    `busy_timeout_seconds`, then `StorageUnavailable` is raised. `table_prefix` stands before all names of
    tables and indexes; without one a file that holds somebody else's tables is refused. Raises
    `ConfigError` for anything else.
    """

    def __init__(
        self, database: str | Path, *, busy_timeout_seconds: float = 10.0, table_prefix: str = ""
    ) -> None:
        path = database if isinstance(database, Path) else _path(database)
        executor = SQLiteExecutor(path, busy_timeout_seconds=busy_timeout_seconds, table_prefix=table_prefix)
        super().__init__(executor, package="litebatch_sqlite", table_prefix=table_prefix)


def _path(database: str) -> Path:
    if "://" not in database:
        location = database
    elif database.startswith(f"{_SCHEME}/"):
        location = database.removeprefix(f"{_SCHEME}/")
    else:
        raise ConfigError(f"{database}: three slashes before the path, as in sqlite:///litebatch.db")
    if location in ("", ":memory:"):
        raise ConfigError(
            f"{database or 'an empty string'} names no file: write sqlite:///litebatch.db,"
            " or memory:// for what may be lost"
        )
    if "?" in location:
        raise ConfigError(f"{database}: options in the URL are not known")
    return Path(location)
