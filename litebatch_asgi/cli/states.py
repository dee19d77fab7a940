"""Batches in every state, and who has made them: what a demo that is kept has to show on its page."""

from __future__ import annotations

import json
from typing import Any

import anyio
import httpx2

from litebatch_asgi.cli.journey import ENDPOINT, LOOK_SECONDS, MODEL, STEP_SECONDS
from litebatch_asgi.cli.story import expect
from litebatch_asgi.simulator import Simulator
from litebatch_asgi.simulator.course import Course
from litebatch_asgi.simulator.faults import Fault

ACCOUNT = "night"
SLOW_MODEL = "gpt-4o-night-batch"
"""served by that account alone, which has room for one batch at a time, and takes long for it"""
_LINES = 100
_COURSE = Course(rows_per_second=0.1)
_ROOM = 800
"""tokens: more than one batch of so many lines has, and less than two"""
_PURPOSE = {"purpose": "batch"}
_UNREADABLE = Fault(call="validate_batch", code="invalid_json_line", message="This line is not parseable.")
_UNHURRIED = Fault(call="start_batch", course=Course(share_per_second=0.1))


class States:
    """Makes them over HTTP. `client` speaks to the gateway, under `/v1/`, with its master key."""

    def __init__(self, client: httpx2.AsyncClient, simulator: Simulator) -> None:
        self._client = client
        self._simulator = simulator
        self._of_team: dict[str, str] = {}

    async def fill(self) -> None:
        """Make them; those that end have ended then. Raises `DemoFailed`."""
        self._simulator.account(ACCOUNT).configure(course=_COURSE, max_enqueued_tokens=_ROOM, fail_fast=True)
        await self._be_team()
        file_id = await self._upload(MODEL)
        await self._until(await self._create(file_id, "nightly"), "completed")
        self._simulator.add_fault(_UNREADABLE)
        await self._until(await self._create(file_id, "unreadable"), "failed")
        await self._given_up(file_id)
        slow = await self._upload(SLOW_MODEL)
        await self._until(await self._create(slow, "slow"), "in_progress")
        await self._until_waits(await self._create(slow, "waits for the slow one"))

    async def _be_team(self) -> None:
        await self._call("POST", "team/new", {"team_id": "search", "team_alias": "Search", "max_budget": 1})
        key = await self._call("POST", "key/generate", {"key_alias": "nightly", "team_id": "search"})
        self._of_team = {"authorization": f"Bearer {key['key']}"}

    async def _given_up(self, file_id: str) -> None:
        self._simulator.add_fault(_UNHURRIED)
        batch_id = await self._create(file_id, "given up")
        await self._until(batch_id, "in_progress")
        await self._call("POST", f"batches/{batch_id}/cancel")
        await self._until(batch_id, "cancelled")

    async def _upload(self, model: str) -> str:
        lines = [_line(number, model) for number in range(1, _LINES + 1)]
        name = f"{model}.jsonl"
        file = await self._answer("POST", "files", files={"file": (name, "\n".join(lines))}, data=_PURPOSE)
        return str(file["id"])

    async def _create(self, file_id: str, job: str) -> str:
        asked = {"input_file_id": file_id, "endpoint": ENDPOINT, "completion_window": "24h"}
        return str((await self._call("POST", "batches", {**asked, "metadata": {"job": job}}))["id"])

    async def _until(self, batch_id: str, status: str) -> None:
        deadline, found = anyio.current_time() + STEP_SECONDS, ""
        while found != status:
            found = (await self._call("GET", f"batches/{batch_id}"))["status"]
            expect(anyio.current_time() < deadline, f"{batch_id} is {status}, not {found}, in time")
            await anyio.sleep(LOOK_SECONDS)

    async def _until_waits(self, batch_id: str) -> None:
        deadline = anyio.current_time() + STEP_SECONDS
        while (await self._call("GET", f"batches/{batch_id}"))["litebatch"]["waiting_for"] is None:
            expect(anyio.current_time() < deadline, f"{batch_id} waits")
            await anyio.sleep(LOOK_SECONDS)

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self._answer(method, path, json=body)

    async def _answer(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        answer = await self._client.request(method, path, headers=self._of_team, **content)
        call = f"{method} /v1/{path}"
        expect(answer.is_success, f"{call} answers with success, not {answer.status_code}: {answer.text}")
        told: dict[str, Any] = answer.json()
        return told


def _line(number: int, model: str) -> str:
    message = {"role": "user", "content": f"Tell me of day {number}."}
    body: dict[str, Any] = {"model": model, "messages": [message]}
    return json.dumps({"custom_id": f"day-{number:03}", "method": "POST", "url": ENDPOINT, "body": body})
