"""What a browser has to complain about: a test ends well only without it."""

from __future__ import annotations

import re

from playwright.async_api import BrowserContext, ConsoleMessage, Request, WebError

_ERRORS = frozenset({"error", "assert"})
_GIVEN_UP = "net::ERR_ABORTED"
"""Whoever leaves a page, or calls `abort()`, gives up what it asks for. A download shows so too."""
_ICON = "/favicon.ico"
"""No page asks for it: browsers do, at some time or never."""


class Complaints:
    """Errors on the console, uncaught errors, requests that failed, and what the page's policy forbids.

    Answers of 400 and above and violations of the policy are errors on the console, also without JavaScript.
    """

    def __init__(self) -> None:
        self._heard: list[str] = []
        self._allowed: list[str] = []

    def allow(self, pattern: str) -> None:
        """Take no offence at what `pattern` is found in, a regular expression."""
        self._allowed.append(pattern)

    def listen(self, context: BrowserContext) -> None:
        """Hear all pages of a context, from now on."""
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("requestfailed", self._failed)

    @property
    def heard(self) -> list[str]:
        """What was heard and is not allowed."""
        return [
            each for each in self._heard if not any(re.search(allowed, each) for allowed in self._allowed)
        ]

    def _console(self, message: ConsoleMessage) -> None:
        url = message.location.get("url", "")
        if message.type in _ERRORS and not url.endswith(_ICON):
            self._heard.append(f"console: {message.text} ({url})")

    def _error(self, error: WebError) -> None:
        self._heard.append(f"uncaught: {error.error}")

    def _failed(self, request: Request) -> None:
        if request.failure != _GIVEN_UP and not request.url.endswith(_ICON):
            self._heard.append(f"request: {request.method} {request.url}: {request.failure}")
