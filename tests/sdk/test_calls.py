"""What arguments come to on the wire, and how lists are gone through."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import anyio
import pytest

import litebatch_asgi.sdk as sdk
from litebatch_asgi.simulator import Simulator
from litebatch_asgi.simulator.journal import JournalEntry
from tests.harness import ENDPOINT, lines

CONTENT = lines(2, model="m")


def last(simulator: Simulator) -> JournalEntry:
    return simulator.journal[-1]


async def test_credentials_of_the_call_go_before_those_of_the_environment(
    address: str, simulator: Simulator
) -> None:
    await sdk.acreate_file(
        file=("in.jsonl", CONTENT),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 7200},
        api_base=f"{address}/other/v1",
        api_key="sk-of-the-call",
        organization="org-7",
        extra_headers={"x-tenant": "t"},
        extra_body={"litebatch": {"a": 1}},
    )
    entry = last(simulator)
    assert (entry.account, entry.api_key, entry.filename) == ("other", "sk-of-the-call", "in.jsonl")
    assert (entry.headers["openai-organization"], entry.headers["x-tenant"]) == ("org-7", "t")
    assert entry.request["expires_after[seconds]"] == "7200"
    assert entry.request["litebatch[a]"] == "1"


async def test_more_fields_of_a_batch(address: str, simulator: Simulator) -> None:
    expires = {"anchor": "created_at", "seconds": 3600}
    batch = await sdk.acreate_batch(
        "24h", ENDPOINT, "file-1", output_expires_after=expires, extra_body={"metadata": {"from": "body"}}
    )
    assert last(simulator).request["output_expires_after"] == expires
    assert batch.metadata == {"from": "body"}


async def test_azure(address: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator.account("azure").configure(flavour="azure")
    monkeypatch.setenv("AZURE_API_BASE", f"{address}/azure")
    monkeypatch.setenv("AZURE_API_KEY", "key-of-azure")
    file = await sdk.acreate_file(
        file=("in.jsonl", CONTENT), purpose="batch", custom_llm_provider="azure", api_version="2024-10-21"
    )
    entry = last(simulator)
    assert (entry.account, entry.headers["api-key"]) == ("azure", "key-of-azure")
    assert file.status == "uploaded"  # Azure looks at it first
    await simulator.account("azure").file_reached(file.id, "processed")
    assert (await sdk.aretrieve_file(file.id, custom_llm_provider="azure")).status == "processed"


async def test_a_compatible_server_needs_no_key(address: str) -> None:
    file = await sdk.acreate_file(
        file=("in.jsonl", CONTENT),
        purpose="batch",
        custom_llm_provider="hosted_vllm",
        api_base=f"{address}/v1",
        extra_headers={"authorization": "Bearer any"},
    )
    assert (await sdk.aretrieve_file(file.id)).bytes == len(CONTENT)


def _pipe(content: bytes) -> IO[bytes]:
    end, start = os.pipe()
    with os.fdopen(start, "wb") as writer:
        writer.write(content)
    return os.fdopen(end, "rb")


def _behind_a_head(content: bytes) -> IO[bytes]:
    file = io.BytesIO(b"head" + content)
    file.seek(4)
    return file


FORMS: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda path: path.read_bytes(),
    "path": lambda path: path,
    "file": lambda path: path.open("rb"),
    "named": lambda path: ("named.jsonl", path.read_bytes(), "application/jsonl"),
    "named path": lambda path: ("named.jsonl", path),
    "pipe": lambda path: _pipe(path.read_bytes()),
    "rest of a file": lambda path: _behind_a_head(path.read_bytes()),
}
NAMES = {"path": "given.jsonl", "file": "given.jsonl", "named": "named.jsonl", "named path": "named.jsonl"}


@pytest.mark.parametrize("form", FORMS)
async def test_forms_of_a_file(form: str, address: str, simulator: Simulator, tmp_path: Path) -> None:
    path = anyio.Path(tmp_path / "given.jsonl")
    await path.write_bytes(CONTENT)
    given = await anyio.to_thread.run_sync(FORMS[form], tmp_path / "given.jsonl")
    file = await sdk.acreate_file(file=given, purpose="batch")
    assert file.filename == NAMES.get(form, "batch.jsonl")
    assert await simulator.account("default").content(file.id) == CONTENT
    if hasattr(given, "close"):
        given.close()


@pytest.mark.parametrize("given", ["in.jsonl", io.StringIO("{}"), 7, ("name",), None])
async def test_what_is_no_file(given: Any, address: str) -> None:
    with pytest.raises(TypeError, match="file"):
        await sdk.acreate_file(file=given, purpose="batch")


async def test_a_path_that_is_not_there(address: str, tmp_path: Path) -> None:
    with pytest.raises(sdk.InvalidRequest, match="cannot be read"):
        await sdk.acreate_file(file=tmp_path / "none.jsonl", purpose="batch")


async def test_a_list_is_paged_through(address: str, simulator: Simulator) -> None:
    simulator.account("default").add_foreign_batches(250)
    seen: list[str] = []
    after = None
    while True:
        page = await sdk.alist_batches(after=after, limit=100)
        seen += [batch.id for batch in page]
        assert (page.first_id, page.last_id) == (page.data[0].id, page.data[-1].id)
        if not page.has_more:
            break
        after = page.last_id
    assert len(seen) == len(set(seen)) == 250
    assert len(await sdk.alist_batches()) == 20
    with pytest.raises(sdk.InvalidRequest, match="'after'"):
        await sdk.alist_batches(after="batch_unknown")
    with pytest.raises(sdk.InvalidRequest, match="limit"):
        await sdk.alist_batches(limit=101)


async def test_objects_answer_as_those_of_other_libraries_do(address: str) -> None:
    file = await sdk.acreate_file(file=CONTENT, purpose="batch")
    assert file["id"] == file.get("id") == file.id
    assert "id" in file
    assert "colour" not in file
    assert file.get("colour", 7) == 7
    with pytest.raises(KeyError):
        file["colour"]
    assert file.model_dump() | {"object": "file"} == file.model_dump()
    batch = await sdk.acreate_batch("24h", ENDPOINT, file.id)
    assert batch.model_dump()["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert '"status":"validating"' in batch.model_dump_json()


async def test_a_content_is_read_in_every_way(address: str, tmp_path: Path) -> None:
    file = await sdk.acreate_file(file=CONTENT + b"\n", purpose="batch")
    content = await sdk.afile_content(file.id)
    assert content.read() == content.content == b"".join(content.iter_bytes(7)) == CONTENT + b"\n"
    assert content.text == CONTENT.decode() + "\n"
    assert list(content.iter_lines()) == CONTENT.decode().splitlines()
    assert len(content) == len(CONTENT) + 1
    content.write_to_file(tmp_path / "out.jsonl")
    assert await anyio.Path(tmp_path / "out.jsonl").read_bytes() == CONTENT + b"\n"
