"""The adapter for OpenAI and compatible servers."""

from __future__ import annotations

from collections.abc import Collection

import httpx2

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.providers._connection import Access, base_url, connection, named
from litebatch_asgi.providers.openai.api import FilesAndBatches

OPENAI_BASE = "https://api.openai.com/v1"
OPENAI_PURPOSES = frozenset({"assistants", "batch", "evals", "fine-tune", "user_data", "vision"})
"""Source: OpenAI's OpenAPI document, `purpose` of createFile. Other servers are asked for batches alone."""


class OpenAIAdapter(FilesAndBatches):
    """A deployment at OpenAI, or at any server that has OpenAI's `/files` and `/batches`.

    For the provider `openai` the address defaults to OpenAI's own, which needs a key; any other provider,
    such as `hosted_vllm`, needs an `api_base` and no key. Raises `ConfigError` for what is missing or cannot
    be used.
    """

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        access = openai_access(deployment)
        if deployment.provider == "openai":
            self.purposes: Collection[str] = OPENAI_PURPOSES
            self.max_requests: int | None = 50_000
            self.max_bytes: int | None = 200_000_000
        super().__init__(connection(deployment, settings, access))


def openai_access(deployment: Deployment) -> Access:
    """See `OpenAIAdapter`."""
    return Access(base=_base_url(deployment), headers=_credentials(deployment))


def _base_url(deployment: Deployment) -> httpx2.URL:
    address = deployment.api_base or (OPENAI_BASE if deployment.provider == "openai" else None)
    if address is None:
        raise ConfigError(
            f"{named(deployment)} needs an `api_base`: the address of the server with its `/v1`, "
            "such as `api_base: http://localhost:8000/v1`"
        )
    return base_url(deployment, address, example="https://host/v1")


def _credentials(deployment: Deployment) -> dict[str, str]:
    has_key = deployment.api_key or deployment.sends("authorization")
    if not has_key and deployment.api_base is None:
        raise ConfigError(
            f"{named(deployment)} needs an `api_key`, such as `api_key: os.environ/OPENAI_API_KEY`"
        )
    headers: dict[str, str] = {}
    if deployment.api_key:
        headers["Authorization"] = f"Bearer {deployment.api_key}"
    if deployment.organization:
        headers["OpenAI-Organization"] = deployment.organization
    return headers
