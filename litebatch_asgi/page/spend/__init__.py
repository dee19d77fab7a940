"""What was spent: everybody's to admins, their own to owners."""

from __future__ import annotations

from litebatch_asgi.page.section import PageRoute, Section
from litebatch_asgi.page.spend.asked import CSV_PATH, PATH
from litebatch_asgi.page.spend.download import download
from litebatch_asgi.page.spend.summary import show


def spend_section() -> Section:
    """What there is about money."""
    routes = (PageRoute(path=PATH, get=show), PageRoute(path=CSV_PATH, get=download))
    return Section(title="Spend", path=PATH, routes=routes)
