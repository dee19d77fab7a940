"""Copies over their lives: found again, made anew, asked about and removed."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from openai import InternalServerError

from litebatch_asgi.lifetimes import FileLife
from litebatch_asgi.providers.openai import OpenAIAdapter
from litebatch_asgi.simulator import Fault, JournalEntry, Simulator, SimulatorSettings
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import QUICK, SWIFT, Gateway, InProcess, lines, running_gateway

FILES = 6
HOUR = 3600


async def until_rows(gateway: InProcess, count: int, where: str) -> None:
    """Wait until so many copies of inputs are like this."""

    async def there_are() -> bool:
        inputs = "file_copies JOIN files ON files.id = file_id AND kind = 'input'"
        found = await gateway.database.rows(f"SELECT 1 FROM {inputs} WHERE {where}")
        return len(found) == count

    await gateway.eventually(there_are)


async def test_copies_in_doubt_share_the_reads_of_a_list(gateway: InProcess) -> None:
    east = gateway.simulator.account("east")
    east.add_fault(Fault(call="upload_file", when="after", drop=True, times=FILES))
    stalled = east.add_fault(Fault(call="list_files", stall=True))
    for _ in range(FILES):
        await gateway.upload()
    await until_rows(gateway, FILES, "deployment_id = 'east' AND claimed_by IS NOT NULL")
    gateway.simulator.remove_fault(stalled)
    await until_rows(gateway, 2 * FILES, "state = 'ready'")
    assert len(gateway.provider_files("east")) == FILES
    assert len(gateway.simulator.journal.select("list_files", account="east")) < FILES


DAY = timedelta(days=1)
HOURS = timedelta(hours=1)


class Ageing:
    """Providers and a database whose files were uploaded before."""

    def __init__(self, provider: str, simulator: Simulator, folder: Path, database: Database) -> None:
        self.simulator = simulator
        self._gateway = partial(gateway_on, simulator, provider, folder, database=database, settings=QUICK)

    def gateway(self) -> AbstractAsyncContextManager[InProcess]:
        """The gateway of today."""
        return self._gateway()

    async def upload(self, content: bytes, *, ago: timedelta) -> str:
        """Upload a file so long ago, by our clock and by the providers'; its id."""
        async with self.earlier(ago) as gateway:
            return (await gateway.upload(content)).id

    @asynccontextmanager
    async def earlier(self, ago: timedelta) -> AsyncGenerator[InProcess]:
        """The gateway of so long ago, which looks after nothing."""
        self._set_clocks(-ago.total_seconds())
        async with self._gateway(clock=lambda: datetime.now(UTC) - ago, reconciler=False) as gateway:
            yield gateway
        self._set_clocks(0)

    def _set_clocks(self, offset: float) -> None:
        for name in ("east", "west"):
            self.simulator.account(name).configure(clock_offset=offset)


@pytest.fixture
async def ageing(tmp_path: Path, database: Database) -> AsyncGenerator[Ageing]:
    simulator = Simulator(settings=SWIFT)
    async with simulator.running() as provider:
        yield Ageing(provider, simulator, tmp_path, database)


