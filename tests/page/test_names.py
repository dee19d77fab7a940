"""What people and programs are called, wherever the page says it."""

from __future__ import annotations

from urllib.parse import quote

from tests.access.standalone import MASTER, Standalone
from tests.harness import lines
from tests.page.visiting import Page, visiting


async def test_no_name_turns_what_stands_around_it(gateway: Standalone) -> None:
    """Names of keys, teams, users and endpoints: an owner chooses some of them, and an admin reads them."""
    name = "in\u202evoice\u2066\u200b"
    await gateway.manage("/team/new", team_id=f"{name}team", team_alias=name)
    await gateway.manage("/user/new", user_id=f"{name}user", user_alias=name, user_email=f"{name}@a.example")
    await gateway.new_key(team_id=f"{name}team", key_alias=name)
    key = await gateway.new_key(user_id=f"{name}user")
    asked = {"url": "https://hooks.example/taking", "event_types": ["batch.completed"], "name": name}
    async with gateway.http(key) as http:
        endpoint = (await http.post("/webhook_endpoints", json=asked)).json()["id"]
    file = await gateway.upload(lines(1), key=key)
    await gateway.ended((await gateway.create(file.id, key=key)).id, key=key)
    async with visiting(gateway, key) as owner, visiting(gateway, MASTER) as admin:
        for visitor, paths in (
            (owner, ("/batches",)),
            (admin, ("/keys", "/teams", "/users", "/spend?by=owner")),
        ):
            for path in (*paths, "/webhooks", f"/webhooks/{endpoint}", f"/nowhere/{quote(name)}"):
                page = await visitor.get(path)
                assert_nothing_turns(page)
                assert "in\\u202evoice" in page.text, path
                for label in {each for each in page.links if each.startswith("in\\u202evoice")}:
                    assert_nothing_turns(await visitor.follow(page, label))
        disabled = await admin.submit((await admin.get(f"/webhooks/{endpoint}")).form("Disable"))
        assert disabled.notice == "Nothing is sent to in\\u202evoice\\u2066\\u200b any more."


def assert_nothing_turns(page: Page) -> None:
    """Fields apart, which hold what was typed."""
    assert not {"\u202e", "\u2066", "\u200b"} & set(page.title + page.text), page.path
