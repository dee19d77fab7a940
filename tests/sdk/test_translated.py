"""The same journey at providers that do not speak OpenAI: ids, results and errors in OpenAI's form."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

import litebatch_asgi.sdk as sdk
from litebatch_asgi.simulator import Simulator
from tests.harness import ENDPOINT, lines, rows_of

UPSTREAM = {"vertex_ai": "gemini-2.5-flash", "anthropic": "claude-sonnet-4-5"}
IDS = ["7", "000000", "r1", 'ü "q" \\', "request_1"]
LONG = ["x" * 500, "é" * 40]


class There:
    """A provider, and how it is reached."""

    def __init__(self, provider: str, simulator: Simulator, access: dict[str, Any]) -> None:
        self.provider = provider
        self.account = simulator.account(provider)
        self.access: Any = {"custom_llm_provider": provider, **access}

    def content(self, ids: list[str], *, model: str | None = None, **body: Any) -> bytes:
        """An input with these custom ids."""
        rows = rows_of(lines(len(ids), model=model or UPSTREAM[self.provider], max_tokens=20, **body))
        return "\n".join(
            json.dumps(row | {"custom_id": id_}) for row, id_ in zip(rows, ids, strict=True)
        ).encode()

    async def upload(self, content: bytes) -> sdk.FileObject:
        return await sdk.acreate_file(file=("mine.jsonl", content), purpose="batch", **self.access)

    async def ended(self, content: bytes) -> sdk.Batch:
        """A batch of these lines that has ended."""
        file = await self.upload(content)
        batch = await sdk.acreate_batch("24h", ENDPOINT, file.id, **self.access)
        assert (batch.input_file_id, batch.endpoint) == (file.id, ENDPOINT)
        while batch.status not in ("completed", "failed", "cancelled", "expired"):
            batch = await sdk.aretrieve_batch(batch.id, **self.access)
        return batch

    async def results(self, batch: sdk.Batch, **options: Any) -> list[dict[str, Any]]:
        assert batch.output_file_id is not None
        content = await sdk.afile_content(batch.output_file_id, **self.access, **options)
        return rows_of(content.content)


@pytest.fixture(params=UPSTREAM)
async def there(
    request: pytest.FixtureRequest, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[There]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    simulator.account("vertex_ai").configure(flavour="vertex", output_shards=2)
    simulator.account("anthropic").configure(flavour="anthropic")
    async with simulator.running() as address:
        access: dict[str, Any] = {"api_base": f"{address}/{request.param}", "api_key": "sk-ant-any"}
        if request.param == "vertex_ai":
            access["vertex_credentials"] = await simulator.service_account(address, "vertex_ai")
            access |= {
                "vertex_project": "my-project",
                "vertex_location": "europe-west4",
                "gcs_bucket_name": "my-bucket",
                "api_key": None,
            }
        yield There(str(request.param), simulator, access)


async def test_results_come_in_openais_form(there: There) -> None:
    batch = await there.ended(there.content(IDS))
    assert batch.status == "completed"
    rows = await there.results(batch)
    assert sorted(row["custom_id"] for row in rows) == sorted(IDS)
    assert len({row["id"] for row in rows}) == len(IDS)
    for row in rows:
        body = row["response"]["body"]
        assert body["object"] == "chat.completion"
        assert body["choices"][0]["message"]["content"]
        assert body["usage"]["total_tokens"] > 0
    [own] = {tuple(sorted(row)) for row in await there.results(batch, translate=False)}
    assert "response" in own or "result" in own
    listed = await sdk.alist_batches(**there.access)
    assert [each.id for each in listed] == [batch.id]


async def test_long_ids_come_back_with_the_input_at_least(there: There) -> None:
    content = there.content(IDS + LONG)
    batch = await there.ended(content)
    if there.provider == "anthropic":
        with pytest.raises(sdk.InvalidRequest, match="`input`"):
            await there.results(batch)
        file = await there.upload(content)
        by_id = await there.results(batch, input=file.id)
        assert sorted(row["custom_id"] for row in by_id) == sorted(IDS + LONG)
    rows = await there.results(batch, input=content if there.provider == "anthropic" else None)
    assert sorted(row["custom_id"] for row in rows) == sorted(IDS + LONG)


async def test_models_may_be_named_with_their_provider(there: There) -> None:
    model = f"{there.provider}/{UPSTREAM[there.provider]}"
    batch = await there.ended(there.content(["1"], model=model))
    assert [row["custom_id"] for row in await there.results(batch)] == ["1"]


async def test_files_can_be_looked_at_listed_and_deleted(there: There) -> None:
    content = there.content(["1", "2"])
    file = await there.upload(content)
    assert (file.filename, file.purpose, file.status) == ("mine.jsonl", "batch", "processed")
    assert (await sdk.aretrieve_file(file.id, **there.access)).id == file.id
    assert [each.id for each in await sdk.alist_files(**there.access)] == [file.id]
    kept = await sdk.afile_content(file.id, **there.access)
    if there.provider == "anthropic":
        assert kept.content == content
    else:
        assert [row["request"]["contents"][0]["role"] for row in rows_of(kept.content)] == ["user", "user"]
    await sdk.adelete_file(file.id, **there.access)
    with pytest.raises(sdk.NotFound):
        await sdk.aretrieve_file(file.id, **there.access)
    assert len(await sdk.alist_files(**there.access)) == 0
    if there.provider == "anthropic":
        with pytest.raises(sdk.NotFound, match="Create the file again"):
            await sdk.acreate_batch("24h", ENDPOINT, file.id, **there.access)


async def test_lines_that_the_provider_cannot_be_given_are_all_told(there: There) -> None:
    content = there.content(["1", "2"], seed="x", n=0)
    with pytest.raises(sdk.InvalidFile) as caught:
        await there.upload(content)
    assert {problem.line for problem in caught.value.problems} == {1, 2}
    assert caught.value.status_code == 400


async def test_what_only_openai_has_a_place_for_is_refused(there: There) -> None:
    file = await there.upload(there.content(["1"]))
    with pytest.raises(sdk.InvalidRequest, match="output_expires_after"):
        await sdk.acreate_batch(
            "24h",
            ENDPOINT,
            file.id,
            output_expires_after={"anchor": "created_at", "seconds": 3600},
            **there.access,
        )
    with pytest.raises(sdk.InvalidRequest, match="purpose"):
        await sdk.acreate_file(file=b"x", purpose="vision", **there.access)


async def test_a_batch_is_cancelled(there: There) -> None:
    there.account.configure(hold=frozenset({"in_progress"}))
    file = await there.upload(there.content(["1"]))
    batch = await sdk.acreate_batch("24h", ENDPOINT, file.id, **there.access)
    batch = await sdk.acancel_batch(batch.id, **there.access)
    assert batch.status in ("cancelling", "cancelled")


async def test_synchronous_twins_do_as_well(there: There) -> None:
    batch = await there.ended(there.content(["1"]))
    assert batch.output_file_id is not None
    content = await anyio.to_thread.run_sync(
        lambda: sdk.file_content(batch.output_file_id or "", **there.access)
    )
    assert [row["custom_id"] for row in rows_of(content.content)] == ["1"]
