"""Who may call the standalone gateway."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.auth import Authenticator
from litebatch_asgi.authenticators import MasterKeyAuthenticator, bearer_token
from litebatch_asgi.errors import ConfigError, PermissionDenied
from litebatch_asgi.models import Principal
from litebatch_asgi.routes import Respond

_HOST = re.compile(r"(?P<name>localhost|[0-9.]+|\[[0-9a-f:.]+\])\.?(?::[0-9]*)?", re.IGNORECASE)
"""a host and its port. Source: RFC 9110, section 7.2"""


class AnyKey:
    """Lets in whoever brings a bearer token, as one and the same owner: for loopback only."""

    async def __call__(self, connection: HTTPConnection, /) -> Principal | None:
        """The one owner, or nobody."""
        return None if bearer_token(connection) is None else Principal(owner="local")


class LoopbackNames:
    """Middleware that answers only requests whose `Host` names this machine; 403 to all others.

    The owner of any domain can let its name lead to 127.0.0.1. To a browser a page from there then has the
    gateway's own origin: it could read every answer and spend the operator's money (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._refuse = Respond(_refuse_host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        is_allowed = scope["type"] != "http" or names_loopback(_hosts(scope))
        await (self._app if is_allowed else self._refuse)(scope, receive, send)


async def _refuse_host(scope: Scope, receive: Receive, send: Send) -> None:
    given = ", ".join(_hosts(scope))
    raise PermissionDenied(
        f"The request names the host '{given[:100]}', but without a master key the gateway answers only "
        "under names of this machine: localhost, 127.0.0.1 or [::1]. Use one of these, or set "
        "general_settings.master_key in the configuration (or LITEBATCH_MASTER_KEY, if there is none).",
        code="host_not_allowed",
    )


def names_loopback(hosts: list[str]) -> bool:
    """Whether these values of `Host` are one that names this machine, with any port."""
    return len(hosts) == 1 and _names_loopback(hosts[0])


@lru_cache(maxsize=64)
def _names_loopback(host: str) -> bool:
    match = _HOST.fullmatch(host)
    return match is not None and is_loopback(match["name"].strip("[]").lower())


def _hosts(scope: Scope) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]


def authenticator_for(host: str, master_key: str | None) -> Authenticator:
    """The authenticator of a gateway that listens on `host`.

    Raises `ConfigError` if others than this machine could reach it and it has no master key.
    """
    if master_key is not None:
        return MasterKeyAuthenticator(master_key)
    if not is_loopback(host):
        raise ConfigError(
            f"without a master key the gateway listens on this machine only, not on {host}: use "
            "--host 127.0.0.1, or set general_settings.master_key in the configuration (or "
            "LITEBATCH_MASTER_KEY, if there is none)"
        )
    return AnyKey()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
