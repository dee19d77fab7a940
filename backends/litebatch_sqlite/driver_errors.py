"""SQLite's errors as ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from litebatch_asgi.errors import ConfigError, LiteBatchError, StateConflict, StorageUnavailable

_KEY_CONFLICTS = frozenset(
    {
        sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        sqlite3.SQLITE_CONSTRAINT_UNIQUE,
        sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY,
    }
)
_DEFECTS = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_CONSTRAINT})
"""A wrong statement or value: nothing that a caller could handle."""
_MESSAGES = {
    sqlite3.SQLITE_BUSY: "The database is locked by another process.",
    sqlite3.SQLITE_LOCKED: "The database is locked by another process.",
    sqlite3.SQLITE_FULL: "The disk that the database is on is full.",
    sqlite3.SQLITE_READONLY: "The database cannot be written: the file or its folder is read-only.",
    sqlite3.SQLITE_CANTOPEN: "The database file cannot be opened.",
    sqlite3.SQLITE_CORRUPT: "The database file is damaged.",
}


@contextmanager
def translated() -> Generator[None]:
    """Raise what SQLite says as an error of ours; a defect in a statement stays as it is."""
    try:
        yield
    except sqlite3.Error as error:
        translation = _translate(error)
        if translation is None:
            raise
        raise translation from error


def _translate(error: sqlite3.Error) -> LiteBatchError | None:
    extended: int | None = getattr(error, "sqlite_errorcode", None)
    if extended is None:  # raised by the driver itself
        is_closed = "closed" in str(error)
        return StorageUnavailable("The connection to the database is closed.") if is_closed else None
    if extended in _KEY_CONFLICTS:
        return StateConflict(str(error))
    code = extended & 0xFF  # the upper bits are details
    if code == sqlite3.SQLITE_NOTADB:
        return ConfigError("the file is not an SQLite database: name another one, or none that is there yet")
    if code in _DEFECTS:
        return None
    return StorageUnavailable(_MESSAGES.get(code, "The database does not answer."))
