from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import pytest

from litebatch_asgi.config import Config, config_from_environment, load_config, parse_config
from litebatch_asgi.config.effects import Effect
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Settings

ENV = {
    "KEY": "sk-secret",
    "BASE": "https://eu.example.com",
    "EMPTY": "",
    "MASTER": "mk-secret",
    "TOKENS": "5000000",
}

FULL = """
model_list:
  - model_name: gpt-4o-batch
    litellm_params:
      model: azure/gpt-4o-mini-general-deployment
      api_base: os.environ/BASE
      api_key: os.environ/KEY
      api_version: "2024-10-21"
      weight: 2
    model_info:
      mode: batch
      id: eu-general
      input_cost_per_token_batches: 0.000000075
      output_cost_per_token_batches: 0.0000003
      max_job_requests: 20000
      max_job_bytes: 100000000
      max_job_tokens: 2000000
      enqueued_tokens: os.environ/TOKENS
general_settings:
  master_key: os.environ/MASTER
  database_url: sqlite:///other.db
litebatch_settings:
  min_poll_seconds: 0.05
  max_file_lines: 100
"""


def parse(text: str) -> Config:
    return parse_config(text, ENV, "c.yaml")


def entry(params: str = "", info: str = "", rest: str = "") -> str:
    """A configuration with one model; `params` and `info` in flow style."""
    return f"""
model_list:
  - model_name: m
    litellm_params: {{model: openai/m, api_key: k, {params}}}
    model_info: {{{info}}}
{rest}
"""


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value)


def test_every_documented_key_arrives() -> None:
    config = parse(FULL)
    (deployment,) = config.deployments
    assert deployment.model_name == "gpt-4o-batch"
    assert (deployment.provider, deployment.upstream_model) == ("azure", "gpt-4o-mini-general-deployment")
    assert deployment.api_base == "https://eu.example.com"
    assert (deployment.api_key, deployment.api_key_env) == ("sk-secret", "KEY")
    assert deployment.api_version == "2024-10-21"
    assert deployment.weight == 2.0
    assert (deployment.mode, deployment.id) == ("batch", "eu-general")
    assert deployment.input_cost_per_token_batches == Decimal("0.000000075")
    assert deployment.output_cost_per_token_batches == Decimal("0.0000003")
    assert (deployment.max_job_requests, deployment.max_job_bytes) == (20_000, 100_000_000)
    assert (deployment.max_job_tokens, deployment.enqueued_tokens) == (2_000_000, 5_000_000)
    assert config.master_key == "mk-secret"
    assert config.database_url == "sqlite:///other.db"
    assert config.settings == Settings(min_poll_seconds=0.05, max_file_lines=100)
    assert config.warnings == ()


def test_what_is_left_out_has_its_default() -> None:
    config = parse(entry())
    assert config.master_key is None
    assert config.database_url == "sqlite:///litebatch.db"
    assert config.settings == Settings()


def test_params_is_short_for_litellm_params() -> None:
    config = parse("model_list: [{model_name: a, params: {model: openai/b, api_key: k}}]")
    assert config.deployments[0].upstream_model == "b"


def test_sections_without_content_count_as_absent() -> None:
    config = parse(entry(rest="general_settings:\nlitebatch_settings:\nrouter_settings:\n"))
    assert config.settings == Settings()


def test_null_is_the_default() -> None:
    config = parse(entry("api_version: null, weight: null", rest="litebatch_settings: {spool_dir: null}"))
    assert config.deployments[0].weight == 1.0
    assert config.settings.spool_dir is None


def test_an_api_version_may_look_like_a_date_and_an_id_like_a_number() -> None:
    deployment = parse(entry("api_version: 2024-10-21", "id: 7")).deployments[0]
    assert (deployment.api_version, deployment.id) == ("2024-10-21", "7")


def test_numbers_may_come_from_the_environment() -> None:
    config = parse_config(entry("weight: os.environ/W"), {"W": "2.5"}, "c.yaml")
    assert config.deployments[0].weight == 2.5


