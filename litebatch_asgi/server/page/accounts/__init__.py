"""Virtual keys, teams and users on the page, for admins."""

from __future__ import annotations

from collections.abc import Sequence

from litebatch_asgi.page import Section
from litebatch_asgi.server.keys import KeyService
from litebatch_asgi.server.page.accounts.keys import KeyKind
from litebatch_asgi.server.page.accounts.pages import AccountPages
from litebatch_asgi.server.page.accounts.teams import TeamKind
from litebatch_asgi.server.page.accounts.users import UserKind


def account_sections(keys: KeyService) -> Sequence[Section]:
    """What there is of them."""
    return (
        AccountPages(keys, KeyKind(keys)).section(),
        AccountPages(keys, TeamKind(keys)).section(),
        AccountPages(keys, UserKind(keys)).section(),
    )
