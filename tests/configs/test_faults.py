"""All that is wrong with a configuration is told at once; what is not served is not asked for."""

from __future__ import annotations

import pytest

from litebatch_asgi.config import parse_config
from litebatch_asgi.errors import ConfigError

MANY = """
model_list:
  - model_name: one
    litellm_params: {model: azure/one, api_base: os.environ/BASE_ONE, api_key: os.environ/KEY_ONE}
    model_info: {modee: batch}
  - model_name: two
    litellm_params: {model: openai/two, api_key: os.environ/KEY_TWO, api_vresion: x}
  - model_name: three
    litellm_params: {model: openai/three, api_key: k, api_base: example.com}
  - model_name: four
    litellm_params: {model: azure/four}
  - model_name: five
    litellm_params: {model: hosted_vllm/five}
  - model_name: claude
    litellm_params: {model: bedrock/claude-5, api_key: os.environ/KEY_CLAUDE, unheard_of: x}
    model_info: {id: os.environ/NOT_ASKED_FOR}
general_settings: {master_key: os.environ/MASTER, databse_url: x}
litebatch_settings: {lease_seconds: 0}
router_setings: {}
"""
TOLD = """\
c.yaml: 13 things are wrong:
  router_setings: did you mean router_settings?
  general_settings.master_key: the environment variable MASTER is not set
  general_settings.databse_url: did you mean database_url?
  litebatch_settings: lease_seconds must be above 0, not 0.0
  model_list[0].litellm_params.api_base: the environment variable BASE_ONE is not set
  model_list[0].litellm_params.api_key: the environment variable KEY_ONE is empty
  model_list[0].model_info.modee: did you mean mode?
  model_list[1].litellm_params.api_key: the environment variable KEY_TWO is not set
  model_list[1].litellm_params.api_vresion: did you mean api_version?
  model_list[2].litellm_params.api_base: is no URL: it begins with https:// or http://
  model_list[3].litellm_params.api_base: is missing, and the environment has no AZURE_API_BASE
  model_list[3].litellm_params.api_key: is missing, and the environment has no AZURE_API_KEY; tenant_id, \
client_id and client_secret would do as well
  model_list[4].litellm_params.api_base: is missing, and the environment has no HOSTED_VLLM_API_BASE"""


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(MANY, {"KEY_ONE": ""}, "c.yaml")
    assert str(caught.value) == TOLD


def test_what_is_not_served_needs_no_secret_and_no_known_words() -> None:
    text = """
    model_list:
      - {model_name: gpt, litellm_params: {model: openai/gpt-4o, api_key: k}}
      - {model_name: claude, litellm_params: {model: bedrock/claude-5, api_key: os.environ/NONE, what: x}}
      - {model_name: gpt, litellm_params: {model: together_ai/gpt-oss}}
    """
    config = parse_config(text, {}, "c.yaml")
    assert [each.model_name for each in config.deployments] == ["gpt"]
    assert [(each.model_name, each.model, each.reason) for each in config.unserved] == [
        ("claude", "bedrock/claude-5", "LiteBatch has no adapter for bedrock"),
        ("gpt", "together_ai/gpt-oss", "LiteBatch has no adapter for together_ai"),
    ]
    assert config.warnings == (
        "c.yaml: not served: bedrock/claude-5, together_ai/gpt-oss; "
        "`litebatch check --config c.yaml` tells more",
    )


def test_a_configuration_of_which_nothing_can_be_served_is_refused() -> None:
    text = "model_list: [{model_name: claude, litellm_params: {model: bedrock/claude-5, api_key: k}}]"
    with pytest.raises(ConfigError, match=r"model_list: none of its models can be served: .* for bedrock;"):
        parse_config(text, {}, "c.yaml")