def test_prices_are_exact_in_any_spelling() -> None:
    deployment = parse(
        entry(info="input_cost_per_token_batches: 75e-9, output_cost_per_token_batches: 3.0e-7")
    ).deployments[0]
    assert deployment.input_cost_per_token_batches == Decimal("0.000000075")
    assert deployment.output_cost_per_token_batches == Decimal("0.0000003")


def test_prices_may_stand_beside_the_model() -> None:
    deployment = parse(
        entry(
            "input_cost_per_token_batches: 1.5e-7, output_cost_per_token_batches: 2.0e-7",
            "input_cost_per_token_batches: 0",
        )
    ).deployments[0]
    assert deployment.input_cost_per_token_batches == 0
    assert deployment.output_cost_per_token_batches == Decimal("0.0000002")


def test_anchors_and_merge_keys_work() -> None:
    config = parse(
        """
x-shared: &shared {api_key: k, api_base: "https://a.example.com/v1"}
model_list:
  - {model_name: one, params: {<<: *shared, model: openai/one}}
  - {model_name: two, params: {<<: *shared, model: openai/two, api_key: other}}
"""
    )
    assert [deployment.api_key for deployment in config.deployments] == ["k", "other"]
    assert config.warnings == ()


def test_a_litellm_config_works_and_what_is_not_used_is_told_by_what_it_changes() -> None:
    config = parse(
        """
model_list:
  - model_name: chat
    litellm_params:
      model: openai/gpt-4o
      api_key: k
      rpm: 6
      timeout: 300
      max_budget: 10
      tags: [free, eu]
      custom_llm_provider: openai
      temperature: 0.2
      aws_region_name: eu-west-1
      input_cost_per_second: 0.1
    model_info: {base_model: gpt-4o, access_groups: [a], max_tokens: 5, supports_vision: true, team_id: x}
  - model_name: other
    litellm_params: {model: openai/gpt-4o, api_key: k, rpm: 7}
    tpm: 5
litellm_settings: {num_retries: 3, success_callback: [sentry], default_team_settings: [], max_budget: 5}
router_settings: {routing_strategy: simple-shuffle, redis_host: os.environ/NOT_SET}
general_settings: {alerting: [slack], store_model_in_db: true, custom_auth: a.b, enable_jwt_auth: true}
callback_settings: {otel: {message_logging: true}}
guardrails: []
"""
    )
    told = {effect: [each.path for each in config.unused if each.effect is effect] for effect in Effect}
    assert told == {
        Effect.CALLERS: [
            *("litellm_settings.default_team_settings", "litellm_settings.max_budget", "guardrails"),
            *("general_settings.custom_auth", "general_settings.enable_jwt_auth", "model_info.team_id"),
        ],
        Effect.ROUTES: [
            *("litellm_settings.num_retries", "router_settings.routing_strategy"),
            *("general_settings.store_model_in_db", "litellm_params.rpm", "litellm_params.timeout"),
            *("litellm_params.max_budget", "litellm_params.tags", "litellm_params.aws_region_name"),
            "model_list.tpm",
        ],
        Effect.NONE: [
            *("litellm_settings.success_callback", "router_settings.redis_host", "callback_settings.otel"),
            *(
                "general_settings.alerting",
                "litellm_params.temperature",
                "litellm_params.input_cost_per_second",
            ),
            *("model_info.max_tokens", "model_info.supports_vision"),
        ],
    }
    assert config.warnings == (
        "c.yaml: LiteBatch does not use 23 settings: 6 for who may call "
        "(litellm_settings.default_team_settings, litellm_settings.max_budget, guardrails and 3 more), "
        "9 for where calls go (litellm_settings.num_retries, router_settings.routing_strategy, "
        "general_settings.store_model_in_db and 6 more), 8 without effect on batches; "
        "`litebatch check --config c.yaml` tells more",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (entry("api_bse: x"), "model_list[0].litellm_params.api_bse: did you mean api_base?"),
        (entry("apikey: x"), "model_list[0].litellm_params.apikey: did you mean api_key?"),
        (entry("tempurature: 1"), "model_list[0].litellm_params.tempurature: did you mean temperature?"),
        (
            entry("colour: red"),
            "model_list[0].litellm_params.colour: unknown key; known are model, custom_llm_provider, "
            "litellm_credential_name, api_base, api_key, api_version, azure_ad_token, tenant_id, client_id, "
            "client_secret, azure_scope, vertex_project, vertex_location, vertex_credentials, "
            "gcs_bucket_name, exclusive, organization, extra_headers, weight, "
            "input_cost_per_token_batches, output_cost_per_token_batches, base_model, rpm, tpm, "
            "max_parallel_requests, timeout",
        ),
        (entry("lane: live"), "model_list[0].litellm_params.lane: belongs into model_info"),
        (entry(info="lanee: live"), "model_list[0].model_info.lanee: did you mean lane?"),
        (
            entry("max_paralel_requests: 5"),
            "model_list[0].litellm_params.max_paralel_requests: did you mean max_parallel_requests?",
        ),
        (entry("mode: batch"), "model_list[0].litellm_params.mode: belongs into model_info"),
        (entry(info="modee: batch"), "model_list[0].model_info.modee: did you mean mode?"),
        (
            entry(info="input_cost_per_token_batchs: 1"),
            "model_list[0].model_info.input_cost_per_token_batchs: "
            "did you mean input_cost_per_token_batches?",
        ),
        (
            entry(rest="general_settings: {masterkey: x}"),
            "general_settings.masterkey: did you mean master_key?",
        ),
        (
            entry(rest="litebatch_settings: {min_pol_seconds: 1}"),
            "litebatch_settings.min_pol_seconds: did you mean min_poll_seconds?",
        ),
        (entry(rest="litebatch_setings: {}"), "litebatch_setings: did you mean litebatch_settings?"),
        (entry(rest="router_setings: {}"), "router_setings: did you mean router_settings?"),
        (
            entry(rest="1: {}"),
            "1: unknown key; known are model_list, general_settings, litebatch_settings, "
            "environment_variables, credential_list, files_settings",
        ),
    ],
)
def test_an_unknown_key_is_named_with_its_path(text: str, message: str) -> None:
    assert refusal(text) == f"c.yaml: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (entry("weight: heavy"), "model_list[0].litellm_params.weight: Expected float, got str"),
        (entry("organization: [a, b]"), "model_list[0].litellm_params.organization: Expected str, got array"),
        (entry(info="input_cost_per_token_batches: cheap"), "Invalid decimal string"),
        (
            entry("extra_headers: [x-a]"),
            "model_list[0].litellm_params.extra_headers: Expected object, got array",
        ),
        (entry("extra_headers: {x-a: 1}"), "model_list[0].litellm_params.extra_headers"),
        (entry("extra_headers: {1: a}"), "model_list[0].litellm_params.extra_headers"),
        (entry("extra_headers: {x a: b}"), "model_list[0]: the extra_headers of 'm'"),
        (
            entry("extra_headers: {x-a: os.environ/NOWHERE}"),
            "model_list[0].litellm_params.extra_headers.x-a: the environment variable NOWHERE is not set",
        ),
        (entry("weight: 0"), "model_list[0]: the weight of a deployment of 'm' must be above 0"),
        (entry(info="max_job_tokens: 0"), "the max_job_tokens of 'm' must be at least 1, not 0"),
        (entry(info="max_job_bytes: 1.5"), "model_list[0].model_info.max_job_bytes: Expected int, got float"),
        (entry(rest="litebatch_settings: {max_file_lines: 1.5}"), "max_file_lines: Expected int, got float"),
        (entry(rest="litebatch_settings: {lease_seconds: 0}"), "lease_seconds must be above 0"),
        (
            entry(rest="litebatch_settings: {gone_grace_seconds: 86401}"),
            "gone_grace_seconds must be at most 86400, a day",
        ),
        (entry(rest="litebatch_settings: [a]"), "litebatch_settings: is to be a mapping"),
        (entry("api_base: example.com"), "model_list[0].litellm_params.api_base: is no URL"),
        (entry(rest="general_settings: {master_key: 1234}"), "master_key: Expected str, got int"),
        (entry(rest='general_settings: {master_key: ""}'), "general_settings.master_key: is empty"),
        ("model_list: {}", "model_list: Expected array, got object"),
        ("model_list: []", "model_list: names no model"),
        ("general_settings: {}", "model_list: names no model"),
        ("model_list: [{litellm_params: {model: m}}]", "missing required field model_name"),
        ("model_list: [{model_name: m, litellm_params: {}}]", "missing required field model"),
        ("model_list: [{model_name: m}]", "model_list[0]: needs litellm_params"),
        ("model_list: [{model_name: m, params: {}, litellm_params: {}}]", "and one of them only"),
        ("model_list: [text]", "model_list[0]: is to be a mapping"),
        ("[1]", "c.yaml: is to be a mapping"),
        ("", "c.yaml is empty"),
        ("# nothing\n", "c.yaml is empty"),
    ],
)
def test_a_wrong_value_is_named_with_its_path(text: str, message: str) -> None:
    assert message in refusal(text)


