"""kill -9 between a create and its answer: what comes again finds what was made, and nothing blocks it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from tests.harness import lines
from tests.retries.requests import client, create, upload
from tests.survival.server import KEY as MASTER_KEY
from tests.survival.server import Deployed, deployed

KEYED = {"idempotency-key": "k"}
RETRY = {"x-stainless-retry-count": "1"}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncGenerator[Deployed]:
    """A gateway process that does not wait long for anything."""
    async with deployed(tmp_path) as gateway:
        path = tmp_path / "litebatch.yaml"
        config = json.loads(path.read_text())
        config["litebatch_settings"]["place_budget_seconds"] = 0.1
        path.write_text(json.dumps(config))
        yield gateway


async def killed(gateway: Deployed, place: str) -> None:
    """A gateway that dies at a place."""
    await gateway.restart(f"{place}=kill")


async def restarted(gateway: Deployed) -> None:
    """The same after its death."""
    await gateway.server.died()
    await gateway.restart()


@pytest.mark.parametrize("headers", [KEYED, RETRY])
@pytest.mark.parametrize("place", ["upload.created", "upload.answered", "upload.stored"])
async def test_an_upload_goes_on(gateway: Deployed, headers: dict[str, str], place: str) -> None:
    """The dead one's file is waited for no longer than its lease."""
    await killed(gateway, place)
    async with client(gateway.address, MASTER_KEY) as http:
        with pytest.raises(httpx2.TransportError):
            await upload(http, headers)
        await restarted(gateway)
        answer = await upload(http, headers)
        assert answer.status_code == 200, answer.text
        listed = (await http.get("/files")).json()["data"]
    assert [file["id"] for file in listed] == [answer.json()["id"]]


@pytest.mark.parametrize("headers", [KEYED, RETRY])
@pytest.mark.parametrize("place", ["create.before", "create.stored", "place.answered"])
async def test_a_batch_is_found(gateway: Deployed, headers: dict[str, str], place: str) -> None:
    """Once the time is over in which its answer could have been sent."""
    await killed(gateway, place)
    async with client(gateway.address, MASTER_KEY) as http:
        file_id = (await upload(http, {})).json()["id"]
        with pytest.raises(httpx2.TransportError):
            await create(http, file_id, headers)
        await restarted(gateway)
        answer = await create(http, file_id, headers)
        assert ("idempotency-replayed" in answer.headers) == (place != "create.before")
        listed = (await http.get("/batches")).json()["data"]
    assert [batch["id"] for batch in listed] == [answer.json()["id"]]
    assert (await gateway.ended(answer.json()["id"], key=MASTER_KEY)).status == "completed"


ONCE_AND_AGAIN = [["request-0", "request-1", "wrong"], ["wrong"]]
"""what jobs have run once a batch with a wrong line was retried"""


async def partly_failed(gateway: Deployed, http: httpx2.AsyncClient) -> str:
    """The id of an ended batch one of whose lines has failed."""
    wrong = lines(1, metadata={"simulate": "400"}).replace(b"request-0", b"wrong")
    file_id = (await upload(http, {}, b"\n".join((lines(2), wrong)))).json()["id"]
    batch_id: str = (await create(http, file_id, {})).json()["id"]
    await gateway.ended(batch_id, key=MASTER_KEY)
    return batch_id


async def ids_run(gateway: Deployed) -> list[list[str]]:
    """The custom ids of each job."""
    return sorted(sorted(job.custom_ids or ()) for job in await gateway.simulator.jobs())


@pytest.mark.parametrize("headers", [KEYED, RETRY])
@pytest.mark.parametrize("place", ["retry.derived", "create.before", "create.stored"])
async def test_a_retry_of_a_batch_is_found(gateway: Deployed, headers: dict[str, str], place: str) -> None:
    await gateway.restart()
    async with client(gateway.address, MASTER_KEY) as http:
        parent = await partly_failed(gateway, http)
        await killed(gateway, place)
        with pytest.raises(httpx2.TransportError):
            await http.post(f"/batches/{parent}/retry", headers=headers)
        await restarted(gateway)
        answer = await http.post(f"/batches/{parent}/retry", headers=headers)
        assert answer.status_code == 200, answer.text
        assert ("idempotency-replayed" in answer.headers) == (place == "create.stored")
        child = await gateway.ended(answer.json()["id"], key=MASTER_KEY)
        listed = (await http.get("/batches")).json()["data"]
    assert [batch["id"] for batch in listed] == [child.id, parent]
    assert await ids_run(gateway) == ONCE_AND_AGAIN


@pytest.mark.parametrize("place", ["copy.wanted", "place.intended", "place.answered"])
async def test_a_retry_of_a_batch_goes_on(gateway: Deployed, place: str) -> None:
    """Its lines are copied, and run once, whenever its gateway dies."""
    await gateway.restart()
    async with client(gateway.address, MASTER_KEY) as http:
        parent = await partly_failed(gateway, http)
        await killed(gateway, place)
        with suppress(httpx2.TransportError):  # it may have answered before
            await http.post(f"/batches/{parent}/retry", headers=KEYED)
        await restarted(gateway)
        answer = await http.post(f"/batches/{parent}/retry", headers=KEYED)
        assert answer.headers["idempotency-replayed"] == "true"
        child = await gateway.ended(answer.json()["id"], key=MASTER_KEY)
    assert child.status == "completed"
    assert await ids_run(gateway) == ONCE_AND_AGAIN
