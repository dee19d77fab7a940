"""What the list of files is narrowed down to."""

from __future__ import annotations

from htpy import Node

from litebatch_asgi.batches import SearchResult
from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models import File, Page
from litebatch_asgi.page.files.models import model_field
from litebatch_asgi.page.parts import choice, field, filters
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.wire import FileListQuery
from litebatch_asgi.wire.names import model_names
from litebatch_asgi.wire.queries import FILE_PURPOSES

_FIELDS = ("text", "purpose", "model", "owner")


async def searched(visit: Visit, limit: int) -> SearchResult[File]:
    """The files that the address asks for, whatever their model. Raises what `SearchService.files` raises."""
    asked = visit.query
    return await visit.services.search.files(
        visit.principal,
        text=asked.get("text"),
        purpose=asked.get("purpose"),
        owner=asked.get("owner"),
        before=asked.get("before"),
        after=asked.get("after"),
        limit=limit,
    )


async def of_model(visit: Visit, limit: int) -> Page[File]:
    """Those of a model. Raises what `FileService.page` raises, and `InvalidRequest` for a text as well."""
    asked = visit.query
    if asked.get("text"):
        raise InvalidRequest("Look for a text or for a model, not for both.", param="text")
    query = FileListQuery(
        limit=limit,
        after=asked.get("after") or None,
        purpose=asked.get("purpose") or None,
        target_model_names=model_names([("target_model_names", asked["model"])]),
        owner=asked.get("owner") or None,
    )
    return await visit.services.files.page(visit.principal, query)


def is_filtered(visit: Visit) -> bool:
    """Whether anything is asked for."""
    return any(visit.query.get(name) for name in _FIELDS)


def search_form(visit: Visit, path: str) -> Node:
    """The fields, with what is asked for in them."""
    asked = visit.query
    purposes = [("", "any"), *((purpose, purpose) for purpose in FILE_PURPOSES)]
    return filters(
        visit,
        path,
        field("Search", "text", asked.get("text"), type="search", placeholder="id, name"),
        choice("Purpose", "purpose", purposes, asked.get("purpose")),
        model_field(visit, "Model", asked.get("model")),
        field("Owner", "owner", asked.get("owner")) if visit.principal.is_admin else None,
    )
