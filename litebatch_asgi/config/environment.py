"""What a configuration takes from the environment. Pure: the environment is an argument.

Source of the names: LiteLLM's documents of the providers `openai`, `azure`, `vertex_ai`, `anthropic`,
`ollama_chat` and `hosted_vllm`; its other providers follow the pattern of the last one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.models import Deployment

_VARIABLE = "os.environ/"
_KEYS: Mapping[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "azure": ("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
    "vertex_ai": (),
}
_BASES = {
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "vertex_ai": ("VERTEXAI_API_BASE",),
    "anthropic": ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
    "ollama_chat": ("OLLAMA_API_BASE",),
}
_NEED_KEY_AT_HOME = frozenset({"anthropic", "openai"})
"""at their own addresses"""
_ENTRA = {
    "tenant_id": "AZURE_TENANT_ID",
    "client_id": "AZURE_CLIENT_ID",
    "client_secret": "AZURE_CLIENT_SECRET",
}
_VERTEX = {
    "vertex_project": "VERTEXAI_PROJECT",
    "vertex_location": "VERTEXAI_LOCATION",
    "gcs_bucket_name": "GCS_BUCKET_NAME",
}
_GOOGLES_CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS"
_NEED_BASE = frozenset({"azure", "hosted_vllm"})
_NEED_KEY = frozenset({"groq", "mistral"})


def variable(value: Any) -> str | None:
    """The NAME of `os.environ/NAME`."""
    return value.removeprefix(_VARIABLE) if isinstance(value, str) and value.startswith(_VARIABLE) else None


def with_variables(env: Mapping[str, str], section: Mapping[str, Any]) -> dict[str, str]:
    """`env` with what `environment_variables` sets on top of it.

    A value that names a variable which is not set sets nothing: whoever reads it is told.
    """
    merged = dict(env)
    for name, value in section.items():
        other = variable(value)
        if other is not None:
            value = merged.get(other) or None
        if value is not None:
            merged[name] = str(value)
    return merged


def with_defaults(deployment: Deployment, env: Mapping[str, str]) -> Deployment:
    """The deployment with what LiteLLM takes from the environment where the configuration does not say it."""
    provider = deployment.provider
    name = provider.upper().replace("-", "_")
    deployment = replace(
        deployment, api_base=deployment.api_base or _first(env, _BASES.get(provider, (f"{name}_API_BASE",)))
    )
    if provider == "openai":
        deployment = replace(
            deployment, organization=deployment.organization or env.get("OPENAI_ORGANIZATION")
        )
    if provider == "azure":
        deployment = _with_azure_settings(deployment, env)
    if provider == "vertex_ai":
        deployment = _with_vertex_settings(deployment, env)
    if not _has_credentials(deployment):
        names = _KEYS.get(provider, (f"{name}_API_KEY",))
        key = next((each for each in names if env.get(each)), None)
        deployment = replace(deployment, api_key=env[key] if key else None, api_key_env=key)
    return _with_entra_id(deployment, env) if provider == "azure" else deployment


def lacking(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """What the deployment cannot do without: the setting, and what is to be told of it."""
    provider = deployment.provider
    if provider in _NEED_BASE and not deployment.api_base:
        yield "api_base", f"is missing, and the environment has no {provider.upper()}_API_BASE"
    needs_key = provider in _NEED_KEY or (provider in _NEED_KEY_AT_HOME and not deployment.api_base)
    if needs_key and not _has_credentials(deployment):
        yield "api_key", f"is missing, and the environment has no {provider.upper()}_API_KEY"
    if provider == "azure" and not _has_credentials(deployment):
        yield (
            "api_key",
            "is missing, and the environment has no AZURE_API_KEY; tenant_id, client_id and client_secret "
            "would do as well",
        )
    if provider == "vertex_ai":
        for name, usual in _VERTEX.items():
            if not getattr(deployment, name):
                yield name, f"is missing, and the environment has no {usual}"
    if provider == "azure" and _asks_entra(deployment):
        for name, usual in _ENTRA.items():
            if not getattr(deployment, name):
                yield name, f"is missing, and the environment has no {usual}"


def _with_azure_settings(deployment: Deployment, env: Mapping[str, str]) -> Deployment:
    return replace(
        deployment,
        api_version=deployment.api_version or env.get("AZURE_API_VERSION") or None,
        azure_scope=deployment.azure_scope or env.get("AZURE_SCOPE") or None,
        azure_authority=deployment.azure_authority or env.get("AZURE_AUTHORITY_HOST") or None,
    )


def _with_vertex_settings(deployment: Deployment, env: Mapping[str, str]) -> Deployment:
    settings = {name: getattr(deployment, name) or env.get(usual) or None for name, usual in _VERTEX.items()}
    credentials = deployment.vertex_credentials or env.get(_GOOGLES_CREDENTIALS) or None
    return replace(deployment, vertex_credentials=credentials, **settings)


def _with_entra_id(deployment: Deployment, env: Mapping[str, str]) -> Deployment:
    """Ids and a token of the environment count where neither file nor environment has a key.

    Ids that the file has some of are completed by the environment.
    """
    if _asks_entra(deployment) or not _has_credentials(deployment):
        token = None if _asks_entra(deployment) else env.get("AZURE_AD_TOKEN")
        if token:
            return replace(deployment, azure_ad_token=token)
        ids = {name: getattr(deployment, name) or env.get(usual) or None for name, usual in _ENTRA.items()}
        if _asks_entra(deployment) or all(ids.values()):
            return replace(deployment, **ids)
    return deployment


def _asks_entra(deployment: Deployment) -> bool:
    """Whether ids are what it proves itself with. Source: with LiteLLM as well a key goes before them."""
    has_other = deployment.azure_ad_token or deployment.api_key or _has_header(deployment)
    return not has_other and any(getattr(deployment, name) for name in _ENTRA)


def _has_credentials(deployment: Deployment) -> bool:
    has_own = deployment.api_key or deployment.azure_ad_token or _has_header(deployment)
    return bool(has_own) or (deployment.provider == "azure" and _asks_entra(deployment))


def _has_header(deployment: Deployment) -> bool:
    return any(map(deployment.sends, ("authorization", "api-key", "x-api-key")))


def _first(env: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((env[name] for name in names if env.get(name)), None)
