"""The list of endpoints."""

from __future__ import annotations

import htpy as h
from htpy import Node

from litebatch_asgi.models import WebhookEndpoint
from litebatch_asgi.page.parts import ago, empty, heading, pager, table, told
from litebatch_asgi.page.shown import Shown
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.page.webhooks.paths import LIST, NEW, path_of
from litebatch_asgi.page.webhooks.shown import state_of, without_keys

_ROWS = 50


async def show_list(visit: Visit) -> Shown:
    """`GET /webhooks`."""
    after = visit.query.get("after") or None
    page = await visit.services.webhooks.page(visit.principal, owner=None, after=after, limit=_ROWS)
    can_sign = bool(visit.services.settings.webhook_keys)
    rows = [_row(visit, each) for each in page.items]
    owner = ["Owner"] if visit.principal.is_admin else []
    columns = ["Name", *owner, "URL", "Told of", "State", "Sent last"]
    content: Node = [
        heading(
            "Webhooks", h.a(".button.primary", href=visit.url(NEW))["New endpoint"] if can_sign else None
        ),
        None if can_sign else without_keys(),
        table("Endpoints, newest first", columns, rows) if rows else _nothing(can_sign),
        pager(visit, LIST, older=page.items[-1].id if page.has_more else None),
    ]
    return Shown(title="Webhooks", content=content, is_live=True)


def _row(visit: Visit, endpoint: WebhookEndpoint) -> list[Node]:
    state, _ = state_of(visit, endpoint)
    return [
        h.a(".name", href=visit.url(path_of(endpoint)))[told(endpoint.name)],
        *([endpoint.owner] if visit.principal.is_admin else []),
        h.span(".name")[told(endpoint.url, 2_000)],
        ", ".join(each.value.removeprefix("batch.") for each in endpoint.event_types),
        state,
        ago(endpoint.tried_at, visit.now),
    ]


def _nothing(can_sign: bool) -> Node:
    if not can_sign:
        return None
    return empty(
        "No endpoints yet",
        h.p["An endpoint of yours is told as soon as one of your batches has ended, in whatever way."],
    )
