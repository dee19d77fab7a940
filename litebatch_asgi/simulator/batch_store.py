"""The batches of one account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from .batch_progress import BatchProgress


class BatchStore:
    """Every batch, oldest first. To find one or to list a project costs the same, however many there are."""

    def __init__(self) -> None:
        self._by_id: dict[str, BatchProgress] = {}
        self._all: list[BatchProgress] = []
        self._by_project: defaultdict[str, list[BatchProgress]] = defaultdict(list)
        self._deleted: set[str] = set()

    def add(self, progress: BatchProgress) -> None:
        """Keep a new batch, whose `number` is `next_number`."""
        self._by_id[progress.batch.id] = progress
        self._all.append(progress)
        self._by_project[progress.project].append(progress)

    def remove(self, batch_id: str) -> None:
        """Find and list it no longer for a project. That it was there stays known."""
        progress = self._by_id[batch_id]
        self._deleted.add(batch_id)
        self._by_project[progress.project].remove(progress)

    @property
    def next_number(self) -> int:
        """The number of the batch that is added next."""
        return self._all[-1].number + 1 if self._all else 0

    def find(self, batch_id: str, project: str | None = None) -> BatchProgress | None:
        """The batch with this id, if it is of `project`, None being any, and was not deleted."""
        progress = None if batch_id in self._deleted else self._by_id.get(batch_id)
        return progress if progress is not None and project in (None, progress.project) else None

    def all(self, project: str | None = None) -> Sequence[BatchProgress]:
        """All batches of `project` that were not deleted; None: of any, deleted or not. Not to be changed."""
        return self._all if project is None else self._by_project[project]

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, batch_id: str) -> BatchProgress:
        return self._by_id[batch_id]
