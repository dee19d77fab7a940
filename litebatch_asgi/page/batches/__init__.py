"""Batches: the list, and one of them."""

from __future__ import annotations

from litebatch_asgi.page.batches.list import show_list
from litebatch_asgi.page.section import PageRoute, Section


def batches_section() -> Section:
    """What is there of batches."""
    return Section(title="Batches", path="/batches", routes=(PageRoute(path="/batches", get=show_list),))
