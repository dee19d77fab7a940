"""Whoever searches through the services sees what is theirs, on the terms that are told."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi import LiteBatch, Principal
from litebatch_asgi.app import open_storage
from litebatch_asgi.errors import InvalidRequest, LifespanNotEntered, PermissionDenied
from litebatch_asgi.models import Batch, BatchStatus, Deployment, DeploymentWait, Settings, WaitingFor
from litebatch_asgi.search import Cursor
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing import a_batch, a_file, a_job
from litebatch_asgi.testing.conformance.base import stored_batch, stored_file
from litebatch_asgi.wire.search import BatchSearchAsked, FileSearchAsked, cursor_text, parse_cursor
from tests.database import Database

ALICE, BOB = Principal(owner="alice"), Principal(owner="bob")
ADMIN = Principal(owner="admin", is_admin=True)
DEPLOYMENT = Deployment(model_name="gpt-4o-batch", model="openai/gpt-4o-mini", api_key="none", id="east")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)


@pytest.fixture
async def storage(database: Database) -> Storage:
    return open_storage(database.url)


@pytest.fixture
async def litebatch(storage: Storage, tmp_path: Path) -> AsyncGenerator[LiteBatch]:
    litebatch = LiteBatch(
        deployments=[DEPLOYMENT],
        storage=storage,
        reconciler=False,
        settings=Settings(spool_dir=str(tmp_path)),
    )
    async with litebatch.lifespan():
        yield litebatch


async def batch_of(storage: Storage, owner: str, **fields: Any) -> Batch:
    batch = a_batch(a_file(owner=owner), deployment_id="east", **fields)
    await stored_batch(storage, a_job(batch, deployment_id="east"), batch=batch)
    return batch


async def test_owners_find_their_own_and_admins_everybodys(litebatch: LiteBatch, storage: Storage) -> None:
    hers, his = [await batch_of(storage, owner, metadata={"run": "7"}) for owner in ("alice", "bob")]
    search = litebatch.search
    filters: list[dict[str, Any]] = [
        *({}, {"owner": "alice"}, {"text": "RUN"}, {"text": hers.id}, {"statuses": ["validating"]})
    ]
    for asked in filters:
        assert [batch.id for batch in (await search.batches(ALICE, **asked)).items] == [hers.id], asked
    for text in (his.id, his.input_file_id):
        assert (await search.batches(ALICE, text=text)).items == []
    assert [batch.id for batch in (await search.batches(ADMIN)).items] == [his.id, hers.id]
    assert [batch.id for batch in (await search.batches(ADMIN, owner="bob")).items] == [his.id]
    assert (await search.batches(ADMIN, owner="nobody")).items == []
    assert [file.id for file in (await search.files(BOB)).items] == [his.input_file_id]
    assert [file.id for file in (await search.files(ADMIN, text="IN.js")).items] == [
        his.input_file_id,
        hers.input_file_id,
    ]
    assert (await search.files(BOB, text=hers.input_file_id)).items == []


async def test_deployments_are_for_admins(litebatch: LiteBatch, storage: Storage) -> None:
    """To filter by, and to see."""
    waiting = WaitingFor(
        reason="deployments_busy",
        until=NOW,
        deployments={"east": DeploymentWait(reason="busy", status=429, until=NOW)},
    )
    batch = await batch_of(storage, "alice", waiting_for=waiting)
    [seen] = (await litebatch.search.batches(ADMIN, deployment="east")).items
    assert seen == batch
    assert (await litebatch.search.batches(ADMIN, deployment="west")).items == []
    [seen] = (await litebatch.search.batches(ALICE)).items
    assert seen == replace(batch, deployment_id=None, waiting_for=replace(waiting, deployments={}))
    for deployment in ("east", "west"):
        with pytest.raises(PermissionDenied, match="Only an admin may see deployments"):
            await litebatch.search.batches(ALICE, deployment=deployment)
    for call in (litebatch.search.batches, litebatch.search.files):
        with pytest.raises(PermissionDenied, match="another owner"):
            await call(ALICE, owner="bob")


async def test_pages_are_followed_by_texts(litebatch: LiteBatch, storage: Storage) -> None:
    """There and back, for batches and files."""
    batches = [
        await batch_of(
            storage,
            "alice",
            status=BatchStatus.FAILED,
            created_at=datetime.now(UTC) + number * timedelta(seconds=1),
        )
        for number in range(5)
    ]
    files = [
        await stored_file(storage, file=a_file(owner="carol", created_at=NOW + number * timedelta(seconds=1)))
        for number in range(5)
    ]
    asked: dict[str, Any] = {"statuses": ["failed", "expired"], "limit": 2}
    carol = Principal(owner="carol")
    searches: list[tuple[Any, ...]] = [
        (litebatch.search.batches, ALICE, batches, asked),
        (litebatch.search.files, carol, files, {"limit": 2}),
    ]
    for call, principal, items, filters in searches:
        first = await call(principal, **filters)
        assert first.previous is None
        second = await call(principal, before=first.next, **filters)
        third = await call(principal, before=second.next, **filters)
        assert third.next is None
        found = [item.id for page in (first, second, third) for item in page.items]
        assert found == [item.id for item in reversed(items)]
        back = await call(principal, after=third.previous, **filters)
        assert back.items == second.items
        assert (await call(principal, after=back.previous, **filters)).items == first.items


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"statuses": ["done"]}, "statuses"),
        ({"statuses": "failed"}, "statuses"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"text": "x" * 513}, "text"),
        ({"text": "a\0"}, "text"),
        ({"text": 7}, "text"),
        ({"owner": "x" * 513}, "owner"),
        ({"model": "x" * 257}, "model"),
        ({"deployment": "a\nb"}, "deployment"),
        ({"before": "1"}, "before"),
        ({"before": "1.x"}, "before"),
        ({"after": "999999999999999999.time.x"}, "after"),
        ({"before": "1.time.a b"}, "before"),
        ({"before": "-1.time.a"}, "before"),
        ({"before": "1..a", "after": "1..a"}, "after"),
    ],
)
def test_values_that_cannot_be_are_refused(asked: dict[str, Any], param: str) -> None:
    searches: list[Any] = [BatchSearchAsked]
    if param in FileSearchAsked.__struct_fields__:
        searches.append(FileSearchAsked)
    for search in searches:
        with pytest.raises(InvalidRequest) as refused:
            search(**asked)
        assert refused.value.param == param
    with pytest.raises(InvalidRequest, match="'batch'"):
        FileSearchAsked(purpose="x")


async def test_what_is_empty_is_not_asked_for(litebatch: LiteBatch, storage: Storage) -> None:
    """As forms send it."""
    batch = await batch_of(storage, "alice")
    empty: dict[str, Any] = {"owner": "", "text": "", "before": "", "after": ""}
    found = await litebatch.search.batches(ADMIN, model="", deployment="", **empty)
    assert [each.id for each in found.items] == [batch.id]
    assert len((await litebatch.search.files(ADMIN, purpose="", **empty)).items) == 1


@pytest.mark.parametrize("by", ["", "time", "deployment"])
@pytest.mark.parametrize("id_", ["", "~", "batch_lb01jvz3k8w4c9d2n6q5r7t8x0y1"])
def test_a_cursor_is_told_as_a_text(by: str, id_: str) -> None:
    for created_at in (NOW, datetime(1970, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        cursor = Cursor(created_at=created_at, id=id_, by=by)
        assert parse_cursor(cursor_text(cursor), "before") == cursor
    assert cursor_text(None) is None


async def test_nothing_is_found_before_the_lifespan(tmp_path: Path) -> None:
    litebatch = LiteBatch(deployments=[DEPLOYMENT], storage=f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(LifespanNotEntered):
        _ = litebatch.search
