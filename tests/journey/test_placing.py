"""Where batches go, and what happens when a deployment does not want them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from openai import APIStatusError, BadRequestError, InternalServerError

from litebatch_asgi.lifetimes import FileLife
from litebatch_asgi.providers.openai import OpenAIAdapter
from litebatch_asgi.simulator import Fault, Simulator, SimulatorSettings
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import QUICK, UPSTREAM, Gateway, InProcess, deployments, ids_of, lines, running_gateway


async def test_an_upload_succeeds_with_one_deployment_down_and_the_copy_is_repaired(gateway: Gateway) -> None:
    fault = gateway.simulator.add_fault(
        Fault(account="west", call="upload_file", when="early", drop=True, times=None)
    )
    content = lines(5)
    file = await gateway.upload(content)
    assert len(gateway.provider_files("east")) == 1
    assert gateway.provider_files("west") == []
    gateway.simulator.remove_fault(fault)
    await gateway.simulator.until(lambda: len(gateway.provider_files("west")) == 1)
    (copy,) = gateway.provider_files("west")
    assert copy.bytes == len(lines(5, model=UPSTREAM["west"]))
    (entry,) = [e for e in gateway.simulator.journal.select("upload_file", account="west") if e.done]
    assert entry.filename == copy.filename
    assert file.id in copy.filename


async def test_an_upload_that_no_deployment_takes_leaves_nothing_behind(gateway: Gateway) -> None:
    gateway.simulator.add_fault(Fault(call="upload_file", status=503, times=None))
    with pytest.raises(InternalServerError) as refused:
        await gateway.upload()
    assert refused.value.status_code == 503
    assert "retry-after" in refused.value.response.headers
    client = gateway.client()
    assert (await client.files.list()).data == []
    assert gateway.provider_files("east") == gateway.provider_files("west") == []


async def test_the_providers_reason_reaches_the_client_without_its_names(gateway: Gateway) -> None:
    message = (
        f"Model {UPSTREAM['east']} in org-abcdef123 rejects file-AbCdEf123456, see https://east.example/x"
    )
    error = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": "bad"}}
    gateway.simulator.add_fault(Fault(call="upload_file", status=400, body=error, times=None))
    with pytest.raises(APIStatusError) as refused:
        await gateway.upload()
    assert refused.value.status_code == 400
    assert refused.value.code == "bad"
    told = refused.value.response.text
    assert "gpt-4o-batch" in told
    for private in (UPSTREAM["east"], "org-abcdef123", "file-AbCdEf123456", "east.example"):
        assert private not in told


@pytest.mark.parametrize("status", [401, 403, 404, 429])
async def test_a_create_that_one_deployment_refuses_goes_to_the_other(gateway: Gateway, status: int) -> None:
    file = await gateway.upload()
    gateway.simulator.add_fault(Fault(account="east", call="create_batch", status=status, times=None))
    for _ in range(3):
        batch = await gateway.ended((await gateway.create(file.id)).id)
        assert batch.status == "completed"
    assert {batch.input_file_id for batch in gateway.provider_jobs()} == {
        copy.id for copy in gateway.provider_files("west")
    }


async def test_a_full_quota_is_waited_for(tmp_path: Path, database: Database) -> None:
    settings = SimulatorSettings(max_enqueued_tokens=1, hold=frozenset({"in_progress"}), validating_seconds=0)
    async with running_gateway(
        tmp_path, database=database, simulator=Simulator(settings=settings)
    ) as gateway:
        file = await gateway.upload()
        batch = await gateway.create(file.id)
        assert batch.status == "validating"
        await gateway.simulator.until(
            lambda: (
                {each.status for each in gateway.provider_jobs()} == {"failed"}
                and len(gateway.provider_jobs()) > 3
            )
        )
        assert (await gateway.reached(batch.id, "validating")).errors is None
        for name in UPSTREAM:
            account = gateway.simulator.account(name)
            account.configure(max_enqueued_tokens=None, hold=frozenset())
        done = await gateway.ended(batch.id)
        assert done.status == "completed"
        running = [each for each in gateway.provider_jobs() if each.status == "completed"]
        assert len(running) == 1


async def test_content_that_no_deployment_would_take_fails_the_batch(gateway: Gateway) -> None:
    file = await gateway.upload()
    error = {
        "error": {"message": "Unsupported thing.", "type": "invalid_request_error", "code": "unsupported"}
    }
    gateway.simulator.add_fault(Fault(call="create_batch", status=400, body=error, times=None))
    batch = await gateway.create(file.id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert [(each.code, each.message) for each in batch.errors.data] == [
        ("unsupported", "Unsupported thing.")
    ]
    assert batch.failed_at is not None
    assert gateway.provider_jobs() == []


async def test_the_least_busy_deployment_takes_the_next_batch(held_gateway: Gateway) -> None:
    gateway = held_gateway
    small, large = await gateway.upload(lines(2)), await gateway.upload(lines(20))
    await gateway.create(large.id)
    (busy,) = [name for name, account in gateway.simulator.accounts.items() if account.batches]
    for _ in range(5):
        await gateway.create(small.id)
    counts = {name: len(account.batches) for name, account in gateway.simulator.accounts.items()}
    assert counts == {busy: 1, ({"east", "west"} - {busy}).pop(): 5}


async def test_everything_about_a_batch_goes_to_its_deployment(gateway: Gateway) -> None:
    file = await gateway.upload()
    batches = [await gateway.create(file.id) for _ in range(4)]
    for batch in batches:
        done = await gateway.ended(batch.id)
        await gateway.results(done)
    for name, account in gateway.simulator.accounts.items():
        asked = {
            entry.object_id
            for entry in gateway.simulator.journal.select(account=name)
            if entry.call in ("retrieve_batch", "cancel_batch", "stream_file", "retrieve_file")
        }
        assert asked <= account.batches.keys() | account.files.keys()


async def test_the_client_never_sees_which_deployment_it_is(gateway: Gateway) -> None:
    file = await gateway.upload()
    async with gateway.http() as http:
        answers = [await http.get(f"/files/{file.id}"), await http.get("/model_group/info")]
        batch = await gateway.ended((await gateway.create(file.id)).id)
        answers += [
            await http.get(f"/batches/{batch.id}"),
            await http.get("/batches"),
            await http.get("/files"),
        ]
    private = ["sk-east", "127.0.0.1", *UPSTREAM.values()]
    private += [
        id_ for account in gateway.simulator.accounts.values() for id_ in (*account.files, *account.batches)
    ]
    for answer in answers:
        assert not [word for word in private if word in answer.text]


async def test_a_create_waits_no_longer_than_its_budget_but_goes_on(
    tmp_path: Path, database: Database
) -> None:
    async with running_gateway(
        tmp_path, database=database, settings=replace(QUICK, place_budget_seconds=0.05)
    ) as gateway:
        file = await gateway.upload()
        stalled = gateway.simulator.add_fault(Fault(call="create_batch", stall=True, times=None))
        batch = await gateway.create(file.id)
        assert batch.status == "validating"
        gateway.simulator.remove_fault(stalled)
        assert (await gateway.ended(batch.id)).status == "completed"
        assert len(gateway.provider_jobs()) == 1


@pytest.mark.parametrize(
    "fault", [{"drop": True}, {"status": 502}, {"status": 504}, {"status": 500}, {"status": 503}]
)
async def test_a_job_whose_answer_was_lost_is_adopted(gateway: Gateway, fault: dict[str, Any]) -> None:
    file = await gateway.upload()
    gateway.simulator.add_fault(Fault(call="create_batch", when="after", **fault))
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert batch.status == "completed"
    assert len(gateway.provider_jobs()) == 1
    assert ids_of((await gateway.results(batch))[0]) == ["request-0", "request-1", "request-2"]


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 502}, {"status": 503}])
async def test_a_job_that_was_never_made_is_made_once(gateway: Gateway, fault: dict[str, Any]) -> None:
    file = await gateway.upload()
    gateway.simulator.add_fault(Fault(call="create_batch", when="before", **fault))
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert batch.status == "completed"
    assert len(gateway.provider_jobs()) == 1


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 502}, {"status": 500}])
async def test_a_copy_whose_answer_was_lost_is_adopted(gateway: InProcess, fault: dict[str, Any]) -> None:
    gateway.simulator.add_fault(Fault(account="east", call="upload_file", when="after", **fault))
    file = await gateway.upload()

    async def both_ready() -> bool:
        state = await gateway.storage.get_file(file.id)
        assert state is not None
        return Counter(copy.state for copy in state.copies) == {"ready": 2}

    await gateway.eventually(both_ready)
    assert len(gateway.provider_files("east")) == 1


async def test_a_batch_never_starts_on_a_copy_that_ends_within_its_window(
    gateway: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the provider keeps files for too short, a new copy would be of no more use."""
    monkeypatch.setattr(OpenAIAdapter, "file_life", FileLife(shortest=3600, longest=20 * 3600))
    file = await gateway.upload()
    with pytest.raises(BadRequestError, match="expires before the batch could end"):
        await gateway.create(file.id)
    assert gateway.provider_jobs() == []


