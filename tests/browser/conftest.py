"""A browser, started by the first test of this folder in each process and shared by those that follow."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Generator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.needs import NO_CHROMIUM, chromium
from tests.browser.pages import Pages, pages_in, picture

FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="package")
def anyio_backend() -> str:
    """One event loop for as long as the browser lives, whose connection is bound to it."""
    return "asyncio"


@pytest.fixture(scope="package")
async def browser() -> AsyncGenerator[Browser]:
    """Debian's Chromium, or another one that is installed; playwright's own is never downloaded."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium())
        yield browser
        await browser.close()


@pytest.fixture
async def page_at(browser: Browser, request: pytest.FixtureRequest) -> AsyncGenerator[Pages]:
    """Opens pages of the test's own. The test fails by itself if the browser complains of them."""
    async with pages_in(browser) as pages:
        yield pages
        if request.node.stash.get(FAILED, False):
            for page in pages.open:
                await picture(page, "failed-" + re.sub(r"\W+", "-", request.node.name))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without Chromium skip all tests for one reason, which is then told in one line, as no fixture's is."""
    if "browser" in getattr(item, "fixturenames", ()) and chromium() is None:
        pytest.skip(NO_CHROMIUM)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell fixtures that a test has failed."""
    report = yield
    if call.when == "call":
        item.stash[FAILED] = report.failed
    return report
