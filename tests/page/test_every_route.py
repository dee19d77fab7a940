"""Every route of every section, as its table has it: who gets what.

New sections are looked at by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import httpx2
import pytest

from tests.access.standalone import MASTER, Standalone
from tests.harness import lines
from tests.page.events import ACCEPT
from tests.page.every_route import Place, places
from tests.page.test_answers import assert_guarded
from tests.page.visiting import Page, Visitor, visiting

WRONG_IDS = ["nothing", "%00", "%ff", "a%0d%0ax:y", "%ed%a0%80", "x" * 3000, "%27%22%3E", "..%2f..", "%20"]


@pytest.fixture(scope="module")
async def ids(gateway: Standalone) -> Mapping[str, str]:
    """Objects of alice's, by the word that stands before their ids in paths."""
    key = await gateway.new_key(user_id="alice", key_alias="hers")
    file = await gateway.upload(lines(3), key=key)
    batch = await gateway.create(file.id, key=key)
    await gateway.ended(batch.id, key=key)
    asked = {"url": "https://hooks.example/taking", "event_types": ["batch.completed"], "name": "A"}
    async with gateway.http(key) as http:
        answer = await http.post("/webhook_endpoints", json=asked)
    assert answer.status_code == 200, answer.text
    info = await gateway.look("/key/info", key=key)
    return {
        "batches": batch.id,
        "files": file.id,
        "webhooks": answer.json()["id"],
        "keys": info["key"],
        "deployments": "east",
        "users": "alice",
        "teams": "nothing",
    }


def token_of(page: Page) -> str:
    return page.form("Sign out").values["token"]


async def send(
    visitor: Visitor, place: Place, path: str, fields: Mapping[str, str], **headers: str
) -> httpx2.Response:
    """What a form of this place would send."""
    url = f"{visitor.address}/ui{path}"
    own = {
        "sec-fetch-site": "same-origin",
        **{name.replace("_", "-"): each for name, each in headers.items()},
    }
    if place.route.takes_files:
        # a file is in it, so that it is sent as a browser sends files
        files = {"file": ("x.jsonl", lines(1))}
        return await visitor.http.post(url, data=dict(fields), files=files, headers=own)
    return await visitor.http.post(url, data=dict(fields), headers=own)


async def test_each_is_known_to_these_tests(gateway: Standalone, ids: Mapping[str, str]) -> None:
    for place in places(gateway):
        unknown = place.names() - ids.keys()
        assert not unknown, f"say in `ids` what {place.path} is of: one of alice's {unknown}"
        assert place.path.startswith(place.section.path), "or else the navigation does not show where one is"


async def test_nobody_is_asked_to_sign_in(gateway: Standalone, ids: Mapping[str, str]) -> None:
    async with visiting(gateway) as stranger:
        for place in places(gateway):
            address = f"{gateway.address}/ui{place.at(ids)}"
            for method in ("GET", "HEAD", "POST"):
                answer = await stranger.http.request(method, address)
                assert answer.status_code == 303, (method, place.path)
                assert answer.headers["location"].startswith("/ui/sign-in")
                assert_guarded(answer)
            followed = await stranger.http.get(address, headers=ACCEPT)
            assert (followed.status_code, followed.content) == (204, b"")


async def test_an_owner_sees_nothing_of_others(gateway: Standalone, ids: Mapping[str, str]) -> None:
    """Not that it is there either: what is another's is answered as what is nobody's."""
    key = await gateway.new_key(user_id="bob")
    async with visiting(gateway, key) as bob:
        token = await bob.token()
        for place in places(gateway):
            if not place.has_parameter:
                continue
            for path in (place.at(ids), place.at({})):
                if place.route.get is not None:
                    answer = await bob.http.get(f"{gateway.address}/ui{path}")
                    assert answer.status_code == 404, path
                    assert_guarded(answer)
                if place.route.post is not None:
                    answer = await send(bob, place, path, {"token": token})
                    assert answer.status_code == 404, path
                    assert_guarded(answer)


