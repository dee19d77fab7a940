"""Somebody who looks at the page with a browser that has no scripts: reads, follows links, sends forms.

async with visiting(gateway, key) as visitor:
    page = await visitor.get("/batches")
    assert "No batches yet" in page.text
    done = await visitor.submit(page.form("Cancel"), reason="late")
    assert done.notice == "Cancelled."
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2

from tests.harness import Gateway
from tests.page.markup import Element, parsed

SIGN_IN = "/sign-in"
_FORM_TYPE = {"content-type": "application/x-www-form-urlencoded"}


class Form:
    """A form, with the values that its fields have."""

    def __init__(self, page: Page, element: Element) -> None:
        self.element = element
        self.action = urljoin(page.url, element.get("action") or page.url)
        self.method = element.get("method", "get").lower()
        self.has_files = element.get("enctype") == "multipart/form-data"
        self.names = {
            each.get("name") for each in element.every("input", "select", "textarea") if each.get("name")
        }
        self.values = dict(_values(element))

    @property
    def buttons(self) -> list[Element]:
        """What sends it."""
        return [each for each in self.element.every("button") if each.get("type", "submit") == "submit"]

    def button(self, label: str) -> Element | None:
        """The button with this label."""
        return next((each for each in self.buttons if each.text == label), None)

    def options(self, name: str) -> list[str]:
        """The values that can be chosen."""
        (choice,) = (each for each in self.element.every("select") if each.get("name") == name)
        return [each.get("value", each.text) for each in choice.every("option")]


class Page:
    """An answer, read as a page."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self.status = answer.status_code
        self.url = str(answer.url)
        self.html = answer.text
        self.tree = parsed(self.html)

    @property
    def path(self) -> str:
        """Where it was found, with its query."""
        parts = urlsplit(self.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def title(self) -> str:
        """The title of the window."""
        return self._text_of("title") or ""

    @property
    def heading(self) -> str:
        """The first heading."""
        return self._text_of("h1") or ""

    @property
    def text(self) -> str:
        """What can be read."""
        return self.tree.text

    @property
    def main(self) -> Element:
        """What is the page's own."""
        main = self.tree.first("main")
        assert main is not None, self.html
        return main

    @property
    def notice(self) -> str | None:
        """What was done just now."""
        return next((each.text for each in self.tree.every() if "notice" in each.classes()), None)

    @property
    def alert(self) -> str | None:
        """What went wrong."""
        return next((each.text for each in self.tree.every() if each.get("role") == "alert"), None)

    @property
    def links(self) -> dict[str, str]:
        """Addresses by what the links say; of the same words the first counts."""
        found: dict[str, str] = {}
        for each in self.tree.every("a"):
            found.setdefault(each.text, each.get("href"))
        return found

    @property
    def rows(self) -> list[list[str]]:
        """The cells of all bodies of tables."""
        bodies = self.tree.every("tbody")
        return [[cell.text for cell in row.every("td", "th")] for body in bodies for row in body.every("tr")]

    @property
    def facts(self) -> dict[str, str]:
        """Names and their values."""
        terms = [each.text for each in self.tree.every("dt")]
        return dict(zip(terms, (each.text for each in self.tree.every("dd")), strict=True))

    @property
    def forms(self) -> list[Form]:
        """All of them."""
        return [Form(self, each) for each in self.tree.every("form")]

    def form(self, label_or_action: str) -> Form:
        """The first form with a button of this label; or, with a slash, of which the action ends so."""
        for form in self.forms:
            by_action = "/" in label_or_action and urlsplit(form.action).path.endswith(label_or_action)
            if by_action or form.button(label_or_action) is not None:
                return form
        shown = [
            (urlsplit(each.action).path, [button.text for button in each.buttons]) for each in self.forms
        ]
        raise AssertionError(f"no form {label_or_action!r} among {shown} on {self.path}: {self.text[:400]}")

    def _text_of(self, tag: str) -> str | None:
        element = self.tree.first(tag)
        return None if element is None else element.text


class Visitor:
    """A browser with its cookies."""

    def __init__(self, http: httpx2.AsyncClient, address: str, root: str = "/ui") -> None:
        self.http = http
        self.address = address
        self.root = root

    async def get(self, path: str = "/", **headers: str) -> Page:
        """What is shown at a path within the page, wherever that leads."""
        return await self.open(self.root + path, **headers)

    async def open(self, address: str, **headers: str) -> Page:
        """The same of a whole path or URL, such as a link's."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Page(await self.http.get(self._at(address), headers=named, follow_redirects=True))

    async def follow(self, page: Page, label: str) -> Page:
        """What a link leads to."""
        assert label in page.links, f"no link {label!r} among {list(page.links)}"
        return await self.open(urljoin(page.url, page.links[label]))

    async def submit(
        self,
        form: Form,
        *,
        button: str | None = None,
        files: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: str,
    ) -> Page:
        """Send a form, filled in; where that leads to. `button`: which of several is pressed."""
        values = form.values | {name.rstrip("_"): value for name, value in fields.items()}
        unknown = {name.rstrip("_") for name in fields} - form.names
        assert not unknown, f"the form has no {sorted(unknown)}, only {sorted(form.names)}"
        pressed = form.buttons[0] if button is None else form.button(button)
        assert pressed is not None, f"no button {button!r}"
        if pressed.get("name"):
            values[pressed.get("name")] = pressed.get("value")
        if form.method == "get":
            return await self.open(f"{form.action.partition('?')[0]}?{urlencode(values)}")
        sent: dict[str, Any] = {"content": urlencode(values), "headers": _FORM_TYPE}
        if form.has_files:
            sent = {"data": values, "files": files or {}, "headers": {}}
        sent["headers"] = {**self._of_browser(), **sent["headers"], **(headers or {})}
        return Page(await self.http.post(form.action, follow_redirects=True, **sent))

    async def post(self, path: str, /, **fields: str) -> httpx2.Response:
        """Send fields to a path within the page, as no form of it does; the answer itself."""
        headers = {**_FORM_TYPE, **self._of_browser()}
        return await self.http.post(self._at(self.root + path), content=urlencode(fields), headers=headers)

    async def sign_in(self, key: str, path: str = SIGN_IN) -> Page:
        """The page after signing in, or the form once more."""
        return await self.submit((await self.get(path)).form("Sign in"), key=key)

    async def token(self, path: str = "/batches") -> str:
        """The token of this session's forms, as a page shows it."""
        tokens = {form.values["token"] for form in (await self.get(path)).forms if "token" in form.values}
        (token,) = tokens
        return token

    def _at(self, address: str) -> str:
        return urljoin(self.address, address)

    def _of_browser(self) -> dict[str, str]:
        return {"origin": self.address, "sec-fetch-site": "same-origin"}


@asynccontextmanager
async def visiting(
    gateway: Gateway | str, key: str | None = None, *, root: str = "/ui"
) -> AsyncGenerator[Visitor]:
    """Somebody at a gateway's page; with a key one who has signed in, which must succeed."""
    address = gateway if isinstance(gateway, str) else gateway.address
    async with httpx2.AsyncClient(timeout=30, verify=False) as http:
        visitor = Visitor(http, address, root)
        if key is not None:
            page = await visitor.sign_in(key)
            assert page.answer.history, page.text
            assert page.status == 200, page.text
        yield visitor


def _values(form: Element) -> Iterator[tuple[str, str]]:
    """What a browser would send if nothing were changed."""
    for each in form.every("input", "select", "textarea"):
        name, kind = each.get("name"), each.get("type", "text")
        if not name or "disabled" in each.attributes or kind in ("file", "submit", "button"):
            continue
        if each.tag == "select":
            options = list(each.every("option"))
            chosen = [option for option in options if "selected" in option.attributes] or options[:1]
            for option in chosen:
                yield name, option.get("value", option.text)
        elif each.tag == "textarea":
            yield name, each.raw.removeprefix("\n")
        elif kind not in ("checkbox", "radio") or "checked" in each.attributes:
            yield name, each.get("value", "on" if kind in ("checkbox", "radio") else "")
