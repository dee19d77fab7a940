"""The seam to the lines that we run ourselves: ranges that one worker at a time runs, and their results.

A live job is placed with all its ranges. Workers claim these, and write results under the fence of the range;
each request has one result, whoever writes a second one. To end a job is to close its ranges first: whatever
is still under way is refused from then on, and what was read once never changes.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from msgspec.structs import replace

from litebatch_asgi.models import (
    FileKind,
    JobState,
    LineProgress,
    LineRange,
    LineResult,
    RangeWrite,
    Sharing,
)

UNDER_WAY = frozenset({JobState.WAITING, JobState.SUBMITTED, JobState.ENDED})
"""states in which the results of a live job are still to be written or read"""


class LineStore(Protocol):
    """Keeps ranges of live jobs and their results; `Storage.change_batch` inserts ranges.

    Every method may raise `StorageUnavailable`, and does when the storage is not open; all times are by the
    database's clock. A method that is cancelled has written all or nothing. `ClaimStore.renew` lets claims
    on ranges run on.
    """

    async def claim(
        self,
        worker: str,
        *,
        lease_seconds: float,
        room: Mapping[str, int],
        avoid: Mapping[str, Collection[str]] = {},
    ) -> list[LineRange]:
        """Claim due ranges, at most `room[deployment_id]` of each deployment, those that expire first.

        Due is a range whose `next_check_at` has come and that nobody has a running claim on. Claiming sets
        `claimed_by` and `claimed_until`, and raises `epoch` by one. One whose last holder has not given it
        back becomes `one_by_one`. A deployment that `room` does not name is passed over, as are the owners
        that `avoid` names there. Two claims never give out the same range while a lease runs.

        Where there is no room for all that is due at a deployment, owners take turns: the range of each owner
        that expires first goes first, then the second of each, and so on; within a turn the one that expires
        first. Ranges that expire together go in order of (job_id, seq).
        """
        ...

    async def results_in(self, line_range: LineRange) -> frozenset[int]:
        """The requests of a range that have a result, by their indexes within the tile."""
        ...

    async def write(self, writes: Sequence[RangeWrite]) -> list[LineRange | None]:
        """Write results and more of held ranges, in one transaction.

        Returns the ranges as they are then, in the order given; None for one that is not held any more, with
        the same epoch and `claimed_by`: nothing of it is written. A request that has a result keeps it.
        `done` and `failed` grow by the results that were new. `trying` is written, and `tries` counts how
        often the same request was, as far as the range in the write knows: 1 for another one than there. A
        range whose requests all have a result is given back and never due again; another one that is given
        back is due when `give_back` says. Raises `ValueError`, and writes nothing, where a result is of a
        request outside its range.
        """
        ...

    async def sharing(self, deployments: Collection[str]) -> dict[str, Sharing]:
        """Who runs lines at each of these deployments."""
        ...

    async def lost(self, ranges: Sequence[LineRange]) -> list[LineRange]:
        """Those that are another's by now, or nobody's for good: they have another `epoch`, or are gone.

        In the order given. One that its holder has given back itself is not among them before it is claimed.
        """
        ...

    async def take_alone(self, deployment_id: str, worker: str, *, lease_seconds: float) -> bool:
        """Ask for a deployment to run one request there alone, for so many seconds at the most.

        Whether it was given: it is unless another worker has it. Whoever has it has it for so long anew.
        """
        ...

    async def end_alone(self, deployment_id: str, worker: str) -> None:
        """Give a deployment back that the worker has for itself; it may have lapsed."""
        ...

    async def progress(self, job_id: str) -> LineProgress:
        """How far a job is. One without ranges has no lines, and is closed."""
        ...

    async def close(self, job_id: str) -> LineProgress:
        """Let no more results of a job be written, and how far it is then.

        All its ranges are given back with a higher `epoch`, and never due again. Once more does nothing.
        """
        ...

    async def rows(
        self, job_id: str, kind: FileKind, *, after: int = -1, most_bytes: int = 1 << 20
    ) -> list[LineResult]:
        """The next results of a job for one file, behind the request `after`, in order of their lines.

        As many as have `most_bytes` together, and one at the least; none at the end.
        """
        ...

    async def sweep(self, *, limit: int) -> int:
        """Remove at most `limit` results that nobody needs any more, and how many there were.

        Those are the ones of jobs that are neither waiting, submitted nor ended, and that no part of a file
        names that is there and not deleted. Ranges go with the last results of their job. No transaction
        removes more than some megabytes. What `take_alone` has given and has lapsed is removed as well.
        """
        ...


def check_results(writes: Iterable[RangeWrite]) -> None:
    """Raise `ValueError` where a result is of a request outside its range."""
    for write in writes:
        lines = range(write.range.first_line, write.range.end_line)
        for result in write.results:
            if result.line not in lines:
                raise ValueError(f"{write.range.name} has no request {result.line}")


def after_write(line_range: LineRange, write: RangeWrite, new: Sequence[LineResult]) -> LineRange:
    """A range, as it is in the database, after a write of its holder, of whose results these were new."""
    changed: dict[str, Any] = {
        "done": line_range.done + len(new),
        "failed": line_range.failed + sum(result.kind is FileKind.ERROR for result in new),
    }
    if write.trying is not None:
        # of what its holder knows: written once more, for there was no answer, it counts once
        changed["trying"] = write.trying
        changed["tries"] = write.range.tries + 1 if write.trying == write.range.trying else 1
    is_through = changed["done"] >= line_range.lines
    if is_through or write.give_back is not None:
        due = None if is_through else write.give_back
        changed |= {"next_check_at": due, "claimed_by": None, "claimed_until": None}
    return replace(line_range, **changed)


def page_of(results: Iterable[LineResult], most_bytes: int) -> list[LineResult]:
    """The first of these results, as many as have so many bytes together, and one at the least."""
    page: list[LineResult] = []
    for result in results:
        most_bytes -= len(result.row)
        if most_bytes < 0 and page:
            break
        page.append(result)
    return page
