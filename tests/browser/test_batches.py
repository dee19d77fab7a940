"""Batches on the page, as people see them: narrow and wide, light and dark."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import expect

from litebatch_asgi.simulator import Fault
from tests.access.standalone import MASTER, Standalone, standalone
from tests.browser.axe import violations
from tests.browser.pages import HEIGHT, Pages, overflow, picture
from tests.database import SQLiteDatabase
from tests.page.test_batch import HOSTILE, some_failing

FATES = (None, {"status": 429, "message": "Try again in 3s"}, {"status": 400, "message": HOSTILE})


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncGenerator[Standalone]:
    async with standalone(tmp_path, SQLiteDatabase(tmp_path)) as gateway:
        yield gateway


@pytest.mark.long
async def test_everyone_can_read_them(gateway: Standalone, page_at: Pages) -> None:
    """Nothing lies to the right, on a telephone neither, whatever is written into a batch."""
    file = await gateway.upload(some_failing(*FATES), key=MASTER)
    made = await gateway.create(file.id, key=MASTER, metadata={HOSTILE: 300 * "x"})
    await gateway.ended(made.id, key=MASTER)
    page = await page_at(1280)
    await page.goto(f"{gateway.address}/ui/")
    await page.get_by_label("API key").fill(MASTER)
    await page.get_by_role("button", name="Sign in").click()
    one = f"/batches/{made.id}"
    for name, path in (
        ("batches", "/batches"),
        ("batch", one),
        ("failures", f"{one}/failures"),
        ("request", f"{one}/lines?custom_id=request-2"),
    ):
        await page.goto(f"{gateway.address}/ui{path}")
        for width, scheme in ((1280, "light"), (390, "dark")):
            await page.set_viewport_size({"width": width, "height": HEIGHT})
            await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            assert await overflow(page) == 0, name
            await picture(page, name)
            assert await violations(page) == [], name


async def test_what_has_no_blanks_is_broken(gateway: Standalone, page_at: Pages) -> None:
    """A custom id, and what a provider says of an error, may be one long word."""
    word = 300 * "W"
    row = some_failing({"status": 400, "code": word, "message": word}).replace(b"request-0", word.encode())
    made = await gateway.create((await gateway.upload(row, key=MASTER)).id, key=MASTER)
    await gateway.ended(made.id, key=MASTER)
    page = await page_at(390, extra_http_headers={"authorization": f"Bearer {MASTER}"})
    for path in ("", "/failures", "/lines", f"/lines?custom_id={word}"):
        await page.goto(f"{gateway.address}/ui/batches/{made.id}{path}")
        assert await overflow(page) == 0, path


async def test_a_batch_that_is_looked_at_goes_on(gateway: Standalone, page_at: Pages) -> None:
    """What is typed stays, and the end is seen without asking again."""
    stalled = gateway.simulator.add_fault(Fault(call="run_batch", stall=True, times=None))
    made = await gateway.create((await gateway.upload(key=MASTER)).id, key=MASTER)
    await gateway.reached(made.id, "in_progress", key=MASTER)
    page = await page_at(1280, extra_http_headers={"authorization": f"Bearer {MASTER}"})
    await page.goto(f"{gateway.address}/ui/batches/{made.id}")
    await expect(page.locator(".chip").first).to_have_text("in progress")
    await page.get_by_label("Find a request").fill("request-1")
    gateway.simulator.remove_fault(stalled)
    await expect(page.locator(".chip").first).to_have_text("completed")
    await expect(page.get_by_label("Find a request")).to_have_value("request-1")
    await expect(page.get_by_role("link", name="Download")).to_have_count(2)
