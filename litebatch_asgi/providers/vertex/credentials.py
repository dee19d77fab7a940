"""Access tokens of Google, by google-auth (extra `vertex`).

google-auth's asynchronous half knows no service account, so that its synchronous one is used, in threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from litebatch_asgi.errors import ConfigError, DeploymentRefused
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.models.google import is_text_of_credentials
from litebatch_asgi.providers._connection import named
from litebatch_asgi.providers._tokens import KeptToken
from litebatch_asgi.threads import in_thread

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
RENEW_SECONDS = 225.0
"""so long before its end a token is renewed.

Source: google-auth's own threshold; the metadata server gives no other token much earlier.
"""
_LIFE_UNTOLD_SECONDS = 3600.0


class GoogleToken:
    """The token of one deployment, from a file of credentials, its text, or what Google's tools would use.

    Nothing is read or sent before the first token is asked for. Raises `ConfigError` for what cannot be used,
    also if google-auth is not installed.
    """

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        if not _is_installed():
            raise ConfigError(f"{named(deployment)} needs google-auth: pip install 'litebatch-asgi[vertex]'")
        self._given = deployment.vertex_credentials
        if self._given is not None and is_text_of_credentials(self._given):
            try:
                _kind_of(_read(self._given))
            except ValueError as error:
                raise ConfigError(f"the `vertex_credentials` of {named(deployment)} {error}") from None
        self._secrets = deployment.secrets
        self._seconds = settings.call_timeout_seconds
        self._credentials: Any = None
        self._session: Any = None
        self._token = KeptToken(self._fetch, renew_seconds=RENEW_SECONDS, give_up_seconds=self._seconds)

    async def value(self) -> str:
        """A token that is good for some minutes. Raises `DeploymentRefused` if there is none to be had."""
        return await self._token.value()

    def refused(self, token: str) -> bool:
        """See `TokenSource`: Google ends tokens before their time, such as when a key is taken back."""
        self._token.drop(token)
        return True

    async def aclose(self) -> None:
        """Close the connection to Google."""
        if self._session is not None:
            await in_thread(self._session.close)

    def _fetch(self) -> tuple[str, float]:
        """A token, and the time at which it ends."""
        errors: Any = import_module("google.auth.exceptions")
        try:
            request = self._opened()
            if self._credentials is None:
                self._credentials = _loaded(self._given, request)
            self._credentials.refresh(request)
        except errors.TransportError as error:
            self._refuse(str(error), None, error)
        except (errors.GoogleAuthError, OSError, ValueError) as error:
            self._refuse(str(error), 401, error)
        expiry = self._credentials.expiry  # in UTC, and naive
        ends_at = expiry.replace(tzinfo=UTC).timestamp() if expiry else time.time() + _LIFE_UNTOLD_SECONDS
        return self._credentials.token, ends_at

    def _opened(self) -> Callable[..., Any]:
        transport: Any = import_module("google.auth.transport.requests")
        if self._session is None:
            self._session = import_module("requests").Session()
        return partial(transport.Request(self._session), timeout=self._seconds / 3)

    def _refuse(self, text: str, status: int | None, cause: Exception) -> NoReturn:
        told = " ".join(text.split())
        for secret in self._secrets:
            told = told.replace(secret, "[hidden]")
        raise DeploymentRefused(f"Google gives no token: {told[:500]}", status=status) from cause


def _loaded(given: str | None, request: Callable[..., Any]) -> Any:
    """Credentials of google-auth. Raises what google-auth does, `OSError` and `ValueError`."""
    if given is None:
        credentials, _ = import_module("google.auth").default(scopes=SCOPES, request=request)
        return credentials
    text = given
    if not is_text_of_credentials(given):
        try:
            text = Path(given).expanduser().read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"vertex_credentials names the file {given!r}: {error}") from error
    info = _read(text)
    return _MAKERS[_kind_of(info)](info)


def _read(text: str) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        raise ValueError("must be a file of Google's credentials, or its content, a JSON object") from None


def _kind_of(info: Mapping[str, Any]) -> str:
    kind = info.get("type")
    if kind not in _MAKERS:
        raise ValueError(f"must have a `type` among {', '.join(_MAKERS)}; it is {str(kind)[:50]!r}")
    return str(kind)


def _is_installed() -> bool:
    try:
        return find_spec("google.auth") is not None and find_spec("requests") is not None
    except ModuleNotFoundError:  # there is no package `google` at all
        return False


def _service_account(info: Mapping[str, Any]) -> Any:
    maker: Any = import_module("google.oauth2.service_account")
    return maker.Credentials.from_service_account_info(info, scopes=SCOPES)


def _authorized_user(info: Mapping[str, Any]) -> Any:
    maker: Any = import_module("google.oauth2.credentials")
    return maker.Credentials.from_authorized_user_info(info, scopes=SCOPES)


def _impersonated(info: Mapping[str, Any]) -> Any:
    maker: Any = import_module("google.auth.impersonated_credentials")
    return maker.Credentials.from_impersonated_service_account_info(info, scopes=SCOPES)


def _external_user(info: Mapping[str, Any]) -> Any:
    maker: Any = import_module("google.auth.external_account_authorized_user")
    return maker.Credentials.from_info(info, scopes=SCOPES)


def _external_account(info: Mapping[str, Any]) -> Any:
    """A federated identity: of AWS, of what a program prints, or of a file or an address."""
    source = info.get("credential_source")
    if str(info.get("subject_token_type")).startswith("urn:ietf:params:aws:"):
        module = "aws"
    else:
        module = "pluggable" if isinstance(source, dict) and "executable" in source else "identity_pool"
    return import_module(f"google.auth.{module}").Credentials.from_info(info, scopes=SCOPES)


_MAKERS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "service_account": _service_account,
    "authorized_user": _authorized_user,
    "impersonated_service_account": _impersonated,
    "external_account": _external_account,
    "external_account_authorized_user": _external_user,
}
"""By the `type` of the credentials. google-auth's loader of any type is deprecated."""
