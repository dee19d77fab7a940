"""Copies of files whose lines have a provider's own name of their model."""

from __future__ import annotations

from pathlib import Path

from litebatch_asgi.config import parse_config
from litebatch_asgi.simulator import Fault
from tests.harness import ids_of, lines
from tests.named.gateways import both, gateway_of, named

TWO = """
model_list:
  - model_name: azure/*
    litellm_params: {model: azure/*, api_base: os.environ/AZURE_API_BASE}
    model_info: {id: own}
  - model_name: azure/*
    litellm_params: {model: azure/*, api_base: os.environ/OTHER_BASE}
    model_info: {id: other}
"""


async def test_a_copy_is_made_from_another_one(tmp_path: Path) -> None:
    """The lines are what they were: as large at each deployment, and to whoever reads them."""
    async with both() as providers:
        env = {**providers.environment, "OTHER_BASE": providers.azure_base.replace("/own", "/other")}
        config = parse_config(TWO, env, "c.yaml")
        other = providers.azure.account("other")
        other.add_fault(Fault(call="upload_file", status=429, times=1))
        async with gateway_of(config, tmp_path, providers) as gateway:
            content = lines(3, model="d")
            file = await gateway.upload(content, **named("azure"))
            await providers.azure.until(lambda: len(other.files) == 1)
            sizes = [entry.bytes for entry in providers.azure.journal.select("upload_file", account="other")]
            assert sizes[-1] == len(content)

            async def can_be_read() -> bool:
                async with gateway.http() as http:
                    answer = await http.get(f"/files/{file.id}/content")
                return answer.status_code == 200 and answer.content == content

            for account in (providers.azure.account("own"), other):
                unreadable = account.add_fault(Fault(call="stream_file", status=500, times=None))
                await gateway.eventually(can_be_read)
                providers.azure.remove_fault(unreadable)
            batch = await gateway.ended((await gateway.create(file.id)).id)
            assert batch.status == "completed"
            assert ids_of(await gateway.content(batch.output_file_id)) == [f"request-{n}" for n in range(3)]
