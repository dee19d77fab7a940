"""What has happened to a batch, as a timeline."""

from __future__ import annotations

from collections.abc import Sequence

import htpy as h
from htpy import Node

from litebatch_asgi.batch_events import CREATE_CALLED
from litebatch_asgi.models import Event
from litebatch_asgi.page.parts import heading, pager, told, when
from litebatch_asgi.page.shown import Shown
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.wire import EventListQuery
from litebatch_asgi.wire.events import message_of

_PAGE = 100
_AT_FIRST = 25
_LONGEST = 2_000
"""characters of a sentence, which may tell what each of many deployments has said"""


async def latest(visit: Visit, batch_id: str) -> Node:
    """The last things that have happened to a batch, the newest first."""
    asked = EventListQuery(limit=_AT_FIRST)
    page = await visit.services.batches.story(visit.principal, batch_id, asked)
    more = h.p[h.a(href=visit.url(f"/batches/{batch_id}/story"))["The whole story"]]
    return [timeline(page.items), more if page.has_more else None]


async def show_story(visit: Visit) -> Shown:
    """`GET /batches/{id}/story`."""
    batch_id = visit.parameter("id")
    asked = EventListQuery(limit=_PAGE, after=visit.query.get("after") or None)
    page = await visit.services.batches.story(visit.principal, batch_id, asked)
    path = f"/batches/{batch_id}"
    content: Node = [
        heading("What has happened"),
        h.p[h.a(".id", href=visit.url(path))[batch_id]],
        timeline(page.items),
        pager(visit, f"{path}/story", older=page.items[-1].id if page.has_more else None),
    ]
    return Shown(title=f"Story of {batch_id}", content=content)


def timeline(events: Sequence[Event]) -> Node:
    """Sentences with their times."""
    shown = (event for event in events if event.type != CREATE_CALLED)  # told of by the event before
    return h.ol(".timeline")[
        (h.li[when(each.created_at, to_seconds=True), told(message_of(each), _LONGEST)] for each in shown)
    ]
