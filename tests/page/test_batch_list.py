"""The list of batches on the page."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from litebatch_asgi.batches import finding
from litebatch_asgi.page.batches import list as batch_list
from litebatch_asgi.search import BatchSearch
from litebatch_asgi.simulator import Fault
from tests.access.standalone import MASTER, Standalone, standalone
from tests.database import SQLiteDatabase
from tests.harness import lines
from tests.page.visiting import Page, visiting

pytestmark = pytest.mark.anyio


def ids(page: Page) -> list[str]:
    return [label for label in page.links if label.startswith("batch_")]


async def many(gateway: Standalone, key: str, count: int) -> list[str]:
    """Batches on one file, the newest first."""
    file = await gateway.upload(lines(1), key=key)
    made = [await gateway.create(file.id, key=key, metadata={"night": f"n-{at}"}) for at in range(count)]
    for batch in made:
        await gateway.ended(batch.id, key=key)
    return [batch.id for batch in reversed(made)]


async def test_everybody_sees_their_own_and_an_admin_everybodys(gateway: Standalone) -> None:
    ada, eve = await gateway.new_key(user_id="ada-lists"), await gateway.new_key(user_id="eve-lists")
    (hers,), (theirs,) = await many(gateway, ada, 1), await many(gateway, eve, 1)
    async with visiting(gateway, ada) as visitor:
        page = await visitor.get("/batches")
        assert ids(page) == [hers]
        assert [row[1:3] for row in page.rows] == [["gpt-4o-batch", "completed"]]
        assert "Owner" not in page.text
        for query in ("owner=user:eve-lists", "deployment=east"):
            refused = await visitor.get(f"/batches?{query}")
            assert (refused.status, ids(refused)) == (403, [])
    async with visiting(gateway, MASTER) as admin:
        page = await admin.get("/batches")
        assert {hers, theirs} <= set(ids(page))
        found = await admin.submit(page.form("Show"), owner="user:eve-lists")
        assert ids(found) == [theirs]
        assert found.form("Show").values["owner"] == "user:eve-lists"


async def test_pages_lead_on_and_back(gateway: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_list, "_ROWS", 2)
    key = await gateway.new_key(user_id="bea")
    made = await many(gateway, key, 5)
    async with visiting(gateway, key) as visitor:
        first = await visitor.get("/batches?status=completed")
        second = await visitor.follow(first, "Older")
        third = await visitor.follow(second, "Older")
        assert [ids(each) for each in (first, second, third)] == [made[:2], made[2:4], made[4:]]
        assert "Older" not in third.links
        assert "Newer" not in first.links
        assert ids(await visitor.follow(third, "Newer")) == made[2:4]
        newest = await visitor.follow(third, "Newest")
        assert (ids(newest), newest.path) == (made[:2], "/ui/batches?status=completed")


async def test_it_is_narrowed_down(gateway: Standalone) -> None:
    key = await gateway.new_key(user_id="cleo")
    third, second, first = await many(gateway, key, 3)
    async with visiting(gateway, key) as visitor:
        page = await visitor.get("/batches")
        assert ids(page) == [third, second, first]
        form = page.form("Show")
        assert {"", "open", "completed", "failed"} <= set(form.options("status"))
        assert "gpt-4o-batch" in form.options("model")
        assert ids(await visitor.submit(form, text="n-1")) == [second]
        assert ids(await visitor.submit(form, text=first)) == [first]
        assert ids(await visitor.submit(form, status="completed", model="gpt-4o-batch")) == [
            third,
            second,
            first,
        ]
        nothing = await visitor.submit(form, status="open")
        assert "No such batches" in nothing.text
        wrong = await visitor.get("/batches?status=odd&text=n-1")
        assert (wrong.status, wrong.form("Show").values["text"]) == (400, "n-1")
        assert wrong.alert is not None
        assert (await visitor.get("/batches?before=odd")).status == 400


async def test_a_search_says_how_far_it_has_looked(
    gateway: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "BatchSearch", partial(BatchSearch, look_at=2))  # rows of a page
    key = await gateway.new_key(user_id="dora")
    *_, oldest = await many(gateway, key, 4)
    async with visiting(gateway, key) as visitor:
        page = await visitor.get("/batches?text=n-0")
        assert ids(page) == []
        assert "Nothing was found among the batches since 20" in page.text
        further = await visitor.follow(page, "Look further")
        assert ids(further) == [oldest]
        if "Look further" in further.links:
            further = await visitor.follow(further, "Look further")
        assert "Look further" not in further.links
        assert ids(await visitor.get(f"/batches?text={oldest}")) == [oldest]


async def test_what_a_batch_waits_for_is_said_in_short(gateway: Standalone) -> None:
    key = await gateway.new_key(user_id="fay")
    busy = gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
    file = await gateway.upload(key=key)
    batch = await gateway.create(file.id, key=key)
    async with visiting(gateway, key) as visitor:

        async def waits() -> bool:
            return "waits for a deployment with room" in (await visitor.get("/batches")).text

        await gateway.eventually(waits)
        page = await visitor.get(f"/batches/{batch.id}")
        assert "Every deployment of the model asks to wait or has no room" in page.text
        assert not {"east", "west"} & set(page.text.replace(":", " ").split())
    async with visiting(gateway, MASTER) as admin:
        told = (await admin.get(f"/batches/{batch.id}")).text
        assert "east: 429" in told
    gateway.simulator.remove_fault(busy)
    await gateway.ended(batch.id, key=key)


async def test_whoever_has_nothing_is_told_what_to_run(tmp_path: Path) -> None:
    async with (
        standalone(tmp_path, SQLiteDatabase.migrated(tmp_path)) as gateway,
        visiting(gateway, MASTER) as visitor,
    ):
        page = await visitor.get("/batches")
        assert "No batches yet" in page.text
        assert "data-live" in page.main.attributes
