"""What was spent on batches, as callers may see it."""

from __future__ import annotations

from datetime import date, timedelta

from msgspec.structs import replace

from litebatch_asgi.errors import PermissionDenied
from litebatch_asgi.keys import KeepsKeys, token_of
from litebatch_asgi.models import Principal, SpendField, SpendPage, SpendQuery
from litebatch_asgi.models.principal import owner_to_list
from litebatch_asgi.models.sums import total_of
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.wire import SpendAsked

DAYS = 30
"""up to the last one, where no first one is asked for"""


class SpendService:
    """Tells a principal what was spent. Raises `RequestError`s."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def page(self, principal: Principal, asked: SpendAsked) -> SpendPage:
        """What a principal's owner has spent, or what everybody has to an admin.

        Raises `PermissionDenied` to others for another owner, and for what names deployments.
        """
        if not principal.is_admin and (asked.deployment is not None or SpendField.DEPLOYMENT in asked.fields):
            raise PermissionDenied(
                "Only an admin may see deployments.",
                param="deployment" if asked.deployment is not None else "group_by",
            )
        start, end = _days(asked, self._runtime.now().date())
        query = SpendQuery(
            group_by=asked.fields,
            start=start,
            end=end,
            owner=owner_to_list(principal, asked.owner),
            key=None if asked.key is None else await self._key_id(asked.key),
            team=asked.team,
            model=asked.model,
            deployment=asked.deployment,
            limit=asked.limit + 1,
        )
        ledger = self._runtime.storage.ledger
        found = await ledger.spend(query)
        has_more = len(found) > asked.limit
        rows = await ledger.spend(replace(query, group_by=())) if has_more else found
        return SpendPage(
            group_by=asked.fields,
            items=found[: asked.limit],
            total=total_of(rows),
            start=start,
            end=end,
            has_more=has_more,
        )

    async def _key_id(self, named: str) -> str:
        """The id of a key that is named by its secret or its token; any other text may be an id."""
        storage = self._runtime.storage
        if not isinstance(storage, KeepsKeys):
            return named
        grant = await storage.keys.find_key(token_of(named) if named.startswith("sk-") else named)
        return named if grant is None else grant.key.id


def _days(asked: SpendAsked, today: date) -> tuple[date, date]:
    """The first and the last day. One that is still to come may be the first: nothing was spent since."""
    end = asked.end or max(today, asked.start or today)
    earliest = timedelta(days=min(DAYS - 1, end.toordinal() - date.min.toordinal()))
    return asked.start or end - earliest, end
