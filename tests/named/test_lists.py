"""Lists of what is at a provider: page by page, with results, and of admins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import MODEL, lines
from tests.named.gateways import NamedGateway, from_file, named
from tests.named.test_places import calling

MIXED = f"""
model_list:
  - {{model_name: {MODEL}, litellm_params: {{model: azure/east}}}}
  - {{model_name: {MODEL}, litellm_params: {{model: openai/gpt-4o-mini}}}}
  - {{model_name: only-openai, litellm_params: {{model: openai/gpt-4o-mini}}, model_info: {{id: only}}}}
files_settings: [{{custom_llm_provider: azure}}]
"""


async def test_pages_of_one_provider(gateway: NamedGateway) -> None:
    """Each batch once, results beside inputs, and the provider that need not be named too."""
    made: dict[str, list[str]] = {"azure": [], "openai": []}
    inputs: dict[str, list[str]] = {"azure": [], "openai": []}
    for number in range(6):
        provider = ("azure", "openai", "openai")[number % 3]
        extra = named(provider) if number < 5 else {}
        file = await gateway.upload(lines(1, model=f"model-{number}"), **extra)
        inputs[provider].append(file.id)
        made[provider].append((await gateway.create(file.id)).id)
    done = [await gateway.ended(batch_id) for ids in made.values() for batch_id in ids]
    outputs = {batch.id: batch.output_file_id for batch in done}
    client = gateway.client()
    for provider, ids in made.items():
        listed = [
            batch.id
            async for batch in client.batches.list(limit=1, extra_query={"custom_llm_provider": provider})
        ]
        assert listed == ids[::-1]
        files = [
            file.id
            async for file in client.files.list(limit=3, extra_headers={"custom-llm-provider": provider})
        ]
        assert len(files) == len(set(files))
        assert set(files) == {*inputs[provider], *(outputs[batch_id] for batch_id in ids)}
    async with calling(gateway) as http:
        both = {"custom_llm_provider": "azure", "target_model_names": "azure/model-3,model-1"}
        found = (await http.get("/v1/batches", params=both)).json()["data"]
        assert [batch["model"] for batch in found] == ["azure/model-3"]


async def test_models_of_several_providers_are_in_the_list_of_each(tmp_path: Path) -> None:
    async with from_file(tmp_path, MIXED) as gateway:
        models = {MODEL: {}, "only-openai": {}, "direct": named("azure")}
        for model, extra in models.items():
            await gateway.create((await gateway.upload(lines(1, model=model), **extra)).id)
        expected = {"azure": {MODEL, "azure/direct"}, "openai": {MODEL, "only-openai"}}
        async with calling(gateway) as http:
            for provider, names in expected.items():
                listed = (await http.get(f"/{provider}/v1/batches")).json()["data"]
                assert {batch["model"] for batch in listed} == names
                files = (await http.get(f"/{provider}/v1/files")).json()["data"]
                assert len(files) >= len(names)


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
async def test_lists_of_a_provider_that_is_not_here(gateway: NamedGateway, path: str) -> None:
    async with calling(gateway) as http:
        answer = await http.get(path, params={"custom_llm_provider": "hosted_vllm"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_provider")
