"""From an entry of `model_list` to a deployment, or to a model that is not served. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from litebatch_asgi.config import vocabulary
from litebatch_asgi.config.environment import lacking, variable, with_defaults
from litebatch_asgi.config.prices import without_prices
from litebatch_asgi.config.reading import Reading, Unreadable, is_mapping
from litebatch_asgi.config.vocabulary import ModelInfo, Params
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Lane, UnservedModel
from litebatch_asgi.models.deployment import LIVE_PROVIDERS
from litebatch_asgi.models.headers import OF_EACH_MESSAGE

_OF_OTHERS = {"claude-": "anthropic", "gemini-": "gemini", "command-": "cohere"}
"""how models are called that LiteLLM knows for another provider's where no prefix says whose they are"""
_PACE = ("rpm", "tpm", "max_parallel_requests", "timeout")
"""settings of the live lane alone"""


class SharedCredential(msgspec.Struct, frozen=True, kw_only=True):
    """What `credential_list` keeps under a name."""

    path: str
    values: dict[str, Any]


class EntryReader:
    """Reads entries; what is wrong with them goes to `reading`.

    `providers`: those that there are adapters for. `credentials`: by name.
    """

    def __init__(
        self, reading: Reading, providers: Collection[str], credentials: Mapping[str, SharedCredential]
    ) -> None:
        self._reading = reading
        self._providers = providers
        self._credentials = credentials

    def read(self, value: Any, path: str) -> Deployment | UnservedModel:
        """The entry at `path`. Of what is not served only the model counts. Raises `Unreadable`."""
        reading = self._reading
        entry = reading.section(value, path, vocabulary.ENTRY)
        if (entry.litellm_params is None) == (entry.params is None):
            reading.refuse(path, "needs litellm_params, or params for short, and one of them only")
        name = "params" if entry.litellm_params is None else "litellm_params"
        written = entry.params if entry.litellm_params is None else entry.litellm_params
        place = f"{path}.{name}"
        if not is_mapping(written):
            reading.refuse(place, "is to be a mapping of names to values")
        beside = {"rpm": entry.rpm, "tpm": entry.tpm}
        return self._read(entry.model_name, written, place, entry.model_info, path, beside)

    def read_provider(self, value: Any, path: str) -> Deployment | UnservedModel:
        """The entry of `files_settings` at `path`: all models of a provider. Raises `Unreadable`."""
        reading = self._reading
        if not is_mapping(value):
            reading.refuse(path, "is to be a mapping of names to values")
        provider = reading.resolved(value.get("custom_llm_provider"), f"{path}.custom_llm_provider")
        if not isinstance(provider, str) or not provider:
            reading.refuse(f"{path}.custom_llm_provider", "is missing: name a provider, such as openai")
        if "model" in value:
            reading.refuse(
                f"{path}.model", "belongs into model_list: here all models of a provider are meant"
            )
        every = f"{provider}/*"
        return self._read(every, {**value, "model": every}, path, None, path, {})

    def _read(
        self,
        model_name: str,
        written: dict[Any, Any],
        place: str,
        told: Any,
        path: str,
        beside: Mapping[str, Any],
    ) -> Deployment | UnservedModel:
        """What is `written` at `place` of a model, with `model_info` and limits that are told `beside` it."""
        reading = self._reading
        shared = self._shared(written)
        written, places = _joined(written, shared)
        unserved = self._unserved(model_name, written, told)
        if unserved is not None:
            return unserved
        self._check_credential(written, shared, place)
        beside = {name: limit for name, limit in beside.items() if limit is not None}
        if self._is_live(written, told):
            added = {name: limit for name, limit in beside.items() if written.get(name) is None}
            written = {**written, **added}
            places |= {name: f"{path}.{name}" for name in added}
        else:
            written = self._without_pace(written, beside, place, path)
        if is_mapping(written.get("extra_headers")):
            headers = self._headers(written["extra_headers"], f"{place}.extra_headers")
            written = {**written, "extra_headers": headers}
        written, prices = without_prices(reading, written, place)
        if is_mapping(told):
            told, of_model = without_prices(reading, told, f"{path}.model_info")
            prices = {**prices, **of_model}
        params = reading.attempt(written, place, vocabulary.PARAMS, places)
        info = reading.attempt(told, f"{path}.model_info", vocabulary.MODEL_INFO)
        if params is None or info is None:
            raise Unreadable
        self._check(params, place, places)
        try:
            deployment = _deployment(model_name, params, info, prices, variable(written.get("api_key")))
        except ConfigError as error:
            reading.refuse(path, str(error))
        deployment = with_defaults(deployment, reading.env)
        for setting, message in lacking(deployment):
            reading.fault(f"{place}.{setting}", message)
        return deployment

    def _unserved(self, model_name: str, written: Mapping[Any, Any], told: Any) -> UnservedModel | None:
        full = self._full_model(written)
        if full is None:
            return None
        head, slash, _ = full.partition("/")
        if slash and head not in self._providers:
            reason = f"LiteBatch has no adapter for {head}"
        elif head == "vertex_ai" and not self._may_have_batches(told, written):
            reason = "LiteBatch has no gcs_bucket_name for it, which batches need"
        else:
            return None
        return UnservedModel(model_name=model_name, model=full, reason=reason)

    def _full_model(self, written: Mapping[Any, Any]) -> str | None:
        """The model with its provider before it; None where there is none."""
        model, custom, base = (
            self._reading.peek(written.get(name)) for name in ("model", "custom_llm_provider", "api_base")
        )
        if not isinstance(model, str) or not model:
            return None
        return _with_provider(model, custom if isinstance(custom, str) else None, has_base=bool(base))

    def _is_live(self, written: Mapping[Any, Any], told: Any) -> bool:
        """Whether lines run there request by request; a lane that does not exist is told of elsewhere."""
        lane = self._reading.peek(told.get("lane")) if is_mapping(told) else None
        provider = (self._full_model(written) or "").partition("/")[0]
        return lane == Lane.LIVE or (lane is None and provider in LIVE_PROVIDERS)

    def _without_pace(
        self, written: dict[Any, Any], beside: Mapping[str, Any], place: str, path: str
    ) -> dict[Any, Any]:
        """What is written without LiteLLM's limits of calls, which say nothing of batches."""
        for name in beside:
            self._reading.note(path, name)
        for name in filter(_PACE.__contains__, written):
            self._reading.note(place, str(name))
        return {name: value for name, value in written.items() if name not in _PACE}

    def _may_have_batches(self, told: Any, written: Mapping[Any, Any]) -> bool:
        """Whether a model on Vertex AI is meant for batches: LiteLLM needs a bucket for nothing else."""
        mode = told.get("mode") if is_mapping(told) else None
        bucket = written.get("gcs_bucket_name") or self._reading.env.get("GCS_BUCKET_NAME")
        return bool(bucket) or self._reading.peek(mode) == "batch"

    def _shared(self, written: Mapping[Any, Any]) -> SharedCredential | None:
        return self._credentials.get(str(self._reading.peek(written.get("litellm_credential_name"))))

    def _check_credential(
        self, written: Mapping[Any, Any], shared: SharedCredential | None, place: str
    ) -> None:
        name = self._reading.peek(written.get("litellm_credential_name"))
        if name is not None and shared is None:
            known = ", ".join(self._credentials) or "empty"
            message = f"there is no credential {name!r}; credential_list is {known}"
            if self._credentials:
                message = f"there is no credential {name!r}; credential_list has {known}"
            self._reading.fault(f"{place}.litellm_credential_name", message)

    def _headers(self, written: dict[Any, Any], path: str) -> dict[Any, Any]:
        """A deployment's own headers; what LiteBatch sets for each message is left out."""
        kept: dict[Any, Any] = {}
        for name, value in written.items():
            if str(name).lower() in OF_EACH_MESSAGE:
                self._reading.note_unused("litellm_params.extra_headers", str(name))
            else:
                kept[name] = self._reading.resolved(value, f"{path}.{name}")
        return kept

    def _check(self, params: Params, place: str, places: Mapping[str, str]) -> None:
        if params.api_base is not None and not re.match(r"https?://[^/]", params.api_base):
            self._reading.refuse(
                places.get("api_base", f"{place}.api_base"), "is no URL: it begins with https:// or http://"
            )
        if params.azure_ad_token is not None and params.azure_ad_token.startswith("oidc/"):
            self._reading.refuse(
                places.get("azure_ad_token", f"{place}.azure_ad_token"),
                "LiteBatch exchanges no OIDC tokens: give tenant_id, client_id and client_secret instead",
            )


