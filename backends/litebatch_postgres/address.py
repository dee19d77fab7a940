"""A database's URL, taken apart."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from litebatch_asgi.errors import ConfigError

_SCHEMES = frozenset({"postgresql", "postgres"})
_SIZES = ("min_pool_size", "max_pool_size")


UNREADABLE = (
    "the URL of the database cannot be read: in a password write @ as %40, : as %3A and / as %2F,"
    " and check host, port and options"
)


class Address(NamedTuple):
    """Where a database is, and how many connections to it are kept."""

    dsn: str
    """with everything that the driver understands"""
    min_pool_size: int
    max_pool_size: int
    behind_pgbouncer: bool


def parse(url: str, *, min_pool_size: int, max_pool_size: int, behind_pgbouncer: bool) -> Address:
    """Take a URL apart; its own options go before the arguments. Raises `ConfigError`, which quotes nothing.

    Understood are `pgbouncer`, `min_pool_size` and `max_pool_size`, and what libpq understands (`sslmode`,
    `sslrootcert`, `application_name` ...). A driver's name in the scheme (`postgresql+asyncpg`) is left out.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigError(UNREADABLE) from None
    scheme = parts.scheme.partition("+")[0]
    if scheme not in _SCHEMES:
        raise ConfigError("the URL of a PostgreSQL database begins with postgresql://")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    pgbouncer = options.pop("pgbouncer", "true" if behind_pgbouncer else "false")
    if pgbouncer not in ("true", "false"):
        raise ConfigError("pgbouncer in the URL of the database is true or false")
    sizes = (min_pool_size, max_pool_size)
    least, most = (
        _size(name, options.pop(name, str(size))) for name, size in zip(_SIZES, sizes, strict=True)
    )
    if not least <= most or most < 1:
        raise ConfigError("max_pool_size is at least 1 and at least min_pool_size")
    options.setdefault("application_name", "litebatch")
    dsn = parts._replace(scheme=scheme, query=urlencode(options)).geturl()
    return Address(dsn, least, most, pgbouncer == "true")


def _size(name: str, text: str) -> int:
    if not text.isdecimal():
        raise ConfigError(f"{name} is a number of connections")
    return int(text)
