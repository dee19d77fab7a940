"""From a call's arguments and the environment to a connection to the provider."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypedDict, TypeVar, cast

import anyio
import msgspec

from litebatch_asgi import plugins
from litebatch_asgi.config.environment import lacking, with_defaults
from litebatch_asgi.errors import ConfigError, DeploymentRefused, InvalidRequest, Unauthenticated
from litebatch_asgi.loops import scattered
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.provider import AdapterFactory, ProviderAdapter
from litebatch_asgi.sdk.errors import told_to_caller
from litebatch_asgi.threads import in_thread

T = TypeVar("T")

DEFAULT_PROVIDER = "openai"
TIMEOUT_SECONDS = 60.0
MAX_RETRIES = 2
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 60.0


class Access(TypedDict, total=False):
    """How the provider is reached, for every function of this module.

    What is not given comes from the environment, under LiteLLM's names: `OPENAI_API_KEY`, `OPENAI_BASE_URL`
    or `OPENAI_API_BASE`, `OPENAI_ORGANIZATION`; `AZURE_API_KEY`, `AZURE_API_BASE`, `AZURE_API_VERSION`, and
    `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` or `AZURE_AD_TOKEN`; `VERTEXAI_PROJECT`,
    `VERTEXAI_LOCATION`, `GCS_BUCKET_NAME` and `GOOGLE_APPLICATION_CREDENTIALS`; for other providers
    `NAME_API_KEY` and `NAME_API_BASE`.
    """

    api_key: str | None
    api_base: str | None
    api_version: str | None
    organization: str | None
    azure_ad_token: str | None
    tenant_id: str | None
    client_id: str | None
    client_secret: str | None
    azure_scope: str | None
    azure_authority: str | None
    vertex_project: str | None
    vertex_location: str | None
    vertex_credentials: str | Mapping[str, Any] | None
    gcs_bucket_name: str | None
    extra_headers: Mapping[str, str] | None
    """sent with every request"""
    timeout: float | None
    """seconds for each step of a call: connecting, an answer, a block of a file; 60 unless told otherwise"""
    max_retries: int | None
    """how often an upload or a create that was refused for now is tried again; 2 unless told otherwise

    Only where the provider certainly did nothing: it answered 429, or could not be reached. Reading is tried
    again up to two times in any case.
    """
    litellm_metadata: Mapping[str, Any] | None
    """LiteLLM's, as are the three below: taken and not used"""
    litellm_call_id: str | None
    litellm_trace_id: str | None
    model_info: Mapping[str, Any] | None


_NOT_USED = frozenset({"litellm_metadata", "litellm_call_id", "litellm_trace_id", "model_info"})
_OF_THE_CALL = frozenset({"timeout", "max_retries"})


class Provider:
    """A provider that is connected for one call."""

    def __init__(self, adapter: ProviderAdapter, name: str, retries: int) -> None:
        self.adapter = adapter
        self.name = name
        self._retries = retries

    @property
    def speaks_openai(self) -> bool:
        """Whether lines go out, and rows come back, as they are."""
        return self.adapter.dialect("") is None

    async def made(self, call: Callable[[], Awaitable[T]]) -> T:
        """What a call makes; tried again where it certainly made nothing and may do so soon."""
        for repeats in range(self._retries):
            try:
                return await call()
            except DeploymentRefused as exc:
                if exc.status not in (None, 429) or (exc.retry_after or 0) > _LONGEST_PAUSE_SECONDS:
                    raise
                await anyio.sleep(exc.retry_after or scattered(_FIRST_PAUSE_SECONDS * 2**repeats))
        return await call()


@asynccontextmanager
async def provider_of(
    custom_llm_provider: str | None, access: Access, *, creates: str | None = None
) -> AsyncGenerator[Provider]:
    """The provider, connected with what `access` and the environment say.

    Raises `TypeError` for an argument that there is not, otherwise what `told_to_caller` does; `creates`: see
    there.
    """
    name = custom_llm_provider or DEFAULT_PROVIDER
    timeout, retries = access.get("timeout") or TIMEOUT_SECONDS, access.get("max_retries")
    with told_to_caller(creates=creates):
        deployment = deployment_for(name, access, os.environ)
        settings = Settings(provider_timeout_seconds=timeout, lease_seconds=2 * timeout)
        factory = await in_thread(partial(_factory, name))
        adapter = factory(deployment, settings)
        try:
            yield Provider(adapter, name, MAX_RETRIES if retries is None else retries)
        finally:
            with anyio.CancelScope(shield=True):
                await adapter.aclose()


def deployment_for(name: str, access: Access, env: Mapping[str, str]) -> Deployment:
    """The provider as a deployment. Raises as `provider_of` does."""
    given = cast("dict[str, Any]", access)
    unknown = given.keys() - Access.__annotations__.keys()
    if unknown:
        raise TypeError(f"got an unexpected keyword argument {min(unknown)!r}")
    settings = {
        key: value
        for key, value in given.items()
        if value is not None and key not in _NOT_USED and key not in _OF_THE_CALL
    }
    if isinstance(settings.get("vertex_credentials"), Mapping):
        settings["vertex_credentials"] = msgspec.json.encode(settings["vertex_credentials"]).decode()
    deployment = with_defaults(Deployment(model_name="sdk", model=f"{name}/*", **settings), env)
    for setting, message in lacking(deployment):
        kind = Unauthenticated if setting == "api_key" else InvalidRequest
        raise kind(f"{setting} {message}.", param=setting)
    return deployment


def _factory(name: str) -> AdapterFactory:
    known = plugins.offered(plugins.PROVIDERS)
    if name not in known:
        message = f"no adapter for custom_llm_provider {name!r}: there are {', '.join(sorted(known))}"
        raise ConfigError(message)
    factory: AdapterFactory = known[name].load()
    return factory