@pytest.mark.parametrize(("name", "state"), [("NOWHERE", "not set"), ("EMPTY", "empty")])
def test_a_variable_that_is_missing_or_empty_is_named(name: str, state: str) -> None:
    assert refusal(entry(f"organization: os.environ/{name}")) == (
        f"c.yaml: model_list[0].litellm_params.organization: the environment variable {name} is {state}"
    )


def test_headers_of_a_deployment_may_come_from_the_environment() -> None:
    config = parse(entry("extra_headers: {x-portkey-api-key: os.environ/KEY, x-portkey-provider: openai}"))
    assert config.deployments[0].extra_headers == {
        "x-portkey-api-key": "sk-secret",
        "x-portkey-provider": "openai",
    }
    assert config.warnings == ()


def test_headers_of_a_deployment_are_secrets() -> None:
    config = parse(entry("extra_headers: {authorization: Bearer abcdefgh, x-b: os.environ/KEY, x-c: short}"))
    assert {"Bearer abcdefgh", "abcdefgh", "sk-secret"} <= config.secrets
    assert "short" not in config.secrets
    assert "abcdefgh" not in repr(config)
    assert "sk-secret" not in repr(config)


def test_ordinary_words_in_a_header_are_no_secrets() -> None:
    """They would be blotted out of every line of the log."""
    value = '{"provider": "openai", "override_params": {}, "api_key": "pk-live-01234567"}'
    config = parse(entry(f"extra_headers: {{x-portkey-config: '{value}', x-provider: azure-openai}}"))
    assert config.secrets == {"k", value, "pk-live-01234567", "azure-openai"}


