"""What may stand behind the question mark of a database's URL: libpq's parameters, Prisma's, and ours.

What the driver understands, or the server as a setting, is passed on. Sources: PostgreSQL's manual,
"Parameter Key Words"; Prisma's reference, "PostgreSQL connection URL".
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from litebatch_asgi.errors import ConfigError

T = TypeVar("T")

_WITHOUT_EFFECT = frozenset(
    {
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
        *("client_encoding", "sslcompression", "sslsni", "sslcertmode", "load_balance_hosts"),
        *("max_idle_connection_lifetime", "max_connection_lifetime", "single_use_connections"),
    }
)
"""a connection is as good without; told in a warning"""
_HARMLESS = {
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "sslaccept": ("accept_invalid_certs",),
    "requiressl": ("0",),
}
"""values that ask for nothing that is missed"""
_NOT_DEMANDED = frozenset({"channel_binding"})
"""Some hosters put it in each URL that they show; the connection is encrypted all the same."""
_DEMANDS = frozenset(
    {"gssencmode", "sslaccept", "requiressl", "hostaddr", "require_auth", "requirepeer", "sslidentity"}
)
"""a connection without would not be what was asked for"""
_FILES = ("sslcert", "sslkey", "sslrootcert", "sslcrl")


class Options:
    """The parameters of one URL; whoever takes one away has understood it. Errors quote no value."""

    def __init__(self, given: dict[str, str]) -> None:
        self._left = given
        self.ignored: list[str] = []
        """names of those without effect"""

    def number(self, *names: str, least: int = 0) -> int | None:
        """The whole number under the first of these names that is given."""

        def parse(name: str, text: str) -> int:
            if not text.isdecimal() or int(text) < least:
                raise ConfigError(f"{name} in the URL of the database is a whole number from {least} on")
            return int(text)

        return self._taken(names, parse)

    def flag(self, name: str) -> bool | None:
        """Whether something is switched on."""

        def parse(name: str, text: str) -> bool:
            if text not in ("true", "false"):
                raise ConfigError(f"{name} in the URL of the database is true or false")
            return text == "true"

        return self._taken((name,), parse)

    def text(self, *names: str) -> str | None:
        """The text under the first of these names that is given and not empty."""
        return self._taken(names, lambda _, text: text) or None

    def rest(self) -> dict[str, str]:
        """What is the driver's and the server's to understand.

        Raises `ConfigError` for what was demanded and cannot be had, and for a file that is not there.
        """
        for name, harmless in _HARMLESS.items():
            if self._left.get(name) in harmless:
                del self._left[name]
        demanded = sorted(_DEMANDS & self._left.keys())
        if demanded:
            raise ConfigError(
                f"the URL of the database asks for what cannot be had here: leave out {', '.join(demanded)}"
            )
        missing = [name for name in _FILES if name in self._left and not Path(self._left[name]).is_file()]
        if missing:
            raise ConfigError(
                f"the URL of the database names files that are not there: check {', '.join(missing)}"
            )
        self.ignored += sorted((_WITHOUT_EFFECT | _NOT_DEMANDED) & self._left.keys())
        return {name: text for name, text in self._left.items() if name not in self.ignored}

    def _taken(self, names: tuple[str, ...], parse: Callable[[str, str], T]) -> T | None:
        found = [parse(name, text) for name in names if (text := self._left.pop(name, None)) is not None]
        return found[0] if found else None
