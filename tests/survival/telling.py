"""What was told to the sinks of an installation, and what should have been."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import anyio
import anyio.to_thread

from litebatch_asgi import Event
from tests.database import Database
from tests.survival import settings, sinks
from tests.survival.hooks import Hooks
from tests.survival.server import Server

OPEN_SECONDS = 5.0
"""far longer than a transaction stays open, be its process stopped meanwhile"""
AGAIN_SECONDS = 0.2

Story: TypeAlias = list[tuple[str, int, str]]
"""of a subject: ids, numbers and types of its events, in their order"""


class Telling:
    """What the sinks of an installation have taken, and `hooks`. `folder` is that of its configurations.

    `told`: of a copy, the ids of events of before it, which a sink need not get. What comes after one that it
    has got is to come all the same.
    """

    def __init__(
        self, database: Database, folder: Path, hooks: Hooks, told: frozenset[str] | None = None
    ) -> None:
        self._database = database
        self.hooks = hooks
        self._told = told
        self._folder = folder
        self._spared: dict[str, frozenset[str] | None] = dict.fromkeys(settings.SINKS, told or frozenset())
        self._barred: frozenset[str] = frozenset()
        self.taken = 0
        """events, by any sink, when it was looked at last"""
        self.repeated = 0
        """how many of them came again"""

    async def roll_out(self, server: Server, config: Path) -> None:
        """Let a process have one more sink when it is started next; the others do not know it.

        It gets nothing from before, and what happens from then on, whoever writes it.
        """
        self._barred = await written(self._database)
        self._spared[settings.LATER] = None
        server.configure(config)
        (name,) = sinks.named(settings.LATER)
        statement = f"SELECT 1 FROM sinks WHERE name = '{name}'"
        while not await self._database.rows(statement):  # noqa: ASYNC110 - another process
            await anyio.sleep(AGAIN_SECONDS)
        await anyio.sleep(OPEN_SECONDS)
        self._spared[settings.LATER] = await written(self._database)

    async def violations(self, *, repair_seconds: float) -> list[str]:
        """What does not hold, once all is told or `repair_seconds` are over."""
        found: list[str] = []
        with anyio.move_on_after(repair_seconds):
            while found := await self._left() or await self._wrong():  # noqa: ASYNC110 - other processes
                await anyio.sleep(AGAIN_SECONDS)
        return found

    async def _left(self) -> list[str]:
        names = ", ".join(f"'{name}'" for name in sinks.named(*self._spared))
        left = await self._database.rows(
            "SELECT sink, event_id, subject, seq, state, attempts, error, claimed_by FROM event_deliveries"
            f" WHERE sink IN ({names}) ORDER BY sink, subject, seq"
        )
        of_hooks = [] if self._told is not None else await self.hooks.left(self._database)
        return [*(f"not delivered: {row}" for row in left), *of_hooks]

    async def _wrong(self) -> list[str]:
        stories: defaultdict[str, Story] = defaultdict(list)
        for subject, *event in await self._database.rows(
            "SELECT subject, id, seq, type FROM events ORDER BY subject, seq"
        ):
            stories[subject].append((event[0], event[1], event[2]))
        self.taken = self.repeated = 0
        found = await self.hooks.wrong(self._database, self._told)
        for name, spared in self._spared.items():
            taken = await anyio.to_thread.run_sync(sinks.taken, self._folder, name)
            self.taken += len(taken)
            self.repeated += len(taken) - len({event.id for event in taken})
            found += [f"{name}: {text}" for text in wrong(stories, taken, spared)]
            if name == settings.LATER:
                barred = self._barred & {event.id for event in taken}
                found += [f"{name} has got {event_id} of before it was there" for event_id in sorted(barred)]
        return found


async def written(database: Database) -> frozenset[str]:
    """The ids of the events that are there."""
    return frozenset(row[0] for row in await database.rows("SELECT id FROM events"))


def wrong(
    stories: Mapping[str, Story], taken: Sequence[Event], spared: frozenset[str] | None
) -> Iterator[str]:
    """What a sink has not got, has got before what precedes it, or in another form.

    What it has got of subjects and events that are gone says nothing. `spared`: None for all events.
    """
    first: dict[str, tuple[int, Event]] = {}
    for place, event in enumerate(taken):
        first.setdefault(event.id, (place, event))
    for subject, story in stories.items():
        reached = -1
        for event_id, seq, type_ in story:
            if event_id not in first:
                if reached >= 0 or (spared is not None and event_id not in spared):
                    yield f"{seq} of {subject}, {type_}, has not come"
                continue
            place, event = first[event_id]
            if (event.subject, event.seq, event.type) != (subject, seq, type_):
                yield f"{seq} of {subject}, {type_}, came as {event}"
            if place < reached:
                yield f"{seq} of {subject}, {type_}, came before what precedes it"
            reached = max(reached, place)
