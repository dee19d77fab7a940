"""Making a batch of a file: what is told beforehand, and that one form makes one batch."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.models import BatchOptions, Principal
from tests.access.standalone import MASTER, OTHER, Standalone, standalone
from tests.database import SQLiteDatabase
from tests.harness import ENDPOINT, MODEL, QUICK, lines
from tests.page.visiting import Form, Page, Visitor, visiting

pytestmark = pytest.mark.anyio
LOOK, AGAIN, SEND = "Show the estimate", "Update the estimate", "Create the batch"
PRICES = {
    "input_cost_per_token_batches": Decimal("0.00001"),
    "output_cost_per_token_batches": Decimal("0.00004"),
}
EVIL = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Standalone]:
    """One whose deployments have prices."""
    folder: Path = tmp_path_factory.mktemp("making")
    async with standalone(folder, SQLiteDatabase.migrated(folder), prices=PRICES) as gateway:
        yield gateway


async def form_of(visitor: Visitor, file_id: str) -> Form:
    return (await visitor.get(f"/files/{file_id}/batch")).form(LOOK)


async def batches(gateway: Standalone, key: str) -> list[str]:
    return [each.id async for each in gateway.client(key).batches.list()]


async def test_it_is_looked_at_and_then_sent(gateway: Standalone) -> None:
    key = await gateway.new_key(user_id="maker")
    file = await gateway.upload(lines(20, max_tokens=100), key=key)
    async with visiting(gateway, key) as visitor:
        page = await visitor.follow(await visitor.get(f"/files/{file.id}"), "Create a batch")
        assert (page.facts["Endpoint"], page.facts["Requests"]) == (ENDPOINT, "20")
        assert page.form(LOOK).options("completion_window") == ["24h"]
        looked = await visitor.submit(
            page.form(LOOK),
            max_cost="1.50",
            rescue="yes",
            row_retries="3",
            at_expiry="stop",
            key_1="job",
            value_1=EVIL,
            key_3="when",
            value_3="night",
        )
        assert looked.status == 200
        assert looked.facts["Output tokens at most"] == "2,000"
        assert looked.facts["Estimated cost"] == looked.facts["At most"]
        assert looked.facts["Prices from"] == "config"
        assert Decimal(looked.facts["Estimated cost"].removeprefix("$")) > Decimal("0.08")
        assert "2 of 2 deployments would take it now." in looked.text
        assert not looked.rows
        assert not re.search(r"\beast\b", looked.html)
        assert EVIL not in looked.html
        assert looked.form(AGAIN).values["value_1"] == EVIL
        assert not await batches(gateway, key)
        sent = await visitor.submit(looked.form(SEND))
        (batch_id,) = await batches(gateway, key)
        assert sent.path == f"/ui/batches/{batch_id}"
    batch = await gateway.client(key).batches.retrieve(batch_id)
    assert batch.metadata == {"job": EVIL, "when": "night"}
    made = await gateway.litebatch.batches.retrieve(Principal(owner="user:maker"), batch_id)
    assert made.options == BatchOptions(rescue=True, row_retries=3, at_expiry="stop")


async def test_sent_twice_it_is_one_batch(gateway: Standalone) -> None:
    key = await gateway.new_key(user_id="twice")
    file = await gateway.upload(key=key)
    async with visiting(gateway, key) as visitor:
        looked = await visitor.submit(await form_of(visitor, file.id))
        where: list[str] = []

        async def click() -> None:
            where.append((await visitor.submit(looked.form(SEND))).path)

        async with anyio.create_task_group() as group:
            group.start_soon(click)
            group.start_soon(click)
        await click()
        assert [f"/ui/batches/{each}" for each in await batches(gateway, key)] == [where[0]]
        assert where == [where[0]] * 3
        again = await visitor.submit(await form_of(visitor, file.id))
        assert (await visitor.submit(again.form(SEND))).path != where[0]
        unnamed = await visitor.post(
            f"/files/{file.id}/batch",
            token=await visitor.token(),
            step="send",
            completion_window="24h",
        )
        assert (unnamed.status_code, "Idempotency-Key" in (Page(unnamed).alert or "")) == (400, True)
        odd = await visitor.post(
            f"/files/{file.id}/batch", token=await visitor.token(), completion_window="1h"
        )
        assert "Invalid value: '1h'" in (Page(odd).alert or "")
    assert len(await batches(gateway, key)) == 2


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"max_cost": "much"}, "a number of dollars"),
        ({"row_retries": "11"}, "integer above maximum"),
        ({"row_retries": "x"}, "expected an integer"),
        ({"value_2": "of nothing"}, "a value without a key"),
        ({"key_1": "a", "key_2": "a"}, "has the key 'a' twice"),
        ({"key_1": "k" * 65}, "at most 64 characters"),
        ({"value_1": "v" * 513, "key_1": "k"}, "string too long"),
    ],
)
async def test_what_cannot_be_is_said_where_it_stands(
    gateway: Standalone, typed: dict[str, Any], said: str
) -> None:
    file = await gateway.upload(key=MASTER)
    async with visiting(gateway, MASTER) as visitor:
        page = await visitor.submit(await form_of(visitor, file.id), **typed)
        assert page.status == 400
        assert page.alert == "One of the values is wrong."
        assert [said in each.text for each in page.tree.every() if "wrong" in each.classes()] == [True]
        assert typed.items() <= page.form(LOOK).values.items()


async def test_limits_are_told_before_they_are_met(gateway: Standalone) -> None:
    key = await gateway.new_key(user_id="poor", max_budget=0.0001)
    file = await gateway.upload(lines(50), key=key)
    async with visiting(gateway, key) as visitor:
        looked = await visitor.submit(await form_of(visitor, file.id), key_1="kept", max_cost="0.01")
        assert "It would be refused now." in (looked.alert or "")
        assert "max_budget" in (looked.alert or "")
        assert "litebatch.max_cost is 0.01 US dollars" in (looked.alert or "")
        refused = await visitor.submit(looked.form(SEND))
        assert refused.status == 400
        assert refused.form(LOOK).values["key_1"] == "kept"
    assert not await batches(gateway, key)


async def test_admins_see_which_deployments_take_it(tmp_path: Path) -> None:
    settings = replace(QUICK, gone_grace_seconds=1)  # whoever looks often for what is gone, sees drains soon
    async with standalone(tmp_path, SQLiteDatabase.migrated(tmp_path), settings=settings) as gateway:
        key = await gateway.new_key(user_id="waiter")
        file = await gateway.upload(key=key)
        await _drain(gateway, "east", file.id)
        admin = await _looked(gateway, MASTER, file.id)
        rows = {row[0]: row[2:4] for row in admin.rows}
        assert rows == {"east": ["waits", "drained"], "west": ["takes it", ""]}
        owner = await _looked(gateway, key, file.id)
        assert "1 of 2 deployments would take it now." in owner.text
        await _drain(gateway, "west", file.id)
        for caller in (MASTER, key):
            page = await _looked(gateway, caller, file.id)
            assert "It would wait. " in page.text
            assert "keeps batches away" in page.text
            assert ("east" in page.html) is (caller == MASTER)


async def _drain(gateway: Standalone, deployment_id: str, file_id: str) -> None:
    """Keep batches away from a deployment, and wait until that is known."""
    await gateway.litebatch.operators.drain(deployment_id)

    async def is_known() -> bool:
        rows = (await _looked(gateway, MASTER, file_id)).rows
        return any((row[0], row[2]) == (deployment_id, "waits") for row in rows)

    await gateway.eventually(is_known)


async def _looked(gateway: Standalone, key: str, file_id: str) -> Page:
    async with visiting(gateway, key) as visitor:
        return await visitor.submit(await form_of(visitor, file_id))


async def test_what_is_refused_for_the_file_is_told(gateway: Standalone) -> None:
    key = await gateway.new_key(user_id="blocked")
    file = await gateway.upload(key=key)
    async with visiting(gateway, key) as visitor:
        form = await form_of(visitor, file.id)
        await gateway.manage("/key/update", key=key, models=[OTHER])
        page = await visitor.submit(form)
        assert page.status == 403
        assert f"may not use the model '{MODEL}'" in (page.alert or "")
        await gateway.client(MASTER).files.delete(file.id)
        assert (await visitor.submit(form)).status == 404
