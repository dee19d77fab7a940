"""The API's reference at `/docs`, as people see it: narrow and wide, light and dark."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.access.standalone import standalone
from tests.browser.axe import violations
from tests.browser.pages import HEIGHT, Pages, overflow, picture
from tests.database import SQLiteDatabase

_SCROLLED = "[...document.querySelectorAll('.table')].filter(it => it.scrollWidth > it.clientWidth).length"


@pytest.mark.long
async def test_everyone_can_read_it(page_at: Pages, tmp_path: Path) -> None:
    """Nothing lies to the right, on a telephone neither. axe takes seconds for all of the articles."""
    page = await page_at()
    async with standalone(tmp_path, SQLiteDatabase(tmp_path)) as gateway:
        await page.goto(f"{gateway.address}/docs")
    await expect(page.locator("h1")).to_contain_text("LiteBatch API")
    for width in (390, 800, 1280):
        await page.set_viewport_size({"width": width, "height": HEIGHT})
        assert (await overflow(page), await page.evaluate(_SCROLLED)) == (0, 0)
    assert await page.locator("article").count() > 3
    for width in (390, 1280):
        await page.set_viewport_size({"width": width, "height": HEIGHT})
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await picture(page, "docs")
            assert await violations(page) == []
