"""The seam to where due jobs and copies are found, and claimed by one worker at a time.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from litebatch_asgi.models import Claim, FileCopy, Job, Work


class ClaimStore(Protocol):
    """Finds what is due and gives out claims on it; all times are by the database's clock.

    Every method may raise `StorageUnavailable`, and does when the storage is not open. A method that is
    cancelled has written all or nothing.
    """

    async def due(self, deployments: Collection[str | None]) -> set[tuple[Work | None, str | None]]:
        """What there is to claim at these deployments (None: jobs without one), each with its deployment.

        Of jobs the kinds of work of which at least one is due, None where a copy is. Claims nothing.
        """
        ...

    async def claim_jobs(
        self,
        worker: str,
        *,
        lease_seconds: float,
        room: Mapping[str | None, int],
        work: Work,
        avoid: Mapping[str | None, Collection[str]] = {},
    ) -> list[Job]:
        """Claim due jobs, at most `room[deployment_id]` of each deployment, those longest due first.

        Due is a job whose `next_check_at` has come and that nobody has a running claim on; of these only jobs
        with which that `work` is to be done are claimed. Claiming sets `claimed_by` and `claimed_until`,
        by the database's clock, and raises `epoch` by one. A deployment that `room` does not name (None names
        the jobs without one) is passed over, as are the owners that `avoid` names there. Two claims never
        give out the same row while a lease runs.

        Where there is no room for all that is due at a deployment, owners take turns: the longest due job of
        each owner goes first, then the second of each, and so on; within a turn the longest due one.
        """
        ...

    async def claim_copies(
        self,
        worker: str,
        *,
        lease_seconds: float,
        room: Mapping[str, int],
        avoid: Mapping[str, Collection[str]] = {},
    ) -> list[FileCopy]:
        """Claim due copies, by the same rules as jobs, in whatever state."""
        ...

    async def renew(self, claims: Sequence[Claim], *, lease_seconds: float) -> list[Claim]:
        """Let claims run `lease_seconds` from now; 0 gives them back at once.

        Claims are those on jobs, copies, contents and ranges of live jobs, together or apart. Returns those
        that are still held, with the same epoch and `claimed_by` (None holds nothing), as they are now, in
        the order given. The others are left alone.
        """
        ...

    async def postpone(self, jobs: Sequence[Job]) -> None:
        """Write `next_check_at`, `refresh_from` and `checks` of claimed jobs and give the claims back.

        Nothing else of them is written, and of one that is `to_cancel` not when it is due: a cancellation has
        said so since it was claimed. Those that are not held any more, with the same epoch and
        `claimed_by`, are left alone.
        """
        ...

    async def refresh(self, batch_ids: Collection[str]) -> None:
        """Make those of the batches' jobs due now whose next check a client's wish may bring forward.

        Those are the jobs whose `refresh_from` has come and whose `next_check_at` has not; nothing else is
        changed. Unknown batches are passed over.
        """
        ...


def is_held(current: Claim | None, claim: Claim) -> bool:
    """Whether a claim is still the one on the row as it is now."""
    if current is None or claim.claimed_by is None:
        return False
    return (current.epoch, current.claimed_by) == (claim.epoch, claim.claimed_by)
