"""Results: what is read, believed and passed on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from litebatch_asgi.batches import settling
from litebatch_asgi.batches.reading import Reading, ResultReader
from litebatch_asgi.batches.settling import Settler
from litebatch_asgi.files import content
from litebatch_asgi.jsonl import Tally
from litebatch_asgi.models import Batch, FilePart, Job, ProviderBatch

Patch = pytest.MonkeyPatch


def results_always_pass(patch: Patch) -> None:
    """No exact pass."""

    def holds_all(self: Tally, id_count: int, id_sum: int) -> bool:
        return True

    patch.setattr(Tally, "holds_all", holds_all)


def one_read_is_enough(patch: Patch) -> None:
    """Rows that are missing once are lost."""

    def is_sure(self: Settler, batch: Batch, reading: Reading, reads: object) -> bool:
        return True

    patch.setattr(Settler, "_is_sure", is_sure)


def missing_files_are_empty(patch: Patch) -> None:
    """A file that the provider names and does not give has no rows, and that is all."""

    async def is_whole(self: ResultReader, reading: Reading) -> bool:
        return True

    patch.setattr(ResultReader, "is_whole", is_whole)


def counts_may_fall(patch: Patch) -> None:
    """What a provider says last counts, whatever it has said before."""

    def after(self: ProviderBatch, earlier: ProviderBatch | None) -> ProviderBatch:
        return self

    patch.setattr(ProviderBatch, "after", after)


def gaps_are_forgotten(patch: Patch) -> None:
    """Each read that misses rows is taken for the first one that does."""

    def known(job: Job, reading: Reading) -> None:
        return None

    patch.setattr(settling, "_known", known)


def digest_is_not_checked(patch: Patch) -> None:
    """Whatever a provider gives is passed on, as long as it is of the right size."""

    async def unchecked(blocks: AsyncIterator[bytes], part: FilePart) -> AsyncGenerator[bytes]:
        async for block in blocks:
            yield block

    patch.setattr(content, "_as_settled", unchecked)
