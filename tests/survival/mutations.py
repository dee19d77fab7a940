"""Protections that a server process can be told to go without, to see that a run notices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.batches import settling
from litebatch_asgi.batches.charging import charges_for
from litebatch_asgi.batches.endings import JobEndings
from litebatch_asgi.batches.settling import Settler
from litebatch_asgi.batches.unclear import UnclearJobs
from litebatch_asgi.errors import NoClearAnswer
from litebatch_asgi.models import BatchChange, BatchState, Charge, Held, Job, Reservation
from litebatch_asgi.storage import Installation
from litebatch_sql import Place, migrations
from tests.faults import mutations as faults

Patch = pytest.MonkeyPatch


def nothing_is_adopted(patch: Patch) -> None:
    """What became of a create without an answer is nobody's concern, its sender's death included."""

    async def begin_anew(self: UnclearJobs, job: Job) -> Job | None:
        return await JobEndings(self.runtime).refused(job, NoClearAnswer("its sender died"))

    patch.setattr(UnclearJobs, "mark_unclear", begin_anew)
    faults.no_answer_is_a_refusal(patch)


def where_a_database_lives_does_not_matter(patch: Patch) -> None:
    """A database is opened wherever it is."""

    def anywhere(installation: Installation, place: Place) -> bool:
        return True

    patch.setattr(migrations, "is_at_home", anywhere)


def charges_come_later(patch: Patch) -> None:
    """A job is charged in a transaction of its own, after the one that settles it."""
    publish = Settler._publish
    held_back: ContextVar[list[Charge]] = ContextVar("held_back")

    def none_yet(*arguments: Any) -> tuple[Charge, ...]:
        held_back.get()[:] = charges_for(*arguments)
        return ()

    async def published(self: Settler, job: Job, *arguments: Any, **options: Any) -> None:
        held_back.set([])
        await publish(self, job, *arguments, **options)

        def charged(state: BatchState) -> BatchChange:
            return BatchChange(batch=state.batch, charges=tuple(held_back.get()))

        await self.runtime.storage.change_batch(job.batch_id, charged)

    patch.setattr(settling, "charges_for", none_yet)
    patch.setattr(Settler, "_publish", published)


def what_others_hold_does_not_matter(patch: Patch) -> None:
    """A batch fits into a budget if it does beside what was spent: open batches are not looked at."""
    check = Reservation.check

    def alone(self: Reservation, held: Held, since: date | None = None) -> None:
        check(self, replace(held, cost=Decimal(0)), since)

    patch.setattr(Reservation, "check", alone)


MUTATIONS: Mapping[str, Callable[[Patch], None]] = {
    "adoption": nothing_is_adopted,
    "budget": what_others_hold_does_not_matter,
    "charging": charges_come_later,
    "fencing": faults.nothing_is_fenced,
    "fingerprint": where_a_database_lives_does_not_matter,
    "grace": faults.no_grace_for_jobs,
    "search-first": faults.old_jobs_are_sent_unseen,
    "target-first": faults.target_is_written_last,
    "watch": faults.no_watch_for_twins,
}
"""by the name of the protection that is missing"""


def switch_off(name: str) -> None:
    """Go without a protection, for as long as this process lives."""
    MUTATIONS[name](pytest.MonkeyPatch())
