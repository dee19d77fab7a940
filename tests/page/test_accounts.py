"""Virtual keys, teams and users on the page."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from msgspec.structs import replace

from tests.access.standalone import MASTER, OTHER, Standalone, standalone
from tests.database import SQLiteDatabase
from tests.harness import MODEL, QUICK
from tests.page.visiting import Page, Visitor, visiting
from tests.spend.test_routes import charge

HOSTILE = "\"><img src=x onerror=alert(1)>'&?#/../"
NOWHERE = "sk-" + "0" * 43


@pytest.fixture
async def admin(gateway: Standalone) -> AsyncGenerator[Visitor]:
    async with visiting(gateway, MASTER) as visitor:
        yield visitor


async def filled(visitor: Visitor, path: str, **fields: Any) -> Page:
    """What the only form of `main` on a page leads to."""
    page = await visitor.get(path)
    (form,) = (each for each in page.forms if each.button("Save") or "/new" in each.action)
    return await visitor.submit(form, **fields)


def secret_on(page: Page) -> str:
    (field,) = (each for each in page.tree.every("input") if each.get("id") == "secret")
    return field.get("value")


async def info(gateway: Standalone, secret: str) -> dict[str, Any]:
    found: dict[str, Any] = (await gateway.look("/key/info", key=secret))["info"]
    return found


async def works(gateway: Standalone, secret: str) -> bool:
    async with gateway.http(secret) as http:
        return (await http.get("/batches")).status_code == 200


async def test_a_key_is_shown_once_and_works(gateway: Standalone, admin: Visitor) -> None:
    gateway.logged.clear()
    page = await filled(
        admin, "/keys/new", key_alias="nightly", max_budget="12.50", models=f"{MODEL}\r\n{OTHER}"
    )
    secret = secret_on(page)
    assert page.answer.headers["cache-control"] == "no-store"
    assert not page.answer.history
    assert await works(gateway, secret)
    told = await info(gateway, secret)
    assert (told["key_alias"], told["max_budget"], told["models"]) == ("nightly", 12.5, [MODEL, OTHER])
    for path in ("/keys", "/batches"):
        assert secret not in (await admin.get(path)).html
    own = await admin.follow(page, "Go to the key")
    assert secret not in own.html
    assert secret not in own.url
    assert secret not in str(gateway.logged)
    assert all(secret not in value for value in admin.http.cookies.values())
    assert secret not in str(page.answer.headers)


async def test_a_key_is_changed_blocked_renewed_and_deleted(gateway: Standalone, admin: Visitor) -> None:
    made = await filled(admin, "/keys/new", key_alias="worker", max_files="7", duration="30d")
    secret, page = secret_on(made), await admin.follow(made, "Go to the key")
    path = page.path.removeprefix("/ui")
    assert page.form("Save").values["max_files"] == "7"
    done = await filled(admin, path, max_files="", max_open_batches="4", soft_budget="3")
    assert done.notice == "worker is saved."
    told = await info(gateway, secret)
    assert (told["max_files"], told["max_open_batches"], told["soft_budget"]) == (None, 4, 3.0)
    assert told["expires"] is not None
    await filled(admin, path, duration="-1")
    assert (await info(gateway, secret))["expires"] is None
    blocked = await admin.submit((await admin.get(path)).form("Block"))
    assert blocked.facts["State"] == "blocked"
    assert not await works(gateway, secret)
    assert (await admin.submit(blocked.form("Unblock"))).notice == "worker is not blocked any more."
    renewed = await admin.submit((await admin.get(path)).form("Yes, regenerate"))
    another = secret_on(renewed)
    assert (await works(gateway, secret), await works(gateway, another)) == (False, True)
    gone = await admin.submit((await admin.get(path)).form("Yes, delete the key"))
    assert gone.notice == "worker is deleted."
    assert not await works(gateway, another)
    assert (await admin.get(path)).status == 404


async def test_the_page_of_a_key_that_is_left_as_it_is_changes_nothing(
    gateway: Standalone, admin: Visitor
) -> None:
    body: Any = {
        "max_budget": "0.000000001",
        "budget_duration": "30d",
        "max_file_bytes": 1 << 50,
        "models": [MODEL],
    }
    made = await gateway.manage("/key/generate", duration="12h", metadata={"a": 1}, key_alias="same", **body)
    before = await info(gateway, made["key"])
    page = await admin.follow(await admin.get("/keys?alias=same"), "same")
    await admin.submit(page.form("Save"))
    after = await info(gateway, made["key"])
    assert {**after, "updated_at": None} == {**before, "updated_at": None}


@pytest.mark.parametrize(
    ("path", "field", "typed", "told"),
    [
        ("/keys/new", "max_files", "many", "expected an integer"),
        ("/keys/new", "max_files", "-1", "max_files"),
        ("/keys/new", "max_budget", "free", "a number of dollars"),
        ("/keys/new", "budget_duration", "soon", "24h or other whole days"),
        ("/keys/new", "duration", "later", "a whole number and its unit"),
        ("/keys/new", "team_id", "nowhere", "There is no team 'nowhere'"),
        ("/keys/new", "models", "x" * 300, "models"),
        ("/teams/new", "team_id", "x" * 300, "team_id"),
        ("/users/new", "user_alias", "x" * 300, "user_alias"),
    ],
)
async def test_what_is_wrong_is_told_at_its_field(
    admin: Visitor, path: str, field: str, typed: str, told: str
) -> None:
    page = await filled(admin, path, **{field: typed})
    assert page.status == 400
    (wrong,) = (each for each in page.tree.every("small") if each.get("id") == f"wrong-{field}")
    assert told in wrong.text
    (form,) = (each for each in page.forms if "/new" in each.action)
    assert form.values[field] == typed


async def test_a_model_that_nobody_serves_is_warned_of(admin: Visitor) -> None:
    page = await filled(admin, "/teams/new", models="gpt-4o-bach")
    assert f"did you mean '{MODEL}'?" in (page.notice or "")


async def test_teams_and_users_live_as_keys_do(gateway: Standalone, admin: Visitor) -> None:
    page = await filled(admin, "/teams/new", team_id="search", team_alias="Search", max_budget="10")
    assert (page.heading, page.notice) == ("Search", "Search is created.")
    key = await gateway.new_key(team_id="search")
    await gateway.storage.open()
    await charge(gateway, "2.5", owner="team:search", created_by=None, model="m", scopes=("team:search",))
    await gateway.storage.close()
    page = await admin.get("/teams?id=search")
    assert page.rows[0][4] == "$2.50 of $10.00"
    assert [row[0] for row in (await admin.follow(page, "its keys")).rows] == [f"sk-...{key[-4:]}"]
    own = await admin.follow(page, "Search")
    await admin.submit(own.form("Yes, delete the team"))
    assert not await works(gateway, key)
    again = await filled(admin, "/teams/new", team_id="search")
    assert again.status == 409
    (wrong,) = (each for each in again.tree.every("small") if each.get("id") == "wrong-team_id")
    assert "an earlier team 'search'" in wrong.text
    page = await filled(admin, "/users/new", user_id="ann", user_role="proxy_admin", inherit="on")
    async with visiting(gateway, secret_on(page)) as ann:
        assert (await ann.get("/users?id=ann")).rows[0][3] == "admin"
    page = await admin.get("/users/one?id=ann")
    assert page.form("Save").values["user_role"] == "proxy_admin"
    assert (await filled(admin, "/users/one?id=ann", user_role="")).notice == "ann is saved."


async def test_names_are_texts(gateway: Standalone, admin: Visitor) -> None:
    for path, fields in (
        ("/teams", {"team_id": HOSTILE, "team_alias": HOSTILE}),
        ("/users", {"user_id": HOSTILE, "user_alias": HOSTILE, "user_email": HOSTILE}),
        ("/keys", {"key_alias": HOSTILE, "team_id": HOSTILE, "user_id": HOSTILE, "models": HOSTILE}),
    ):
        made = await filled(admin, f"{path}/new", **fields)
        assert made.status == 200
        listed = await admin.get(path)
        own = await admin.follow(listed, HOSTILE)
        assert own.heading == HOSTILE
        assert (await admin.submit(own.form("Block"))).notice == f"{HOSTILE} is blocked."
        for page in (made, listed, own):
            assert "<img" not in page.html
    assert "No such key" in (await admin.get("/keys?alias=nobody")).text


async def test_lists_are_paged(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("paged")
    async with (
        standalone(folder, SQLiteDatabase.migrated(folder)) as gateway,
        visiting(gateway, MASTER) as visitor,
    ):
        assert "No keys yet" in (await visitor.get("/keys")).text
        for number in range(51):
            await gateway.new_key(key_alias=f"key {number}")
        page = await visitor.get("/keys")
        assert len(page.rows) == 50
        assert "1 to 50 of 51" in page.text
        page = await visitor.follow(page, "Older")
        assert [row[0] for row in page.rows] == ["key 0"]
        assert len((await visitor.follow(page, "Newer")).rows) == 50
        assert (await visitor.get("/keys?page=0")).status == 400


async def test_others_find_nothing(gateway: Standalone) -> None:
    key = await gateway.manage("/key/generate", key_alias="theirs")
    async with visiting(gateway, await gateway.new_key()) as visitor:
        assert not {"Keys", "Teams", "Users"} & (await visitor.get("/batches")).links.keys()
        token = await visitor.token()
        for path in ("/keys", "/teams", "/users"):
            for page in ("", "/new", "/one?id=x"):
                assert (await visitor.get(path + page)).status == 404
            for action in ("new", "one", "block", "unblock", "delete", "regenerate"):
                answer = await visitor.post(f"{path}/{action}", token=token, id=key["token_id"])
                assert answer.status_code == 404
    assert await works(gateway, key["key"])


async def test_without_a_master_key_there_are_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("open")
    database = SQLiteDatabase.migrated(folder)
    settings = replace(QUICK, page_secret="a secret of the tests, for cookies")
    async with (
        standalone(folder, database, master_key=None, settings=settings) as gateway,
        visiting(gateway, NOWHERE) as visitor,
    ):
        assert "Keys" not in (await visitor.get("/batches")).links
        assert (await visitor.get("/keys")).status == 404
