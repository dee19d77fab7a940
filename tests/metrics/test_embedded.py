"""Metrics in a host: in its registry, or at an app that it mounts."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.routing import Mount

from litebatch_asgi import LiteBatch
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.metrics import NO_METRICS
from litebatch_asgi.metrics.slots import FOLDER
from litebatch_asgi.testing import MemoryStorage
from tests.harness import MODEL, by_key, deployments, lines, running_gateway
from tests.http.sockets import served
from tests.metrics.scraping import parsed, scraped

PRICES = {
    "input_cost_per_token_batches": Decimal("0.00000015"),
    "output_cost_per_token_batches": Decimal("0.0000006"),
}


def a_litebatch(registry: CollectorRegistry | None = None) -> LiteBatch:
    return LiteBatch(
        deployments=deployments("http://127.0.0.1:9"),
        storage=MemoryStorage(),
        authenticator=by_key,
        metrics_registry=registry,
    )


async def test_the_hosts_registry(tmp_path: Path) -> None:
    """It collects when it wants to: figures are kept fresh for it."""
    registry = CollectorRegistry()
    async with running_gateway(tmp_path, prices=PRICES, metrics_registry=registry) as gateway:
        file = await gateway.upload(lines(4))
        batch = await gateway.ended((await gateway.create(file.id)).id)

        async def is_counted() -> bool:
            return parsed(generate_latest(registry).decode()).of("spend_usd_total") > 0

        await gateway.eventually(is_counted)
        scrape = parsed(generate_latest(registry).decode())
    assert batch.usage is not None
    cost = (
        batch.usage.input_tokens * PRICES["input_cost_per_token_batches"]
        + batch.usage.output_tokens * PRICES["output_cost_per_token_batches"]
    )
    assert Decimal(scrape.of("spend_usd_total", model=MODEL)).quantize(Decimal("1e-9")) == cost
    assert scrape.of("unpriced_requests_total", model=MODEL) == 0
    assert scrape.of("managed_file_created_total") == 1
    assert scrape.of("proxy_requests_total", route="/batches", method="POST", status_code="200") == 1
    assert scrape.of("storage_up") == 1


async def test_two_in_one_process_do_not_mix() -> None:
    one, other = a_litebatch(), a_litebatch()
    app = Starlette(routes=[Mount("/one", one.metrics_app), Mount("/other", other.metrics_app)])
    one.metrics.batch_created(MODEL)
    async with served(app) as address:
        assert (await scraped(address, path="/one/")).of("managed_batch_created_total") == 1
        assert (await scraped(address, path="/other/")).of("managed_batch_created_total") == 0


def test_two_cannot_share_a_registry() -> None:
    registry = CollectorRegistry()
    a_litebatch(registry)
    with pytest.raises(ConfigError, match="give each LiteBatch a registry of its own"):
        a_litebatch(registry)


async def test_who_does_not_ask_keeps_none() -> None:
    litebatch = a_litebatch()
    assert litebatch.metrics is NO_METRICS
    async with litebatch.lifespan():
        with pytest.raises(ConfigError, match="before the lifespan is entered"):
            _ = litebatch.metrics_app
    assert litebatch.metrics_app is litebatch.metrics_app


async def test_wildcards_count_as_they_are_configured() -> None:
    registry = CollectorRegistry()
    named = [*deployments("http://127.0.0.1:9", ["east"])]
    wild = [
        type(named[0])(model_name="openai/*", model="openai/*", api_key="k", id="any"),
    ]
    litebatch = LiteBatch(deployments=[*named, *wild], storage=MemoryStorage(), metrics_registry=registry)
    for model in (MODEL, "openai/one", "openai/two", "of another configuration"):
        litebatch.metrics.batch_created(model)
    scrape = parsed(generate_latest(registry).decode())
    assert scrape.of("managed_batch_created_total", model=MODEL) == 1
    assert scrape.of("managed_batch_created_total", model="openai/*") == 2
    assert scrape.of("managed_batch_created_total", model="other") == 1


def test_without_prometheus_client_all_else_works() -> None:
    """And whoever asks for metrics is told what to install."""
    program = """
import sys
sys.modules["prometheus_client"] = None
from litebatch_asgi import Deployment, LiteBatch
from litebatch_asgi.errors import ConfigError
deployment = Deployment(model_name="m", model="openai/m", api_key="k")
litebatch = LiteBatch(deployments=[deployment], storage="memory://")
litebatch.metrics.batch_created("m")
try:
    litebatch.metrics_app
except ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "metrics need prometheus-client: pip install 'litebatch-asgi[metrics]'\n"


@pytest.mark.parametrize("folder", ["", "/nowhere/at/all"])
def test_workers_of_a_host_need_their_folder(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, folder)
    with pytest.raises(ConfigError, match=f"PROMETHEUS_MULTIPROC_DIR names no folder, but '{folder}'"):
        _ = a_litebatch().metrics_app


def test_importing_does_not_load_it() -> None:
    program = "import sys, litebatch_asgi; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
