"""The page of the standalone gateway: what every page has, and virtual keys, teams and users."""

from __future__ import annotations

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.page import Page
from litebatch_asgi.server.keys import KeyService
from litebatch_asgi.server.page.accounts import account_sections


def page_of(litebatch: LiteBatch, keys: KeyService | None, *, any_key: bool) -> Page:
    """The page; without virtual keys it has no place for them."""
    sections = account_sections(keys) if keys is not None else ()
    secret = litebatch.settings.page_secret
    return Page(litebatch, litebatch.authenticator, sections=sections, secret=secret, any_key=any_key)
