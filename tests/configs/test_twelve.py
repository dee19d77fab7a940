"""Twelve configurations as LiteLLM's documents have them, through `check` and through `serve`."""

from __future__ import annotations

import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
from msgspec.structs import replace

from litebatch_asgi.cli import main
from litebatch_asgi.config import Config, load_config
from litebatch_asgi.server.gateway import build_gateway, litebatch_for
from litebatch_asgi.server.listen import address_of, listen, serving

FOLDER = Path(__file__).parent
FILES = FOLDER / "files"
MASTER = "sk-master-key-of-the-tests"
SERVED = {
    "azure_entra": ["gpt-4o"],
    "wildcard": ["openai/*", "anthropic/*", "claude-3-haiku-20240307", "*"],
    "credentials": ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small"],
    "include": ["gpt-4o", "fake-anthropic-endpoint"],
    "router_settings": ["gpt-4o", "vllm-models"],
    "callbacks": ["gpt-4o-mini"],
    "team_settings": ["gpt-4o", "gpt-4o-search"],
    "vision": ["vision", "gpt-4o", "dall-e-3"],
    "fallbacks": ["gpt-4o", "gpt-4o-mini"],
    "redis": ["gpt-4o"],
    "custom_auth": ["gpt-4o"],
    "mixed_providers": ["gpt-4o", "llama-3", "mistral-7b", "azure-embeddings", "*"],
}
UNSERVED = {
    "credentials": ["titan-embed"],
    "vision": ["gemini-vision"],
    "fallbacks": ["zephyr-beta"],
    "mixed_providers": ["bedrock-claude-v1", "gemini-pro"],
}
ENVIRONMENT = {
    "LITELLM_MASTER_KEY": MASTER,
    "DATABASE_URL": "postgresql://litellm:hidden-pw@db.internal/litellm",
    "OPENAI_API_KEY": "sk-hidden-openai",
    "OPENAI_EU_KEY": "sk-hidden-eu",
    "OPENAI_KEY_OF_THE_VAULT": "sk-hidden-vault",
    "OPENAI_KEY_FOR_BATCHES": "sk-hidden-batches",
    "OPENAI_SEARCH_KEY": "sk-hidden-search",
    "OPENAI_RESEARCH_KEY": "sk-hidden-research",
    "ANTHROPIC_API_KEY": "hidden-anthropic",
    "AZURE_API_KEY": "hidden-azure-key",
    "AZURE_API_BASE": "https://mixed.openai.azure.com",
    "AZURE_API_KEY_EU": "hidden-azure-eu",
    "AZURE_API_KEY_CA": "hidden-azure-ca",
    "AZURE_PRODUCTION_KEY": "hidden-azure-production",
    "AZURE_PRODUCTION_BASE": "https://production.openai.azure.com",
    "AZURE_KEY_OF_THE_VAULT": "hidden-azure-vault",
    "CONTOSO_TENANT_ID": "72f988bf-86f1-41af-91ab-2d7cd011db47",
    "CONTOSO_CLIENT_ID": "0a1b2c3d-86f1-41af-91ab-000000000000",
    "CONTOSO_CLIENT_SECRET": "hidden-client-secret",
    "CONTOSO_US_TOKEN": "hidden-us-token",
    "HOSTED_VLLM_API_BASE": "http://vllm:8000/v1",
}
"""only what the served deployments need"""
READ_BY_DEFAULT = (
    "ANTHROPIC_",
    "OPENAI_",
    "AZURE_",
    "HOSTED_VLLM_",
    "LITEBATCH_",
    "AWS_",
    "REDIS_",
    "DATABASE_",
    "GCS_",
)
names = pytest.mark.parametrize("name", SERVED)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in tuple(os.environ):
        if variable.startswith(READ_BY_DEFAULT):
            monkeypatch.delenv(variable)
    for variable, value in ENVIRONMENT.items():
        monkeypatch.setenv(variable, value)


@names
def test_check_tells_what_it_means(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(FILES)
    before = sorted(FILES.rglob("*"))
    monkeypatch.setattr(sys, "argv", ["litebatch", "check", "--config", f"{name}.yaml"])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert (ended.value.code, told.err) == (0, "")
    assert told.out == (FOLDER / "reports" / f"{name}.txt").read_text()
    assert max(len(line) for line in told.out.splitlines()) <= 80
    assert not [value for value in ENVIRONMENT.values() if "hidden" in value and value in told.out]
    assert sorted(FILES.rglob("*")) == before


def on_sqlite(name: str, folder: Path) -> Config:
    config = load_config(FILES / f"{name}.yaml")
    return replace(config, database_url=f"sqlite:///{folder}/litebatch.db")


@names
async def test_serve_starts_and_lists_what_is_served(name: str, tmp_path: Path) -> None:
    config = on_sqlite(name, tmp_path)
    litebatch = litebatch_for(config, "127.0.0.1")
    assert litebatch.warnings == list(config.warnings)
    app = build_gateway(litebatch)
    listener = listen("127.0.0.1", 0)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(litebatch.lifespan(app))
        await stack.enter_async_context(serving(app, listener))
        key = {"authorization": f"Bearer {config.master_key or 'any'}"}
        http = await stack.enter_async_context(
            httpx2.AsyncClient(base_url=address_of(listener), headers=key, trust_env=False)
        )
        assert (await http.get("/health/readiness")).status_code == 200
        models = (await http.get("/v1/models")).json()["data"]
        assert [model["id"] for model in models] == SERVED[name]
        for model in UNSERVED.get(name, ()):
            refused = await http.post(
                "/v1/files",
                files={"file": ("in.jsonl", b"{}")},
                data={"purpose": "batch", "target_model_names": model},
            )
            error = refused.json()["error"]
            assert (refused.status_code, error["code"]) == (400, "model_not_found")
            assert f"The model '{model}' is in the gateway's configuration" in error["message"]
            assert "LiteBatch has no " in error["message"]
