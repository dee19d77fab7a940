"""What a newcomer does first, with the stock client and with curl."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from openai import OpenAI
from openai.types import Batch, FileDeleted, FileObject

from tests.harness import ENDPOINT, MODEL, UPSTREAM, Gateway, ids_of, lines, rows_of


async def test_the_documented_example_works_with_the_stock_client(gateway: Gateway, tmp_path: Path) -> None:
    request = tmp_path / "request.jsonl"
    request.write_bytes(lines(3))

    def example() -> tuple[FileObject, Batch, list[Batch], Batch, bytes]:
        client = OpenAI(api_key="sk-1234", base_url=gateway.address + "/v1")
        with request.open("rb") as upload:
            batch_input_file = client.files.create(
                file=upload, purpose="batch", extra_body={"target_model_names": MODEL}
            )
        batch = client.batches.create(
            input_file_id=batch_input_file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"description": "Test batch job"},
        )
        retrieved = client.batches.retrieve(batch.id)
        while retrieved.status not in ("completed", "failed", "cancelled"):
            retrieved = client.batches.retrieve(batch.id)
        assert retrieved.output_file_id is not None
        output = client.files.content(retrieved.output_file_id).content
        listed = client.batches.list(limit=10, extra_query={"target_model_names": MODEL}).data
        for account in gateway.simulator.accounts.values():
            account.configure(running_seconds=30)
        second = client.batches.create(
            input_file_id=batch_input_file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        cancelled = client.batches.cancel(second.id)
        client.close()
        return batch_input_file, retrieved, list(listed), cancelled, output

    file, batch, listed, cancelled, output = await anyio.to_thread.run_sync(example)
    assert file.id.startswith("file-lb")
    assert file.purpose == "batch"
    assert (batch.status, batch.model, batch.metadata) == (
        "completed",
        MODEL,
        {"description": "Test batch job"},
    )
    assert batch.request_counts is not None
    assert batch.request_counts.model_dump() == {"total": 3, "completed": 3, "failed": 0}
    assert [each.id for each in listed] == [batch.id]
    assert cancelled.status in ("cancelling", "cancelled")
    assert ids_of(output) == ["request-0", "request-1", "request-2"]
    assert {row["response"]["body"]["model"] for row in rows_of(output)} <= set(UPSTREAM.values())


async def test_the_curl_quick_start_needs_no_other_field(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "mydata.jsonl").write_bytes(lines(2))

    async def curl(*arguments: str) -> bytes:
        command = ["curl", "-sS", "--fail-with-body", "-H", "Authorization: Bearer sk-1234", *arguments]
        done = await anyio.run_process(command, cwd=tmp_path)
        return done.stdout

    base = f"{gateway.address}/v1"
    file = json.loads(await curl(f"{base}/files", "-F", "purpose=batch", "-F", "file=@mydata.jsonl"))
    body = {"input_file_id": file["id"], "endpoint": ENDPOINT, "completion_window": "24h"}
    created = json.loads(
        await curl(f"{base}/batches", "-H", "Content-Type: application/json", "-d", json.dumps(body))
    )
    batch = await gateway.ended(created["id"], key="sk-1234")
    assert batch.status == "completed"
    output = await curl(f"{base}/files/{batch.output_file_id}/content")
    assert ids_of(output) == ["request-0", "request-1"]
    deleted = json.loads(await curl("-X", "DELETE", f"{base}/files/{file['id']}"))
    assert deleted == {"id": file["id"], "object": "file", "deleted": True}


async def test_every_deployment_has_the_file_with_its_own_model_name(gateway: Gateway) -> None:
    file = await gateway.upload(lines(3))
    await gateway.simulator.until(lambda: all(map(gateway.provider_files, UPSTREAM)))
    for account, upstream in UPSTREAM.items():
        (copy,) = gateway.provider_files(account)
        assert copy.filename.startswith(file.id)
        entry = gateway.simulator.journal.select("upload_file", account=account)[-1]
        assert entry.bytes == len(lines(3, model=upstream))


@pytest.mark.parametrize("answer", ["created", "retrieved", "listed", "cancelled"])
async def test_every_answer_is_what_the_client_library_expects(held_gateway: Gateway, answer: str) -> None:
    gateway = held_gateway
    file = await gateway.upload()
    async with gateway.http() as http:
        body = {"input_file_id": file.id, "endpoint": ENDPOINT, "completion_window": "24h"}
        created = await http.post("/batches", json=body)
        batch_id = created.json()["id"]
        answers = {
            "created": created,
            "retrieved": await http.get(f"/batches/{batch_id}"),
            "listed": await http.get("/batches"),
            "cancelled": await http.post(f"/batches/{batch_id}/cancel"),
        }
        told = answers[answer].json()
        batches = told["data"] if answer == "listed" else [told]
        for each in batches:
            Batch.model_validate(each, strict=True)
            assert set(each) == {*Batch.model_fields, "litebatch"}
        assert "x-request-id" in answers[answer].headers
        deleted = (await http.delete(f"/files/{file.id}")).json()
        FileDeleted.model_validate(deleted, strict=True)
        assert (await http.get(f"/files/{file.id}")).status_code == 404
