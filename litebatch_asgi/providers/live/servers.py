"""Which deployments can be sent single requests, and where to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import quote, urlencode

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.provider import LiveServer
from litebatch_asgi.providers._connection import (
    Access,
    base_url,
    hidden_words,
    named,
    sent_headers,
)
from litebatch_asgi.providers.azure.adapter import azure_access, is_v1
from litebatch_asgi.providers.groq.adapter import groq_access
from litebatch_asgi.providers.live.connections import Connections
from litebatch_asgi.providers.live.sending import HTTPServer, Target
from litebatch_asgi.providers.mistral.adapter import mistral_access
from litebatch_asgi.providers.openai.adapter import openai_access

OLLAMA_BASE = "http://localhost:11434/v1"
_TARGETS = 4096
"""addresses that are kept, of which there are many only where each model has its own"""

_Opener: TypeAlias = Callable[[Deployment, Settings], Access]


def live_server(deployment: Deployment, settings: Settings) -> LiveServer:
    """Who sends requests to a deployment. Raises `ConfigError` for one that cannot be asked so.

    Only servers that speak OpenAI can: other forms would have to be translated line by line.
    """
    opener = _OPENERS.get(deployment.provider)
    if opener is None:
        raise ConfigError(
            f"{named(deployment)}: lane: live is not possible for {deployment.model}; it is for "
            f"{', '.join(sorted(_OPENERS))}"
        )
    access = opener(deployment, settings)
    connections = Connections(
        access.base,
        most=deployment.max_parallel_requests or settings.max_parallel_requests,
        connect_seconds=settings.provider_timeout_seconds,
    )
    return HTTPServer(
        connections,
        target=_targets(access, by_model=deployment.provider == "azure" and not is_v1(access)),
        headers=sent_headers(deployment, access),
        hidden=hidden_words(deployment, access),
        tokens=access.tokens,
    )


def _ollama(deployment: Deployment, settings: Settings) -> Access:
    address = deployment.api_base or OLLAMA_BASE
    url = base_url(deployment, address, example=OLLAMA_BASE)
    path = url.path.rstrip("/").removesuffix("/api")
    path += "" if path.endswith("/v1") else "/v1"
    headers = {"Authorization": f"Bearer {deployment.api_key}"} if deployment.api_key else {}
    return Access(base=url.copy_with(path=path), headers=headers)


_OPENERS: Mapping[str, _Opener] = {
    "openai": lambda deployment, _: openai_access(deployment),
    "azure": azure_access,
    "hosted_vllm": lambda deployment, _: openai_access(deployment),
    "ollama": _ollama,
    "ollama_chat": _ollama,
    "groq": lambda deployment, _: groq_access(deployment),
    "mistral": lambda deployment, _: mistral_access(deployment),
}


def _targets(access: Access, *, by_model: bool) -> Target:
    """Where a line's url leads to: below the base, which has the `/v1` that the url begins with.

    `by_model`: below the deployment of the model's name. Source: Azure's classic paths.
    """
    root = access.base.raw_path.decode("ascii").rstrip("/")
    query = f"?{urlencode(access.params)}" if access.params else ""

    @lru_cache(_TARGETS)
    def target(path: str, model: str) -> bytes:
        named_path = path.removeprefix("/v1") if path.startswith("/v1/") else path
        place = f"/deployments/{quote(model, safe='')}" if by_model else ""
        return f"{root}{place}/{quote(named_path.lstrip('/'), safe='/')}{query}".encode("ascii")

    if by_model:
        return target
    return lambda path, _: target(path, "")
