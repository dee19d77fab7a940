"""Where settings of a deployment come from: variables, credentials, and the providers' usual names."""

from __future__ import annotations

import os
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.config import parse_config
from litebatch_asgi.config.environment import with_defaults
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment

AZURE = {"AZURE_API_BASE": "https://r.example.com"}


def deployment(params: str, rest: str = "", **env: str) -> Deployment:
    """The one deployment of a configuration; `params` in flow style."""
    text = f"model_list: [{{model_name: m, litellm_params: {{{params}}}}}]\n{rest}"
    return parse_config(text, env, "c.yaml").deployments[0]


def refusal(params: str, rest: str = "", **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        deployment(params, rest, **env)
    return str(caught.value)


def test_environment_variables_are_what_os_environ_reads() -> None:
    section = """
environment_variables:
  KEY: os.environ/VAULT
  SECOND: os.environ/KEY
  SAME: os.environ/SAME
  LANGFUSE_DEBUG: True
  WEIGHT: 3
  NOTHING:
"""
    params = (
        "model: openai/m, api_key: os.environ/SECOND, organization: os.environ/SAME, "
        "weight: os.environ/WEIGHT"
    )
    found = deployment(params, section, VAULT="sk-vault", KEY="sk-before", SAME="org-same")
    assert (found.api_key, found.api_key_env) == ("sk-vault", "SECOND")
    assert (found.organization, found.weight) == ("org-same", 3.0)
    assert "SECOND" not in os.environ
    assert "LANGFUSE_DEBUG" not in os.environ


def test_environment_variables_count_for_usual_names_and_the_master_key_too() -> None:
    text = """
model_list: [{model_name: m, params: {model: gpt-4o}}]
environment_variables: {OPENAI_API_KEY: sk-section, MASTER: mk-section}
general_settings: {master_key: os.environ/MASTER}
"""
    config = parse_config(text, {"OPENAI_API_KEY": "sk-process"}, "c.yaml")
    assert (config.deployments[0].api_key, config.master_key) == ("sk-section", "mk-section")
    assert config.unused == ()


def test_an_environment_variable_that_reads_nothing_sets_nothing() -> None:
    section = "environment_variables: {KEY: os.environ/NOWHERE}"
    assert "the environment variable KEY is not set" in refusal(
        "model: openai/m, api_key: os.environ/KEY", section
    )
    assert deployment("model: openai/m, api_key: os.environ/KEY", section, KEY="sk-kept").api_key == "sk-kept"


@pytest.mark.parametrize(
    ("model", "custom", "told"),
    [
        ("m", "azure", "azure/m"),
        ("azure/m", "azure", "azure/m"),
        ("meta-llama/Llama-3", "hosted_vllm", "hosted_vllm/meta-llama/Llama-3"),
        ("azure/m", "openai", "openai/azure/m"),
        ("'*'", "openai", "openai/*"),
    ],
)
def test_custom_llm_provider_is_the_provider(model: str, custom: str, told: str) -> None:
    found = deployment(f"model: {model}, custom_llm_provider: {custom}, api_base: 'http://h/v1', api_key: k")
    assert (found.model, found.provider) == (told, custom)


def test_a_provider_without_an_adapter_may_be_named_either_way() -> None:
    text = """
model_list:
  - {model_name: m, params: {model: m, api_key: k}}
  - {model_name: a, params: {model: titan, custom_llm_provider: bedrock}}
  - {model_name: b, params: {model: openai/x, custom_llm_provider: os.environ/P}}
  - {model_name: c, params: {model: gemini-2.5-pro}}
  - {model_name: d, params: {model: claude-3-5-sonnet, api_base: "http://proxy/v1", api_key: k}}
"""
    config = parse_config(text, {"P": "litellm_proxy"}, "c.yaml")
    assert [each.model for each in config.unserved] == [
        "bedrock/titan",
        "litellm_proxy/openai/x",
        "gemini/gemini-2.5-pro",
    ]
    assert [each.model_name for each in config.deployments] == ["m", "d"]


CREDENTIALS = """
credential_list:
  - credential_name: eu
    credential_values:
      api_key: os.environ/EU_KEY
      api_base: https://eu.example.com/v1
      api_version: 2024-10-21
      aws_region_name: eu-central-1
      something_else: x
    credential_info: {description: of the EU, custom_llm_provider: azure}
  - {credential_name: us, credential_values: {api_key: os.environ/US_KEY}, credential_info: {}}
"""


def test_a_credential_gives_what_the_deployment_does_not_say() -> None:
    found = deployment(
        "model: azure/m, litellm_credential_name: eu, api_version: preview, api_base: null",
        CREDENTIALS,
        EU_KEY="k",
    )
    assert (found.api_key, found.api_key_env, found.api_version) == ("k", "EU_KEY", "preview")
    assert found.api_base == "https://eu.example.com/v1"
    assert (
        deployment("model: m, litellm_credential_name: os.environ/N", CREDENTIALS, N="us", US_KEY="u").api_key
        == "u"
    )


def test_a_credential_that_is_unknown_or_lacks_its_variable_is_named() -> None:
    assert refusal("model: openai/m, api_key: k, litellm_credential_name: asia", CREDENTIALS) == (
        "c.yaml: model_list[0].litellm_params.litellm_credential_name: there is no credential 'asia'; "
        "credential_list has eu, us"
    )
    assert refusal("model: openai/m, api_key: k, litellm_credential_name: asia") == (
        "c.yaml: model_list[0].litellm_params.litellm_credential_name: there is no credential 'asia'; "
        "credential_list is empty"
    )
    assert refusal("model: openai/m, litellm_credential_name: us", CREDENTIALS) == (
        "c.yaml: credential_list[1].credential_values.api_key: the environment variable US_KEY is not set"
    )
    wrong = CREDENTIALS.replace("https://eu.example.com/v1", "eu.example.com")
    assert refusal("model: openai/m, litellm_credential_name: eu", wrong, EU_KEY="k") == (
        "c.yaml: credential_list[0].credential_values.api_base: is no URL: it begins with https:// or http://"
    )
    wrong = CREDENTIALS.replace("api_base:", "api_bse:")
    assert refusal("model: openai/m, litellm_credential_name: eu", wrong, EU_KEY="k") == (
        "c.yaml: credential_list[0].credential_values.api_bse: did you mean api_base?"
    )


def test_a_credential_that_only_unserved_models_use_is_not_asked_for() -> None:
    text = """
model_list:
  - {model_name: m, params: {model: m, api_key: k}}
  - {model_name: a, params: {model: bedrock/titan, litellm_credential_name: eu}}
  - {model_name: b, params: {model: bedrock/titan, litellm_credential_name: nobody}}
"""
    assert len(parse_config(text + CREDENTIALS, {}, "c.yaml").unserved) == 2


@pytest.mark.parametrize(
    ("params", "env", "expected"),
    [
        ("model: m", {"OPENAI_API_KEY": "k"}, {"api_key_env": "OPENAI_API_KEY", "api_base": None}),
        (
            "model: m, api_key: own",
            {"OPENAI_API_KEY": "k", "OPENAI_API_BASE": "http://old/v1", "OPENAI_ORGANIZATION": "org"},
            {"api_key": "own", "api_key_env": None, "api_base": "http://old/v1", "organization": "org"},
        ),
        (
            "model: m, api_base: 'https://eu.api.openai.com/v1', organization: mine",
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://new/v1", "OPENAI_ORGANIZATION": "org"},
            {"api_key": "k", "api_base": "https://eu.api.openai.com/v1", "organization": "mine"},
        ),
        (
            "model: m",
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://new/v1", "OPENAI_API_BASE": "http://old/v1"},
            {"api_base": "http://new/v1"},
        ),
        (
            "model: m, extra_headers: {authorization: Bearer abc}",
            {"OPENAI_API_KEY": "k"},
            {"api_key": None, "api_key_env": None},
        ),
        (
            "model: azure/m",
            AZURE | {"AZURE_API_KEY": "k", "AZURE_API_VERSION": "preview", "AZURE_OPENAI_API_KEY": "j"},
            {"api_key": "k", "api_version": "preview", "api_base": AZURE["AZURE_API_BASE"]},
        ),
        ("model: azure/m", AZURE | {"AZURE_OPENAI_API_KEY": "k"}, {"api_key_env": "AZURE_OPENAI_API_KEY"}),
        (
            "model: azure/m",
            AZURE | {"OPENAI_API_KEY": "o", "AZURE_AD_TOKEN": "t"},
            {"azure_ad_token": "t", "api_key": None},
        ),
        (
            "model: hosted_vllm/m",
            {"HOSTED_VLLM_API_BASE": "http://gpu/v1", "HOSTED_VLLM_API_KEY": "v"},
            {"api_key": "v", "api_base": "http://gpu/v1", "api_key_env": "HOSTED_VLLM_API_KEY"},
        ),
        (
            "model: mistral/mistral-small-latest",
            {"MISTRAL_API_KEY": "k", "OPENAI_API_KEY": "o"},
            {"api_key": "k", "api_base": None, "api_key_env": "MISTRAL_API_KEY"},
        ),
        (
            "model: groq/llama-3.1-8b-instant",
            {"GROQ_API_KEY": "k", "GROQ_API_BASE": "http://proxy/openai/v1"},
            {"api_key": "k", "api_base": "http://proxy/openai/v1", "api_key_env": "GROQ_API_KEY"},
        ),
    ],
)
def test_what_is_missing_comes_from_the_providers_usual_variables(
    params: str, env: dict[str, str], expected: dict[str, Any]
) -> None:
    found = deployment(params, **env)
    assert {name: getattr(found, name) for name in expected} == expected


IDS = "tenant_id: t, client_id: c, client_secret: s"
ENTRA = {"AZURE_TENANT_ID": "et", "AZURE_CLIENT_ID": "ec", "AZURE_CLIENT_SECRET": "es"}


@pytest.mark.parametrize(
    ("params", "env", "expected"),
    [
        (IDS, {}, ("t", "c", "s", None, None)),
        ("tenant_id: t", ENTRA, ("t", "ec", "es", None, None)),
        ("tags: []", ENTRA, ("et", "ec", "es", None, None)),
        (IDS, ENTRA | {"AZURE_API_KEY": "k", "AZURE_AD_TOKEN": "x"}, ("t", "c", "s", None, None)),
        ("tags: []", ENTRA | {"AZURE_API_KEY": "k"}, (None, None, None, "k", None)),
        ("tags: []", ENTRA | {"AZURE_AD_TOKEN": "x"}, (None, None, None, None, "x")),
        ("azure_ad_token: os.environ/X", {"X": "x", "AZURE_API_KEY": "k"}, (None, None, None, None, "x")),
        (f"{IDS}, api_key: k", {}, ("t", "c", "s", "k", None)),
    ],
)
def test_a_key_or_ids_or_a_token_for_azure(
    params: str, env: dict[str, str], expected: tuple[Any, ...]
) -> None:
    found = deployment(f"model: azure/m, {params}", **AZURE, **env)
    told = (found.tenant_id, found.client_id, found.client_secret, found.api_key, found.azure_ad_token)
    assert told == expected


def test_ids_that_are_not_complete_are_told() -> None:
    told = refusal("model: azure/m, tenant_id: t", **AZURE, AZURE_CLIENT_ID="ec")
    assert told == (
        "c.yaml: model_list[0].litellm_params.client_secret: is missing, and the environment has no "
        "AZURE_CLIENT_SECRET"
    )
    assert "exchanges no OIDC tokens" in refusal("model: azure/m, azure_ad_token: oidc/github", **AZURE)


def test_where_tokens_come_from_and_what_they_are_for_may_be_said() -> None:
    env = AZURE | {
        "AZURE_AUTHORITY_HOST": "https://login.example.com",
        "AZURE_SCOPE": "https://of.env/.default",
    }
    found = deployment(f"model: azure/m, {IDS}", **env)
    assert (found.azure_authority, found.azure_scope) == (
        "https://login.example.com",
        "https://of.env/.default",
    )
    found = deployment(f"model: azure/m, {IDS}, azure_scope: 'https://own/.default'", **env)
    assert found.azure_scope == "https://own/.default"


def test_secrets_for_azure_are_secrets() -> None:
    text = """
model_list:
  - {model_name: m, params: {model: azure/m, tenant_id: t, client_id: c, client_secret: top-secret}}
  - {model_name: n, params: {model: azure/n, azure_ad_token: top-token}}
"""
    config = parse_config(text, AZURE, "c.yaml")
    assert config.secrets == {"top-secret", "top-token"}
    assert not any(secret in repr(config) for secret in config.secrets)


@pytest.mark.parametrize("info", ["id: 1.5", "mode: [chat]", "mode: {a: b}", "mode: 7", "base_model: [x]"])
def test_any_kind_of_model_info_is_taken(info: str) -> None:
    text = f"model_list: [{{model_name: m, params: {{model: m, api_key: k}}, model_info: {{{info}}}}}]"
    assert parse_config(text, {}, "c.yaml").deployments[0].mode is None


PLACE = "vertex_project: p, vertex_location: europe-west4, gcs_bucket_name: b"
ACCOUNT = '{"type": "service_account", "private_key": "top-key", "private_key_id": "k1"}'
GOOGLE = {
    "VERTEXAI_PROJECT": "ep",
    "VERTEXAI_LOCATION": "el",
    "GCS_BUCKET_NAME": "eb",
    "GOOGLE_APPLICATION_CREDENTIALS": "/etc/google.json",
}


def of_vertex(deployment: Deployment) -> tuple[str | None, ...]:
    return (
        deployment.vertex_project,
        deployment.vertex_location,
        deployment.gcs_bucket_name,
        deployment.vertex_credentials,
    )


def test_what_is_missing_for_vertex_comes_from_googles_and_litellms_variables() -> None:
    found = with_defaults(Deployment(model_name="m", model="vertex_ai/gemini-2.5-flash"), GOOGLE)
    assert of_vertex(found) == ("ep", "el", "eb", "/etc/google.json")
    assert (found.api_key, found.api_base) == (None, None)
    own = Deployment(
        model_name="m",
        model="vertex_ai/gemini-2.5-flash",
        vertex_project="p",
        vertex_location="l",
        gcs_bucket_name="b",
        vertex_credentials="own.json",
    )
    assert of_vertex(with_defaults(own, GOOGLE)) == ("p", "l", "b", "own.json")
    other = with_defaults(Deployment(model_name="m", model="openai/m"), GOOGLE)
    assert of_vertex(other) == (None, None, None, None)


def test_settings_for_vertex_and_whether_it_is_exclusive_are_read_with_their_variables() -> None:
    params = f"model: m, api_key: k, exclusive: true, {PLACE}, vertex_credentials: os.environ/C"
    found = deployment(params, C="of-variable.json")
    assert of_vertex(found) == ("p", "europe-west4", "b", "of-variable.json")
    assert found.exclusive
    assert not deployment("model: m, api_key: k").exclusive
    assert deployment(f"model: m, api_key: k, vertex_credentials: {ACCOUNT}").vertex_credentials == (
        '{"type":"service_account","private_key":"top-key","private_key_id":"k1"}'
    )
    assert "did you mean vertex_project?" in refusal("model: m, api_key: k, vertex_projct: p")
    assert "did you mean gcs_bucket_name?" in refusal("model: m, api_key: k, gcs_bucket_nam: p")
    assert "did you mean exclusive?" in refusal("model: m, api_key: k, exclusiv: true")
    assert "Expected bool" in refusal("model: m, api_key: k, exclusive: perhaps")


def test_credentials_for_vertex_are_secrets_and_the_path_of_a_file_is_none() -> None:
    found = deployment(f"model: m, api_key: k, vertex_credentials: '{ACCOUNT}'")
    assert {ACCOUNT, "top-key"} <= found.secrets
    assert not any(secret in repr(found) for secret in (ACCOUNT, "top-key"))
    assert deployment("model: m, api_key: k, vertex_credentials: a.json").secrets == {"k"}
    assert deployment("model: m, api_key: k, vertex_credentials: '{torn'").secrets == {"k", "{torn"}


def test_the_place_at_google_is_part_of_what_a_deployment_is_and_the_bucket_and_credentials_are_not() -> None:
    first = deployment(f"model: m, api_key: k, {PLACE}")
    elsewhere = replace(first, vertex_location="us-central1")
    other_bucket = replace(first, gcs_bucket_name="c")
    other_account = replace(first, vertex_credentials="b.json")
    assert first.identity_hash() != elsewhere.identity_hash()
    assert first.identity_hash() == other_bucket.identity_hash() == other_account.identity_hash()
    assert first.credentials not in (other_bucket.credentials, other_account.credentials)


def test_what_a_deployment_for_batches_on_vertex_lacks_is_told() -> None:
    told = refusal("model: vertex_ai/m, gcs_bucket_name: b")
    assert told == (
        "c.yaml: 2 things are wrong:\n"
        "  model_list[0].litellm_params.vertex_project: is missing, and the environment has no "
        "VERTEXAI_PROJECT\n"
        "  model_list[0].litellm_params.vertex_location: is missing, and the environment has no "
        "VERTEXAI_LOCATION"
    )
    text = "model_list: [{model_name: m, params: {model: vertex_ai/m}, model_info: {mode: batch}}]"
    with pytest.raises(ConfigError, match=r"gcs_bucket_name: is missing, .* no GCS_BUCKET_NAME"):
        parse_config(text, {}, "c.yaml")
    config = parse_config(text, GOOGLE, "c.yaml")
    assert of_vertex(config.deployments[0]) == ("ep", "el", "eb", "/etc/google.json")


def test_a_model_on_vertex_without_a_bucket_is_for_live_calls_and_not_served() -> None:
    text = """
model_list:
  - {model_name: m, params: {model: m, api_key: k}}
  - {model_name: g, params: {model: vertex_ai/g, vertex_project: os.environ/NONE}, model_info: {mode: chat}}
"""
    [unserved] = parse_config(text, {}, "c.yaml").unserved
    assert (unserved.model_name, unserved.model) == ("g", "vertex_ai/g")
    assert unserved.reason == "LiteBatch has no gcs_bucket_name for it, which batches need"


def test_anthropic_s_key_and_address_have_its_usual_names() -> None:
    found = deployment(
        "model: anthropic/claude-x", ANTHROPIC_API_KEY="sk-ant", ANTHROPIC_BASE_URL="https://a"
    )
    assert (found.api_key, found.api_key_env, found.api_base) == ("sk-ant", "ANTHROPIC_API_KEY", "https://a")
    both = {"ANTHROPIC_API_BASE": "https://b", "ANTHROPIC_BASE_URL": "https://a"}
    assert deployment("model: anthropic/claude-x, api_key: k", **both).api_base == "https://b"
    assert "the environment has no ANTHROPIC_API_KEY" in refusal("model: anthropic/claude-x")
    own = deployment("model: anthropic/claude-x, extra_headers: {x-api-key: k}", ANTHROPIC_API_KEY="other")
    assert own.api_key is None
