"""Batches: the list, and one of them."""

from __future__ import annotations

from litebatch_asgi.page.batches.actions import cancel, retry
from litebatch_asgi.page.batches.failures import show_failures
from litebatch_asgi.page.batches.files import download
from litebatch_asgi.page.batches.lines import show_lines
from litebatch_asgi.page.batches.list import show_list
from litebatch_asgi.page.batches.one import show_batch
from litebatch_asgi.page.batches.story import show_story
from litebatch_asgi.page.section import PageRoute, Section
from litebatch_asgi.routes.slots import UploadSlots

READ_AT_ONCE = 4
"""requests whose files are read, of a process"""


def batches_section() -> Section:
    """What is there of batches."""
    one = "/batches/{id}"
    reads = UploadSlots(READ_AT_ONCE, "searches in results")
    routes = (
        PageRoute(path="/batches", get=show_list),
        PageRoute(path=one, get=show_batch),
        PageRoute(path=f"{one}/cancel", post=cancel),
        PageRoute(path=f"{one}/retry", post=retry),
        PageRoute(path=f"{one}/story", get=show_story),
        PageRoute(path=f"{one}/failures", get=show_failures(reads)),
        PageRoute(path=f"{one}/lines", get=show_lines(reads)),
        PageRoute(path=f"{one}/input", get=download("input")),
        PageRoute(path=f"{one}/output", get=download("output")),
        PageRoute(path=f"{one}/errors", get=download("errors")),
    )
    return Section(title="Batches", path="/batches", routes=routes)
