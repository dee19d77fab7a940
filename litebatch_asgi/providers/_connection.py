"""From what a deployment says to a connection: addresses and credentials, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping

import httpx2
import msgspec

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.models.headers import SHORTEST_SECRET, fits_header
from litebatch_asgi.providers._http import ProviderHTTP, Query, TokenSource


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Where a deployment is, and what proves that its requests are ours."""

    base: httpx2.URL
    headers: Mapping[str, str]
    """sent with every request; the deployment's own ones go before them"""
    params: Query = {}
    """of the query, likewise"""
    tokens: TokenSource | None = None
    """asked for each request"""


def connection(deployment: Deployment, settings: Settings, access: Access) -> ProviderHTTP:
    """HTTP to a deployment, opened at first use. Raises `ConfigError` for a header that cannot be sent."""
    return ProviderHTTP(
        str(access.base),
        headers=sent_headers(deployment, access),
        params=access.params,
        hidden=hidden_words(deployment, access),
        deployment=deployment.id or deployment.model,
        settings=settings,
        tokens=access.tokens,
    )


def sent_headers(deployment: Deployment, access: Access) -> httpx2.Headers:
    """What every request has. Raises `ConfigError` for a header that cannot be sent."""
    for name, value in access.headers.items():
        if not fits_header(value):
            raise ConfigError(
                f"{named(deployment)}: the value for {name} does not fit into a header; look for a line "
                "break, a space at its end or a letter outside ASCII"
            )
    sent = httpx2.Headers(dict(access.headers))
    sent.update(dict(deployment.extra_headers))
    return sent


def hidden_words(deployment: Deployment, access: Access) -> list[str]:
    """The deployment's secrets and host, unless they are short: those are placeholders and local names."""
    hidden = {word for word in (*deployment.secrets, access.base.host) if len(word) >= SHORTEST_SECRET}
    return sorted(hidden, key=len, reverse=True)


def keyed_access(deployment: Deployment, *, base: str, variable: str) -> Access:
    """A provider that is proven to by a key as a bearer token, at `base` unless told otherwise.

    `variable`: of the environment, in which such a key usually is. Raises `ConfigError` if there is no key.
    """
    if not deployment.api_key and not deployment.sends("authorization"):
        raise ConfigError(f"{named(deployment)} needs an `api_key`, such as `api_key: os.environ/{variable}`")
    headers = {"Authorization": f"Bearer {deployment.api_key}"} if deployment.api_key else {}
    return Access(base=base_url(deployment, deployment.api_base or base, example=base), headers=headers)


def base_url(deployment: Deployment, address: str, *, example: str) -> httpx2.URL:
    """`address`, if requests can be sent to it. Raises `ConfigError`, which shows `example`."""
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ConfigError(
            f"the `api_base` of {named(deployment)} must look like `{example}`, without a query or a fragment"
        )
    if url.userinfo:
        raise ConfigError(
            f"the `api_base` of {named(deployment)} carries credentials: write them to `api_key`"
        )
    return url


def named(deployment: Deployment) -> str:
    """The deployment, as an error message speaks of it."""
    return f"the deployment {deployment.id or deployment.model!r} of {deployment.model_name!r}"
