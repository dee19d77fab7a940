"""The page of the standalone gateway: what every page has, and virtual keys, teams and users."""

from __future__ import annotations

import hashlib

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.page import Page
from litebatch_asgi.server.keys import KeyService
from litebatch_asgi.server.page.accounts import account_sections

_COST = 1 << 14
_SALT = b"litebatch page"


def page_of(litebatch: LiteBatch, keys: KeyService | None, *, any_key: bool) -> Page:
    """The page; without virtual keys it has no place for them."""
    sections = account_sections(keys) if keys is not None else ()
    secret = litebatch.settings.page_secret
    return Page(litebatch, litebatch.authenticator, sections=sections, secret=secret, any_key=any_key)


def secret_from(master_key: str | None) -> str | None:
    """A secret for cookies that all processes with this master key come to.

    It is slow on purpose: whoever has a cookie could try out master keys on it.
    """
    if master_key is None:
        return None
    return hashlib.scrypt(master_key.encode(), salt=_SALT, n=_COST, r=8, p=1, dklen=32).hex()
