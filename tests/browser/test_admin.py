"""Deployments, spend, keys and webhooks in a browser: nothing hinders people, on a telephone neither."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from litebatch_asgi.simulator import Simulator
from tests.access.standalone import MASTER, Standalone, standalone
from tests.browser.axe import violations
from tests.browser.pages import HEIGHT, Pages, overflow, picture
from tests.database import SQLiteDatabase
from tests.faults.stage import HELD
from tests.spend.test_routes import charge

MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet", "gemini-flash", "o3", "mistral", "llama", "qwen", "glm")


@pytest.fixture(scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Standalone]:
    """One with a job that runs, money that was spent, and a key, a team and an endpoint."""
    folder = tmp_path_factory.mktemp("admin")
    database = SQLiteDatabase.migrated(folder)
    async with standalone(folder, database, simulator=Simulator(settings=HELD)) as running:
        await running.manage("/team/new", team_id="search", max_budget=20)
        await running.new_key(key_alias="nightly", team_id="search", max_budget=5, soft_budget=1)
        file = await running.upload(key=MASTER)
        batch = await running.create(file.id, key=MASTER)
        await running.reached(batch.id, "in_progress", key=MASTER)
        hooks = running.client(MASTER).webhooks
        await hooks.create(name="hooks", url="https://hooks.example.com", event_types=["batch.failed"])
        await running.storage.open()
        for at, model in enumerate(MODELS * 2):
            day = datetime.now(UTC).date() - timedelta(days=at)
            await charge(running, str(at), owner="team:search", created_by=None, model=model, day=day)
        await running.storage.close()
        yield running


async def good(page: Page, name: str) -> None:
    for width, dark in ((1280, False), (390, True)):
        await page.set_viewport_size({"width": width, "height": HEIGHT})
        await page.emulate_media(color_scheme="dark" if dark else "light")
        assert await overflow(page) == 0
        await picture(page, f"admin-{name}")
        assert await violations(page) == []


async def follow(page: Page, link: str) -> None:
    """Click a link, and wait until what it leads to is there."""
    async with page.expect_navigation():
        await page.get_by_role("link", name=link, exact=True).click()


@pytest.mark.long
async def test_the_pages_of_admins_can_be_read(gateway: Standalone, page_at: Pages) -> None:
    page = await page_at()
    await page.goto(f"{gateway.address}/ui/sign-in")
    await page.fill("#key", MASTER)
    await page.get_by_role("button", name="Sign in").click()
    await follow(page, "Deployments")
    await good(page, "deployments")
    [job] = (await gateway.look("/jobs", state="submitted"))["data"]
    await follow(page, job["deployment"])
    row = page.get_by_role("row").filter(has_text=job["batch_id"])
    await row.get_by_role("button", name="Move …").click()
    await expect(page.get_by_role("button", name="Yes, move")).to_be_visible()
    await good(page, "deployment")
    await follow(page, "Spend")
    await page.get_by_text("By day, in numbers").click()
    await expect(page.get_by_role("img", name="US dollars by day and model")).to_be_visible()
    await good(page, "spend")
    for section in ("Keys", "Teams", "Users", "Webhooks"):
        await follow(page, section)
        await good(page, section.lower())
    await follow(page, "hooks")
    await good(page, "webhook")


@pytest.mark.long
@pytest.mark.parametrize("javascript", [True, False])
async def test_a_new_key_can_be_copied(gateway: Standalone, page_at: Pages, javascript: bool) -> None:
    page = await page_at(javascript=javascript, permissions=["clipboard-read", "clipboard-write"])
    await page.goto(f"{gateway.address}/ui/sign-in?next=/keys/new")
    await page.fill("#key", MASTER)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_label("Files", exact=True).fill("many")
    page_at.complaints.allow("status of 400")
    await page.get_by_role("button", name="Create the key").click()
    await expect(page.get_by_label("Files", exact=True)).to_have_attribute("aria-invalid", "true")
    if javascript:
        await good(page, "key-refused")
    await page.get_by_label("Files", exact=True).fill("7")
    await page.get_by_role("button", name="Create the key").click()
    secret = await page.get_by_label("API key", exact=True).last.input_value()
    async with gateway.http(secret) as http:
        assert (await http.get("/batches")).status_code == 200
    copy = page.get_by_role("button", name="Copy")
    if not javascript:
        await expect(copy).to_be_hidden()
        return
    await good(page, "key-made")
    await copy.click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == secret
