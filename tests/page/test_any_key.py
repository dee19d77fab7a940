"""Without a master key any word signs in, on this machine alone: what that lets others do."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx2
import pytest

from tests.access.standalone import Standalone, standalone
from tests.database import SQLiteDatabase
from tests.page.visiting import visiting

EVIL = "evil.example"


@pytest.fixture(scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Standalone]:
    """A standalone gateway without a master key."""
    folder = tmp_path_factory.mktemp("open")
    async with standalone(folder, SQLiteDatabase.migrated(folder), master_key=None) as gateway:
        yield gateway


async def test_it_says_so_and_lets_one_in_as_nobody_special(gateway: Standalone) -> None:
    async with visiting(gateway) as visitor:
        page = await visitor.get("/sign-in")
        assert "any word will do" in page.text
        page = await visitor.sign_in("word")
        assert (page.heading, "local" in page.text, "admin" in page.text) == ("Batches", True, False)


async def test_with_a_master_key_it_does_not(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("closed")
    async with standalone(folder, SQLiteDatabase.migrated(folder)) as closed, visiting(closed) as visitor:
        assert "any word" not in (await visitor.get("/sign-in")).text


async def test_a_name_that_leads_here_gets_nothing(gateway: Standalone) -> None:
    """DNS rebinding: to the browser it is the origin of the page, and its scripts could read all of it."""
    async with visiting(gateway, "word") as visitor:
        headers = {"host": EVIL, "origin": f"http://{EVIL}", "sec-fetch-site": "same-origin"}
        for path in ("/ui", "/ui/", "/ui/sign-in", "/ui/batches", "/ui/static/page.js", "/ui/nowhere"):
            for method in ("GET", "POST"):
                answer = await visitor.http.request(method, gateway.address + path, headers=headers)
                assert answer.status_code == 403, path
                assert answer.json()["error"]["code"] == "host_not_allowed"
                assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": f"https://{EVIL}", "sec-fetch-site": "cross-site"},
        {"origin": f"https://{EVIL}"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1", "sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:1"},
    ],
)
async def test_no_other_site_signs_a_browser_in(gateway: Standalone, headers: dict[str, str]) -> None:
    """Neither one of the network nor one of another port of this machine."""
    async with httpx2.AsyncClient() as http:
        answer = await http.post(f"{gateway.address}/ui/sign-in", data={"key": "word"}, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
