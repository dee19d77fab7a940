"""What users of such gateways ran into, and must not run into here."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from openai import BadRequestError
from openai.types import Batch, FileObject

from litebatch_asgi.models import Deployment
from litebatch_asgi.simulator import Fault, RowFaults, Simulator, SimulatorSettings
from tests.faults.journey import outcome
from tests.faults.stage import gateway_on
from tests.faults.troubles import ALL
from tests.harness import ENDPOINT, MODEL, QUICK, Gateway, InProcess, ids_of, lines, rows_of, running_gateway
from tests.survival.server import KEY, Server, deployed

STATUSES = {
    "validating",
    "failed",
    "in_progress",
    "finalizing",
    "completed",
    "expired",
    "cancelling",
    "cancelled",
}
MEGABYTE = 1 << 20


def line(custom_id: str, **body: Any) -> str:
    """One request."""
    messages = [{"role": "user", "content": "hello"}]
    body = {"model": MODEL, "messages": messages} | body
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body})


async def test_a_list_is_read_to_its_end_whatever_its_rows_are(gateway: Gateway) -> None:
    """Source: BerriAI/litellm#38738, one row that does not parse truncates the client's list."""
    file = await gateway.upload()
    made = [await gateway.create(file.id, metadata={"naïve": '"\\ ☃', "empty": ""})]
    for fault in (
        Fault(call="create_batch", status=400, body="<html>no JSON</html>"),
        Fault(call="validate_batch", code="odd"),
        Fault(call="run_batch", ending="expired"),
        Fault(call="run_batch", rows=RowFaults(lost=2)),
    ):
        gateway.simulator.add_fault(fault)
        made.append(await gateway.ended((await gateway.create(file.id)).id))
    gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
    made.append(await gateway.create(file.id, metadata={}))
    client = gateway.client()
    assert [each.id async for each in client.batches.list(limit=1)] == [each.id for each in made[::-1]]
    async with gateway.http() as http:
        for path, model in (("/batches", Batch), ("/files", FileObject)):
            for row in (await http.get(path)).json()["data"]:
                model.model_validate(row, strict=True)


async def test_ids_are_short_and_need_no_quoting(gateway: Gateway) -> None:
    """Some gateways' unified ids pass 200 characters, which clients and URLs do not like."""
    file = await gateway.upload()
    batch = await gateway.ended((await gateway.create(file.id)).id)
    for each in (file.id, batch.id, batch.output_file_id):
        assert each is not None
        assert re.fullmatch("(file-|batch_)lb[0-9a-z]{26}", each)


@pytest.mark.parametrize("escape_unicode", [False, True])
async def test_custom_ids_come_back_as_they_were_sent(tmp_path: Path, escape_unicode: bool) -> None:
    """Source: BerriAI/litellm#22723, `custom_id` lost."""
    ids = ["0", " ", "a b", "ä€😀", 'quote " and \\ back', "tab\tnew\nline", "x" * 400, "\x7f", "null", "{}"]
    simulator = Simulator(settings=SimulatorSettings(escape_unicode=escape_unicode))
    async with running_gateway(tmp_path, simulator=simulator) as gateway:
        gateway.simulator.add_fault(Fault(call="run_batch", rows=RowFaults(lost=3)))
        rows = [line(each, metadata={"simulate": "500" if each == "0" else "200"}) for each in ids]
        file = await gateway.upload("\n".join(rows).encode())
        batch = await gateway.ended((await gateway.create(file.id)).id)
        output, errors = await gateway.results(batch)
        assert sorted(ids_of(output) + ids_of(errors)) == sorted(ids)


async def test_a_row_has_a_response_or_an_error_and_never_both(gateway: Gateway) -> None:
    """Source: BerriAI/litellm#27041, `response` and `error` both set."""
    gateway.simulator.add_fault(Fault(call="run_batch", ending="expired", rows=RowFaults(lost=2)))
    rows = [line(f"bad-{number}", metadata={"simulate": "400"}) for number in range(6)]
    rows += [line(f"slow-{number}", metadata={"simulate": {"error": "timeout"}}) for number in range(6)]
    file = await gateway.upload("\n".join([lines(6).decode(), *rows]).encode())
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert batch.status == "expired"
    found = [row for content in await gateway.results(batch) for row in rows_of(content)]
    assert len(found) == 18
    for row in found:
        assert row.keys() == {"id", "custom_id", "response", "error"}
        assert (row["response"] is None) != (row["error"] is None)


async def test_asking_often_while_a_batch_is_settled_does_no_harm(gateway: InProcess) -> None:
    """Source: BerriAI/litellm#32596, retrieve answers 500 on a duplicate insert."""
    file = await gateway.upload()
    batch = await gateway.create(file.id)
    answers: Counter[int] = Counter()

    async def ask() -> None:
        async with gateway.http() as http:
            status = ""
            while status != "completed":
                answer = await http.get(f"/batches/{batch.id}")
                answers[answer.status_code] += 1
                status = answer.json()["status"]

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(ask)
    assert answers.keys() == {200}
    assert await gateway.database.rows("SELECT count(*) FROM charges") == [(1,)]


def peak_of(server: Server) -> int:
    """The most memory that its process ever held, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to tell a process's peak")
async def test_a_large_file_goes_through_in_small_pieces(tmp_path: Path) -> None:
    """Source: BerriAI/litellm#29825 and #31251, a large upload kills the worker; Portkey-AI/gateway#819."""
    content = "\n".join(line(f"{number}", padding="x" * MEGABYTE) for number in range(64)).encode()
    async with deployed(tmp_path) as gateway:
        await gateway.restart()
        await gateway.upload(key=KEY)
        before = peak_of(gateway.server)
        file = await gateway.upload(content, key=KEY)
        assert await gateway.content(file.id, key=KEY) == content
        assert peak_of(gateway.server) - before < 24 * MEGABYTE


