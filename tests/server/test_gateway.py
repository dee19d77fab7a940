from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from litebatch_asgi.config import Config
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment
from litebatch_asgi.server.gateway import build_gateway, litebatch_for
from litebatch_asgi.server.startup import Options, gateway_of_worker


def config(tmp_path: Path) -> Config:
    deployment = Deployment(model_name="m", model="openai/m", api_key="k")
    return Config(deployments=(deployment,), database_url=f"sqlite:///{tmp_path}/a.db")


async def test_readiness_is_that_of_the_storage(tmp_path: Path) -> None:
    litebatch = litebatch_for(config(tmp_path), "127.0.0.1")
    gateway = build_gateway(litebatch)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(gateway), base_url="http://localhost"
    ) as client:
        before = await client.get("/health/readiness")
        assert before.status_code == 503
        assert before.json()["error"]["code"] == "storage_unavailable"
        assert before.headers["retry-after"]
        assert (await client.get("/health/liveliness")).status_code == 200
        async with litebatch.lifespan():
            assert (await client.get("/health/readiness")).status_code == 200


def test_a_worker_builds_the_gateway_that_its_parent_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("model_list: [{model_name: m, params: {model: openai/m, api_key: k}}]")
    environment: dict[str, str] = {}
    Options(host="0.0.0.0", config=path, database=f"sqlite:///{tmp_path}/b.db").hand_over(environment)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=r"not on 0\.0\.0\.0"):
        gateway_of_worker()
    monkeypatch.setenv("LITEBATCH_HOST", "127.0.0.1")
    assert callable(gateway_of_worker())
