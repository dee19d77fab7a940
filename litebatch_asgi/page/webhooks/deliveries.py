"""What an endpoint has not taken."""

from __future__ import annotations

import htpy as h
from htpy import Node

from litebatch_asgi.models import DeliveryState, OutboxItem, WebhookEndpoint
from litebatch_asgi.page.parts import Column, ago, chip, pager, post, table
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.page.webhooks.paths import path_of

_ROWS = 20
_COLUMNS = ("Event", "Batch", "State", Column("Failed tries", is_number=True), "Last answer", "Next try", "")


async def deliveries(visit: Visit, endpoint: WebhookEndpoint) -> Node:
    """A table of them, dead ones too, with what can be done about those."""
    after = visit.query.get("after") or None
    webhooks = visit.services.webhooks
    page = await webhooks.untaken(visit.principal, endpoint.id, after=after, limit=_ROWS)
    rows = [_row(visit, endpoint, each) for each in page.items]
    is_any_dead = any(each.delivery.state is DeliveryState.DEAD for each in page.items)
    nothing = "It has taken everything." if after is None else "There is no more."
    return [
        h.h2["Not taken yet"],
        table("Events that it has not taken", _COLUMNS, rows) if rows else h.p(".dim")[nothing],
        post(visit, path_of(endpoint, "replay"), "Try all dead ones again", class_="quiet")
        if is_any_dead
        else None,
        pager(visit, path_of(endpoint), older=page.items[-1].event.id if page.has_more else None),
    ]


def _row(visit: Visit, endpoint: WebhookEndpoint, item: OutboxItem) -> list[Node]:
    delivery, event = item.delivery, item.event
    is_dead = delivery.state is DeliveryState.DEAD
    batch_id = event.batch_id or event.subject
    again = post(
        visit,
        path_of(endpoint, "replay"),
        "Try again",
        fields={"event": event.id},
        class_="quiet",
    )
    return [
        h.span[event.type, " ", h.small[ago(event.created_at, visit.now)]],
        h.a(".id", href=visit.url(f"/batches/{batch_id}"))[batch_id],
        chip("dead") if is_dead else chip("waiting", "to be sent"),
        f"{delivery.attempts:,}",
        delivery.error,
        None if is_dead else ago(delivery.next_check_at, visit.now),
        again if is_dead else None,
    ]
