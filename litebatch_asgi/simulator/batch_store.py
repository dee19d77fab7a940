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
        self._ever: list[BatchProgress] = []

    def add(self, progress: BatchProgress) -> None:
        """Keep a new batch, whose `number` is `next_number`."""
        self._by_id[progress.batch.id] = progress
        self._all.append(progress)
        self._by_project[progress.project].append(progress)
        self._ever.append(progress)

    def remove(self, batch_id: str) -> None:
        """Forget a batch that has ended, but that it was there. Raises KeyError if there is none."""
        progress = self._by_id.pop(batch_id)
        self._all.remove(progress)
        self._by_project[progress.project].remove(progress)

    @property
    def next_number(self) -> int:
        """The number of the batch that is added next."""
        return len(self._ever)

    def find(self, batch_id: str, project: str | None = None) -> BatchProgress | None:
        """The batch with this id, if it is of `project`, None being any."""
        progress = self._by_id.get(batch_id)
        return progress if progress is not None and project in (None, progress.project) else None

    def all(self, project: str | None = None) -> Sequence[BatchProgress]:
        """All batches of `project`, None being any. Not to be changed."""
        return self._all if project is None else self._by_project[project]

    def ever(self) -> Sequence[BatchProgress]:
        """All batches that were there, removed ones too. Not to be changed."""
        return self._ever

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, batch_id: str) -> BatchProgress:
        return self._by_id[batch_id]
