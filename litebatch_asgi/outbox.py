"""The seam to the outbox: events that are still to be told, and to whom.

Events are written by `Storage.change_batch`, `create_batch` and `change_file`, in the transaction that makes
them happen, by `Ledger.correct`, see there, and by `tell`; and for each sink that is registered then a
delivery with each of them, whoever writes. Endpoints of webhooks are served by the `webhook_queue` of a
storage; what they have not taken is seen here too.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from litebatch_asgi.models import Event, FailedAttempt, OutboxItem, RegisteredSink, SinkBacklog
from litebatch_asgi.models.tellings import Telling


class Outbox(Protocol):
    """Gives out claims on deliveries; all times are by the database's clock.

    Every method may raise `StorageUnavailable`, and does when the storage is not open. A method that is
    cancelled has written all or nothing.
    """

    async def register(self, sinks: Collection[RegisteredSink]) -> None:
        """Say that these sinks are there: what happens from now on is to be delivered to them.

        Saying so again shows that somebody still has them.
        """
        ...

    async def claim(
        self, worker: str, sink: RegisteredSink, *, limit: int, lease_seconds: float
    ) -> list[OutboxItem]:
        """Claim at most `limit` due deliveries to a sink, those longest due first.

        Due is a pending one whose `next_check_at` has come and that nobody has a running claim on. To an
        ordered sink only the pending one with the lowest `seq` of each subject is given out; dead ones do
        not hold it up. Claiming raises `epoch` by one. Two claims never give out the same while a lease runs.
        """
        ...

    async def delivered(self, items: Sequence[OutboxItem]) -> int:
        """Remove deliveries to one sink that are done; those claimed by others since stay. How many went."""
        ...

    async def failed(self, sink: RegisteredSink, attempts: Sequence[FailedAttempt]) -> int:
        """Write attempts that failed and give the claims back; how many, for others may have claimed some.

        What follows in the same subject is not due before an ordered sink's delivery is tried again.
        """
        ...

    async def give_back(self, items: Sequence[OutboxItem]) -> None:
        """Give claims on deliveries to one sink back, as if nothing had been tried."""
        ...

    async def dead(
        self, *, sink: str | None = None, after: OutboxItem | None = None, limit: int
    ) -> list[OutboxItem]:
        """Dead deliveries, in order of event ids and sinks; `after` is the last one of the page before."""
        ...

    async def untaken(self, sink: str, *, after: Event | None = None, limit: int) -> list[OutboxItem]:
        """What a sink or endpoint has not taken, dead ones too, in order of subjects and `seq`, descending.

        `after` is the event of the last one of the page before, be it delivered since or not.
        """
        ...

    async def replay(
        self, *, sink: str | None = None, event_ids: Collection[str] | None = None, limit: int
    ) -> int:
        """Make at most `limit` dead deliveries pending and due again, as if they were new; how many."""
        ...

    async def backlog(self) -> list[SinkBacklog]:
        """What each registered sink has not taken yet, in order of their names."""
        ...

    async def remove_unseen(self, before: datetime, *, limit: int) -> int:
        """Forget the sinks that nobody has had since then, and remove deliveries to forgotten ones.

        Those to endpoints of webhooks stay as long as the endpoint is there. At most `limit` deliveries at a
        time; how many were removed.
        """
        ...

    async def tell(self, telling: Telling) -> bool:
        """Write an event about something that has no row of its own; whether it was written.

        It is not if the last one of its subject that was told under its `name` had no end, or one that lies
        behind its `created_at`, unless that one had another `mark` and this one has any. Of those who tell of
        a subject at once one after another is heard: nothing is told twice, and no number is drawn twice.
        """
        ...

    async def event(self, event_id: str) -> Event | None:
        """The event of this id."""
        ...

    async def events(
        self, subject: str, *, after: int | None = None, limit: int, descending: bool = False
    ) -> list[Event]:
        """The events of a subject in order of `seq`, those behind `after` in that order."""
        ...
