"""Access tokens of Entra ID for an application's id and secret, by azure-identity (extra `azure`)."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, NoReturn

from litebatch_asgi.errors import ConfigError, DeploymentRefused
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.providers._connection import named
from litebatch_asgi.providers._tokens import KeptToken
from litebatch_asgi.threads import in_thread

if TYPE_CHECKING:
    from azure.identity import ClientSecretCredential

SCOPE = "https://cognitiveservices.azure.com/.default"
RENEW_SECONDS = 300.0
"""so long before its end a token is renewed"""


class EntraToken:
    """The token of one deployment's application: fetched in a thread, kept, and renewed before it ends.

    Nothing is sent before the first token is asked for. Raises `ConfigError` for what cannot be used, also if
    azure-identity is not installed.
    """

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        _check(deployment)
        self._deployment = deployment
        self._seconds = settings.call_timeout_seconds
        self._credential: ClientSecretCredential | None = None
        self._token = KeptToken(self._fetch, renew_seconds=RENEW_SECONDS, give_up_seconds=self._seconds)

    async def value(self) -> str:
        """A token that is good for some minutes. Raises `DeploymentRefused` if there is none to be had."""
        return await self._token.value()

    def refused(self, token: str) -> bool:
        """A token that Azure refuses lacks rights: another one would be refused as well."""
        return False

    async def aclose(self) -> None:
        """Close the connection to Entra ID."""
        if self._credential is not None:
            await in_thread(self._credential.close)

    def _fetch(self) -> tuple[str, float]:
        """A token, and the time at which it ends."""
        from azure.core.exceptions import ClientAuthenticationError

        try:
            token = self._opened().get_token(self._deployment.azure_scope or SCOPE)
        except ClientAuthenticationError as error:
            self._refuse(str(error), 401, error)
        except Exception as error:  # of the libraries below it, which do not say all that they raise
            self._refuse(f"{type(error).__name__}: {error}", None, error)
        return token.token, token.expires_on

    def _opened(self) -> ClientSecretCredential:
        from azure.identity import ClientSecretCredential

        deployment = self._deployment
        if self._credential is None:
            self._credential = ClientSecretCredential(
                deployment.tenant_id or "",
                deployment.client_id or "",
                deployment.client_secret or "",
                authority=deployment.azure_authority,
                # a private cloud's own host is nothing that Microsoft's public one could vouch for
                disable_instance_discovery=deployment.azure_authority is not None,
                connection_timeout=self._seconds / 3,
                read_timeout=self._seconds / 3,
                retry_total=1,
            )
        return self._credential

    def _refuse(self, text: str, status: int | None, cause: Exception) -> NoReturn:
        told = " ".join(text.split())
        for secret in self._deployment.secrets:
            told = told.replace(secret, "[hidden]")
        raise DeploymentRefused(f"Entra ID gives no token: {told[:500]}", status=status) from cause


def _check(deployment: Deployment) -> None:
    if not _is_installed():
        raise ConfigError(
            f"{named(deployment)} has a client_id of Entra ID, which needs azure-identity: "
            "pip install 'litebatch-asgi[azure]'"
        )
    if not re.fullmatch(r"[A-Za-z0-9.-]+", deployment.tenant_id or ""):
        raise ConfigError(f"the `tenant_id` of {named(deployment)} must be an id or a domain's name")
    authority = deployment.azure_authority
    if authority is not None and "://" in authority and not authority.startswith("https://"):
        raise ConfigError(
            f"AZURE_AUTHORITY_HOST, for {named(deployment)}, must be a host such as "
            f"https://login.microsoftonline.com, not {authority}"
        )


def _is_installed() -> bool:
    try:
        return find_spec("azure.identity") is not None
    except ModuleNotFoundError:  # there is no package `azure` at all
        return False
