"""The deployments that the host configures."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models.google import secrets_of
from litebatch_asgi.models.headers import fault_in, secrets_in
from litebatch_asgi.models.lines import Lane
from litebatch_asgi.models.money import MOST_OF_A_TOKEN, is_price

_NOT_SHOWN = frozenset({"api_key", "azure_ad_token", "client_secret", "extra_headers", "vertex_credentials"})


LIVE_PROVIDERS = frozenset({"hosted_vllm", "ollama", "ollama_chat"})
"""whose deployments run lines one by one unless told otherwise: these servers have no batches"""
_LIMITS = (
    *("max_job_requests", "max_job_bytes", "max_job_tokens", "enqueued_tokens"),
    *("rpm", "tpm", "max_parallel_requests"),
)
_SHORTEST_NAME = 4
"""characters; what is shorter is a part of too many words to be blotted out of texts"""


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One provider endpoint with its credentials and upstream model, under a virtual model's name."""

    model_name: str
    """the virtual model clients name; may end in `*`"""
    model: str
    """`provider/upstream-model`, such as `openai/gpt-4o-mini`; without a provider: `openai`"""
    api_base: str | None = None
    """for OpenAI-compatible servers with their `/v1`; None: the provider's own address"""
    api_key: str | None = None
    api_key_env: str | None = None
    """the environment variable that `api_key` was read from: part of the identity, as the key is not"""
    api_version: str | None = None
    azure_ad_token: str | None = None
    """an access token of Entra ID, for Azure; it is not renewed"""
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    """of the application in Entra ID that gets access tokens for Azure; used where there is no `api_key`"""
    azure_scope: str | None = None
    """what these tokens are for; None: Azure's AI services of the public cloud"""
    azure_authority: str | None = None
    """the host that gives them; None: what AZURE_AUTHORITY_HOST names, or that of the public cloud"""
    vertex_project: str | None = None
    """the project in Google Cloud, for Vertex AI"""
    vertex_location: str | None = None
    """a region such as `europe-west4`, or `global`"""
    vertex_credentials: str | None = None
    """a file of Google's credentials, or what such a file holds; None: what Google's own tools would use"""
    gcs_bucket_name: str | None = None
    """the bucket that inputs and results of batches on Vertex AI are kept in"""
    exclusive: bool = False
    """whether nobody else makes batches with these credentials, for providers that show no tags"""
    organization: str | None = None
    extra_headers: Mapping[str, str] = {}
    """sent with every request, in place of ours of the same name; secrets, as `api_key` is"""
    weight: float = 1.0
    """share of the work relative to the group's other deployments; above 0"""
    id: str | None = None
    """stable deployment id; None: a hash of what identifies the deployment"""
    mode: str | None = None
    """shown by `/model_group/info`, used for nothing else"""
    access_groups: tuple[str, ...] = ()
    """names under which rights to this virtual model can be given along with others"""
    input_cost_per_token_batches: Decimal | None = None
    """in US dollars"""
    output_cost_per_token_batches: Decimal | None = None
    """in US dollars"""
    prices: Mapping[str, Decimal] = {}
    """others under LiteLLM's names, in US dollars a token, such as `cache_read_input_token_cost_batches`"""
    base_model: str | None = None
    """whose price counts where `prices` has none, such as `azure/gpt-4o`: the upstream model may be a name of
    its owner's, as at Azure, that no list of prices has"""
    max_job_requests: int | None = None
    """lines of one job there; None, here and below: no limit beside what is known of its provider"""
    max_job_bytes: int | None = None
    """of the input of one job, as the provider gets it"""
    max_job_tokens: int | None = None
    """of the input of one job, by our estimate: larger inputs run as several jobs"""
    enqueued_tokens: int | None = None
    """of the inputs of all jobs that are open there together, by our estimate: what is over it waits"""
    lane: Lane | None = None
    """how it runs lines; None: `live` for `hosted_vllm`, `ollama` and `ollama_chat`, `native` for others"""
    rpm: int | None = None
    """requests a minute, by all processes together; this and what follows is for the live lane"""
    tpm: int | None = None
    """tokens a minute, likewise, of inputs and answers"""
    max_parallel_requests: int | None = None
    """requests in flight, likewise; None: `Settings.max_parallel_requests`"""
    timeout: float | None = None
    """seconds that one request may take; None: `Settings.live_timeout_seconds`"""

    def __post_init__(self) -> None:
        if not self.model_name or not self.model:
            raise ConfigError("a deployment needs a `model_name` (the virtual model) and a `model`")
        if not self.weight > 0:
            raise ConfigError(f"the weight of a deployment of {self.model_name!r} must be above 0")
        if self.is_wildcard and "*" in self.model_name[:-1]:
            raise ConfigError(f"model_name {self.model_name!r}: only one `*` is understood, at the end")
        for name, price in self.own_prices.items():
            if not is_price(price):
                raise ConfigError(
                    f"the {name} of {self.model_name!r} must be from 0 to {MOST_OF_A_TOKEN}, not {price}"
                )
        for name in _LIMITS:
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise ConfigError(f"the {name} of {self.model_name!r} must be at least 1, not {limit}")
        if self.timeout is not None and not 0 < self.timeout < math.inf:
            raise ConfigError(f"the timeout of {self.model_name!r} must be above 0, not {self.timeout}")
        fault = fault_in(self.extra_headers)
        if fault is not None:
            raise ConfigError(f"the extra_headers of {self.model_name!r}: {fault}")

    def __rich_repr__(self) -> Any:
        yield from ((name, getattr(self, name)) for name in self.__struct_fields__ if name not in _NOT_SHOWN)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__() if value is not None)
        return f"Deployment({shown})"

    @property
    def provider(self) -> str:
        """The adapter's name: what stands before the first `/` of `model`, or `openai`."""
        head, slash, _ = self.model.partition("/")
        return head if slash else "openai"

    @property
    def upstream_model(self) -> str:
        """The provider's own name for the model; `*` where the client's own name goes on."""
        _, slash, tail = self.model.partition("/")
        return tail if slash else self.model

    @property
    def is_live(self) -> bool:
        """Whether it runs lines request by request, for it has no batches or is not to be asked for them."""
        return self.provider in LIVE_PROVIDERS if self.lane is None else self.lane is Lane.LIVE

    @property
    def own_prices(self) -> Mapping[str, Decimal]:
        """All prices that are given for the deployment, by LiteLLM's names."""
        names = ("input_cost_per_token_batches", "output_cost_per_token_batches")
        given = {name: getattr(self, name) for name in names}
        return {**self.prices, **{name: price for name, price in given.items() if price is not None}}

    @property
    def credentials(self) -> tuple[object, ...]:
        """What it proves itself with, and to which bucket. Two that differ in it alone are not the same."""
        in_entra = (self.azure_ad_token, self.tenant_id, self.client_id, self.client_secret)
        at_google = (self.vertex_credentials, self.gcs_bucket_name)
        return self.api_key, self.extra_headers, *in_entra, *at_google

    @property
    def secrets(self) -> frozenset[str]:
        """The strings that must never be shown."""
        own = filter(None, (self.api_key, self.azure_ad_token, self.client_secret))
        of_google = secrets_of(self.vertex_credentials or "")
        return secrets_in(self.extra_headers.values()).union(own, of_google)

    @property
    def place_names(self) -> Mapping[str, str]:
        """The names of where it is that no client may see, and what is put in their place."""
        private = {
            self.vertex_project: "the project",
            self.gcs_bucket_name: "the bucket",
            self.vertex_location: "the location",
        }
        return {name: words for name, words in private.items() if name and len(name) >= _SHORTEST_NAME}

    def sends(self, header: str) -> bool:
        """Whether a header, named in lower case, is one of the deployment's own."""
        return any(name.lower() == header for name in self.extra_headers)

    @property
    def is_wildcard(self) -> bool:
        """Whether the group serves every model name with its prefix."""
        return self.model_name.endswith("*")

    @property
    def takes_any_model(self) -> bool:
        """Whether it is the client's name of the model that goes to the provider."""
        return "*" in self.upstream_model

    def upstream_model_for(self, model: str) -> str:
        """The provider's name for what the client calls `model`."""
        if not self.takes_any_model:
            return self.upstream_model
        return model.removeprefix(f"{self.provider}/")

    def identity_hash(self) -> str:
        """12 hex digits over what identifies the deployment: never over secrets or tuning.

        What runs there as batches of the provider's and what runs live are not the same jobs.
        """
        identity: tuple[str | None, ...] = (self.provider, self.api_base, self.upstream_model)
        identity += (self.organization, self.api_key_env)
        if self.vertex_project or self.vertex_location:
            identity += (self.vertex_project, self.vertex_location)
        if self.is_live:
            identity += (Lane.LIVE,)
        return hashlib.sha256(msgspec.json.encode(identity)).hexdigest()[:12]


class UnservedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the configuration that clients cannot use here."""

    model_name: str
    """the virtual model; may end in `*`"""
    model: str
    reason: str
    """a clause that clients are shown, without a full stop"""