def test_headers_that_belong_to_each_message_are_left_out_with_a_warning() -> None:
    """They stand in configurations for chat, where they do no harm."""
    config = parse(entry("extra_headers: {Content-Type: application/json, x-a: b}"))
    assert config.deployments[0].extra_headers == {"x-a": "b"}
    assert [each.path for each in config.unused] == ["litellm_params.extra_headers.Content-Type"]


def test_a_header_may_stand_for_the_key() -> None:
    text = """
model_list:
  - {model_name: a, params: {model: openai/a, extra_headers: {Authorization: Bearer abcdefgh}}}
"""
    assert parse(text).warnings == ()


def test_a_duplicate_id_is_refused() -> None:
    text = """
model_list:
  - {model_name: a, params: {model: openai/a, api_key: k}, model_info: {id: one}}
  - {model_name: b, params: {model: openai/b, api_key: k}, model_info: {id: one}}
"""
    assert refusal(text) == "c.yaml: model_list[1].model_info.id: 'one' is the id of model_list[0] already"


def test_one_deployment_may_serve_two_groups_but_not_one_group_twice() -> None:
    line = "  - {model_name: %s, params: {model: openai/a, api_key: k}, model_info: {id: one}}\n"
    assert len(parse("model_list:\n" + line % "a" + line % "b").deployments) == 2
    assert "is the id of model_list[0] already" in refusal("model_list:\n" + line % "a" + line % "a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_list:\n  - model_name: a\n bad", "c.yaml, line 3, column 2: not valid YAML"),
        ("a: [1, 2", "not valid YAML"),
        ("model_list: !!python/object:os.system x", "line 1, column 13: not valid YAML"),
        ("a: \x00", "not valid YAML"),
        (
            "litebatch_settings: {}\nlitebatch_settings: {}",
            "line 2: the key litebatch_settings stands in line 1",
        ),
        ("model_list: [{a: 1, a: 2}]", "line 1: the key a stands in line 1 already"),
    ],
)
def test_bad_yaml_is_named_with_its_line(text: str, message: str) -> None:
    assert message in refusal(text)


