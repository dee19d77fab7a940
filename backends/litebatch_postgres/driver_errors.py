"""PostgreSQL's errors, and its driver's, as ours."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager

import asyncpg

from litebatch_asgi.errors import ConfigError, LiteBatchError, StateConflict, StorageUnavailable
from litebatch_postgres.address import UNREADABLE
from litebatch_sql import Contention

_KEY_CONFLICTS = frozenset({"23503", "23505"})
_CONTENTION = frozenset({"40001", "40P01"})
_MESSAGES = {
    "25P03": "The transaction took too long, and the database ended it.",
    "3D000": "The database is gone.",
    "53100": "The disk that the database is on is full.",
    "53300": "The database has no connection left.",
    "55P03": "The database is busy with another change of the same row.",
    "57014": "The database took too long.",
}
_READ_ONLY = "The database cannot be written: it is read-only, or a standby."
_AWAY = frozenset({"08", "28", "53", "57", "58"})
"""Classes of states: connection, authorization, resources, shutdown, the system below."""
_AT_OPENING = {
    "28P01": "the password of the database's role is wrong: check the user and the password in the URL",
    "28000": "the database does not let this role in: check the user in the URL, its rights and pg_hba.conf",
    "3D000": "there is no database of that name: create it first (CREATE DATABASE), or name another one",
    "42501": "the role may not set the database up: GRANT CREATE ON SCHEMA public to it, name its"
    " owner, or one of its own schemas with ?schema= in the URL",
    "42P07": "the database has tables of these names: name one that is new, or LiteBatch's own",
}
_NO_OPTION = (
    "the URL of the database has an option that PostgreSQL does not know: behind the question mark may stand"
    " schema, pgbouncer, min_pool_size, max_pool_size, what libpq and Prisma understand, and its settings"
)
_UNREACHABLE = "the database cannot be reached: check host and port in the URL, and whether it is running"


class ConnectionLost(StorageUnavailable):
    """The connection broke: whether the statement was executed is not known."""


class ReadOnly(ConnectionLost):
    """The server writes nothing: after a failover it may be a standby, and others lead to the new primary."""


class TimedOut(StorageUnavailable):
    """The answer did not come in time: whether the statement was executed is not known."""


@contextmanager
def translated() -> Generator[None]:
    """Raise what the driver says as an error of ours; a defect in a statement stays as it is."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        translation = _translate(error)
        if translation is None:
            raise
        raise translation from error


@contextmanager
def beginning() -> Generator[None]:
    """As `translated`, of what begins a transaction: a standby offers none that writes."""
    with translated():
        try:
            yield
        except asyncpg.FeatureNotSupportedError as error:
            raise ReadOnly(_READ_ONLY) from error


@contextmanager
def opening() -> Generator[None]:
    """Raise what stands against a first connection as `ConfigError` where waiting would not help."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, StorageUnavailable, ValueError) as error:
        cause = error.__cause__ if isinstance(error, StorageUnavailable) else error
        told = _at_opening(cause)
        if told is not None:
            raise ConfigError(told) from None  # the driver's words may quote the URL
        if isinstance(cause, OSError) and not isinstance(cause, TimeoutError):
            raise ConnectionLost(_UNREACHABLE) from cause
        raise


def set_up_refused(error: asyncpg.PostgresError) -> str | None:
    """What stands against setting the database up, in our words."""
    return _AT_OPENING.get(error.sqlstate or "")


def _translate(error: Exception) -> LiteBatchError | None:
    if isinstance(error, asyncpg.PostgresError):
        return _of_state(error.sqlstate or "", str(error.args[0]) if error.args else "")
    if isinstance(error, TimeoutError):
        return TimedOut("The database did not answer in time.")
    if isinstance(error, asyncpg.InternalClientError):
        # the server has ended the session, and its farewell is being read
        is_ending = str(error).startswith("cannot switch to state")
        return ConnectionLost("The database ended the connection.") if is_ending else None
    if isinstance(error, asyncpg.InterfaceError):
        is_lost = "clos" in str(error) or "released" in str(
            error
        )  # "connection is closed", "pool is closing"
        return ConnectionLost("The connection to the database is closed.") if is_lost else None
    return ConnectionLost("The connection to the database broke.")


def _of_state(state: str, message: str) -> LiteBatchError | None:
    if state in _KEY_CONFLICTS:
        return StateConflict(message)
    if state in _CONTENTION:
        return Contention("The database gave way to another change.")
    if state == "42501":
        return ConfigError(
            f"the database's role may not do this ({message}): GRANT it what LiteBatch's tables need, or name"
            " their owner in the URL"
        )
    if state == "25006":
        return ReadOnly(_READ_ONLY)
    if state in _MESSAGES:
        return StorageUnavailable(_MESSAGES[state])
    if state[:2] in ("08", "57"):
        return ConnectionLost("The database is not there, is starting or shutting down.")
    return StorageUnavailable("The database does not answer.") if state[:2] in _AWAY else None


def _at_opening(error: BaseException | None) -> str | None:
    if isinstance(error, asyncpg.PostgresError):
        return _NO_OPTION if error.sqlstate == "42704" else set_up_refused(error)
    if isinstance(error, socket.gaierror):
        return "the database's host is not known: check the host in the URL"
    if isinstance(error, ssl.SSLError):
        return "the database's certificate is not trusted: check sslmode and sslrootcert in the URL"
    if isinstance(error, asyncpg.InterfaceError) and "not initialized" in str(error):
        return "the pool is not open: await it before it is handed to PostgresStorage"
    if isinstance(error, ValueError):  # the driver's ClientConfigurationError among them
        return UNREADABLE
    if isinstance(error, ConnectionError) and "SSL" in str(error):
        return "the database does not take connections with SSL: leave sslmode out of the URL"
    return None
