"""The example of a proxy that calls in process, driven by its own API."""

from __future__ import annotations

from pathlib import Path

import anyio
import httpx2

from litebatch_asgi.simulator import Simulator
from tests.examples.test_examples import running
from tests.harness import ids_of


async def test_a_proxy_that_calls_in_process(tmp_path: Path) -> None:
    simulator = Simulator()
    async with (
        simulator.running() as provider,
        running("in_process", provider, tmp_path) as address,
        httpx2.AsyncClient(base_url=address, headers={"x-api-key": "sk-search"}, timeout=20) as http,
    ):
        begun = await http.post("/summaries", json=["one", "two", "three"])
        assert begun.status_code == 200, begun.text
        batch_id = begun.json()["id"]
        assert (await http.get("/summaries")).json() == [batch_id]
        assert await last_word(http, batch_id) == {"status": "completed", "done": 3, "of": 3}
        answered = await http.get(f"/summaries/{batch_id}/results")
        assert ids_of(answered.content) == ["0", "1", "2"]
        await is_refused(http, batch_id)


async def last_word(http: httpx2.AsyncClient, batch_id: str) -> dict[str, object]:
    with anyio.fail_after(40):
        while True:
            told: dict[str, object] = (await http.get(f"/summaries/{batch_id}")).json()
            if told["status"] == "completed":
                return told
            await anyio.sleep(0.1)


async def is_refused(http: httpx2.AsyncClient, batch_id: str) -> None:
    """What others, and what the impossible, are told."""
    cancelled = await http.delete(f"/summaries/{batch_id}")
    assert cancelled.status_code == 409
    assert "Cannot cancel" in cancelled.json()["error"]
    nothing = await http.post("/summaries", json=[])
    assert nothing.status_code == 400
    assert nothing.json()["code"]
    http.headers["x-api-key"] = "sk-ads"
    assert (await http.get(f"/summaries/{batch_id}")).status_code == 404
    assert (await http.get("/summaries")).json() == []
    http.headers["x-api-key"] = "sk-nobody"
    assert (await http.get("/summaries")).status_code == 401