async def test_copies_that_end_before_their_file_are_made_anew_in_time(
    ageing: Ageing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the longest life is shorter than the file's, as Azure's could be: 14 days of 30."""
    monkeypatch.setattr(OpenAIAdapter, "file_life", FileLife(shortest=HOUR, longest=14 * 24 * HOUR))
    file_id = await ageing.upload(lines(9), ago=13 * DAY)
    async with ageing.gateway() as gateway:
        batch = await gateway.ended((await gateway.create(file_id)).id)
        assert batch.status == "completed"

        async def are_new() -> bool:
            files = [file for name in ("east", "west") for file in gateway.provider_files(name)]
            ends = [datetime.fromtimestamp(file.expires_at, UTC) for file in files]
            return len(ends) == 2 and min(ends) > datetime.now(UTC) + 13 * DAY

        await gateway.eventually(are_new)
        await until_rows(gateway, 2, "state = 'ready' AND model IS NOT NULL AND watch_until IS NULL")
        assert await gateway.content(file_id) == lines(9)


async def test_a_batch_on_a_files_last_day_gets_copies_that_last(ageing: Ageing) -> None:
    file_id = await ageing.upload(lines(9), ago=29.5 * DAY)
    async with ageing.gateway() as gateway:
        assert len(ageing.simulator.journal.select("upload_file")) == 2, "nobody needs them yet"
        batch = await gateway.ended((await gateway.create(file_id)).id)
        assert batch.status == "completed"
        (job,) = gateway.provider_jobs()
        uploads = ageing.simulator.journal.select("upload_file", after=2)
        assert job.input_file_id in [entry.object_id for entry in uploads]


async def test_copies_of_an_expired_file_stay_until_its_last_batch_has_ended(ageing: Ageing) -> None:
    for name in ("east", "west"):
        ageing.simulator.account(name).configure(hold=frozenset({"in_progress"}))
    async with ageing.earlier(3 * HOURS) as gateway:
        life = {"anchor": "created_at", "seconds": HOUR}
        files = [await gateway.upload(lines(9), expires_after=life) for _ in range(2)]
        batch = await gateway.create(files[0].id)
    async with ageing.gateway() as gateway:
        await until_rows(gateway, 0, f"file_id = '{files[1].id}'")
        assert len(gateway.provider_files("east")) == len(gateway.provider_files("west")) == 1
        for name in ("east", "west"):
            ageing.simulator.account(name).release()
        assert (await gateway.ended(batch.id)).status == "completed"
        await until_rows(gateway, 0, f"file_id = '{files[0].id}'")


async def test_copies_that_wait_for_a_batch_have_not_failed(held_gateway: InProcess) -> None:
    """Else the first failure after a long wait would put off their deletion for hours."""
    gateway = held_gateway
    file = await gateway.upload()
    batch = await gateway.create(file.id)
    await gateway.client().files.delete(file.id)
    await until_rows(gateway, 2, "state = 'deleting' AND epoch > 4 AND attempts = 0")
    failing = gateway.simulator.add_fault(Fault(call="delete_file", status=503, times=2))
    for account in gateway.simulator.accounts.values():
        account.configure(hold=frozenset())
        account.release()
    assert (await gateway.ended(batch.id)).status == "completed"
    await until_rows(gateway, 0, f"file_id = '{file.id}' AND state = 'deleting'")
    assert failing.struck == 2


@pytest.mark.parametrize("flavour", ["azure classic", "azure v1"])
async def test_a_batch_waits_for_copies_that_are_pending_also_once_its_file_is_deleted(
    tmp_path: Path, database: Database, flavour: str
) -> None:
    simulator = Simulator(settings=SimulatorSettings(flavour="azure", hold=frozenset({"pending"})))
    async with running_gateway(tmp_path, database=database, simulator=simulator, flavour=flavour) as gateway:
        file = await gateway.upload()
        batch = await gateway.create(file.id)
        await gateway.client().files.delete(file.id)
        await until_rows(gateway, 2, "state = 'deleting'")
        seen = len(simulator.journal)
        await simulator.until(lambda: len(simulator.journal.select("retrieve_file", after=seen)) > 5)
        assert simulator.journal.select("create_batch") == []
        for name in ("east", "west"):
            simulator.account(name).release()
        assert (await gateway.ended(batch.id)).status == "completed"
        assert len(simulator.journal.select("create_batch")) == 1
        await simulator.until(lambda: not gateway.provider_files("east") + gateway.provider_files("west"))


async def test_a_batch_ends_when_the_copies_of_its_deleted_file_turn_bad(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=SimulatorSettings(flavour="azure", hold=frozenset({"pending"})))
    simulator.add_fault(Fault(call="check_file", file_status="error", times=None))
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, flavour="azure v1"
    ) as gateway:
        file = await gateway.upload()
        batch = await gateway.create(file.id)
        await gateway.client().files.delete(file.id)
        await until_rows(gateway, 2, "state = 'deleting'")
        for name in ("east", "west"):
            simulator.account(name).release()
        ended = await gateway.ended(batch.id)
        assert ended.status == "failed"
        assert ended.errors is not None
        assert ended.errors.data is not None
        assert [error.code for error in ended.errors.data] == ["invalid_file"]
        await simulator.until(lambda: not gateway.provider_files("east") + gateway.provider_files("west"))


def gaps(entries: Sequence[JournalEntry]) -> list[float]:
    """Seconds between calls."""
    return [later.time - sooner.time for sooner, later in pairwise(entries)]


async def test_a_copy_that_is_refused_is_tried_ever_less_often(gateway: InProcess) -> None:
    """Also far less often than `max_poll_seconds` says."""
    refuses = gateway.simulator.add_fault(Fault(account="east", call="upload_file", status=403, times=None))
    await gateway.upload()
    await gateway.simulator.until(lambda: refuses.struck == 8)
    pauses = gaps(gateway.simulator.journal.select("upload_file", account="east"))
    assert pauses[-1] > 2 * QUICK.max_poll_seconds
    assert pauses[-1] > pauses[2]


async def test_a_deployment_that_refuses_an_upload_cools_down_for_copies_and_batches(
    gateway: InProcess,
) -> None:
    gateway.simulator.add_fault(
        Fault(account="east", call="upload_file", status=429, headers={"retry-after": "2"})
    )
    await gateway.upload(lines(4))
    file = await gateway.upload()
    assert len(gateway.provider_files("east")) == 1, "what a client sends is tried all the same"
    for _ in range(4):
        await gateway.create(file.id)
    await until_rows(gateway, 4, "state = 'ready'")
    journal = gateway.simulator.journal
    refused, _, repaired = journal.select("upload_file", account="east")
    assert repaired.time >= refused.time + 2
    asked = [entry.time for entry in journal.select("create_batch", account="east")]
    assert [moment for moment in asked if moment < refused.time + 2] == []


async def test_a_full_store_of_files_is_told_as_the_providers_limit(tmp_path: Path) -> None:
    """And keeps no batch from the deployment: its other files can be used."""
    simulator = Simulator(settings=SimulatorSettings(flavour="azure", pending_seconds=0.01))
    async with running_gateway(tmp_path, simulator=simulator, flavour="azure v1") as gateway:
        file = await gateway.upload()
        for name in ("east", "west"):
            simulator.account(name).configure(max_expiring_files=1)
        with pytest.raises(InternalServerError) as refused:
            await gateway.upload(lines(5))
        assert refused.value.status_code == 503
        assert "as many files as it may" in refused.value.message
        assert "no limit of your key" in refused.value.message
        assert (await gateway.ended((await gateway.create(file.id)).id)).status == "completed"


def tell_wrong_sizes(simulator: Simulator, surplus: int = 50) -> None:
    for name in ("east", "west"):
        simulator.account(name).configure(bytes_surplus=surplus)


def reads(gateway: Gateway, account: str) -> int:
    """How often inputs of an account were read."""
    entries = gateway.simulator.journal.select("stream_file", account=account)
    return sum("file-lb" in (entry.filename or "") for entry in entries)


async def test_a_deployment_that_tells_a_wrong_size_is_read_back_once_and_then_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    simulator = Simulator(settings=SWIFT)
    tell_wrong_sizes(simulator)
    async with running_gateway(tmp_path, simulator=simulator) as gateway:
        file = await gateway.upload()
        await gateway.upload(lines(4))
        assert {reads(gateway, name) for name in ("east", "west")} == {1}
        assert caplog.text.count("tells wrong sizes of its files") == 2, "once of each deployment"
        assert (await gateway.ended((await gateway.create(file.id)).id)).status == "completed"
        assert await gateway.content(file.id) == lines()


@pytest.mark.parametrize(
    "spoiled", [{"short_after": 100}, {"status": 500, "times": None}, {"status": 404}], ids=str
)
async def test_a_copy_of_another_size_that_does_not_read_right_is_refused(
    tmp_path: Path, spoiled: dict[str, Any]
) -> None:
    simulator = Simulator(settings=SWIFT)
    tell_wrong_sizes(simulator)
    how: dict[str, Any] = {"times": 2} | spoiled
    simulator.add_fault(Fault(call="stream_file", **how))
    async with running_gateway(tmp_path, simulator=simulator) as gateway:
        with pytest.raises(InternalServerError) as refused:
            await gateway.upload()
        assert refused.value.status_code == 503
        told = refused.value.message
        assert re.search(r"the deployment says that it has \d+ of \d+ bytes", told)
        assert not re.search("east|west|file-[^l]|127", told)
        assert gateway.provider_files("east") + gateway.provider_files("west") == []


async def test_an_upload_in_doubt_is_found_again_where_sizes_are_told_wrong(gateway: InProcess) -> None:
    tell_wrong_sizes(gateway.simulator)
    gateway.simulator.add_fault(Fault(account="east", call="upload_file", when="after", drop=True))
    await gateway.upload()
    await until_rows(gateway, 2, "state = 'ready'")
    assert len(gateway.simulator.journal.select("upload_file", account="east")) == 1, "adopted"
    assert reads(gateway, "east") == 1


async def test_the_kinds_of_reasons_are_told_why_no_deployment_took_a_file(gateway: InProcess) -> None:
    gateway.simulator.add_fault(Fault(account="east", call="upload_file", status=401))
    gateway.simulator.add_fault(Fault(account="west", call="upload_file", status=503, message="at east"))
    with pytest.raises(InternalServerError) as refused:
        await gateway.upload()
    told = refused.value.message
    assert "does not accept the gateway's key (401)" in told
    assert "answered 503" in told
    assert not re.search("east|west", told)
