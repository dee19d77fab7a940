"""One read of a list serves all who have asked by then."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup

from litebatch_asgi.errors import ProviderBusy
from litebatch_asgi.listings import SharedListing
from litebatch_asgi.models import Deployment, ProviderFile, Settings
from litebatch_asgi.provider import FileUpload
from litebatch_asgi.providers.openai import OpenAIAdapter
from litebatch_asgi.simulator import ArmedFault, Fault, Simulator
from litebatch_asgi.testing.provider_conformance.base import blocks_of

HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)
NAMES = [f"file-{number}.jsonl" for number in range(8)]


class Listing:
    """A shared listing of an account's files, and what was asked of the account for it."""

    def __init__(self, simulator: Simulator, adapter: OpenAIAdapter) -> None:
        self.simulator = simulator
        self.adapter = adapter
        self.shared: SharedListing[ProviderFile] = SharedListing(
            adapter.list_files, lambda file: file.filename
        )
        self.found: dict[str, list[ProviderFile] | ProviderBusy] = {}
        self.group: TaskGroup

    def files(self, name: str) -> list[ProviderFile]:
        found = self.found[name]
        assert isinstance(found, list)
        return found

    async def find(self, name: str, since: datetime = HOUR_AGO) -> None:
        try:
            self.found[name] = await self.shared.find(name, since=since)
        except ProviderBusy as error:
            self.found[name] = error

    async def upload(self, name: str) -> str:
        content = b"{}\n"
        upload = FileUpload(
            filename=name,
            purpose="batch",
            size=len(content),
            content=lambda: blocks_of(content),
            expires_after_seconds=None,
        )
        return (await self.adapter.upload_file(upload)).id

    @property
    def reads(self) -> int:
        """How often the list was read from its start."""
        return sum("after" not in entry.request for entry in self.simulator.journal.select("list_files"))

    async def stalled(self, **how: Any) -> ArmedFault:
        """The first read begins, for a name that is nowhere, and is held up."""
        fault = self.simulator.add_fault(Fault(call="list_files", stall=True, **how))
        self.group.start_soon(self.find, "nowhere")
        await self.simulator.until(lambda: fault.struck == 1)
        return fault

    def start(self, *names: str, since: datetime = HOUR_AGO) -> None:
        for name in names:
            self.group.start_soon(self.find, name, since)

    async def until_found(self, *names: str) -> None:
        with anyio.fail_after(20):
            while not self.found.keys() >= {*names}:  # noqa: ASYNC110 - told by tasks of our own
                await anyio.sleep(0.01)


@pytest.fixture
async def listing() -> AsyncGenerator[Listing]:
    simulator = Simulator()
    async with simulator.running() as address:
        deployment = Deployment(
            model_name="m", model="openai/gpt", api_base=f"{address}/east/v1", api_key="sk-1"
        )
        async with (
            aclosing(OpenAIAdapter(deployment, Settings())) as adapter,
            anyio.create_task_group() as group,
        ):
            listing = Listing(simulator, adapter)
            listing.group = group
            yield listing
            group.cancel_scope.cancel()


async def test_all_who_ask_while_the_list_is_read_share_the_next_read(listing: Listing) -> None:
    ids = [await listing.upload(name) for name in NAMES]
    fault = await listing.stalled()
    listing.start(*NAMES)
    await anyio.wait_all_tasks_blocked()
    listing.simulator.remove_fault(fault)
    await listing.until_found("nowhere", *NAMES)
    assert [[file.id for file in listing.files(name)] for name in NAMES] == [[id_] for id_ in ids]
    assert listing.files("nowhere") == []
    assert listing.reads == 2


async def test_what_was_made_before_somebody_asked_is_found(listing: Listing) -> None:
    fault = await listing.stalled(when="after")
    file_id = await listing.upload("late.jsonl")
    listing.start("late.jsonl")
    await anyio.wait_all_tasks_blocked()
    listing.simulator.remove_fault(fault)
    await listing.until_found("late.jsonl")
    assert [file.id for file in listing.files("late.jsonl")] == [file_id]


async def test_a_read_goes_back_as_far_as_anybody_asks(listing: Listing) -> None:
    for name in NAMES[:2]:
        await listing.upload(name)
    fault = await listing.stalled()
    listing.start(NAMES[0], since=HOUR_AGO)
    listing.start(NAMES[1], since=HOUR_AGO + timedelta(days=1))
    await anyio.wait_all_tasks_blocked()
    listing.simulator.remove_fault(fault)
    await listing.until_found(*NAMES[:2])
    assert len(listing.files(NAMES[0])) == len(listing.files(NAMES[1])) == 1


async def test_all_whom_a_read_served_are_told_that_it_failed(listing: Listing) -> None:
    fault = await listing.stalled()
    failing = listing.simulator.add_fault(Fault(call="list_files", status=503, times=None))
    listing.start(*NAMES)
    await anyio.wait_all_tasks_blocked()
    listing.simulator.remove_fault(fault)
    await listing.until_found(*NAMES)
    errors = [listing.found[name] for name in NAMES]
    assert all(isinstance(error, ProviderBusy) and error.status == 503 for error in errors)
    assert len(set(map(id, errors))) == len(NAMES), "each has a traceback of its own"
    listing.simulator.remove_fault(failing)
    await listing.upload(NAMES[0])
    await listing.find(NAMES[0])
    assert len(listing.files(NAMES[0])) == 1


async def test_another_goes_on_when_whoever_reads_is_cancelled(listing: Listing) -> None:
    for name in NAMES:
        await listing.upload(name)
    first = await listing.stalled()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(listing.find, "reader")
            await anyio.wait_all_tasks_blocked()
            listing.start(*NAMES)
            await anyio.wait_all_tasks_blocked()
            second = listing.simulator.add_fault(Fault(call="list_files", stall=True))
            listing.simulator.remove_fault(first)
            await listing.simulator.until(lambda: second.struck == 1)
            scope.cancel()
    await listing.until_found(*NAMES)
    assert "reader" not in listing.found
    assert listing.reads == 2, "the one that was cancelled never ended"
