"""The adapters against the simulator."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import ClassVar

import pytest

from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.provider import ProviderAdapter
from litebatch_asgi.providers.anthropic import AnthropicAdapter
from litebatch_asgi.providers.azure import AzureAdapter
from litebatch_asgi.providers.groq import GroqAdapter
from litebatch_asgi.providers.mistral import MistralAdapter
from litebatch_asgi.providers.openai import OpenAIAdapter
from litebatch_asgi.simulator import Simulator, SimulatorSettings
from litebatch_asgi.testing.provider_conformance import Capability, ProviderConformance

from .vertex import SmallChunks


class OpenAISmallPages(OpenAIAdapter):
    page_size = 2


class AzureSmallPages(AzureAdapter):
    page_size = 2


class AnthropicSmallPages(AnthropicAdapter):
    page_size = 2


class MistralSmallPages(MistralAdapter):
    page_size = 2


class Simulated(ProviderConformance):
    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability)
    patience_seconds: ClassVar[float] = 20.0
    poll_seconds: ClassVar[float | None] = 0.02
    several_pages: ClassVar[int] = 5


class TestOpenAIAdapter(Simulated):
    @pytest.fixture
    async def adapter(self) -> AsyncGenerator[ProviderAdapter]:
        simulator = Simulator(settings=SimulatorSettings(running_seconds=0.1))
        async with simulator.running() as address:
            deployment = Deployment(
                model_name="virtual",
                model="openai/gpt-4o-mini",
                api_base=f"{address}/east/v1",
                api_key="sk-1",
            )
            async with aclosing(OpenAISmallPages(deployment, Settings())) as adapter:
                yield adapter


class TestAzureAdapter(Simulated):
    path: ClassVar[str] = ""

    @pytest.fixture(params=[False, True], ids=["plain", "odd"])
    async def adapter(self, request: pytest.FixtureRequest) -> AsyncGenerator[ProviderAdapter]:
        settings = SimulatorSettings(flavour="azure", running_seconds=0.1, odd_casing=request.param)
        async with Simulator(settings=settings).running() as address:
            deployment = Deployment(
                model_name="virtual",
                model="azure/gpt-4o-mini",
                api_base=f"{address}/east{self.path}",
                api_key="key-1",
            )
            async with aclosing(AzureSmallPages(deployment, Settings())) as adapter:
                yield adapter


class VertexSmallPages(SmallChunks):
    page_size = 2
    objects_per_page = 2


class TestVertexAdapter(Simulated):
    model: ClassVar[str] = "gemini-2.5-flash"

    @pytest.fixture(params=[1, 3], ids=["one shard", "three shards"])
    async def adapter(self, request: pytest.FixtureRequest) -> AsyncGenerator[ProviderAdapter]:
        settings = SimulatorSettings(flavour="vertex", running_seconds=0.1, output_shards=request.param)
        simulator = Simulator(settings=settings)
        async with simulator.running() as address:
            deployment = Deployment(
                model_name="virtual",
                model="vertex_ai/gemini-2.5-flash",
                api_base=f"{address}/east",
                vertex_project="my-project",
                vertex_location="europe-west4",
                vertex_credentials=json.dumps(await simulator.service_account(address, "east")),
                gcs_bucket_name="my-bucket",
            )
            async with aclosing(VertexSmallPages(deployment, Settings())) as adapter:
                yield adapter


class TestAzureAdapterOnV1Paths(TestAzureAdapter):
    path: ClassVar[str] = "/openai/v1/"


class TestAnthropicAdapter(Simulated):
    model: ClassVar[str] = "claude-haiku-4-5"

    @pytest.fixture
    async def adapter(self) -> AsyncGenerator[ProviderAdapter]:
        settings = SimulatorSettings(flavour="anthropic", running_seconds=0.1)
        async with Simulator(settings=settings).running() as address:
            deployment = Deployment(
                model_name="virtual",
                model="anthropic/claude-haiku-4-5",
                api_base=f"{address}/east",
                api_key="sk-ant-1",
            )
            async with aclosing(AnthropicSmallPages(deployment, Settings())) as adapter:
                yield adapter


class TestGroqAdapter(Simulated):
    @pytest.fixture
    async def adapter(self) -> AsyncGenerator[ProviderAdapter]:
        settings = SimulatorSettings(flavour="groq", running_seconds=0.1)
        async with Simulator(settings=settings).running() as address:
            deployment = Deployment(
                model_name="virtual",
                model="groq/llama-3.1-8b-instant",
                api_base=f"{address}/east/openai/v1",
                api_key="gsk_1",
            )
            async with aclosing(GroqAdapter(deployment, Settings())) as adapter:
                yield adapter


class TestMistralAdapter(Simulated):
    @pytest.fixture
    async def adapter(self) -> AsyncGenerator[ProviderAdapter]:
        settings = SimulatorSettings(flavour="mistral", running_seconds=0.1)
        async with Simulator(settings=settings).running() as address:
            deployment = Deployment(
                model_name="virtual",
                model="mistral/mistral-small-latest",
                api_base=f"{address}/east/v1",
                api_key="key-1",
            )
            async with aclosing(MistralSmallPages(deployment, Settings())) as adapter:
                yield adapter