async def test_what_is_for_admins_is_for_nobody_else(gateway: Standalone, ids: Mapping[str, str]) -> None:
    key = await gateway.new_key(user_id="bob")
    async with visiting(gateway, key) as bob:
        page = await bob.get("/batches")
        token = token_of(page)
        for place in places(gateway):
            if not place.section.for_admins:
                continue
            assert f"/ui{place.section.path}" not in page.links.values()
            address = f"{gateway.address}/ui{place.at(ids)}"
            assert (await bob.http.get(address)).status_code == 404, place.path
            assert (await bob.http.get(address, headers=ACCEPT)).status_code == 204, place.path
            assert (await send(bob, place, place.at(ids), {"token": token})).status_code == 404, place.path


async def test_nothing_is_done_without_the_token(gateway: Standalone, ids: Mapping[str, str]) -> None:
    async with visiting(gateway, MASTER) as admin, visiting(gateway, MASTER) as other:
        token, foreign = await admin.token(), await other.token()
        for place in places(gateway):
            path = place.at(ids)
            if place.route.post is None:
                assert (await send(admin, place, path, {"token": token})).status_code == 405, path
                continue
            for fields in ({}, {"token": ""}, {"token": foreign}):
                assert (await send(admin, place, path, fields)).status_code == 403, (path, fields)
            for headers in ({"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}):
                answer = await send(admin, place, path, {"token": token}, **headers)
                assert answer.status_code == 403, (path, headers)


async def test_whatever_is_asked_for_there_is_an_answer(gateway: Standalone, ids: Mapping[str, str]) -> None:
    async with visiting(gateway, MASTER) as admin:
        token = await admin.token()
        for place in places(gateway):
            for wrong in WRONG_IDS if place.has_parameter else ["nothing"]:
                path = place.at({}, wrong)
                for query in ("", "?after=%00&before=%ff&status=nothing&limit=x&q=%ed%a0%80"):
                    if place.route.get is None:
                        continue
                    answer = await admin.http.get(f"{gateway.address}/ui{path}{query}")
                    assert answer.status_code < 500, (path, query)
                    assert not place.has_parameter or answer.status_code in (400, 404), path
                if place.route.post is not None:
                    answer = await send(admin, place, path, {"token": token, "x\x00": "\x00"})
                    assert answer.status_code < 500, path


async def test_each_page_is_well_made(gateway: Standalone, ids: Mapping[str, str]) -> None:
    """For an admin, who sees most: nothing leads elsewhere, everything has a name."""
    async with visiting(gateway, MASTER) as admin:
        for place in places(gateway):
            if place.route.get is None:
                continue
            answer = await admin.http.get(f"{gateway.address}/ui{place.at(ids)}", follow_redirects=True)
            assert_guarded(answer)
            if not answer.headers["content-type"].startswith("text/html"):
                assert "attachment" in answer.headers["content-disposition"], place.path
                continue
            assert_well_made(Page(answer))


def assert_well_made(page: Page) -> None:
    tree, where = page.tree, page.path
    assert [each.get("lang") for each in tree.every("html")] == ["en"], where
    assert page.title.endswith(" - LiteBatch"), where
    assert [each.text for each in tree.every("h1")] == [page.heading], where
    levels = [int(each.tag[1]) for each in tree.every("h1", "h2", "h3", "h4")]
    assert all(after <= before + 1 for before, after in pairwise(levels)), where
    named = [each.get("id") for each in tree.every() if each.get("id")]
    assert len(named) == len(set(named)), where
    labels = {each.get("for") for each in tree.every("label")}
    inside = {
        id(field) for each in tree.every("label") for field in each.every("input", "select", "textarea")
    }
    for field in tree.every("input", "select", "textarea"):
        if field.get("type") not in ("hidden", "submit") and "hidden" not in field.attributes:
            has_name = field.get("id") in labels or id(field) in inside or field.get("aria-label")
            assert has_name, (where, field.attributes)
    for element in tree.every():
        assert "style" not in element.attributes, (where, element.tag)
        assert not [name for name in element.attributes if name.startswith("on")], (where, element.tag)
        for name in ("href", "src", "action"):
            assert element.get(name, "#").startswith(("/ui/", "#")), (where, element.attributes)
        for name in ("aria-describedby", "aria-labelledby"):
            assert set(element.get(name).split()) <= set(named), (where, element.attributes)
    for form in page.forms:
        assert form.method == "get" or form.values.get("token"), (where, form.action)
        assert form.method == "post" or "token" not in form.values, (where, form.action)
