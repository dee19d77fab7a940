"""Batches on llama.cpp's own server, which has no batch API: real software in place of the simulator."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from msgspec.structs import replace

from tests.database import Database
from tests.harness import QUICK, InProcess, lines, rows_of, running_gateway
from tests.live.stage import asking, each_once
from tests.llama.server import Llama, running_llama

pytest.importorskip("xllamacpp", reason="pip install -r tests/llama/requirements.txt")
pytestmark = pytest.mark.long
SETTINGS = replace(QUICK, live_timeout_seconds=20, lease_seconds=32)


@pytest.fixture
def llama(tmp_path: Path) -> Generator[Llama]:
    with running_llama(tmp_path) as running:
        yield running


def before(llama: Llama, folder: Path, database: Database) -> Any:
    """A gateway before the server alone."""
    options = {"api_base": f"{llama.address}/v1", "api_key": None, "max_parallel_requests": 8}
    return running_gateway(
        folder, database=database, settings=SETTINGS, names=(), live=("llama",), live_options=options
    )


def chat(number: int, text: str, **body: Any) -> bytes:
    row = json.loads(asking(number))
    row["body"] |= {"messages": [{"role": "user", "content": text}], "max_tokens": 8} | body
    return json.dumps(row).encode() + b"\n"


async def test_a_batch_on_a_server_of_others(tmp_path: Path, database: Database, llama: Llama) -> None:
    """Answers come back whole, with their tokens; what the server refuses is an error row."""
    asked = [chat(number, f"Say {number}.") for number in range(60)]
    asked[7] = chat(7, "x" * 3000)  # more than the context
    asked[8] = chat(8, "Say 8.", temperature="warm")
    async with before(llama, tmp_path, database) as gateway:
        batch = await gateway.ended((await gateway.create((await gateway.upload(b"".join(asked))).id)).id)
        codes = await each_once(gateway, batch, 60)
        output, error = await gateway.results(batch)
    assert codes == {"400": len(rows_of(error))}
    refused = {row["custom_id"]: row["response"]["body"]["error"]["message"] for row in rows_of(error)}
    assert "request-7" in refused
    assert "context size" in refused["request-7"]
    answers = [row["response"]["body"] for row in rows_of(output)]
    assert all(answer["choices"][0]["finish_reason"] in ("length", "stop") for answer in answers)
    assert batch.usage is not None
    assert batch.usage.total_tokens == sum(answer["usage"]["total_tokens"] for answer in answers)


async def test_plain_completions(tmp_path: Path, database: Database, llama: Llama) -> None:
    rows = [json.loads(row) for row in lines(10).splitlines()]
    for row in rows:
        row |= {
            "url": "/v1/completions",
            "body": {"model": row["body"]["model"], "prompt": "a", "max_tokens": 4},
        }
    content = "\n".join(map(json.dumps, rows)).encode()
    async with before(llama, tmp_path, database) as gateway:
        file = await gateway.upload(content)
        batch = await gateway.ended((await gateway.create(file.id, endpoint="/v1/completions")).id)
        assert await each_once(gateway, batch, 10) == {}
        output, _ = await gateway.results(batch)
    assert {row["response"]["body"]["object"] for row in rows_of(output)} == {"text_completion"}


async def test_the_server_is_killed_in_the_midst(tmp_path: Path, database: Database, llama: Llama) -> None:
    """It comes back, and no line is lost or failed."""
    asked = b"".join(chat(number, f"Say {number}.", max_tokens=64) for number in range(200))
    async with before(llama, tmp_path, database) as gateway:
        batch = await gateway.create((await gateway.upload(asked)).id)
        for done in (20, 80):
            await gateway.eventually(lambda done=done: has_results(gateway, done))
            await anyio.to_thread.run_sync(llama.kill)
            await anyio.to_thread.run_sync(llama.start)
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 200) == {}


async def has_results(gateway: InProcess, count: int) -> bool:
    ((found,),) = await gateway.database.rows("SELECT count(*) FROM line_results")
    return bool(found >= count)