def refuse_shared_ids(reading: Reading, deployments: Sequence[tuple[str, Deployment]]) -> None:
    """One id may stand in several model groups if all else that makes up the deployment is the same."""
    owners: dict[str, tuple[str, Deployment]] = {}
    for path, deployment in deployments:
        if deployment.id is None:
            continue
        place, first = owners.setdefault(deployment.id, (path, deployment))
        if first is deployment:
            continue
        if first.model_name == deployment.model_name or _origin(first) != _origin(deployment):
            reading.fault(f"{path}.model_info.id", f"{deployment.id!r} is the id of {place} already")


def _joined(
    written: dict[Any, Any], shared: SharedCredential | None
) -> tuple[dict[Any, Any], dict[str, str]]:
    """A deployment's own settings, those of its credential where it has none, and the latter's paths."""
    if shared is None:
        return written, {}
    added = {name: value for name, value in shared.values.items() if written.get(name) is None}
    return {**written, **added}, {name: f"{shared.path}.{name}" for name in added}


def _with_provider(model: str, custom: str | None, *, has_base: bool) -> str:
    """`model` with its provider before it.

    As with LiteLLM `custom_llm_provider` goes before what `model` says: it then is that provider's own name
    for the model, with a `/` in it.
    """
    head, slash, _ = model.partition("/")
    if custom:
        return model if slash and head == custom else f"{custom}/{model}"
    if slash or has_base:
        return model
    others = (provider for start, provider in _OF_OTHERS.items() if model.startswith(start))
    other = next(others, None)
    return f"{other}/{model}" if other else model


