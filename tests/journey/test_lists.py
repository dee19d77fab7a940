"""Listing: everything once, nothing of others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace
from openai import BadRequestError, NotFoundError

from litebatch_asgi import Principal
from tests.database import Database
from tests.harness import ENDPOINT, QUICK, Gateway, lines, running_gateway

ALICE = Principal(owner="alice")


async def test_listing_pages_every_batch_exactly_once(tmp_path: Path, database: Database) -> None:
    """Source: BerriAI/litellm#37150, 99 batches paged, 16 distinct, in an endless loop."""
    async with running_gateway(
        tmp_path, database=database, settings=replace(QUICK, min_poll_seconds=30), names=["east"]
    ) as gateway:
        file = await gateway.upload()
        made = [
            await gateway.litebatch.batches.create(
                ALICE, input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h"
            )
            for _ in range(137)
        ]
        seen = [batch.id async for batch in gateway.client().batches.list(limit=10)]
        assert seen == [batch.id for batch in made[::-1]]


async def test_listing_pages_every_file_exactly_once(tmp_path: Path, database: Database) -> None:
    async with running_gateway(tmp_path, database=database, names=["east"]) as gateway:
        uploads = [
            await gateway.litebatch.files.create(ALICE, lines(), filename="in.jsonl", purpose="batch")
            for _ in range(137)
        ]
        made = [file.id for file in uploads]
        client = gateway.client()
        newest_first = [file.id async for file in client.files.list(limit=10)]
        oldest_first = [file.id async for file in client.files.list(limit=10, order="asc")]
    assert newest_first == made[::-1]
    assert oldest_first == made


@pytest.mark.parametrize(
    ("path", "limit"),
    [("/batches", "0"), ("/batches", "101"), ("/batches", "x"), ("/files", "0"), ("/files", "10001")],
)
async def test_another_limit_than_openai_allows_is_refused(gateway: Gateway, path: str, limit: str) -> None:
    """Source: BerriAI/litellm#37149."""
    async with gateway.http() as http:
        answer = await http.get(path, params={"limit": limit})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "limit"


async def test_an_unknown_or_foreign_cursor_is_refused(gateway: Gateway) -> None:
    file = await gateway.upload()
    batch = await gateway.create(file.id)
    client = gateway.client("mallory")
    for cursor in (batch.id, "batch_lb00000000000000000000000000", "nonsense"):
        with pytest.raises(BadRequestError) as refused:
            await client.batches.list(after=cursor)
        assert refused.value.param == "after"
    with pytest.raises(BadRequestError) as refused:
        await client.files.list(after=file.id)
    assert refused.value.param == "after"


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_files_can_be_deleted_while_they_are_paged(
    gateway: Gateway, order: Literal["asc", "desc"]
) -> None:
    """As scripts do that clean up: the last file of each page is gone when the next page is asked for."""
    made = {(await gateway.upload()).id for _ in range(5)}
    client = gateway.client()
    deleted: set[str] = set()
    async for file in client.files.list(limit=2, order=order):
        await client.files.delete(file.id)
        deleted.add(file.id)
    assert deleted == made
    assert (await client.files.list()).data == []
    gone = next(iter(made))
    with pytest.raises(BadRequestError) as refused:
        await gateway.client("mallory").files.list(after=gone)
    assert refused.value.param == "after"
    with pytest.raises(NotFoundError):
        await client.files.retrieve(gone)


async def test_a_file_that_expires_ends_no_paging(tmp_path: Path) -> None:
    ahead = [timedelta(0)]
    async with running_gateway(
        tmp_path, names=["east"], clock=lambda: datetime.now(UTC) + ahead[0]
    ) as gateway:
        client = gateway.client()
        for seconds in (7200, 7200, 3600):
            await gateway.upload(expires_after={"anchor": "created_at", "seconds": seconds})
        page = await client.files.list(limit=1)
        ahead[0] = timedelta(hours=1.5)
        assert len((await page.get_next_page()).data) == 1
        assert len([file async for file in client.files.list()]) == 2


async def test_results_are_listed_with_the_inputs(gateway: Gateway) -> None:
    """Source: BerriAI/litellm#41753, output files missing from the list."""
    file = await gateway.upload()
    batch = await gateway.ended((await gateway.create(file.id)).id)
    client = gateway.client()
    assert {each.id for each in (await client.files.list()).data} == {file.id, batch.output_file_id}
    outputs = (await client.files.list(purpose="batch_output")).data
    assert [each.id for each in outputs] == [batch.output_file_id]
    assert outputs[0].filename == f"{batch.id}_output.jsonl"


async def test_lists_can_be_narrowed_to_a_model(gateway: Gateway) -> None:
    file = await gateway.upload()
    client = gateway.client()
    for model, found in (("gpt-4o-batch", [file.id]), ("other", [])):
        listed = await client.files.list(extra_query={"target_model_names": model})
        assert [each.id for each in listed.data] == found


async def test_nobody_sees_anothers_objects(gateway: Gateway) -> None:
    """Source: BerriAI/litellm#17401, any user could read or cancel any batch."""
    file = await gateway.upload()
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert batch.output_file_id is not None
    calls = [
        ("GET", f"/files/{file.id}"),
        ("GET", f"/files/{file.id}/content"),
        ("GET", f"/files/{batch.output_file_id}"),
        ("GET", f"/files/{batch.output_file_id}/content"),
        ("DELETE", f"/files/{file.id}"),
        ("GET", f"/batches/{batch.id}"),
        ("POST", f"/batches/{batch.id}/cancel"),
    ]
    async with gateway.http("mallory") as http:
        for method, path in calls:
            theirs = await http.request(method, path)
            unknown = await http.request(method, path.replace("lb0", "lb1"))
            assert theirs.status_code == unknown.status_code == 404, path
            assert set(theirs.json()["error"]) == {"message", "type", "param", "code"}
        body = {"input_file_id": file.id, "endpoint": batch.endpoint, "completion_window": "24h"}
        assert (await http.post("/batches", json=body)).status_code == 404
        assert (await http.get("/files")).json()["data"] == []
        assert (await http.get("/batches")).json()["data"] == []
    async with gateway.http("admin") as http:
        assert (await http.get(f"/batches/{batch.id}")).status_code == 200
        assert len((await http.get("/files")).json()["data"]) == 2


async def test_a_providers_ids_are_never_ours(gateway: Gateway) -> None:
    """Source: BerriAI/litellm#33536, another team's output readable by its raw provider id."""
    file = await gateway.upload()
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert batch.status == "completed"
    accounts = gateway.simulator.accounts.values()
    async with gateway.http("admin") as http:
        for raw in [id_ for account in accounts for id_ in account.files]:
            assert (await http.get(f"/files/{raw}")).status_code == 404
            assert (await http.get(f"/files/{raw}/content")).status_code == 404
            assert (await http.get("/files", params={"after": raw})).status_code == 400
        for raw in [id_ for account in accounts for id_ in account.batches]:
            assert (await http.get(f"/batches/{raw}")).status_code == 404
            assert (await http.get("/batches", params={"after": raw})).status_code == 400
