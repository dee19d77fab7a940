"""Pages in a browser, pictures of them, and waiting for what they show."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from playwright.async_api import Browser, BrowserContext, Error, Page, expect

from tests.browser.complaints import Complaints
from tests.browser.needs import ROOT
from tests.harness import PATIENCE_SECONDS

PICTURES = ROOT / ".pictures"
HEIGHT = 900
MAX_HEIGHT = 4000
"""in pixels; a picture takes time with its size"""
_LOOKS = """[
    matchMedia('(prefers-color-scheme: dark)').matches, innerWidth, document.documentElement.scrollHeight
]"""
_GONE = ("Execution context was destroyed", "Frame was detached")
expect.set_options(timeout=PATIENCE_SECONDS * 1000)


class Pages:
    """Opens pages, each in a context of its own: without cookies, storage and cache of another one."""

    def __init__(self, browser: Browser) -> None:
        self.complaints = Complaints()
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    async def __call__(
        self, width: int = 1280, *, dark: bool = False, javascript: bool = True, **options: Any
    ) -> Page:
        """An empty page that is `width` pixels wide. `options` are those of `Browser.new_context`.

        Nothing moves in it that heeds `prefers-reduced-motion`, so that pictures are the same each time.
        """
        given: dict[str, Any] = {
            "viewport": {"width": width, "height": HEIGHT},
            "color_scheme": "dark" if dark else "light",
            "java_script_enabled": javascript,
            "reduced_motion": "reduce",
            "timezone_id": "UTC",
        }
        context = await self._browser.new_context(**(given | options))
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        self._contexts.append(context)
        self.complaints.listen(context)
        return await context.new_page()

    @property
    def open(self) -> list[Page]:
        """The pages that are open."""
        return [page for context in self._contexts for page in context.pages]

    async def check(self) -> None:
        """Raise `AssertionError` if there was anything to complain about."""
        for page in self.open:
            await page.title()  # what the page has reported comes before its answer
        assert not self.complaints.heard, "the browser complained:\n" + "\n".join(self.complaints.heard)

    async def aclose(self) -> None:
        """Close all pages."""
        for context in self._contexts:
            await context.close()


@asynccontextmanager
async def pages_in(browser: Browser) -> AsyncGenerator[Pages]:
    """Pages that are closed with the block. Raises `AssertionError` at its end if the browser complained."""
    pages = Pages(browser)
    try:
        yield pages
        await pages.check()
    finally:
        await pages.aclose()


async def picture(page: Page, name: str) -> Path:
    """Save how the page looks, as `.pictures/NAME-WIDTH.png`, or `.pictures/NAME-WIDTH-dark.png`.

    Of a page that is higher than `MAX_HEIGHT` its beginning.
    """
    is_dark, width, height = await page.evaluate(_LOOKS)
    path = PICTURES / f"{name}-{width}{'-dark' if is_dark else ''}.png"
    await page.screenshot(
        path=path,
        full_page=True,
        clip={"x": 0, "y": 0, "width": width, "height": min(height, MAX_HEIGHT)},
    )
    return path


async def overflow(page: Page) -> int:
    """How many pixels of the page are to its right, where one has to scroll to."""
    pixels: int = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return pixels


async def until(page: Page, condition: str) -> None:
    """Wait until an expression of JavaScript is true in the page, looking at each frame that it draws.

    One that raises is not true yet. Pages may be left and loaded again meanwhile. Raises `AssertionError`
    after `PATIENCE_SECONDS`, with what the expression is then. Needs a page with JavaScript.
    """
    value = f"(() => {{ try {{ return ({condition}); }} catch (error) {{ return error; }} }})"
    look = f"""() => new Promise((resolve) => {{
        const value = {value};
        const look = () => {{
            const seen = value();
            if (seen && !(seen instanceof Error)) resolve(true); else requestAnimationFrame(look);
        }};
        look();
    }})"""
    with anyio.move_on_after(PATIENCE_SECONDS):
        while not await _unless_left(page, look):
            await page.wait_for_load_state("domcontentloaded")
        return
    seen = await page.evaluate(f"String({value}())")
    raise AssertionError(f"not within {PATIENCE_SECONDS} seconds at {page.url}: {condition}; it is: {seen}")


async def _unless_left(page: Page, expression: str) -> Any:
    """What an expression gives, or None if its page was left meanwhile."""
    try:
        return await page.evaluate(expression)
    except Error as exc:
        if not any(gone in exc.message for gone in _GONE):
            raise
        return None