def four(provider: str) -> list[Deployment]:
    """Four deployments of one model."""
    return [
        Deployment(
            model_name=MODEL,
            model=f"openai/gpt-{name}",
            api_base=f"{provider}/{name}/v1",
            api_key=f"sk-{name}",
            id=name,
        )
        for name in "abcd"
    ]


async def test_many_deployments_share_one_models_batches(tmp_path: Path) -> None:
    """Source: BerriAI/litellm#5396, many endpoints for one model."""
    settings = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"}))
    simulator = Simulator(settings=settings)
    async with (
        simulator.running() as provider,
        gateway_on(simulator, provider, tmp_path, served=four(provider)) as gateway,
    ):
        file = await gateway.upload()
        for _ in range(8):
            await gateway.create(file.id)
        counts = {name: len(account.batches) for name, account in simulator.accounts.items()}
        assert counts == dict.fromkeys("abcd", 2)


async def test_a_job_that_failed_holds_no_room(gateway: Gateway) -> None:
    """Source: openai/openai-python#2084, failed jobs still hold the token queue."""
    gateway.simulator.account("east").configure(max_enqueued_tokens=1)
    file = await gateway.upload()
    for _ in range(4):
        assert (await gateway.ended((await gateway.create(file.id)).id)).status == "completed"
    west = gateway.simulator.account("west")
    assert [batch.status for batch in west.batches.values()] == ["completed"] * 4


async def test_ids_are_short_and_fit_into_a_path(gateway: Gateway) -> None:
    """Ids of more than 200 characters, as other gateways make them, break clients and URLs."""
    file = await gateway.upload()
    batch = await gateway.ended((await gateway.create(file.id)).id)
    for name in (file.id, batch.output_file_id or ""):
        assert re.fullmatch(r"file-lb[0-9a-hjkmnp-tv-z]{26}", name)
    assert re.fullmatch(r"batch_lb[0-9a-hjkmnp-tv-z]{26}", batch.id)


async def test_a_bad_last_line_is_found_before_anything_is_sent_on(gateway: Gateway) -> None:
    """Source: BerriAI/litellm#37527, bad files found only after everything was uploaded."""
    with pytest.raises(BadRequestError) as refused:
        await gateway.upload(lines(200) + b'\n{"custom_id": "last"')
    assert refused.value.code == "invalid_json_line"
    assert len(gateway.simulator.journal) == 0


async def test_only_openais_statuses_are_shown(gateway: Gateway) -> None:
    """Source: deltawi/deltallm#153, an invented status breaks strict clients."""
    gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=4))
    gateway.simulator.add_fault(Fault(call="create_batch", when="after", drop=True))
    gateway.simulator.add_fault(Fault(call="run_batch", ids_late=2))
    file = await gateway.upload()
    seen: dict[str, None] = {}
    async with gateway.http() as http:
        body = {"input_file_id": file.id, "endpoint": ENDPOINT, "completion_window": "24h"}
        batch = (await http.post("/batches", json=body)).json()
        while batch["status"] not in ("completed", "failed", "expired", "cancelled"):
            seen[batch["status"]] = None
            batch = (await http.get(f"/batches/{batch['id']}")).json()
    assert batch["status"] == "completed"
    assert seen.keys() <= STATUSES


async def test_a_custom_id_that_comes_twice_is_refused(gateway: Gateway) -> None:
    """Source: llm-d/llm-d-batch-gateway#147; one hung the run in sgl-project/sglang#1415."""
    with pytest.raises(BadRequestError) as refused:
        await gateway.upload(lines(3) + b"\n" + lines(1))
    assert refused.value.code == "duplicate_custom_id"
    assert len(gateway.simulator.journal) == 0


async def test_a_batch_needs_a_file_that_was_uploaded_for_one(gateway: Gateway) -> None:
    """Source: llm-d/llm-d-batch-gateway#150, a wrong `purpose` accepted."""
    client = gateway.client()
    file = await client.files.create(file=("in.jsonl", lines()), purpose="user_data")
    with pytest.raises(BadRequestError) as refused:
        await gateway.create(file.id)
    assert refused.value.param == "input_file_id"
    assert gateway.provider_jobs() == []


async def test_no_copy_is_left_of_a_file_that_was_deleted_in_doubt(tmp_path: Path) -> None:
    """Source: llm-d/llm-d-batch-gateway#653, orphaned copies at the provider."""
    assert await outcome([ALL["file is deleted in doubt"]], tmp_path) == []


async def test_a_deployment_that_hangs_delays_no_other(tmp_path: Path) -> None:
    """Source: deltawi/deltallm#245, a saturated deployment destabilises the checks of all others."""
    settings = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"}))
    simulator = Simulator(settings=settings)
    patient = replace(QUICK, provider_timeout_seconds=30, lease_seconds=60)
    async with running_gateway(tmp_path, simulator=simulator, settings=patient) as gateway:
        file = await gateway.upload()
        made = [await gateway.create(file.id) for _ in range(20)]
        hangs = simulator.account("east").add_fault(Fault(stall=True, times=None))
        await simulator.until(lambda: hangs.struck > 0)
        east, west = (simulator.account(name).batches for name in ("east", "west"))
        assert len(east) == len(west) == 10
        simulator.account("west").release()
        client = gateway.client()

        async def west_is_through() -> bool:
            seen = [(await client.batches.retrieve(each.id)).status for each in made]
            return seen.count("completed") == 10

        await gateway.eventually(west_is_through)
        simulator.remove_fault(hangs)
        simulator.account("east").release()
        for each in made:
            assert (await gateway.ended(each.id)).status == "completed"
