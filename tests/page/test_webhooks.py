"""Webhooks on the page: endpoints, their secrets, and what they have not taken."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from litebatch_asgi.models import OutboxItem, Principal
from tests.access.standalone import MASTER, Standalone, standalone
from tests.database import SQLiteDatabase
from tests.harness import QUICK
from tests.page.visiting import Page, Visitor, visiting
from tests.webhooks.taking import Taker, completed, taker

HOSTILE = '"><img src=x onerror=alert(1)>'
SETTINGS = replace(
    QUICK,
    webhooks_to_private_addresses=True,
    delivery_retry_seconds=(0.02,),
    delivery_give_up_seconds=0.001,
)


@pytest.fixture(scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Standalone]:
    """One that gives webhooks up at once."""
    folder: Path = tmp_path_factory.mktemp("webhooks")
    database = SQLiteDatabase.migrated(folder)
    async with standalone(folder, database, settings=SETTINGS) as running:
        await running.storage.open()
        yield running
        await running.storage.close()


@pytest.fixture
async def key(gateway: Standalone) -> str:
    return await gateway.new_key()


@pytest.fixture
async def owner(gateway: Standalone, key: str) -> AsyncGenerator[Visitor]:
    async with visiting(gateway, key) as visitor:
        yield visitor


@pytest.fixture
async def receiver() -> AsyncGenerator[Taker]:
    async with taker() as running:
        yield running


async def made(visitor: Visitor, url: str, name: str = "hooks") -> Page:
    """The answer to the form for a new endpoint."""
    page = await visitor.get("/webhooks/new")
    return await visitor.submit(page.form("Create the endpoint"), name_=name, url=url)


def secret_on(page: Page) -> str:
    (field,) = (each for each in page.tree.every("input") if each.get("id") == "secret")
    return field.get("value")


async def path_of(visitor: Visitor, page: Page) -> str:
    return (await visitor.follow(page, "Go to the endpoint")).path.removeprefix("/ui")


async def test_an_endpoint_is_made_tried_changed_and_deleted(
    gateway: Standalone, owner: Visitor, receiver: Taker
) -> None:
    assert "No endpoints yet" in (await owner.get("/webhooks")).text
    page = await made(owner, receiver.url("hook"))
    secret, path = secret_on(page), await path_of(owner, page)
    own = await owner.get(path)
    assert secret not in own.html + str(gateway.logged) + str(page.answer.headers)
    assert own.facts["State"] == "enabled"
    assert "Owner" not in own.facts
    receiver.statuses["hook"] = [204, 503]
    tried = await owner.submit(own.form("Send a sample"), event_type="batch.failed")
    assert tried.notice == "It has taken the sample: the answer was 204."
    tried = await owner.submit(own.form("Send a sample"))
    assert tried.notice == "It has not taken the sample: the answer was 503."
    assert [each.unwrapped(secret) is not None for each in receiver.of("hook")] == [True, True]
    off = await owner.submit(own.form("Disable"))
    assert (off.facts["State"], off.facts["Why"]) == ("disabled", "its owner has disabled it")
    saved = await owner.submit(off.form("Save"), name_="other")
    assert (saved.notice, saved.facts["State"]) == ("other is saved.", "disabled")
    assert (await owner.submit(saved.form("Enable"))).facts["State"] == "enabled"
    gone = await owner.submit(saved.form("Yes, delete the endpoint"))
    assert gone.notice == "other is deleted."
    assert (await owner.get(path)).status == 404


async def test_a_secret_is_rotated(owner: Visitor, receiver: Taker) -> None:
    page = await made(owner, receiver.url("rotated"))
    first, path = secret_on(page), await path_of(owner, page)
    own = await owner.get(path)
    second = secret_on(await owner.submit(own.form("Yes, rotate the secret")))
    await owner.submit(own.form("Send a sample"))
    (both,) = receiver.of("rotated")
    assert [both.unwrapped(each) is not None for each in (first, second)] == [True, True]
    form = own.form("Yes, rotate the secret")
    form.values.pop("keep_old_secret_active_for_24_hours")
    third = secret_on(await owner.submit(form))
    await owner.submit(own.form("Send a sample"))
    genuine = [receiver.of("rotated")[-1].unwrapped(each) is not None for each in (second, third)]
    assert genuine == [False, True]


async def test_what_is_dead_is_sent_again(
    gateway: Standalone, owner: Visitor, key: str, receiver: Taker
) -> None:
    receiver.statuses["dead"] = [503, 410]
    page = await made(owner, receiver.url("dead"))
    path = await path_of(owner, page)
    batch = await completed(gateway, key=key)

    async def is_dead(error: str) -> bool:
        rows = (await owner.get(path)).rows
        return bool(rows) and rows[0][2:5] == ["dead", "1", error]

    await gateway.eventually(partial(is_dead, "it answered 503"))
    own = await owner.get(path)
    assert own.rows[0][1] == batch
    assert (await owner.submit(own.form("Try again"))).notice == "1 event is sent again."

    async def is_disabled() -> bool:
        return (await owner.get(path)).facts["State"] == "disabled"

    await gateway.eventually(is_disabled)
    own = await owner.get(path)
    assert "410" in own.facts["Why"]
    await owner.submit(own.form("Enable"))
    await gateway.eventually(partial(is_dead, own.rows[0][4]))
    again = await owner.submit((await owner.get(path)).form("Try all dead ones again"))
    assert again.notice == "1 event is sent again."

    async def has_taken_all() -> bool:
        return "It has taken everything." in (await owner.get(path)).text

    await gateway.eventually(has_taken_all)
    assert len(receiver.of("dead")) == 3


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "https://user@example.com/"}, "url"),
        ({"name_": ""}, "name"),
        ({"name_": "x" * 300}, "name"),
    ],
)
async def test_what_is_wrong_is_told_at_its_field(owner: Visitor, fields: dict[str, str], field: str) -> None:
    form = (await owner.get("/webhooks/new")).form("Create the endpoint")
    form.values |= {"name": "hooks", "url": "https://example.com"}
    form.values |= {name.rstrip("_"): value for name, value in fields.items()}
    page = await owner.submit(form)
    assert page.status == 400
    assert any(each.get("id") == f"wrong-{field}" for each in page.tree.every("small"))
    assert page.form("Create the endpoint").values[field] == form.values[field]
    for name in [name for name in form.values if name.startswith("tells:")]:
        del form.values[name]
    form.values |= {"name": "hooks", "url": "https://example.com"}
    page = await owner.submit(form)
    assert "Name at least one of" in page.text


async def test_texts_are_texts(owner: Visitor) -> None:
    url = "https://example.com/x?a=%3Cimg%3E&b='\"</script>"
    page = await made(owner, url, HOSTILE)
    assert page.status == 200, page.text
    for shown in (page, await owner.get("/webhooks"), await owner.get(await path_of(owner, page))):
        assert "<img" not in shown.html.lower()
        assert "</script>" not in shown.html.replace("></script>", "")
        assert not any("example.com" in each.get("href", "") for each in shown.tree.every("a"))


async def test_nobody_sees_those_of_another(gateway: Standalone, owner: Visitor, receiver: Taker) -> None:
    page = await made(owner, receiver.url("mine"), "mine alone")
    path = await path_of(owner, page)
    async with visiting(gateway, await gateway.new_key()) as other:
        assert "mine alone" not in (await other.get("/webhooks")).text
        refused = await other.get(path)
        assert refused.status == 404
        token = await other.token()
        for action in ("", "/test", "/rotate", "/disable", "/enable", "/delete", "/replay"):
            fields = {"token": token, "event_type": "batch.failed", "name": "x", "url": "https://example.com"}
            answer = await other.post(path + action, **fields)
            assert answer.status_code == 404
            assert "mine alone" not in answer.text
    assert receiver.of("mine") == []
    async with visiting(gateway, MASTER) as admin:
        assert "mine alone" in (await admin.get("/webhooks")).text
        assert (await admin.get(path)).facts["Owner"].startswith("key:")
    assert (await owner.get(path)).facts["State"] == "enabled"


async def test_a_receiver_that_does_not_answer_is_told_on_its_page(owner: Visitor) -> None:
    page = await made(owner, "http://127.0.0.1:9/")
    own = await owner.get(await path_of(owner, page))
    failed = await owner.submit(own.form("Send a sample"))
    assert failed.status == 400
    assert "The receiver gave no answer" in (failed.alert or "")
    assert failed.heading == "hooks"


async def test_what_was_not_taken_is_paged(
    gateway: Standalone, owner: Visitor, key: str, receiver: Taker
) -> None:
    receiver.statuses["paged"] = [503] * 9
    path = await path_of(owner, await made(owner, receiver.url("paged")))
    batches = [await completed(gateway, key=key) for _ in range(3)]
    endpoint_id = path.removeprefix("/webhooks/")
    admin = Principal(owner="admin", is_admin=True)
    webhooks = gateway.litebatch.webhooks
    found: list[OutboxItem] = []
    has_more = True
    while has_more:
        after = found[-1].event.id if found else None
        page = await webhooks.untaken(admin, endpoint_id, after=after, limit=1)
        found += page.items
        has_more = page.has_more
    assert [each.event.batch_id for each in found] == sorted(batches, reverse=True)
    path = f"{path}?after={found[0].event.id}"
    assert [row[1] for row in (await owner.get(path)).rows] == sorted(batches, reverse=True)[1:]
    async with visiting(gateway, await gateway.new_key()) as other:
        theirs = await path_of(other, await made(other, receiver.url("other")))
        for after in (found[0].event.id, "evt_unknown"):
            refused = await other.get(f"{theirs}?after={after}")
            assert refused.status == 400
            assert batches[0] not in refused.text


async def test_without_keys_the_page_says_what_to_set(tmp_path: Path) -> None:
    database = SQLiteDatabase.migrated(tmp_path)
    async with (
        standalone(tmp_path, database, webhook_keys=()) as gateway,
        visiting(gateway, MASTER) as visitor,
    ):
        for path in ("/webhooks", "/webhooks/new"):
            page = await visitor.get(path)
            assert "webhook_keys: [os.environ/LITEBATCH_WEBHOOK_KEY]" in page.text
            assert all(form.button("Create the endpoint") is None for form in page.forms)
        answer = await visitor.post("/webhooks/new", token=await visitor.token(), name="x", url="https://a.b")
        assert answer.status_code == 400
