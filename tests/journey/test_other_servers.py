"""Servers that others wrote, and neighbours on the same account: what they do otherwise costs no batch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Fault, Simulator
from tests.database import Database
from tests.harness import QUICK, SWIFT, UPSTREAM, Gateway, InProcess, ids_of, lines, rows_of, running_gateway

Garble = Literal["bad_utf8", "lone_surrogate"]
IDS = ["request-0", "request-1", "request-2"]


@pytest.mark.parametrize("garbled", ["bad_utf8", "lone_surrogate"])
async def test_a_neighbours_odd_batch_hides_no_lost_one(
    tmp_path: Path, database: Database, garbled: Garble
) -> None:
    async with running_gateway(tmp_path, database=database, names=["east"]) as gateway:
        file = await gateway.upload()
        await gateway.ended((await gateway.create(file.id)).id)
        (neighbour,) = gateway.provider_jobs()
        listing = gateway.simulator.add_fault(
            Fault(call="list_batches", match=neighbour.id, garbled=garbled, times=None)
        )
        gateway.simulator.add_fault(Fault(call="create_batch", when="after", drop=True))
        batch = await gateway.ended((await gateway.create(file.id)).id)
        assert batch.status == "completed"
        assert len(gateway.provider_jobs()) == 2
        assert listing.struck


@pytest.mark.parametrize("garbled", ["bad_utf8", "lone_surrogate"])
async def test_odd_metadata_beside_our_tag_hides_no_batch(gateway: Gateway, garbled: Garble) -> None:
    file = await gateway.upload()
    gateway.simulator.add_fault(Fault(garbled=garbled, call="retrieve_batch", times=None))
    gateway.simulator.add_fault(Fault(garbled=garbled, call="list_batches", times=None))
    gateway.simulator.add_fault(Fault(call="create_batch", when="after", drop=True))
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert batch.status == "completed"
    assert len(gateway.provider_jobs()) == 1
    assert ids_of((await gateway.results(batch))[0]) == IDS


@pytest.mark.parametrize("garbled", ["bad_utf8", "lone_surrogate"])
async def test_a_neighbours_odd_file_hides_no_lost_copy(gateway: InProcess, garbled: Garble) -> None:
    await gateway.upload()
    (neighbour,) = gateway.provider_files("east")
    gateway.simulator.add_fault(Fault(call="list_files", match=neighbour.id, garbled=garbled, times=None))
    gateway.simulator.add_fault(Fault(account="east", call="upload_file", when="after", drop=True))
    file = await gateway.upload()

    async def both_ready() -> bool:
        state = await gateway.storage.get_file(file.id)
        assert state is not None
        return Counter(copy.state for copy in state.copies) == {"ready": 2}

    await gateway.eventually(both_ready)
    assert len(gateway.provider_files("east")) == 2


async def test_a_server_with_words_of_its_own_runs_a_batch(tmp_path: Path, database: Database) -> None:
    """`scheduling` is AIBrix's; OGX and Llama Stack write bodies as strings."""
    settings = replace(SWIFT, scheduling_seconds=0.2, string_bodies="always")
    async with running_gateway(
        tmp_path, database=database, simulator=Simulator(settings=settings)
    ) as gateway:
        batch = await gateway.create((await gateway.upload()).id)
        assert batch.status == "validating"
        await gateway.reached(batch.id, "validating")
        done = await gateway.ended(batch.id)
        output, _ = await gateway.results(done)
        bodies = [row["response"]["body"] for row in rows_of(output)]
        assert [type(body) for body in bodies] == [str] * 3
        assert done.usage is not None
        assert done.usage.total_tokens > 0


@pytest.mark.parametrize(
    "fault",
    [
        {"no_such_file": True, "param": "input_file_id"},
        {"no_such_file": True, "param": "input_file_id", "code": "invalid_input_file"},
        {"code": "invalid_input_file", "message": "input file not found"},
        {"code": "invalid_request", "message": "Cannot find file file-AbCdEf123456."},
        {
            "code": "invalid_request",
            "message": "The number of enqueued tokens has surpassed the configured limit of 30K.",
        },
    ],
)
async def test_a_batch_that_fails_for_the_copys_or_the_deployments_sake_goes_to_another(
    gateway: Gateway, fault: dict[str, Any]
) -> None:
    file = await gateway.upload()
    gateway.simulator.add_fault(Fault(call="validate_batch", **fault))
    done = await gateway.ended((await gateway.create(file.id)).id)
    assert (done.status, done.errors) == ("completed", None)
    statuses = [
        [batch.status for batch in gateway.simulator.account(name).batches.values()] for name in UPSTREAM
    ]
    assert sorted(statuses) == [["completed"], ["failed"]]


@pytest.mark.parametrize("status", [400, 403])
async def test_a_create_that_finds_no_copy_goes_to_another_deployment(gateway: Gateway, status: int) -> None:
    file = await gateway.upload()
    error = {
        "message": "file-AbCdEf123456 does not exist",
        "type": "invalid_request_error",
        "param": "input_file_id",
        "code": "invalid_input_file",
    }
    gateway.simulator.add_fault(Fault(call="create_batch", status=status, body={"error": error}))
    done = await gateway.ended((await gateway.create(file.id)).id)
    assert (done.status, done.errors) == ("completed", None)


async def test_of_a_providers_many_errors_a_hundred_are_told(gateway: Gateway) -> None:
    file = await gateway.upload()
    gateway.simulator.add_fault(
        Fault(call="validate_batch", code="invalid_json_line", message="x" * 5_000, problems=2_000)
    )
    failed = await gateway.ended((await gateway.create(file.id)).id)
    assert failed.status == "failed"
    assert failed.errors is not None
    assert failed.errors.data is not None
    assert [each.line for each in failed.errors.data] == list(range(1, 101))
    assert all(len(each.message or "") <= 2_000 for each in failed.errors.data)


async def test_no_text_of_a_providers_errors_names_what_is_private(gateway: Gateway) -> None:
    """Neither in messages nor in codes and params, which servers fill as they like."""
    file = await gateway.upload()
    private = f"{UPSTREAM['east']} batch_0123456789abcdef file-AbCdEf123456"
    gateway.simulator.add_fault(
        Fault(call="validate_batch", code=f"bad {private}", message=private, param=private, times=None)
    )
    failed = await gateway.ended((await gateway.create(file.id)).id)
    assert failed.errors is not None
    assert failed.errors.data is not None
    told = str(failed.errors.data)
    assert not [word for word in private.split() if word in told]


async def test_results_that_trickle_are_read_again(tmp_path: Path, database: Database) -> None:
    """A byte every now and then would hold one of the deployment's places for days."""
    settings = replace(QUICK, min_download_bytes_per_second=10_000.0, download_grace_seconds=0.5)
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        trickle = gateway.simulator.add_fault(Fault(call="stream_file", answer_rate=20.0, times=None))
        batch = await gateway.create((await gateway.upload(lines(20))).id)
        await gateway.simulator.until(lambda: trickle.struck >= 3)
        assert (await gateway.reached(batch.id, "finalizing")).output_file_id is None
        gateway.simulator.remove_fault(trickle)
        done = await gateway.ended(batch.id)
        assert done.status == "completed"
        assert len(ids_of((await gateway.results(done))[0])) == 20
