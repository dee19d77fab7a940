"""The story of a batch: what has happened to it, in sentences, to its owner without deployments."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi import Principal
from litebatch_asgi.errors import InvalidRequest, NotFound
from litebatch_asgi.models import Event
from litebatch_asgi.simulator import Fault, Simulator, SimulatorSettings
from tests.database import Database
from tests.harness import QUICK, InProcess, running_gateway

ADMIN = "admin"
ALICE = Principal(owner="alice", key_id="key-alice")
PRICES = {
    "input_cost_per_token_batches": Decimal("0.001"),
    "output_cost_per_token_batches": Decimal("0.002"),
}
NAMED = r"\b(east|west)\b"
"""a deployment, and no part of an id that happens to have these letters"""
CREATED, ENDED = ["batch.created", "acreate_batch"], ["job.settled", "batch.completed", "batch_success"]


async def story(gateway: InProcess, batch_id: str, *, key: str = "alice", **query: Any) -> dict[str, Any]:
    """A page of it, as the route gives it."""
    async with gateway.http(key) as http:
        answer = await http.get(f"/batches/{batch_id}/events", params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def told(gateway: InProcess, batch_id: str, *, key: str = "alice") -> list[tuple[str, str]]:
    """Types and sentences, in the order in which things happened."""
    page = await story(gateway, batch_id, key=key, order="asc", limit=100)
    return [(event["type"], event["message"]) for event in page["data"]]


async def completed(gateway: InProcess) -> str:
    batch = await gateway.create((await gateway.upload()).id, metadata={"night": "run"})
    assert (await gateway.ended(batch.id)).status == "completed"
    return batch.id


async def test_a_batch_that_completes(tmp_path: Path, database: Database) -> None:
    async with running_gateway(tmp_path, database=database, names=["east"], prices=PRICES) as gateway:
        batch_id = await completed(gateway)
        batch = await gateway.storage.get_batch(batch_id)
        assert batch is not None
        told_to_owner = await told(gateway, batch_id)
        types = [type_ for type_, _ in told_to_owner]
        assert types[:2] == CREATED
        assert types[-3:] == ENDED
        assert types.count("job.placed") == 1
        assert set(types) <= {*CREATED, "job.placed", "batch.in_progress", "batch.finalizing", *ENDED}
        assert len(set(types)) == len(types)
        sentences = dict(told_to_owner)
        assert sentences["batch.created"] == "The batch was created with 3 requests for gpt-4o-batch."
        assert sentences["job.placed"] == "A deployment has taken the batch."
        assert sentences["batch.completed"] == ("The batch completed: 3 of 3 requests succeeded, 0 did not.")
        assert sentences["batch_success"] == f"The batch cost ${batch.cost:f}."
        sentences = dict(await told(gateway, batch_id, key=ADMIN))
        assert sentences["job.placed"] == "east has taken the batch."
        page = await story(gateway, batch_id)
        assert not re.search(NAMED, str(page))
        last = page["data"][0]
        assert (last["object"], last["type"], last["seq"]) == ("batch.event", "batch_success", len(types))
        assert last["data"]["cost"] == f"{batch.cost:f}"
        assert last["data"]["counts"] == {"total": 3, "completed": 3, "failed": 0}
        assert last["data"]["metadata"] == {"night": "run"}
        assert last["data"]["usage"]["total_tokens"] > 0
        assert last["data"]["output_file_id"] == batch.output_file_id
        [seen] = (await story(gateway, batch_id, key=ADMIN, limit=1))["data"]
        assert seen["data"]["key_id"] == "key-alice"
        assert seen["data"]["deployment"] == "east"


async def test_a_story_is_read_in_pages(tmp_path: Path, database: Database) -> None:
    async with running_gateway(tmp_path, database=database) as gateway:
        batch_id = await completed(gateway)
        for order in ("asc", "desc"):
            seen: list[int] = []
            query: dict[str, Any] = {"order": order, "limit": 3}
            while True:
                page = await story(gateway, batch_id, **query)
                assert page["object"] == "list"
                assert [page["first_id"], page["last_id"]] == [page["data"][0]["id"], page["data"][-1]["id"]]
                seen += [event["seq"] for event in page["data"]]
                if not page["has_more"]:
                    break
                query["after"] = page["last_id"]
            assert sorted(seen, reverse=order == "desc") == seen
            assert sorted(seen) == list(range(1, len(seen) + 1))
        other = await completed(gateway)
        foreign = (await story(gateway, other))["last_id"]
        events = gateway.litebatch.batches.events
        for after in (foreign, "evt_unknown"):
            with pytest.raises(InvalidRequest, match="to go on after"):
                await events(ALICE, batch_id, after=after)
        for refused in ({"limit": 0}, {"limit": 101}, {"order": "newest"}):
            async with gateway.http() as http:
                answer = await http.get(f"/batches/{batch_id}/events", params=refused)
            assert answer.status_code == 400
        with pytest.raises(NotFound):
            await events(Principal(owner="mallory"), batch_id)


async def test_in_process(tmp_path: Path, database: Database) -> None:
    async with running_gateway(tmp_path, database=database, names=["east"]) as gateway:
        batch_id = await completed(gateway)
        events = gateway.litebatch.batches.events
        page = await events(ALICE, batch_id, order="asc", limit=100)
        assert [event.type for event in page.items][:2] == CREATED
        assert not page.has_more
        assert all(isinstance(event, Event) and not re.search(NAMED, str(event)) for event in page.items)
        page = await events(Principal(owner="ops", is_admin=True), batch_id)
        assert any(event.payload["deployment"] == "east" for event in page.items)


async def test_a_batch_that_waits_says_why(tmp_path: Path, database: Database) -> None:
    """Once, however often it is refused: to admins with what each deployment said."""
    settings = replace(QUICK, place_budget_seconds=0.05)
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        refusing = gateway.simulator.add_fault(Fault(call="create_batch", times=None, status=401))
        batch = await gateway.create((await gateway.upload()).id)

        async def waits_for_the_key() -> bool:
            events = (await story(gateway, batch.id, limit=100))["data"]
            return any(event["data"].get("reason") == "provider_key_rejected" for event in events)

        await gateway.eventually(waits_for_the_key)
        struck = refusing.struck
        before = await told(gateway, batch.id)
        await gateway.simulator.until(lambda: refusing.struck > struck + 6)
        after = await told(gateway, batch.id)
        stops = [sentence for type_, sentence in after if type_ == "job.stopped"]
        waits = [sentence for type_, sentence in after if type_ == "job.waiting"]
        assert len(after) <= len(before) + 2
        assert len(stops) <= 2
        assert not re.search(NAMED, str(await story(gateway, batch.id, limit=100)))
        assert waits[-1].startswith(
            "No provider accepts the gateway's key: its operator has to put that right"
        )
        seen = dict(await told(gateway, batch.id, key=ADMIN))
        assert re.search(r"east: 401, does not accept the gateway", seen["job.waiting"])
        assert "ended without results: " in seen["job.stopped"]
        gateway.simulator.remove_fault(refusing)
        assert (await gateway.ended(batch.id)).status == "completed"
        types = [type_ for type_, _ in await told(gateway, batch.id)]
        assert types.count("acreate_batch") == types.count("batch_success") == 1


async def test_an_answer_that_was_lost(tmp_path: Path, database: Database) -> None:
    async with running_gateway(tmp_path, database=database, names=["east"]) as gateway:
        gateway.simulator.add_fault(Fault(call="create_batch", drop=True, when="after"))
        batch = await gateway.create((await gateway.upload()).id)
        await gateway.ended(batch.id)
        seen = await told(gateway, batch.id, key=ADMIN)
        types = [type_ for type_, _ in seen]
        assert types.index("job.doubted") < types.index("job.waiting") < types.index("job.adopted")
        assert dict(seen)["job.doubted"].startswith("east gave no clear answer: ")
        assert "job.placed" not in types
        sentences = dict(await told(gateway, batch.id))
        assert sentences["job.doubted"] == (
            "A deployment gave no clear answer: the batch is searched for there."
        )


async def test_looks_without_news_write_no_event(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"})))
    async with running_gateway(tmp_path, database=database, simulator=simulator) as gateway:
        batch = await gateway.create((await gateway.upload()).id)
        await gateway.reached(batch.id, "in_progress")
        before = await told(gateway, batch.id)
        looks = len(simulator.journal.select("retrieve_batch"))
        await simulator.until(lambda: len(simulator.journal.select("retrieve_batch")) > looks + 4)
        assert await told(gateway, batch.id) == before


async def test_copies_are_events_of_their_file(tmp_path: Path, database: Database) -> None:
    async with running_gateway(tmp_path, database=database) as gateway:
        gateway.simulator.add_fault(Fault(account="west", call="upload_file", status=500, times=2))
        file = await gateway.upload()

        async def both_are_copied() -> bool:
            events = await gateway.storage.outbox.events(file.id, limit=9)
            return [event.type for event in events].count("file.copied") == 2

        await gateway.eventually(both_are_copied)
        events = await gateway.storage.outbox.events(file.id, limit=9)
        assert sorted((event.type, event.payload["deployment"]) for event in events) == [
            ("file.copied", "east"),
            ("file.copied", "west"),
            ("file.copy_failed", "west"),
        ]
        assert {event.owner for event in events} == {"alice"}


async def test_reasons_that_come_in_turn_are_told_once_each(tmp_path: Path, database: Database) -> None:
    """Providers may go on so for a day, and each event holds the whole batch."""
    settings = replace(QUICK, place_budget_seconds=0.05)
    async with running_gateway(tmp_path, database=database, settings=settings, names=["east"]) as gateway:
        faults = [
            gateway.simulator.add_fault(Fault(call="create_batch", status=status, headers=headers))
            for headers in ({"retry-after": "1"}, {}, {}, {})  # the others may be over before anybody looks
            for status in (401, 429)
        ]
        batch = await gateway.create((await gateway.upload()).id)
        await gateway.ended(batch.id)
        assert all(fault.struck for fault in faults)
        waits = [sentence for type_, sentence in await told(gateway, batch.id) if type_ == "job.waiting"]
        assert len(waits) == len(set(waits)), waits
        assert waits