def _deployment(
    model_name: str,
    params: Params,
    info: ModelInfo,
    prices: Mapping[str, Decimal],
    api_key_env: str | None,
) -> Deployment:
    return Deployment(
        model_name=model_name,
        model=_with_provider(params.model, params.custom_llm_provider, has_base=params.api_base is not None),
        api_base=params.api_base,
        api_key=params.api_key,
        api_key_env=api_key_env,
        api_version=params.api_version,
        azure_ad_token=params.azure_ad_token,
        tenant_id=params.tenant_id,
        client_id=params.client_id,
        client_secret=params.client_secret,
        azure_scope=params.azure_scope,
        vertex_project=params.vertex_project,
        vertex_location=params.vertex_location,
        vertex_credentials=_as_text(params.vertex_credentials),
        gcs_bucket_name=params.gcs_bucket_name,
        exclusive=params.exclusive,
        organization=params.organization,
        extra_headers=params.extra_headers,
        weight=params.weight,
        id=None if info.id is None else str(info.id),
        mode=info.mode if isinstance(info.mode, str) else None,
        access_groups=info.access_groups,
        input_cost_per_token_batches=_first(
            info.input_cost_per_token_batches, params.input_cost_per_token_batches
        ),
        output_cost_per_token_batches=_first(
            info.output_cost_per_token_batches, params.output_cost_per_token_batches
        ),
        prices=prices,
        base_model=_name(info.base_model) or _name(params.base_model),
        max_job_requests=info.max_job_requests,
        max_job_bytes=info.max_job_bytes,
        max_job_tokens=info.max_job_tokens,
        enqueued_tokens=info.enqueued_tokens,
        lane=info.lane,
        rpm=params.rpm,
        tpm=params.tpm,
        max_parallel_requests=params.max_parallel_requests,
        timeout=params.timeout,
    )


def _as_text(credentials: str | dict[str, Any] | None) -> str | None:
    return msgspec.json.encode(credentials).decode() if isinstance(credentials, dict) else credentials


def _name(value: object) -> str | None:
    """LiteLLM takes anything for a `base_model`, and finds no price for what is no name."""
    return value if isinstance(value, str) and value else None


def _first(*prices: Decimal | None) -> Decimal | None:
    return next((price for price in prices if price is not None), None)


def _origin(deployment: Deployment) -> tuple[object, ...]:
    return deployment.identity_hash(), deployment.credentials
