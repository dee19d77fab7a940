"""Who may call the standalone gateway."""

from __future__ import annotations

import ipaddress

from starlette.requests import HTTPConnection

from litebatch_asgi.auth import Authenticator
from litebatch_asgi.authenticators import MasterKeyAuthenticator, bearer_token
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Principal


class AnyKey:
    """Lets in whoever brings a bearer token, as one and the same owner: for loopback only."""

    async def __call__(self, connection: HTTPConnection, /) -> Principal | None:
        """The one owner, or nobody."""
        return None if bearer_token(connection) is None else Principal(owner="local")


def authenticator_for(host: str, master_key: str | None) -> Authenticator:
    """The authenticator of a gateway that listens on `host`.

    Raises `ConfigError` if others than this machine could reach it and it has no master key.
    """
    if master_key is not None:
        return MasterKeyAuthenticator(master_key)
    if not is_loopback(host):
        raise ConfigError(
            f"without a master key the gateway listens on this machine only, not on {host}: set "
            "general_settings.master_key in the configuration (or LITEBATCH_MASTER_KEY, if there is none)"
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
