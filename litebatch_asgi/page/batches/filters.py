"""What the list of batches is narrowed down to."""

from __future__ import annotations

from collections.abc import Sequence

from htpy import Node

from litebatch_asgi.batches import SearchResult
from litebatch_asgi.models import Batch, BatchStatus
from litebatch_asgi.page.parts import choice, field, filters
from litebatch_asgi.page.visit import Visit

_OPEN = "open"
_FIELDS = ("text", "status", "model", "owner", "deployment")
_MOST_MODELS = 100


async def searched(visit: Visit, limit: int) -> SearchResult[Batch]:
    """The batches that the address asks for. Raises `InvalidRequest` and `PermissionDenied`."""
    asked = visit.query
    return await visit.services.search.batches(
        visit.principal,
        text=asked.get("text"),
        statuses=_statuses(asked.get("status")),
        model=asked.get("model"),
        owner=asked.get("owner"),
        deployment=asked.get("deployment"),
        before=asked.get("before"),
        after=asked.get("after"),
        limit=limit,
    )


def is_filtered(visit: Visit) -> bool:
    """Whether anything is asked for."""
    return any(visit.query.get(name) for name in _FIELDS)


def search_form(visit: Visit, path: str) -> Node:
    """The fields, with what is asked for in them."""
    asked = visit.query
    statuses = [("", "any"), (_OPEN, "not ended"), *((each, each.replace("_", " ")) for each in BatchStatus)]
    is_admin = visit.principal.is_admin
    return filters(
        visit,
        path,
        field("Search", "text", asked.get("text"), type="search", placeholder="id, file, metadata"),
        choice("Status", "status", statuses, asked.get("status")),
        _model(visit, asked.get("model")),
        field("Owner", "owner", asked.get("owner")) if is_admin else None,
        field("Deployment", "deployment", asked.get("deployment")) if is_admin else None,
    )


def _model(visit: Visit, chosen: str | None) -> Node:
    names = [name for name in visit.services.models(visit.principal) if "*" not in name]
    if len(names) > _MOST_MODELS or (chosen and chosen not in names):
        return field("Model", "model", chosen)
    return choice("Model", "model", [("", "any"), *((name, name) for name in names)], chosen)


def _statuses(asked: str | None) -> Sequence[str]:
    if asked == _OPEN:
        return [status for status in BatchStatus if not status.is_final]
    return [asked] if asked else []
