"""What the endpoint of a round's clients was sent, and what it should have been."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.database import Database
from tests.survival.server import Deployed
from tests.webhooks.taking import TYPES, Taker, endpoint, taker

NAME = "hook"
REFUSED, OF = 40, 300
"""so many of the first requests are answered with 503"""


class Hooks:
    """An endpoint of all that clients own, which is told of the ends of their batches."""

    def __init__(self, receiver: Taker, secret: str, chance: random.Random) -> None:
        self._receiver = receiver
        self._secret = secret
        statuses = [503] * REFUSED + [200] * (OF - REFUSED)
        chance.shuffle(statuses)
        receiver.statuses[NAME] = statuses
        self._judged = self._false = 0
        """requests that were looked at, and those of them that are not genuine"""

    @property
    def taken(self) -> int:
        """Requests that came."""
        return len(self._receiver.taken)

    @property
    def repeated(self) -> int:
        """How many of them were of an event that had come before."""
        return self.taken - len(self._ids())

    def _ids(self) -> set[str]:
        return {each.headers["webhook-id"] for each in self._receiver.taken}

    async def left(self, database: Database) -> list[str]:
        """What is still to be sent."""
        left = await database.rows(
            "SELECT event_id, subject, state, attempts, error FROM event_deliveries"
            " WHERE sink IN (SELECT id FROM webhook_endpoints)"
        )
        return [f"no webhook was sent: {row}" for row in left]

    async def wrong(self, database: Database, told: frozenset[str] | None) -> list[str]:
        """Ends of batches that it was not told of, and what is not genuine.

        `told`: of a copy, the ids of events of before it: of others it tells nobody.
        """
        types = ", ".join(f"'{name}'" for name in TYPES)
        ended = await database.rows(f"SELECT id, type, subject FROM events WHERE type IN ({types})")
        came = self._ids()
        if told is not None:
            return [f"a copy has told {type_} of {of}" for id_, type_, of in ended if id_ in came - told]
        found = [f"no webhook has told {type_} of {of}" for id_, type_, of in ended if id_ not in came]
        new = self._receiver.taken[self._judged :]
        self._judged += len(new)
        self._false += sum(each.unwrapped(self._secret) is None for each in new)
        return [*found, f"{self._false} webhooks are not genuine"] if self._false else found


@asynccontextmanager
async def hooked(gateway: Deployed, chance: random.Random) -> AsyncGenerator[Hooks]:
    """A receiver, and an endpoint of the clients' team that leads to it."""
    async with taker() as receiver:
        made = await endpoint(gateway, receiver.url(NAME))
        yield Hooks(receiver, made.signing_secret, chance)
