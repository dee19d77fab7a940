"""What tests in a browser rely on: whatever is wrong with a page is noticed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser import needs, pages
from tests.browser.axe import violations
from tests.browser.pages import Pages, overflow, pages_in, picture, until
from tests.browser.sites import site

FAULTS: Mapping[str, str] = {
    "<script>console.error('it broke')</script>": "console: it broke",
    "<script>console.assert(false, 'not so')</script>": "console: not so",
    "<script>null.length</script>": "uncaught: Cannot read properties of null",
    "<script>Promise.reject(new Error('lost'))</script>": "uncaught: lost",
    "<img src=/nothing alt=''>": "console: Failed to load resource: .* 404",
    "<img src=http://127.0.0.1:9/ alt=''>": "request: GET http://127.0.0.1:9/",
}


async def _visit(browser: Browser, address: str, *allowed: str, javascript: bool = True) -> None:
    async with pages_in(browser) as page_at:
        for pattern in allowed:
            page_at.complaints.allow(pattern)
        await (await page_at(javascript=javascript)).goto(address)


async def test_what_goes_wrong_in_a_page_fails_its_test(browser: Browser) -> None:
    async with site({"/": "".join(FAULTS)}) as address:
        with pytest.raises(AssertionError) as raised:
            await _visit(browser, address)
    for told in FAULTS.values():
        assert re.search(f"(?m)^{told}", str(raised.value)), told


@pytest.mark.parametrize("javascript", [True, False])
async def test_what_a_policy_forbids_fails_the_test(browser: Browser, javascript: bool) -> None:
    async with site({"/": "<p style='color: red'>A text"}, policy="default-src 'none'") as address:
        with pytest.raises(AssertionError, match="Content Security Policy"):
            await _visit(browser, address, javascript=javascript)


async def test_a_test_allows_what_it_expects(browser: Browser) -> None:
    """And nothing else."""
    async with site({"/": "<script>console.error('one'); console.error('two')</script>"}) as address:
        await _visit(browser, address, "one", "^console: two")
        with pytest.raises(AssertionError) as raised:
            await _visit(browser, address, "one")
    assert re.findall("console: (...)", str(raised.value)) == ["two"]


async def _leave_waiting(_: Route) -> None:
    """No answer, so that none comes before it is given up."""


async def test_what_a_page_gives_up_is_no_fault(browser: Browser) -> None:
    body = """<script>
        const giving = new AbortController();
        fetch('/never', {signal: giving.signal}).catch(error => { document.title = error.name });
        setTimeout(() => giving.abort());
    </script>"""
    async with site({"/": body}) as address, pages_in(browser) as page_at:
        page = await page_at()
        failed: list[str | None] = []
        page.on("requestfailed", lambda request: failed.append(request.failure))
        await page.route("**/never", _leave_waiting)
        await page.goto(address)
        await until(page, "document.title === 'AbortError'")
        assert failed == ["net::ERR_ABORTED"]


async def test_axe_finds_what_hinders_people(page_at: Pages) -> None:
    """With the page's policy in force, for all but axe."""
    faint = "<p id=faint>Faint</p><input id=nameless><p>Dark</p>"
    style = "<style>#faint { color: #ccc; background: #fff }</style>"
    async with site({"/": faint + style}, policy="style-src 'unsafe-inline'; script-src 'self'") as address:
        page = await page_at()
        await page.goto(address)
        found = await violations(page)
    assert len(found) == 2, found
    assert any(re.match(r"color-contrast \(serious\): .*id=.faint.*#cccccc", each) for each in found)
    assert any(re.match(r"label \(critical\): .*id=.nameless", each) for each in found)


async def test_what_is_wider_than_the_page_is_found(page_at: Pages) -> None:
    async with site({"/": "<div style='width: 500px'>wide"}) as address:
        page = await page_at(390)
        await page.goto(address)
        assert await overflow(page) > 100
        await page.set_viewport_size({"width": 1280, "height": 900})
        assert await overflow(page) == 0


async def test_each_page_is_as_it_was_asked_for(page_at: Pages) -> None:
    """Dark, narrow, in another time zone, without JavaScript; and knows nothing of the others."""
    body = """<p></p><noscript><b>none</b></noscript><script>
        const seen = localStorage.getItem('seen'); localStorage.setItem('seen', 'yes');
        document.querySelector('p').textContent = [matchMedia('(prefers-color-scheme: dark)').matches,
            innerWidth, Intl.DateTimeFormat().resolvedOptions().timeZone, seen].join();
    </script>"""
    async with site({"/": body}) as address:
        first, second = await page_at(390, dark=True), await page_at(timezone_id="Asia/Tokyo")
        third = await page_at(javascript=False)
        for page in (first, second, third):
            await page.goto(address)
        await expect(first.locator("p")).to_have_text("true,390,UTC,")
        await expect(second.locator("p")).to_have_text("false,1280,Asia/Tokyo,")
        await expect(third.locator("b")).to_have_text("none")


async def test_pictures_are_told_apart(
    page_at: Pages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "PICTURES", tmp_path / "pictures")
    made = [await picture(await page_at(390, dark=dark), "empty") for dark in (False, True)]
    assert [path.name for path in made] == ["empty-390.png", "empty-390-dark.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in made)


async def _counting(page: Page, address: str) -> None:
    await page.goto(address)
    await page.evaluate("var count = 0; setInterval(() => { count += 1 }, 5)")


async def test_what_a_page_comes_to_is_waited_for(page_at: Pages) -> None:
    """Also where the page forbids `eval`, where something is not there at first, and where it is left."""
    async with site({"/": "<p>one", "/next": "<p id=next>two"}, policy="script-src 'self'") as address:
        page = await page_at()
        await _counting(page, address)
        await until(page, "count > 10")
        await page.evaluate("setTimeout(() => { location.href = '/next' }, 50)")
        await until(page, "document.querySelector('#next').textContent === 'two'")


async def test_what_never_comes_is_told(page_at: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PATIENCE_SECONDS", 0.2)
    page = await page_at()
    with pytest.raises(AssertionError, match=r"document\.title; it is: $"):
        await until(page, "document.title")
    with pytest.raises(AssertionError, match="it is: TypeError: Cannot read properties of null"):
        await until(page, "document.querySelector('p').textContent")


def test_an_axe_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "axe-core.tgz"
    archive.write_bytes(b"something else")
    with pytest.raises(needs.Unfetched, match="its SHA-512 is"):
        needs._script_in(archive)  # pyright: ignore[reportPrivateUsage]


def test_what_is_missing_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told = needs.missing()
    assert told is not None
    assert "Chromium is not installed" in told
    assert "\n" not in told
