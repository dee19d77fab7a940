"""From what a deployment says to a connection: addresses and credentials, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping

import httpx2

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.models.headers import SHORTEST_SECRET, fits_header
from litebatch_asgi.providers._http import ProviderHTTP, Query, TokenSource


def connection(
    deployment: Deployment,
    settings: Settings,
    *,
    base: httpx2.URL,
    headers: Mapping[str, str],
    params: Query | None = None,
    tokens: TokenSource | None = None,
) -> ProviderHTTP:
    """HTTP to `base`, opened at first use. Raises `ConfigError` for a header that cannot be sent.

    `headers`, `params`: sent with every request; the deployment's own headers go before `headers`. `tokens`:
    asked for each request. No message shows the deployment's secrets or host, unless they are short: those
    are placeholders and local names.
    """
    for name, value in headers.items():
        if not fits_header(value):
            raise ConfigError(
                f"{named(deployment)}: the value for {name} does not fit into a header; look for a line "
                "break, a space at its end or a letter outside ASCII"
            )
    sent = httpx2.Headers(dict(headers))
    sent.update(dict(deployment.extra_headers))
    hidden = {word for word in (*deployment.secrets, base.host) if len(word) >= SHORTEST_SECRET}
    return ProviderHTTP(
        str(base),
        headers=sent,
        params=params,
        hidden=sorted(hidden, key=len, reverse=True),
        deployment=deployment.id or deployment.model,
        settings=settings,
        tokens=tokens,
    )


def keyed_connection(deployment: Deployment, settings: Settings, *, base: str, variable: str) -> ProviderHTTP:
    """HTTP to a provider that is proven to by a key as a bearer token, at `base` unless told otherwise.

    `variable`: of the environment, in which such a key usually is. Raises `ConfigError` if there is no key.
    """
    if not deployment.api_key and not deployment.sends("authorization"):
        raise ConfigError(f"{named(deployment)} needs an `api_key`, such as `api_key: os.environ/{variable}`")
    headers = {"Authorization": f"Bearer {deployment.api_key}"} if deployment.api_key else {}
    url = base_url(deployment, deployment.api_base or base, example=base)
    return connection(deployment, settings, base=url, headers=headers)


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
