"""The calls of LiteLLM's `/batches` page, by curl, as they stand there but for port, key and ids."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import anyio

from tests.harness import ids_of, lines
from tests.named.gateways import NamedGateway, from_environment

UPLOAD = """
curl http://localhost:4000/v1/files \\
    -H "Authorization: Bearer sk-1234" \\
    -F purpose="batch" \\
    -F file="@mydata.jsonl"
"""
CREATE = """
curl http://localhost:4000/v1/batches \\
        -H "Authorization: Bearer sk-1234" \\
        -H "Content-Type: application/json" \\
        -d '{
            "input_file_id": "file-abc123",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h"
    }'
"""
RETRIEVE = """
curl http://localhost:4000/v1/batches/batch_abc123 \\
    -H "Authorization: Bearer sk-1234" \\
    -H "Content-Type: application/json" \\
"""
LIST = """
curl http://localhost:4000/v1/batches \\
    -H "Authorization: Bearer sk-1234" \\
    -H "Content-Type: application/json" \\
"""


class Shell:
    """Somebody at a terminal."""

    def __init__(self, gateway: NamedGateway, folder: Path) -> None:
        self._port = gateway.address.rpartition(":")[2]
        self._folder = folder

    async def run(self, script: str, **instead: str) -> dict[str, Any]:
        """The answer to a call, with what is to stand in place of parts of it."""
        for old, new in {":4000": f":{self._port}", **instead}.items():
            assert old in script
            script = script.replace(old, new)
        env = {"PATH": os.environ["PATH"], "NO_PROXY": "localhost"}
        done = await anyio.run_process(["bash", "-c", script], cwd=self._folder, env=env)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


async def test_the_four_calls_of_the_quick_start(tmp_path: Path) -> None:
    (tmp_path / "mydata.jsonl").write_bytes(lines(2, model="gpt-4o-mini"))
    async with from_environment(tmp_path, without=("AZURE_API_KEY", "AZURE_API_BASE")) as gateway:
        shell = Shell(gateway, tmp_path)
        file = await shell.run(UPLOAD)
        assert file["id"].startswith("file-lb")
        batch = await shell.run(CREATE, **{"file-abc123": file["id"]})
        assert batch["id"].startswith("batch_lb")
        done = await gateway.ended(batch["id"])
        retrieved = await shell.run(RETRIEVE, batch_abc123=batch["id"])
        assert (retrieved["status"], done.status) == ("completed", "completed")
        listed = await shell.run(LIST)
        assert [each["id"] for each in listed["data"]] == [batch["id"]]
        assert ids_of(await gateway.content(done.output_file_id)) == ["request-0", "request-1"]


async def test_the_same_calls_below_azure(gateway: NamedGateway, tmp_path: Path) -> None:
    """A list without the provider has all."""
    content = lines(2, model="my-azure-deployment")
    (tmp_path / "mydata.jsonl").write_bytes(content)
    shell = Shell(gateway, tmp_path)
    plain = await gateway.create((await gateway.upload(lines(1, model="gpt-4o-mini"))).id)
    upload, create, retrieve, listing = (
        call.replace("4000/v1", "4000/azure/v1") for call in (UPLOAD, CREATE, RETRIEVE, LIST)
    )
    file = await shell.run(upload)
    batch = await shell.run(create, **{"file-abc123": file["id"]})
    done = await gateway.ended(batch["id"])
    assert ids_of(await gateway.content(done.output_file_id)) == ["request-0", "request-1"]
    retrieved = await shell.run(retrieve, batch_abc123=batch["id"])
    assert (retrieved["status"], retrieved["model"]) == ("completed", "azure/my-azure-deployment")
    listed = await shell.run(listing)
    assert [each["id"] for each in listed["data"]] == [batch["id"]]
    everything = await shell.run(LIST)
    assert {each["id"] for each in everything["data"]} == {batch["id"], plain.id}
    assert await gateway.content(file["id"]) == content
    assert gateway.providers.uploads() == {"openai": 1, "azure": 1}