def test_messages_never_show_a_value() -> None:
    for text in (
        'model_list:\n  - api_key: "sk-hidden',
        entry("api_base: sk-hidden"),
        entry("weight: sk-hidden"),
        entry(rest="general_settings: {master_key: [sk-hidden]}"),
    ):
        assert "sk-hidden" not in refusal(text)


def test_a_config_shows_no_secret() -> None:
    config = parse(FULL.replace("sqlite:///other.db", "postgresql://me:pw-secret@host/db"))
    assert config.secrets == {"sk-secret", "mk-secret", "pw-secret"}
    assert not any(secret in repr(config) for secret in config.secrets)


def test_an_openai_deployment_without_key_takes_openais_own_variables() -> None:
    env = {"OPENAI_API_KEY": "sk-own", "OPENAI_BASE_URL": "https://proxy.example.com/v1"}
    text = "model_list: [{model_name: a, params: {model: gpt-4o}}]"
    (deployment,) = parse_config(text, env, "c.yaml").deployments
    assert (deployment.api_key, deployment.api_key_env) == ("sk-own", "OPENAI_API_KEY")
    assert deployment.api_base == "https://proxy.example.com/v1"
    with pytest.raises(ConfigError) as caught:
        parse_config(text, {}, "c.yaml")
    assert str(caught.value) == (
        "c.yaml: model_list[0].litellm_params.api_key: is missing, and the environment has no OPENAI_API_KEY"
    ).replace("litellm_params", "params")


@pytest.mark.parametrize("provider", ["mistral", "groq"])
def test_the_key_of_a_provider_that_needs_one_is_asked_for(provider: str) -> None:
    text = f"model_list: [{{model_name: a, params: {{model: {provider}/a, api_base: 'http://proxy/v1'}}}}]"
    with pytest.raises(ConfigError, match=f"the environment has no {provider.upper()}_API_KEY"):
        parse_config(text, {"OPENAI_API_KEY": "sk-own"}, "c.yaml")


def test_openais_key_is_not_sent_to_somebody_elses_server() -> None:
    text = "model_list: [{model_name: a, params: {model: hosted_vllm/a, api_base: 'http://gpu:8000/v1'}}]"
    (deployment,) = parse_config(text, {"OPENAI_API_KEY": "sk-own"}, "c.yaml").deployments
    assert deployment.api_key is None


def test_without_a_file_every_model_goes_to_openai() -> None:
    config = config_from_environment({"OPENAI_API_KEY": "sk-own", "LITEBATCH_MASTER_KEY": "mk"})
    (deployment,) = config.deployments
    assert (deployment.model_name, deployment.model) == ("*", "openai/*")
    assert (deployment.api_key, deployment.api_key_env) == ("sk-own", "OPENAI_API_KEY")
    assert deployment.upstream_model_for("openai/gpt-4o") == "gpt-4o"
    assert config.master_key == "mk"


def test_without_file_or_key_the_message_shows_both_ways() -> None:
    with pytest.raises(ConfigError, match=r"(?s)--config litebatch\.yaml.*OPENAI_API_KEY="):
        config_from_environment({"OPENAI_API_KEY": ""})


def test_without_pyyaml_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.delitem(sys.modules, "litebatch_asgi.config.document", raising=False)
    assert refusal(FULL) == "reading c.yaml needs yaml: pip install 'litebatch-asgi[server]'"


def test_a_file_is_read_with_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "litebatch.yaml"
    path.write_text("\ufeff" + FULL, encoding="utf-8")
    assert load_config(path).deployments[0].api_key == "sk-secret"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no .*nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        load_config(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    with pytest.raises(ConfigError, match=r"is not UTF-8 \(byte 3\)"):
        load_config(tmp_path / "latin.yaml")
