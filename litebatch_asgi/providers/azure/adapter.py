"""The adapter for Azure OpenAI."""

from __future__ import annotations

from collections.abc import Collection

import httpx2
from msgspec.structs import replace

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.lifetimes import FileLife
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.providers._connection import Access, base_url, connection, named
from litebatch_asgi.providers.azure.entra import EntraToken
from litebatch_asgi.providers.openai.api import FilesAndBatches
from litebatch_asgi.providers.openai.reading import ListPage

DEFAULT_VERSION = "2024-10-21"
"""the classic paths' `api-version` where the deployment names none: the last that is no preview

It takes no notice of a file's expiry, which came with `2025-03-01-preview`: a resource then holds 500 batch
inputs.
"""

_V1_VERSIONS = frozenset({"v1", "preview", "latest"})
"""what LiteLLM takes in place of a date to mean the v1 paths"""
_EXAMPLE = "https://RESOURCE.openai.azure.com"


class AzureAdapter(FilesAndBatches):
    """A batch deployment, global or of a data zone, of Azure OpenAI; its name is the upstream model.

    An `api_base` that ends in `/openai/v1`, or an `api_version` of `v1`, `preview` or `latest`, means the v1
    paths, which take no dated `api-version`. Any other is the resource's own address, and the classic paths
    are used with `api_version`. The `api_key` is the resource's. An access token of Entra ID, as `api_key`
    or as `azure_ad_token`, goes out as a bearer token; without either, `tenant_id`, `client_id` and
    `client_secret` get such tokens. Raises `ConfigError` for what is missing or cannot be used.

    Sources: Microsoft's article on batch (poll no faster than every 60 s; 100,000 requests and 200 MB a file;
    jobs run until they are finished or cancelled, however long that takes; files that expire after 14 to 30
    days are limited to 10,000 a resource and others to 500; only a `processed` file makes a batch) and the
    authoring specification 2024-10-21.
    """

    min_poll_seconds: float = 60.0
    ends_at_expiry: bool = False
    max_requests: int | None = 100_000
    max_bytes: int | None = 200_000_000
    file_life: FileLife | None = FileLife(shortest=1_209_600, longest=2_592_000, is_required=True)
    """a batch's input is always given an end, for the sake of the larger limit"""
    ready: Collection[str] = frozenset({"processed"})
    may_mean_lost_file: Collection[int] = frozenset({404})
    purposes: Collection[str] = frozenset({"assistants", "batch", "fine-tune"})
    """Sources: the authoring specification; Microsoft's article on the Responses API, that `user_data` is not
    supported and `assistants` is to be used in its place"""

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        access = azure_access(deployment, settings)
        self._is_v1 = is_v1(access)
        super().__init__(connection(deployment, settings, access))

    async def _page_of_files(self, after: str | None) -> ListPage:
        """The classic list of files comes whole: it knows no `limit`, and says nothing of more."""
        if self._is_v1:
            return await super()._page_of_files(after)
        return await self._whole_list("/files", after)


def azure_access(deployment: Deployment, settings: Settings) -> Access:
    """See `AzureAdapter`."""
    base = _base_url(deployment)
    tokens = EntraToken(deployment, settings) if _has_ids_alone(deployment) else None
    access = Access(base=base, headers=_credentials(deployment) if tokens is None else {}, tokens=tokens)
    version = {} if is_v1(access) else {"api-version": deployment.api_version or DEFAULT_VERSION}
    return replace(access, params=version)


def is_v1(access: Access) -> bool:
    """Whether the paths are those that take no dated `api-version`."""
    return access.base.path.endswith("/v1")


def _base_url(deployment: Deployment) -> httpx2.URL:
    if not deployment.api_base:
        raise ConfigError(
            f"{named(deployment)} needs an `api_base`: the address of the Azure OpenAI resource, "
            f"such as `api_base: {_EXAMPLE}`"
        )
    url = base_url(deployment, deployment.api_base, example=_EXAMPLE)
    path = url.path.rstrip("/")
    if "deployments" in path.split("/"):
        raise ConfigError(
            f"the `api_base` of {named(deployment)} must look like `{_EXAMPLE}`: files and batches are not "
            "under `/deployments`, and the deployment's name belongs into `model`"
        )
    if not path.endswith("/openai/v1"):
        path = path.removesuffix("/openai") + "/openai"
        path += "/v1" if deployment.api_version in _V1_VERSIONS else ""
    return url.copy_with(path=path)


def _has_ids_alone(deployment: Deployment) -> bool:
    ids = (deployment.tenant_id, deployment.client_id, deployment.client_secret)
    return all(ids) and not (deployment.azure_ad_token or deployment.api_key or _has_header(deployment))


def _has_header(deployment: Deployment) -> bool:
    return deployment.sends("api-key") or deployment.sends("authorization")


def _credentials(deployment: Deployment) -> dict[str, str]:
    if deployment.azure_ad_token:
        return {"Authorization": f"Bearer {deployment.azure_ad_token}"}
    key = deployment.api_key
    if not key and _has_header(deployment):
        return {}
    if not key:
        raise ConfigError(
            f"{named(deployment)} needs an `api_key`, such as `api_key: os.environ/AZURE_API_KEY`, or the "
            "`tenant_id`, `client_id` and `client_secret` of an application in Entra ID"
        )
    return {"Authorization": f"Bearer {key}"} if _is_token(key) else {"api-key": key}


def _is_token(key: str) -> bool:
    """Whether a key is a JSON Web Token, which Entra ID's access tokens are and no resource's key is."""
    return key.startswith("eyJ") and key.count(".") == 2
