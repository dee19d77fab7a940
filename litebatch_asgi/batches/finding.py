"""Searches for batches and files, as callers may make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

from litebatch_asgi.batches.service import shown
from litebatch_asgi.errors import PermissionDenied
from litebatch_asgi.models import Batch, BatchStatus, File, Principal
from litebatch_asgi.models.principal import owner_to_list
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.search import BatchSearch, FileSearch
from litebatch_asgi.wire.search import BatchSearchAsked, FileSearchAsked, cursor_text, parse_cursor

T = TypeVar("T")


class SearchResult(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What was found, newest first. There may be fewer than the limit, or none, though more follow."""

    items: Sequence[T]
    next: str | None
    """`before` of the page of older ones; None: there are none"""
    previous: str | None
    """`after` of the page of newer ones; None: there are none, or they have come since the first page"""


class SearchService:
    """Finds batches and files on behalf of a principal. Raises `RequestError`s."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def batches(
        self,
        principal: Principal,
        *,
        owner: str | None = None,
        statuses: Sequence[str] = (),
        model: str | None = None,
        deployment: str | None = None,
        text: str | None = None,
        before: str | None = None,
        after: str | None = None,
        limit: int = 20,
    ) -> SearchResult[Batch]:
        """Batches of the principal's owner, newest first; what several filters say holds together.

        An admin sees everybody's, or those of `owner`, which is `PermissionDenied` to anybody else, as is
        `deployment`: the id of one that they have or had a job at. `statuses` are such as `failed`, any of
        which will do; `model` is a virtual model.

        `text` occurs, in any case, in the id of a batch, in the id or name of its input file, or in a key or
        value of its metadata. A whole id finds that batch, or the batches on that file, at once. Other texts
        are looked for in the next 1,000 batches, so that a page may be empty though more follow.

        At most `limit` batches, 1 to 100. `before` and `after` are the `next` and the `previous` of an
        earlier page. Raises `InvalidRequest` for values that cannot be.
        """
        asked = BatchSearchAsked(
            owner=owner,
            statuses=statuses,
            model=model,
            deployment=deployment,
            text=text,
            before=before,
            after=after,
            limit=limit,
        )
        return await self.find_batches(principal, asked)

    async def find_batches(self, principal: Principal, asked: BatchSearchAsked) -> SearchResult[Batch]:
        """`batches`, of a search that was checked already."""
        if asked.deployment and not principal.is_admin:
            raise PermissionDenied("Only an admin may see deployments.", param="deployment")
        search = BatchSearch(
            owner=owner_to_list(principal, asked.owner or None),
            statuses=frozenset(map(BatchStatus, asked.statuses)),
            model=asked.model or None,
            deployment_id=asked.deployment or None,
            text=asked.text or None,
            before=parse_cursor(asked.before, "before"),
            after=parse_cursor(asked.after, "after"),
            limit=asked.limit,
        )
        page = await self._runtime.storage.search.batches(search)
        return SearchResult(
            items=[shown(principal, batch) for batch in page.items],
            next=cursor_text(page.next),
            previous=cursor_text(page.previous),
        )

    async def files(
        self,
        principal: Principal,
        *,
        owner: str | None = None,
        purpose: str | None = None,
        text: str | None = None,
        before: str | None = None,
        after: str | None = None,
        limit: int = 20,
    ) -> SearchResult[File]:
        """Files of the principal's owner, newest first, as `batches` finds batches.

        `text` occurs, in any case, in the id or the name of a file; a whole id finds that file at once.
        """
        asked = FileSearchAsked(
            owner=owner, purpose=purpose, text=text, before=before, after=after, limit=limit
        )
        return await self.find_files(principal, asked)

    async def find_files(self, principal: Principal, asked: FileSearchAsked) -> SearchResult[File]:
        """`files`, of a search that was checked already."""
        search = FileSearch(
            owner=owner_to_list(principal, asked.owner or None),
            now=self._runtime.now(),
            purpose=asked.purpose or None,
            text=asked.text or None,
            before=parse_cursor(asked.before, "before"),
            after=parse_cursor(asked.after, "after"),
            limit=asked.limit,
        )
        page = await self._runtime.storage.search.files(search)
        return SearchResult(
            items=page.items, next=cursor_text(page.next), previous=cursor_text(page.previous)
        )
