"""Rescues: when the rest of a job begins, what it is, and what is written with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.batches import settling
from litebatch_asgi.batches.polling import Poller
from litebatch_asgi.batches.results import NamedFile, ResultFiles
from litebatch_asgi.batches.settling import Settler
from litebatch_asgi.batches.work import JobWork, More, Written
from litebatch_asgi.failpoints import hit
from litebatch_asgi.jsonl import RowFate
from litebatch_asgi.lifecycle import batch_change
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchState,
    BatchStatus,
    File,
    FileCopy,
    FileKind,
    Job,
    JobState,
    ProviderBatch,
)
from litebatch_asgi.rescue import HandOn
from litebatch_sql.heartbeats import SQLHeartbeatStore

Patch = pytest.MonkeyPatch
_HOUR = timedelta(hours=1)


def rests_begin_at_once(patch: Patch) -> None:
    """A job that is to be stopped counts as ended as soon as its provider was asked."""
    ask = Poller._ask

    async def ended(self: Poller, job: Job, batch: Batch) -> tuple[ProviderBatch, bool]:
        snapshot, cancel_sent = await ask(self, job, batch)
        if job.stop_requested_at is not None and not snapshot.status.is_final:
            snapshot = replace(snapshot, status=BatchStatus.CANCELLED)
        return snapshot, cancel_sent

    patch.setattr(Poller, "_ask", ended)


def rests_come_later(patch: Patch) -> None:
    """What is left of a job is written in a transaction of its own, after the one that publishes."""
    write = JobWork.write

    async def written(
        self: Settler, claimed: Job, state: JobState, *, more: More | None = None, **changes: Any
    ) -> Written:
        held_back: dict[str, Any] = {}

        def without(current: BatchState, job: Job, following: Job | None) -> dict[str, Any]:
            what = more(current, job, following) if more is not None else {}
            held_back.clear()
            held_back.update((name, what.pop(name)) for name in ("new_jobs", "new_shards") if name in what)
            return what

        def with_the_rest(current: BatchState) -> BatchChange:
            return batch_change(current, self.runtime.now(), **held_back)

        outcome = await write(self, claimed, state, more=without, **changes)
        if held_back:
            hit("settle.stored")
            await self.runtime.storage.change_batch(claimed.batch_id, with_the_rest)
        return outcome

    patch.setattr(Settler, "write", written)


def cancelled_batches_hand_on(patch: Patch) -> None:
    """A cancellation that has come since a job was read changes nothing of what it hands on."""
    write = JobWork.write

    async def written(
        self: Settler, claimed: Job, state: JobState, *, more: More | None = None, **changes: Any
    ) -> Written:
        def unseen(current: BatchState, job: Job, following: Job | None) -> dict[str, Any]:
            batch = replace(current.batch, cancel_requested_at=None)
            what = more(replace(current, batch=batch), job, following) if more is not None else {}
            if "batch" in what:
                asked = current.batch.cancel_requested_at
                what["batch"] = replace(what["batch"], cancel_requested_at=asked)
            return what

        return await write(self, claimed, state, more=unseen, **changes)

    patch.setattr(Settler, "write", written)


def nothing_is_held_back(patch: Patch) -> None:
    """Rows of what is handed on are published all the same."""

    def none_held_back(hand_on: HandOn) -> frozenset[RowFate]:
        return frozenset()

    patch.setattr(settling, "_held_back", none_held_back)


def hidden_files_have_a_clock(patch: Patch) -> None:
    """Result files live from their first rows on, and so do the provider's files that are in them."""
    new, copy = ResultFiles._new, ResultFiles._copy

    def new_file(self: ResultFiles, kind: FileKind) -> File:
        return replace(new(self, kind), expires_at=self._now + _HOUR)

    def new_copy(self: ResultFiles, number: int, named: NamedFile) -> FileCopy:
        return replace(copy(self, number, named), next_check_at=self._now + _HOUR)

    patch.setattr(ResultFiles, "_new", new_file)
    patch.setattr(ResultFiles, "_copy", new_copy)


def own_configuration_decides(patch: Patch) -> None:
    """Whatever a process is not configured with is gone."""

    async def all_in_use(self: SQLHeartbeatStore, seconds: float, *, lapse_seconds: float) -> list[str]:
        return [use.deployment_id for use in await self.in_use()]

    patch.setattr(SQLHeartbeatStore, "gone", all_in_use)
