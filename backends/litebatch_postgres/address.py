"""A database's URL, taken apart."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from litebatch_asgi.errors import ConfigError
from litebatch_postgres.options import Options
from litebatch_postgres.schemas import check_schema

_SCHEMES = frozenset({"postgresql", "postgres"})
_CACHED_STATEMENTS = 100
"""What is kept prepared on each connection: more than there are."""
_CONNECT_SECONDS = 10.0
_ENDLESS = 86_400
"""What 0 seconds mean in the URL: as good as for ever."""

UNREADABLE = (
    "the URL of the database cannot be read: in a password write @ as %40, : as %3A and / as %2F,"
    " and check host, port and options"
)


class Address(NamedTuple):
    """Where a database is, and how it is connected to."""

    dsn: str
    """with everything that the driver understands"""
    min_pool_size: int
    max_pool_size: int
    schema: str | None = None
    """the one that was asked for"""
    cached_statements: int = _CACHED_STATEMENTS
    connect_seconds: float = _CONNECT_SECONDS
    acquire_seconds: float | None = None
    """None: nothing was said of it, as below"""
    command_seconds: float | None = None
    ignored: tuple[str, ...] = ()
    """options of the URL that have no effect"""


def parse(url: str, *, min_pool_size: int, max_pool_size: int, behind_pgbouncer: bool) -> Address:
    """Take a URL apart; its own options go before the arguments. Raises `ConfigError`, which quotes nothing.

    Understood are:

    - ours: `pgbouncer`, `min_pool_size`, `max_pool_size`, `schema`
    - Prisma's: those two, `connection_limit`, `pool_timeout`, `socket_timeout`, `statement_cache_size`
    - libpq's, as far as the driver has them (`sslmode`, `sslrootcert`, `target_session_attrs` ...)
    - settings of the server's (`statement_timeout`, `options` ...)

    A driver's name in the scheme (`postgresql+asyncpg`) is left out.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigError(UNREADABLE) from None
    scheme = parts.scheme.partition("+")[0]
    if scheme not in _SCHEMES:
        raise ConfigError("the URL of a PostgreSQL database begins with postgresql://")
    options = Options(dict(parse_qsl(parts.query, keep_blank_values=True)))
    pgbouncer = options.flag("pgbouncer")
    most = options.number("max_pool_size", "connection_limit")
    least = options.number("min_pool_size")
    most = max_pool_size if most is None else most
    least = min(min_pool_size, most) if least is None else least
    if not least <= most or most < 1:
        raise ConfigError("max_pool_size is at least 1 and at least min_pool_size")
    schema = options.text("schema")
    cached = options.number("statement_cache_size")
    is_pooled = behind_pgbouncer if pgbouncer is None else pgbouncer
    waits = [options.number(name) for name in ("connect_timeout", "pool_timeout", "socket_timeout")]
    connect, acquire, command = (_ENDLESS if seconds == 0 else seconds for seconds in waits)
    name = options.text("application_name", "fallback_application_name") or "litebatch"
    passed_on = {**options.rest(), "application_name": name}
    return Address(
        dsn=parts._replace(scheme=scheme, query=urlencode(passed_on)).geturl(),
        min_pool_size=least,
        max_pool_size=most,
        schema=None if schema is None else check_schema(schema),
        cached_statements=0 if is_pooled else _CACHED_STATEMENTS if cached is None else cached,
        connect_seconds=_CONNECT_SECONDS if connect is None else connect,
        acquire_seconds=acquire,
        command_seconds=command,
        ignored=tuple(options.ignored),
    )