async def test_the_copies_outlive_the_file(gateway: InProcess) -> None:
    file = await gateway.client().files.create(
        file=("in.jsonl", lines()), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert file.expires_at is not None
    for name in UPSTREAM:
        (copy,) = gateway.provider_files(name)
        assert copy.expires_at >= file.expires_at + 48 * 3600 - 2


async def test_a_copy_that_its_provider_has_lost_is_brought_there_anew(
    tmp_path: Path, database: Database
) -> None:
    async with running_gateway(tmp_path, database=database, names=["east", "west"]) as gateway:
        file = await gateway.upload()
        for name in UPSTREAM:
            account = gateway.simulator.account(name)
            (copy,) = gateway.provider_files(name)
            if name == "east":
                await account.delete_file(copy.id)
            else:
                fault = Fault(account=name, call="create_batch", status=429, times=3)
                gateway.simulator.add_fault(fault)
        batch = await gateway.ended((await gateway.create(file.id)).id)
        assert batch.status == "completed"
        await gateway.simulator.until(lambda: len(gateway.provider_files("east")) == 1)


async def test_a_copy_that_is_found_lost_while_it_is_watched_is_brought_there_anew(
    tmp_path: Path, database: Database
) -> None:
    """The watch for twins of its upload, which was refused at first, ends after the create was refused."""
    async with running_gateway(tmp_path, database=database, names=["east", "west"]) as gateway:
        east, simulator = gateway.simulator.account("east"), gateway.simulator
        simulator.add_fault(Fault(account="east", call="upload_file", status=503))
        file = await gateway.upload()
        await simulator.until(lambda: len(gateway.provider_files("east")) == 1)
        watch = simulator.add_fault(Fault(account="east", call="list_files", stall=True))
        await simulator.until(lambda: watch.struck == 1)
        (copy,) = gateway.provider_files("east")
        await east.delete_file(copy.id)
        busy = simulator.add_fault(Fault(account="west", call="create_batch", status=429, times=None))

        async def is_doubted() -> bool:
            rows = await gateway.database.rows("SELECT state FROM file_copies WHERE deployment_id = 'east'")
            return rows == [("pending",)] or bool(gateway.provider_files("east"))

        batch = await gateway.create(file.id)
        await gateway.eventually(is_doubted)
        simulator.remove_fault(watch)
        await simulator.until(lambda: len(gateway.provider_files("east")) == 1)
        simulator.remove_fault(busy)
        assert (await gateway.ended(batch.id)).status == "completed"


async def test_a_deployment_without_the_model_is_passed_over_but_not_for_ever(
    tmp_path: Path, database: Database
) -> None:
    settings = SimulatorSettings(models=frozenset({"something-else"}))
    async with running_gateway(
        tmp_path, database=database, simulator=Simulator(settings=settings)
    ) as gateway:
        gateway.simulator.account("west").configure(models=None)
        file = await gateway.upload()
        for _ in range(3):
            assert (await gateway.ended((await gateway.create(file.id)).id)).status == "completed"
        gateway.simulator.account("west").configure(models=frozenset({"something-else"}))
        batch = await gateway.ended((await gateway.create(file.id)).id)
        assert batch.status == "failed"
        assert batch.errors is not None
        assert batch.errors.data is not None
        assert {error.code for error in batch.errors.data} == {"model_not_found"}
        told = str(batch.errors.data)
        assert not [name for name in UPSTREAM.values() if name in told]


@pytest.mark.parametrize("status", [None, 404])
async def test_a_model_that_only_its_client_knows_keeps_no_others_from_a_deployment(
    tmp_path: Path, database: Database, status: int | None
) -> None:
    """Where clients name the models, be one told to be unknown at once or once the batch is validated."""
    simulator = Simulator(settings=SimulatorSettings(models=frozenset({"known"})))
    patient = replace(QUICK, min_poll_seconds=0.05, max_poll_seconds=60)
    async with simulator.running() as provider:
        served = [replace(each, model_name="openai/*", model="openai/*") for each in deployments(provider)]
        if status is not None:
            fault = Fault(call="create_batch", match="mine", status=status, times=None)
            simulator.add_fault(fault)
        async with gateway_on(
            simulator, provider, tmp_path, served=served, database=database, settings=patient
        ) as gateway:
            mine = await gateway.upload(lines(model="openai/mine"), key="mallory")
            batch = await gateway.create(mine.id, key="mallory", metadata={"whose": "mine"})
            await simulator.until(lambda: len(simulator.journal.select("create_batch")) >= 2)
            if status is None:
                assert (await gateway.ended(batch.id, key="mallory")).status == "failed"
            theirs = await gateway.upload(lines(model="openai/known"))
            assert (await gateway.ended((await gateway.create(theirs.id)).id)).status == "completed"
            told = await database.rows("SELECT 1 FROM events WHERE type = 'deployment.resting'")
            assert told == []


async def test_an_upload_done_after_it_was_given_up_is_removed(tmp_path: Path, database: Database) -> None:
    hasty = replace(QUICK, provider_timeout_seconds=0.4)
    async with running_gateway(tmp_path, database=database, settings=hasty) as gateway:
        stalled = gateway.simulator.add_fault(Fault(call="upload_file", stall=True, times=None))
        with pytest.raises(InternalServerError):
            await gateway.upload()

        async def is_removed() -> bool:
            return not await database.rows("SELECT 1 FROM file_copies WHERE state <> 'deleted'")

        await gateway.eventually(is_removed)
        gateway.simulator.remove_fault(stalled)
        uploads = gateway.simulator.journal
        await gateway.simulator.until(lambda: any(entry.done for entry in uploads.select("upload_file")))
        await gateway.simulator.until(lambda: not any(map(gateway.provider_files, ("east", "west"))))
