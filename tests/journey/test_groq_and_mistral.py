"""The whole way of a batch over Groq, and over Mistral, whose lines and rows are translated."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Fault, Simulator
from tests.database import Database
from tests.harness import ENDPOINT, MODEL, SWIFT, InProcess, rows_of, running_gateway

Flavour = Literal["groq", "mistral"]
FLAVOURS: tuple[Flavour, ...] = ("groq", "mistral")
IDS = ["0001", "r1", "ä\u2028😀", 'q"u\\ote', "x" * 500, "7.0", " spaced "]


def line(custom_id: str, url: str = ENDPOINT, **body: Any) -> str:
    told = {"model": MODEL, "messages": [{"role": "user", "content": "Say yes."}], "seed": 7, **body}
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": told})


@pytest.fixture(params=FLAVOURS)
async def gateway(
    request: pytest.FixtureRequest, tmp_path: Path, database: Database
) -> AsyncGenerator[InProcess]:
    simulator = Simulator(settings=replace(SWIFT, flavour=request.param))
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, flavour=request.param, names=["east"]
    ) as gateway:
        yield gateway


async def test_a_journey(gateway: InProcess) -> None:
    """Custom ids of every kind come back as they were, and so does the input."""
    content = "\n".join([*map(line, IDS), line("fails", metadata={"simulate": "429"})]).encode()
    file = await gateway.upload(content)
    batch = await gateway.ended((await gateway.create(file.id, metadata={"k": "v"})).id)
    assert (batch.status, batch.model, batch.metadata) == ("completed", MODEL, {"k": "v"})
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (
        8,
        7,
        1,
    )
    output, errors = await gateway.results(batch)
    answered = {row["custom_id"]: row for row in rows_of(output)}
    assert answered.keys() == set(IDS)
    for row in answered.values():
        assert row["error"] is None
        body = row["response"]["body"]
        assert body["object"] == "chat.completion"
        assert body["choices"][0]["message"]["content"] == "echo: Say yes."
        assert body["usage"]["prompt_tokens"] > 0
    (failed,) = rows_of(errors)
    assert (failed["custom_id"], failed["response"]["status_code"]) == ("fails", 429)
    assert failed["response"]["body"]["error"].keys() == {"message", "type", "param", "code"}
    assert await gateway.content(file.id) == content


async def test_a_create_whose_answer_is_lost_makes_no_twin(gateway: InProcess) -> None:
    file = await gateway.upload()
    gateway.simulator.add_fault(Fault(call="create_batch", when="after", drop=True))
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert batch.status == "completed"
    assert len(gateway.provider_jobs()) == 1


async def test_a_batch_that_is_cancelled_has_a_row_for_each_line(gateway: InProcess) -> None:
    account = gateway.simulator.account("east")
    account.configure(hold=["in_progress"])
    file = await gateway.upload()
    batch = await gateway.create(file.id)
    await gateway.reached(batch.id, "in_progress")
    await gateway.client().batches.cancel(batch.id)
    batch = await gateway.ended(batch.id)
    assert batch.status == "cancelled"
    output, errors = await gateway.results(batch)
    rows = [*rows_of(output), *rows_of(errors)]
    assert sorted(row["custom_id"] for row in rows) == ["request-0", "request-1", "request-2"]
    assert {row["error"]["code"] for row in rows if row["error"] is not None} == {"batch_cancelled"}


async def test_what_mistral_cannot_be_told_is_said_at_upload(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=replace(SWIFT, flavour="mistral"))
    async with (
        running_gateway(
            tmp_path, database=database, simulator=simulator, flavour="mistral", names=["east"]
        ) as gateway,
        gateway.http() as http,
    ):
        content = "\n".join([line("a"), line("b", logit_bias={"1": 5})]).encode()
        answer = await http.post("/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", content)})
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == ("unsupported_parameter", "body.logit_bias")
        assert error["errors"][0]["line"] == 2
        assert not gateway.provider_files("east")


async def test_embeddings_of_several_inputs_at_mistral(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=replace(SWIFT, flavour="mistral"))
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, flavour="mistral", names=["east"]
    ) as gateway:
        url = "/v1/embeddings"
        body = {"model": MODEL, "input": ["a", "b"], "dimensions": 4}
        content = json.dumps({"custom_id": "x", "method": "POST", "url": url, "body": body}).encode()
        file = await gateway.upload(content)
        batch = await gateway.ended((await gateway.create(file.id, endpoint=url)).id)
        (row,) = rows_of((await gateway.results(batch))[0])
        assert [len(each["embedding"]) for each in row["response"]["body"]["data"]] == [4, 4]
