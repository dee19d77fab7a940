"""Live pages in a browser: nothing is taken from under the hands of who looks at them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import htpy as h
import pytest
from playwright.async_api import Page as BrowserPage
from playwright.async_api import expect

from litebatch_asgi.page import Moved, Page, PageRoute, Section, Shown, Visit, live
from litebatch_asgi.page.parts import filters, post, table
from tests.browser.pages import Pages, until
from tests.harness import by_key, running_gateway
from tests.http.sockets import served


class Board:
    """A live page with rows, forms and texts."""

    def __init__(self) -> None:
        self.rows = ["b", "c", "d"]
        self.said = "first"
        self.wiped: list[str] = []

    async def show(self, visit: Visit) -> Shown:
        rows = [[_link(visit, name), _remove(visit, name), _more(name)] for name in self.rows]
        typed = h.input(aria_label="Note", name="note", value=self.said)
        chosen = h.select(aria_label="Colour", name="colour")[h.option["red"], h.option["blue"]]
        return Shown(
            title="Board",
            is_live=True,
            content=[
                h.h1["Board"],
                h.p("#said")[self.said],
                filters(visit, "/board", h.input(aria_label="Text", name="text", value=self.said)),
                h.form[typed, chosen],
                table("Rows", ["Name", "", ""], rows),
            ],
        )

    async def wipe(self, visit: Visit) -> Moved:
        name = (await visit.form())["name"]
        self.wiped.append(name)
        self.rows.remove(name)
        return Moved(path="/board", notice=f"Removed {name}.")

    @property
    def section(self) -> Section:
        routes = (PageRoute(path="/board", get=self.show, post=self.wipe),)
        return Section(title="Board", path="/board", routes=routes)


def _link(visit: Visit, name: str) -> h.Element:
    return h.a(href=visit.url(f"/board/{name}"))[f"Row {name}"]


def _remove(visit: Visit, name: str) -> h.Element:
    return post(visit, "/board", "Remove", fields={"name": name}, confirm=f"Remove {name}?")


def _more(name: str) -> h.Element:
    return h.details[h.summary[f"More of {name}"], h.p[f"All of {name}"]]


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
async def address(tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[str]:
    monkeypatch.setattr(live, "INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(live, "_TICK_SECONDS", 0.05)
    monkeypatch.setattr(live, "STREAM_SECONDS", 1.0)
    async with running_gateway(tmp_path) as gateway:
        page = Page(gateway.litebatch, by_key, sections=(board.section,))
        async with served(page) as address:
            yield address


async def opened(page_at: Pages, address: str) -> BrowserPage:
    """The board, looked at by somebody who has signed in."""
    page = await page_at()
    await page.goto(f"{address}/sign-in?next=/board")
    await page.get_by_label("API key").fill("alice")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Board")).to_be_visible()
    return page


async def test_what_changes_shows_and_what_one_does_stays(address: str, board: Board, page_at: Pages) -> None:
    page = await opened(page_at, address)
    await page.get_by_label("Note").fill("typed")
    await page.get_by_label("Text").fill("sought")
    await page.get_by_label("Colour").select_option("blue")
    await page.get_by_text("More of c").click()
    await page.get_by_role("link", name="Row c").focus()
    board.said = "second"
    board.rows = ["a", "b", "c", "e"]
    await expect(page.locator("#said")).to_have_text("second")
    await expect(page.locator("tbody a")).to_have_text(["Row a", "Row b", "Row c", "Row e"])
    await expect(page.get_by_role("link", name="Row c")).to_be_focused()
    await expect(page.get_by_text("All of c")).to_be_visible()
    assert await page.locator("details[open]").count() == 1
    await expect(page.get_by_label("Note")).to_have_value("typed")
    await expect(page.get_by_label("Text")).to_have_value("sought")
    await expect(page.get_by_label("Colour")).to_have_value("blue")
    board.rows = ["c", "b", "a"]
    await expect(page.locator("tbody a")).to_have_text(["Row c", "Row b", "Row a"])
    await expect(page.get_by_role("link", name="Row c")).to_be_focused()
    await expect(page.get_by_text("All of c")).to_be_visible()
    board.rows = []
    await expect(page.locator("tbody a")).to_have_count(0)


async def test_whoever_is_asked_is_not_given_another_thing_to_answer_for(
    address: str, board: Board, page_at: Pages
) -> None:
    """Rows come above it meanwhile: the question stays where it is, and is about the same."""
    page = await opened(page_at, address)
    row = page.get_by_role("row", name="Row c")
    await row.get_by_text("Remove …").click()
    await expect(row.get_by_text("Remove c?")).to_be_visible()
    board.rows = ["x", "y", "z", *board.rows]
    async with page.expect_event("requestfinished", lambda each: each.url.endswith("/board")):
        pass  # a stream has gone by
    await expect(row.get_by_text("Remove c?")).to_be_visible()
    await row.get_by_role("button", name="Yes, remove").click()
    await expect(page.get_by_role("status")).to_have_text("Removed c.")
    assert board.wiped == ["c"]
    await expect(page.locator("tbody a")).to_have_text([f"Row {name}" for name in "xyzbd"])


async def test_once_it_was_answered_the_page_goes_on(address: str, board: Board, page_at: Pages) -> None:
    page = await opened(page_at, address)
    row = page.get_by_role("row", name="Row c")
    await row.get_by_text("Remove …").click()
    board.said = "second"
    await row.get_by_text("Remove …").click()
    await expect(page.locator("#said")).to_have_text("second")


async def test_a_selection_stays(address: str, board: Board, page_at: Pages) -> None:
    page = await opened(page_at, address)
    await page.get_by_role("link", name="Row d").evaluate("each => getSelection().selectAllChildren(each)")
    board.said = "second"
    board.rows.insert(0, "a")
    await expect(page.locator("tbody a")).to_have_count(4)
    await until(page, "getSelection().toString() === 'Row d'")
