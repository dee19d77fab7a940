"""Deployments that run lines request by request, as a configuration has them."""

from __future__ import annotations

from typing import Any

import pytest

from litebatch_asgi.config import Config, parse_config
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Lane, Settings


def parse(entry: str, settings: str = "{}") -> Config:
    return parse_config(f"model_list: [{entry}]\nlitebatch_settings: {settings}", {}, "c.yaml")


def only(entry: str) -> Deployment:
    [deployment] = parse(entry).deployments
    return deployment


VLLM = "model: hosted_vllm/llama, api_base: 'http://gpu:8000/v1'"


@pytest.mark.parametrize(
    ("params", "info", "is_live"),
    [
        (VLLM, "{}", True),
        (VLLM, "{lane: native}", False),
        ("model: llama, custom_llm_provider: hosted_vllm, api_base: 'http://gpu:8000/v1'", "{}", True),
        ("model: ollama/llama", "{}", True),
        ("model: ollama_chat/llama", "{}", True),
        ("model: openai/gpt, api_key: k", "{}", False),
        ("model: openai/gpt, api_key: k", "{lane: live}", True),
        ("model: gpt, api_key: k", "{lane: live}", True),
    ],
)
def test_who_is_live(params: str, info: str, is_live: bool) -> None:
    deployment = only(f"{{model_name: m, litellm_params: {{{params}, rpm: 3}}, model_info: {info}}}")
    assert deployment.is_live is is_live
    assert deployment.rpm == (3 if is_live else None)


def test_its_limits_may_stand_in_either_place() -> None:
    limits = "rpm: '60', tpm: 1000, max_parallel_requests: 8, timeout: '90'"
    deployment = only(f"{{model_name: m, litellm_params: {{{VLLM}, {limits}}}, rpm: 7}}")
    told = (deployment.rpm, deployment.tpm, deployment.max_parallel_requests, deployment.timeout)
    assert told == (60, 1000, 8, 90.0)
    deployment = only(f"{{model_name: m, litellm_params: {{{VLLM}}}, rpm: 7, tpm: 9}}")
    assert (deployment.rpm, deployment.tpm) == (7, 9)


def test_what_a_native_deployment_has_no_use_for_is_told_and_not_read() -> None:
    config = parse(
        "{model_name: m, litellm_params: {model: openai/gpt, api_key: k, timeout: x, rpm: [1]}, tpm: much}"
    )
    told = {each.path for each in config.unused}
    assert told == {"litellm_params.timeout", "litellm_params.rpm", "model_list.tpm"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            f"{{model_name: m, litellm_params: {{{VLLM}, rpm: many}}}}",
            "litellm_params.rpm: Expected int, got str",
        ),
        (f"{{model_name: m, litellm_params: {{{VLLM}}}, tpm: many}}", "model_list[0].tpm: Expected int"),
        (
            f"{{model_name: m, litellm_params: {{{VLLM}, rpm: 0}}}}",
            "the rpm of 'm' must be at least 1, not 0",
        ),
        (f"{{model_name: m, litellm_params: {{{VLLM}, timeout: 0}}}}", "timeout of 'm' must be above 0"),
        (f"{{model_name: m, litellm_params: {{{VLLM}}}, lane: live}}", "model_list[0].lane: belongs into"),
        (f"{{model_name: m, litellm_params: {{{VLLM}}}, model_info: {{lane: fast}}}}", "model_info.lane: "),
    ],
)
def test_what_cannot_be_is_told_with_its_path(entry: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(entry)
    assert message in str(caught.value)


def test_both_lanes_of_one_server_are_two_deployments() -> None:
    entries = ", ".join(
        f"{{model_name: m, litellm_params: {{model: openai/gpt, api_key: k}}, model_info: {{lane: {lane}}}}}"
        for lane in Lane
    )
    native, live = parse(entries).deployments
    assert (
        native.identity_hash()
        == only("{model_name: m, litellm_params: {model: openai/gpt, api_key: k}}").identity_hash()
    )
    assert live.identity_hash() != native.identity_hash()


def test_a_server_that_was_native_before_it_had_to_say_so_keeps_its_id() -> None:
    deployment = Deployment(model_name="m", model="hosted_vllm/m", api_base="http://a/v1", lane=Lane.NATIVE)
    assert deployment.identity_hash() == "03f7fb5dbf39"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"completion_windows": ("1d",)},
            "completion_windows: each must be hours, from `1h` to `24h`, not '1d'",
        ),
        ({"completion_windows": ("0h",)}, "completion_windows"),
        ({"completion_windows": ()}, "completion_windows must name at least one"),
        ({"live_attempts": 0}, "live_attempts must be above 0"),
        ({"max_answer_bytes": -1}, "max_answer_bytes must be above 0"),
        ({"overflow_after_seconds": 0.0}, "overflow_after_seconds must be above 0"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Settings(**settings)


def test_settings_are_read() -> None:
    config = parse(
        "{model_name: m, litellm_params: {model: ollama/m}}",
        "{completion_windows: [1h, 24h], overflow_after_seconds: 600, live_attempts: 2}",
    )
    settings = config.settings
    assert settings.completion_windows == ("1h", "24h")
    assert (settings.overflow_after_seconds, settings.live_attempts) == (600.0, 2)


def test_the_address_of_ollama_comes_from_its_variable() -> None:
    text = "model_list: [{model_name: m, litellm_params: {model: ollama_chat/m}}]"
    [deployment] = parse_config(text, {"OLLAMA_API_BASE": "http://box:11434"}, "c.yaml").deployments
    assert deployment.api_base == "http://box:11434"
