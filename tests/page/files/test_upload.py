"""Uploads from a browser: what is taken, what is refused, and that nothing stays of what was not taken."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from tests.access.standalone import MASTER, Standalone, standalone
from tests.database import SQLiteDatabase
from tests.harness import MODEL, QUICK, lines
from tests.http.forms import CONTENT_TYPE, field, file, form
from tests.http.sockets import RawClient, head, raw_client
from tests.page.visiting import Page, Visitor, visiting

pytestmark = pytest.mark.anyio
EVIL = "<img src=x onerror=alert(1)>"
NEW = "/files/new"


async def send(visitor: Visitor, content: bytes, *, name: str = "in.jsonl", **fields: Any) -> Page:
    """What comes of sending a file by the form."""
    page = await visitor.get(NEW)
    return await visitor.submit(page.form("Upload"), files={"file": (name, content)}, **fields)


async def begin(client: RawClient, visitor: Visitor, body: bytes, length: int) -> None:
    """Begin a request that is announced to have so many bytes."""
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())
    host = urlsplit(visitor.address).netloc
    asked = head(
        "POST",
        f"/ui{NEW}",
        origin=f"http://{host}",
        sec_fetch_site="same-origin",
        cookie=cookie,
        content_type=CONTENT_TYPE,
        content_length=length,
    )
    await client.send(asked, body)


def held(gateway: Standalone) -> int:
    return gateway.litebatch.spooler.held_bytes


async def nothing_is_held(gateway: Standalone) -> None:
    async def is_so() -> bool:
        return held(gateway) == 0

    await gateway.eventually(is_so)


async def names(gateway: Standalone, key: str) -> list[str]:
    return [each.filename async for each in gateway.client(key).files.list()]


@pytest.fixture
async def tight(tmp_path: Path) -> AsyncGenerator[Standalone]:
    """A gateway with room for one upload of an owner, and for few bytes."""
    settings = replace(QUICK, max_concurrent_uploads=2, max_spool_bytes=200_000)
    async with standalone(tmp_path, SQLiteDatabase.migrated(tmp_path), settings=settings) as gateway:
        yield gateway


async def test_a_file_is_taken(gateway: Standalone) -> None:
    content = lines(300)
    async with visiting(gateway, await gateway.new_key(user_id="sender")) as visitor:
        page = await send(visitor, content, name="../night.jsonl", model=MODEL)
        assert (page.status, page.heading) == (200, "night.jsonl")
        assert page.notice == "night.jsonl was uploaded: 300 lines."
        assert (await visitor.follow(page, "Download")).answer.content == content
        assert (await visitor.get(NEW)).notice is None


async def test_a_script_is_told_where_to_go(gateway: Standalone) -> None:
    async with visiting(gateway, MASTER) as visitor:
        page = await visitor.get(NEW)
        answer = await visitor.submit(
            page.form("Upload"),
            files={"file": ("in.jsonl", lines())},
            headers={"x-requested-with": "XMLHttpRequest"},
        )
        assert answer.status == 201
        there = await visitor.open(answer.answer.headers["location"])
        assert (there.heading, there.notice) == ("in.jsonl", "in.jsonl was uploaded: 3 lines.")


async def test_all_problems_are_told(gateway: Standalone) -> None:
    rows = [json.loads(line) for line in lines(1000).splitlines()]
    for row in rows:
        row["custom_id"] = EVIL
    bad = "\n".join(map(json.dumps, rows)).encode()
    async with visiting(gateway, await gateway.new_key(user_id="mistaken")) as visitor:
        page = await send(visitor, bad, model=MODEL)
        assert page.status == 400
        assert page.alert == "The file was not taken: there are 100 problems in it. The check stopped there."
        assert len(page.rows) == 100
        number, code, message, param = page.rows[0]
        assert (number, code, param) == ("2", "duplicate_custom_id", "custom_id")
        assert EVIL in message
        assert EVIL not in page.html
        assert page.form("Upload").values["model"] == MODEL
        one = await send(visitor, b"{}", model=EVIL)
        assert (one.status, one.form("Upload").values["model"]) == (400, EVIL)
        assert EVIL not in one.html
        assert not (await visitor.get("/files")).rows
    assert not held(gateway)


async def test_what_is_no_line_is_told_as_well(gateway: Standalone) -> None:
    async with visiting(gateway, MASTER) as visitor:
        body = form(field("token", await visitor.token(NEW)), file(b"", filename=""))
        answer = await visitor.http.post(
            f"{gateway.address}/ui{NEW}", content=body, headers={"content-type": CONTENT_TYPE}
        )
        assert Page(answer).status == 400
        assert "was a file chosen?" in (Page(answer).alert or "")
        empty = await send(visitor, b"")
        assert empty.status == 400
        assert not empty.rows


async def test_models_of_others_are_refused(gateway: Standalone) -> None:
    async with visiting(gateway, await gateway.new_key(user_id="narrow", models=["other"])) as visitor:
        page = await send(visitor, lines())
        assert page.status == 403
        assert "may not use the model" in (page.alert or "")
        assert MODEL not in [each.get("value") for each in (await visitor.get(NEW)).tree.every("option")]


@pytest.mark.parametrize("where", ["before", "behind", "nowhere"])
async def test_a_wrong_token_is_refused_before_the_file_is_read(gateway: Standalone, where: str) -> None:
    async with visiting(gateway, MASTER) as visitor, raw_client(gateway.address) as client:
        token = await visitor.token("/files")
        parts = {
            "before": [field("token", token[::-1]), file(lines())],
            "behind": [file(lines()), field("token", token)],
            "nowhere": [file(lines())],
        }
        before = len(await names(gateway, MASTER))
        await begin(client, visitor, b"".join(parts[where]), 100_000_000)
        answer = await client.answer()
        assert answer.status == 403
        assert b"not of your session" in answer.body
        assert not held(gateway)
        assert len(await names(gateway, MASTER)) == before


async def test_another_site_cannot_send_a_file(gateway: Standalone) -> None:
    async with visiting(gateway, MASTER) as visitor:
        page = await visitor.get(NEW)
        answer = await visitor.submit(
            page.form("Upload"), files={"file": ("a", b"")}, headers={"sec-fetch-site": "cross-site"}
        )
        assert answer.status == 403


@pytest.mark.parametrize("is_announced", [True, False])
async def test_what_is_too_large_is_refused(tight: Standalone, is_announced: bool) -> None:
    content = lines(3000)
    assert len(content) > 200_000
    async with visiting(tight, MASTER) as visitor:
        token = await visitor.token("/files")
        body = form(field("token", token), field("model", MODEL), file(content))
        if is_announced:
            body += b" " * (2 << 20)  # beyond what a form may have beside its file

        async def pieces() -> AsyncGenerator[bytes]:
            for start in range(0, len(body), 50_000):
                yield body[start : start + 50_000]

        answer = await visitor.http.post(
            f"{tight.address}/ui{NEW}",
            content=body if is_announced else pieces(),
            headers={"content-type": CONTENT_TYPE},
        )
        page = Page(answer)
        assert page.status == 413
        assert "max_file_bytes" in (page.alert or "")
        assert page.form("Upload").element.get("data-most") == "200000"
        assert page.form("Upload").values["model"] == ("" if is_announced else MODEL)
    assert not held(tight)


async def test_uploads_take_turns_with_those_of_the_api(tight: Standalone) -> None:
    async with visiting(tight, MASTER) as visitor:
        token = await visitor.token("/files")
        async with raw_client(tight.address) as client:
            await begin(client, visitor, field("token", token) + file(lines())[:-2], 10_000)

            async def has_begun() -> bool:
                return held(tight) > 0

            await tight.eventually(has_begun)
            refused = await send(visitor, lines(), model=MODEL)
            assert refused.status == 429
            assert "uploads are under way" in (refused.alert or "")
            async with tight.http(MASTER) as http:
                answer = await http.post(
                    "/files", files={"file": ("in.jsonl", lines())}, data={"purpose": "batch"}
                )
            assert answer.status_code == 429
            client.cut()

        async def passes() -> bool:
            return (await send(visitor, lines())).status == 200

        await tight.eventually(passes)


async def test_who_is_too_slow_is_cut_off(tmp_path: Path) -> None:
    database, settings = SQLiteDatabase.migrated(tmp_path), replace(QUICK, upload_grace_seconds=0.2)
    async with standalone(tmp_path, database, settings=settings) as gateway:
        async with visiting(gateway, MASTER) as visitor, raw_client(gateway.address) as client:
            token = await visitor.token("/files")
            await begin(client, visitor, field("token", token) + file(b"{")[:-2], 10_000)
            answer = await client.answer()
            assert (answer.status, answer.headers["connection"]) == (408, "close")
            assert b"too slowly" in answer.body
        await nothing_is_held(gateway)


async def test_an_upload_that_breaks_off_leaves_nothing(gateway: Standalone) -> None:
    async with visiting(gateway, MASTER) as visitor:
        token = await visitor.token("/files")
        before = len(await names(gateway, MASTER))
        async with raw_client(gateway.address) as client:
            content = lines(20_000)
            await begin(client, visitor, field("token", token) + file(content)[:-2], 2 * len(content))

            async def has_come() -> bool:
                return held(gateway) == len(content)

            await gateway.eventually(has_come)
            client.cut()
        await nothing_is_held(gateway)
        assert len(await names(gateway, MASTER)) == before
