"""The journey of LiteLLM's page on batches, by functions of the same names.

Source: https://docs.litellm.ai/docs/batches, the calls of its SDK tab.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

import litebatch_asgi.sdk as litellm
from litebatch_asgi.models import BatchStatus
from litebatch_asgi.simulator import Simulator
from tests.harness import ids_of, lines

ENDED = ("completed", "failed", "expired", "cancelled")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "openai_batch_completions.jsonl"
    path.write_bytes(lines(3, model="gpt-4o-mini"))
    return path


async def test_the_asynchronous_journey(address: str, simulator: Simulator, path: Path) -> None:
    file = await anyio.to_thread.run_sync(path.open, "rb")
    file_obj = await litellm.acreate_file(file=file, purpose="batch", custom_llm_provider="openai")
    assert not file.closed  # it is the caller's
    file.close()
    batch = await litellm.acreate_batch(
        completion_window="24h",
        endpoint="/v1/chat/completions",
        input_file_id=file_obj.id,
        custom_llm_provider="openai",
        metadata={"key1": "value1", "key2": "value2"},
    )
    assert batch.metadata == {"key1": "value1", "key2": "value2"}
    retrieved = await litellm.aretrieve_batch(batch_id=batch.id, custom_llm_provider="openai")
    assert retrieved.id == batch.id
    await simulator.account("default").reached(batch.id, "completed")
    retrieved = await litellm.aretrieve_batch(batch_id=batch.id, custom_llm_provider="openai")
    assert (retrieved.status, retrieved.endpoint) == ("completed", "/v1/chat/completions")
    assert retrieved.request_counts is not None
    assert retrieved.request_counts.total == retrieved["request_counts"]["completed"] == 3
    content = await litellm.afile_content(file_id=file_obj.id, custom_llm_provider="openai")
    assert content.content == lines(3, model="gpt-4o-mini")
    assert retrieved.output_file_id is not None
    results = await litellm.afile_content(file_id=retrieved.output_file_id, custom_llm_provider="openai")
    assert ids_of(results.content) == ["request-0", "request-1", "request-2"]
    listed = await litellm.alist_batches(custom_llm_provider="openai", limit=2)
    assert [each.id for each in listed] == [batch.id]
    files = await litellm.alist_files(custom_llm_provider="openai", purpose="batch")
    assert [each.id for each in files.data] == [file_obj.id]
    deleted = await litellm.adelete_file(file_id=file_obj.id, custom_llm_provider="openai")
    assert deleted.deleted
    with pytest.raises(litellm.NotFound):
        await litellm.aretrieve_file(file_id=file_obj.id, custom_llm_provider="openai")


def journey(path: Path) -> dict[str, Any]:
    """The same by the synchronous twins."""
    with path.open("rb") as file:
        file_obj = litellm.create_file(file=file, purpose="batch", custom_llm_provider="openai")
    batch = litellm.create_batch(
        completion_window="24h",
        endpoint="/v1/chat/completions",
        input_file_id=file_obj.id,
        custom_llm_provider="openai",
    )
    while batch.status not in ENDED:
        batch = litellm.retrieve_batch(batch_id=batch.id, custom_llm_provider="openai")
    assert batch.output_file_id is not None
    results = litellm.file_content(file_id=batch.output_file_id, custom_llm_provider="openai")
    return {"status": batch.status, "ids": ids_of(results.content), "text": results.text}


async def test_the_synchronous_journey(address: str, path: Path) -> None:
    done = await anyio.to_thread.run_sync(journey, path)
    assert (done["status"], done["ids"]) == ("completed", ["request-0", "request-1", "request-2"])


async def test_the_synchronous_journey_inside_a_running_loop(address: str, path: Path) -> None:
    async def inside() -> dict[str, Any]:
        return journey(path)

    done = await anyio.to_thread.run_sync(anyio.run, inside)
    assert (done["status"], done["ids"]) == ("completed", ["request-0", "request-1", "request-2"])


async def test_a_batch_is_cancelled(address: str, simulator: Simulator) -> None:
    file = await litellm.acreate_file(file=("in.jsonl", lines(3, model="m")), purpose="batch")
    batch = await litellm.acreate_batch("24h", "/v1/chat/completions", file.id)
    cancelled = await litellm.acancel_batch(batch_id=batch.id)
    assert cancelled.status in (BatchStatus.CANCELLING, BatchStatus.CANCELLED)
    await simulator.account("default").reached(batch.id, "cancelled")
    assert (await litellm.acancel_batch(batch.id)).status is BatchStatus.CANCELLED
