"""What a client does with Files and Batches, over real HTTP, each step told and checked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx2

from litebatch_asgi.cli.story import DemoFailed, Story, expect
from litebatch_asgi.simulator import JournalEntry, Simulator
from litebatch_asgi.simulator.faults import CallName

MODEL = "gpt-4o-batch"
ENDPOINT = "/v1/chat/completions"
REFUSED = "request-07"
"""the request that the simulated provider is asked to fail"""
LOOK_SECONDS = 0.1
STEP_SECONDS = 20
TERMINAL = frozenset({"completed", "failed", "expired", "cancelled"})

_QUESTIONS = (
    *("What is a batch?", "What is a shard?", "What is a lease?", "What is an outbox?", "What is an epoch?"),
    *("What is a claim?", "What is a quota?", "What is an owner?", "What is a copy?", "What is a tag?"),
    *("What is a fold?", "What is settling?"),
)


def write_requests(path: Path) -> list[str]:
    """Write a small input file; returns its custom ids."""
    lines: list[dict[str, Any]] = []
    for number, question in enumerate(_QUESTIONS, start=1):
        body: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": question}]}
        custom_id = f"request-{number:02}"
        if custom_id == REFUSED:
            body["metadata"] = {"simulate": "429"}
        lines.append({"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [line["custom_id"] for line in lines]


class Journey:
    """One client's way from an input file to its results. `client` speaks to the gateway, under `/v1/`."""

    def __init__(
        self, client: httpx2.AsyncClient, simulator: Simulator, story: Story, requests: Path
    ) -> None:
        self._client = client
        self._simulator = simulator
        self._story = story
        self._requests = requests

    async def travel(self) -> None:
        """Take all steps. Raises `DemoFailed` at the first that does not come out as it must."""
        custom_ids = await self._write()
        file_id = await self._upload()
        batch_id = await self._create(file_id)
        batch = await self._follow(batch_id)
        await self._results(batch, custom_ids)
        other_id = await self._cancel(file_id)
        await self._list_batches([other_id, batch_id])
        await self._delete(file_id)

    async def _write(self) -> list[str]:
        self._story.step(
            "Write the requests, one a line",
            self._requests.name,
            '{"custom_id": "request-01", "method": "POST", "url": "/v1/chat/completions",\n'
            f' "body": {{"model": "{MODEL}", "messages": [...]}}}}',
        )
        custom_ids = await anyio.to_thread.run_sync(write_requests, self._requests)
        self._story.fact("written", f"{len(custom_ids)} requests; {REFUSED} is made to fail")
        return custom_ids

    async def _upload(self) -> str:
        self._story.step(
            "Upload the file: it is checked, and copied to every deployment of the model",
            "POST /v1/files",
            f'file = client.files.create(\n    file=open("{self._requests.name}", "rb"), purpose="batch"\n)',
        )
        content = await anyio.Path(self._requests).read_bytes()
        file = await self._object(
            "POST", "files", files={"file": (self._requests.name, content)}, data={"purpose": "batch"}
        )
        self._story.fact("file.id", file["id"])
        copies = await self._deeds("upload_file", len(self._simulator.accounts))
        for entry in copies:
            self._story.fact(f"copy at {entry.account}", f"{entry.object_id}, {entry.bytes} bytes")
        accounts = {entry.account for entry in copies}
        expect(accounts == set(self._simulator.accounts), "each deployment has a copy")
        return str(file["id"])

    async def _create(self, file_id: str) -> str:
        self._story.step(
            "Create a batch: it is placed on one of the deployments",
            "POST /v1/batches",
            "batch = client.batches.create(\n"
            "    input_file_id=file.id,\n"
            f'    endpoint="{ENDPOINT}",\n'
            '    completion_window="24h",\n'
            ")",
        )
        batch = await self._new_batch(file_id)
        (entry,) = await self._deeds("create_batch", 1)
        self._story.fact("batch.id", batch["id"])
        self._story.fact("batch.status", batch["status"])
        self._story.fact("placed on", f"{entry.account}, as {entry.object_id}")
        return str(batch["id"])

    async def _follow(self, batch_id: str) -> dict[str, Any]:
        self._story.step(
            "Watch it until it has ended",
            f"GET /v1/batches/{batch_id}",
            "batch = client.batches.retrieve(batch.id)",
        )
        batch: dict[str, Any] = {}
        told = ""
        async for batch in self._looks(batch_id):
            counts = batch["request_counts"]
            news = f"{batch['status']:<12} {counts['completed'] + counts['failed']} of {counts['total']}"
            if news != told:
                self._story.fact("batch.status", news)
            told = news
        counts = batch["request_counts"]
        self._story.fact("counts", ", ".join(f"{name} {count}" for name, count in counts.items()))
        expect(batch["status"] == "completed", "the batch ends as completed")
        counts = {"total": len(_QUESTIONS), "completed": len(_QUESTIONS) - 1, "failed": 1}
        expect(batch["request_counts"] == counts, f"the counts are {counts}")
        return batch

    async def _results(self, batch: dict[str, Any], custom_ids: list[str]) -> None:
        self._story.step(
            "Read the results",
            f"GET /v1/files/{batch['output_file_id']}/content",
            "rows = client.files.content(batch.output_file_id).text.splitlines()",
        )
        answered = await self._rows(batch["output_file_id"])
        refused = await self._rows(batch["error_file_id"])
        answered.sort(key=lambda row: str(row["custom_id"]))
        self._story.rows(
            ("custom_id", "status", "answer"), [_shown(row) for row in (*answered[:3], *refused)]
        )
        self._story.fact("rows", f"{len(answered)} in the output file, {len(refused)} in the error file")
        came_out = sorted(row["custom_id"] for row in (*answered, *refused))
        expect(came_out == custom_ids, "each custom_id comes out exactly once")
        expect([row["custom_id"] for row in refused] == [REFUSED], f"{REFUSED} is the one that failed")

    async def _cancel(self, file_id: str) -> str:
        self._story.step(
            "Create another batch and cancel it",
            "POST /v1/batches/{id}/cancel",
            "client.batches.cancel(other.id)",
        )
        other = await self._new_batch(file_id)
        asked = await self._object("POST", f"batches/{other['id']}/cancel")
        self._story.fact("other.id", other["id"])
        self._story.fact("other.status", asked["status"])
        async for batch in self._looks(other["id"]):
            other = batch
        self._story.fact("then", other["status"])
        expect(other["status"] == "cancelled", "the other batch ends as cancelled")
        return str(other["id"])

    async def _list_batches(self, batch_ids: list[str]) -> None:
        self._story.step(
            "List the batches, newest first",
            "GET /v1/batches?limit=20",
            "for batch in client.batches.list(limit=20): ...",
        )
        page = await self._object("GET", "batches", params={"limit": "20"})
        rows = [(batch["id"], batch["status"], batch["model"]) for batch in page["data"]]
        self._story.rows(("id", "status", "model"), rows)
        expect([batch["id"] for batch in page["data"]] == batch_ids, "both batches are listed, newest first")

    async def _delete(self, file_id: str) -> None:
        self._story.step(
            "Delete the file, and with it every copy",
            f"DELETE /v1/files/{file_id}",
            "client.files.delete(file.id)",
        )
        deleted = await self._object("DELETE", f"files/{file_id}")
        self._story.fact("deleted", str(deleted["deleted"]).lower())
        for entry in await self._deeds("delete_file", len(self._simulator.accounts)):
            self._story.fact(f"copy at {entry.account}", f"{entry.object_id} deleted")
        gone = await self._client.get(f"files/{file_id}")
        self._story.fact("asked again", f"{gone.status_code} {gone.json()['error']['message']}")
        expect(gone.status_code == 404, "the file is gone")

    async def _new_batch(self, file_id: str) -> dict[str, Any]:
        asked = {"input_file_id": file_id, "endpoint": ENDPOINT, "completion_window": "24h"}
        return await self._object("POST", "batches", json=asked)

    async def _looks(self, batch_id: str) -> AsyncIterator[dict[str, Any]]:
        """The batch again and again, until it has ended."""
        deadline = anyio.current_time() + STEP_SECONDS
        while anyio.current_time() < deadline:
            batch = await self._object("GET", f"batches/{batch_id}")
            yield batch
            if batch["status"] in TERMINAL:
                return
            await anyio.sleep(LOOK_SECONDS)
        raise DemoFailed(f"{batch_id} has not ended within {STEP_SECONDS} seconds")

    async def _rows(self, file_id: str) -> list[dict[str, Any]]:
        answer = await self._call("GET", f"files/{file_id}/content")
        return [json.loads(line) for line in answer.content.splitlines()]

    async def _deeds(self, call: CallName, count: int) -> list[JournalEntry]:
        """The first `count` calls of a kind that the deployments have carried out, by their names."""

        def deeds() -> list[JournalEntry]:
            return [entry for entry in self._simulator.journal.select(call) if entry.done]

        with anyio.move_on_after(STEP_SECONDS):
            await self._simulator.until(lambda: len(deeds()) >= count)
        expect(len(deeds()) >= count, f"{count} times {call} at the deployments")
        return sorted(deeds()[:count], key=lambda entry: entry.account)

    async def _object(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        asked: dict[str, Any] = (await self._call(method, path, **content)).json()
        return asked

    async def _call(self, method: str, path: str, **content: Any) -> httpx2.Response:
        answer = await self._client.request(method, path, **content)
        call = f"{method} /v1/{path}"
        expect(answer.is_success, f"{call} answers with success, not {answer.status_code}: {answer.text}")
        return answer


def _shown(row: dict[str, Any]) -> tuple[str, str, str]:
    response = row["response"]
    body = response["body"]
    said = body["choices"][0]["message"]["content"] if "choices" in body else body["error"]["message"]
    return row["custom_id"], str(response["status_code"]), said
