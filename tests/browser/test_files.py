"""Files in a browser: sending one, with a script and without, and making a batch of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.async_api import Page, expect

from tests.access.standalone import MASTER, Standalone, standalone
from tests.browser.axe import violations
from tests.browser.pages import HEIGHT, Pages, overflow, picture
from tests.database import SQLiteDatabase
from tests.harness import QUICK, lines

_SLOWLY = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000}
_FAST = {**_SLOWLY, "uploadThroughput": -1}
_CUT = {**_SLOWLY, "offline": True}


async def sign_in(page: Page, gateway: Standalone) -> None:
    await page.goto(f"{gateway.address}/ui/sign-in")
    await page.fill("#key", MASTER)
    await page.get_by_role("button", name="Sign in").click()


async def choose(page: Page, path: Path) -> None:
    await page.set_input_files("#field-file", path)
    await page.get_by_role("button", name="Upload").click()


async def good(page: Page, name: str) -> None:
    """Nothing hinders people, on a telephone neither."""
    for width, scheme in ((1280, "light"), (390, "dark")):
        await page.set_viewport_size({"width": width, "height": HEIGHT})
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        assert await overflow(page) == 0
        await picture(page, f"files-{name}")
        assert await violations(page) == []


async def nothing_is_held(gateway: Standalone) -> None:
    async def is_so() -> bool:
        return gateway.litebatch.spooler.held_bytes == 0

    await gateway.eventually(is_so)


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    """A file of a megabyte."""
    path = tmp_path / "requests.jsonl"
    path.write_bytes(lines(6000))
    return path


@pytest.mark.long
async def test_an_upload_shows_how_far_it_is(page_at: Pages, tmp_path: Path, sent: Path) -> None:
    page = await page_at()
    network = await page.context.new_cdp_session(page)
    await network.send("Network.enable")
    async with standalone(tmp_path, SQLiteDatabase.migrated(tmp_path)) as gateway:
        await sign_in(page, gateway)
        await page.get_by_role("link", name="Files").click()
        await good(page, "empty")
        await page.get_by_role("link", name="Upload a file").first.click()
        alert, button = page.get_by_role("alert"), page.get_by_role("button", name="Upload")
        await network.send("Network.emulateNetworkConditions", _SLOWLY)
        await choose(page, sent)
        await expect(page.locator("[data-said]")).to_contain_text("a second")
        await expect(button).to_be_disabled()
        await good(page, "sending")
        await page.get_by_role("button", name="Cancel").click()
        await expect(alert).to_contain_text("The upload was cancelled.")
        await expect(button).to_be_enabled()
        await nothing_is_held(gateway)

        page_at.complaints.allow("ERR_INTERNET_DISCONNECTED")
        await network.send("Network.emulateNetworkConditions", _CUT)
        await button.click()
        await expect(alert).to_contain_text("The connection was cut")

        await network.send("Network.emulateNetworkConditions", _FAST)
        await button.click()
        await expect(page.get_by_role("status")).to_contain_text("requests.jsonl was uploaded: 6,000 lines.")
        await good(page, "one")


@pytest.mark.long
async def test_problems_and_refusals_are_shown(page_at: Pages, tmp_path: Path, sent: Path) -> None:
    page = await page_at()
    page_at.complaints.allow(r"status of 4\d\d")
    settings = replace(QUICK, max_spool_bytes=100_000)
    async with standalone(tmp_path, SQLiteDatabase.migrated(tmp_path), settings=settings) as gateway:
        await sign_in(page, gateway)
        await page.goto(f"{gateway.address}/ui/files/new")
        await page.get_by_label("Model").fill("gpt-4o-batch")
        await choose(page, sent)
        await expect(page.get_by_role("alert")).to_contain_text("The file is too large: it has 1.0 MB")
        bad = tmp_path / "bad.jsonl"
        bad.write_bytes(lines(3, model="<img src=x onerror=alert(1)>"))
        await choose(page, bad)
        await expect(page.locator("#refusal tbody tr")).to_have_count(3)
        await expect(page.get_by_label("Model")).to_have_value("gpt-4o-batch")
        await good(page, "problems")


@pytest.mark.long
async def test_without_a_script(page_at: Pages, tmp_path: Path, sent: Path) -> None:
    """A file that is too large is answered before it has come: the browser shows that page all the same."""
    page = await page_at(javascript=False)
    page_at.complaints.allow(r"status of 413")
    settings = replace(QUICK, max_spool_bytes=2_000_000)
    async with standalone(tmp_path, SQLiteDatabase.migrated(tmp_path), settings=settings) as gateway:
        await sign_in(page, gateway)
        await page.goto(f"{gateway.address}/ui/files/new")
        large = tmp_path / "large.jsonl"
        large.write_bytes(b" " * 20_000_000)
        await choose(page, large)
        await expect(page.get_by_role("alert")).to_contain_text("The file is too large")
        await choose(page, sent)
        await expect(page.locator("h1")).to_have_text("requests.jsonl")
        await page.get_by_role("link", name="Create a batch").click()
        await page.get_by_role("button", name="Show the estimate").click()
        await expect(page.get_by_role("button", name="Create the batch")).to_be_visible()


@pytest.mark.long
async def test_a_batch_is_made(page_at: Pages, tmp_path: Path) -> None:
    page = await page_at()
    page_at.complaints.allow(r"status of 40\d")
    async with standalone(tmp_path, SQLiteDatabase.migrated(tmp_path)) as gateway:
        file = await gateway.upload(lines(40), key=MASTER)
        await sign_in(page, gateway)
        await page.goto(f"{gateway.address}/ui/files/{file.id}/batch")
        await page.locator("[name=row_retries]").fill("99")
        await page.get_by_role("button", name="Show the estimate").click()
        await good(page, "wrong")
        await page.locator("[name=row_retries]").fill("2")
        await page.get_by_role("button", name="Show the estimate").click()
        await good(page, "looked")
        await page.get_by_role("button", name="Create the batch").click()
        await page.wait_for_url("**/ui/batches/batch_*")
        await page.goto(f"{gateway.address}/ui/files")
        await good(page, "list")
