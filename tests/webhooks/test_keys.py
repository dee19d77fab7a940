"""The keys that the secrets of webhooks are derived from, in a configuration."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.config import parse_config
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Settings

KEY, OTHER_KEY = "first-webhook-key-0123456789abcdef", "second-webhook-key-0123456789abcde"

CONFIG = """
model_list:
  - model_name: m
    litellm_params: {model: openai/x, api_key: sk-x}
litebatch_settings:
  webhook_keys: %s
  webhooks_to_private_addresses: true
"""


def test_keys_come_from_the_environment_and_are_not_shown() -> None:
    config = parse_config(CONFIG % f"[os.environ/HOOK, {OTHER_KEY}]", {"HOOK": KEY}, "litebatch.yaml")
    assert config.settings.webhook_keys == (KEY, OTHER_KEY)
    assert config.settings.webhooks_to_private_addresses
    assert {KEY, OTHER_KEY} <= config.secrets
    assert KEY not in f"{config!r} {config.settings!r}"
    assert not Settings().webhooks_to_private_addresses


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "[os.environ/NOWHERE]",
            r"litebatch_settings.webhook_keys\[0\]: the environment variable NOWHERE is not set",
        ),
        (
            "[short-key]",
            "webhook_keys: each must have at least 32 characters; `openssl rand -hex 32` makes one",
        ),
        ("one", "Expected array"),
    ],
)
def test_keys_that_cannot_be_used(written: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refusal:
        parse_config(CONFIG % written, {}, "litebatch.yaml")
    assert "short-key" not in str(refusal.value)


def test_without_standardwebhooks_keys_are_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "standardwebhooks", None)
    with pytest.raises(ConfigError, match=r"pip install 'litebatch-asgi\[webhooks\]'"):
        LiteBatch(
            deployments=[Deployment(model_name="m", model="openai/x", api_key="sk-x")],
            storage=f"sqlite:///{tmp_path}/x.db",
            settings=Settings(webhook_keys=(KEY,)),
        )
