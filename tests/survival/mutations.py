"""Protections that a server process can be told to go without, to see that a run notices."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from litebatch_asgi.batches.endings import JobEndings
from litebatch_asgi.batches.unclear import UnclearJobs
from litebatch_asgi.errors import NoClearAnswer
from litebatch_asgi.models import Job
from tests.faults import mutations as faults

Patch = pytest.MonkeyPatch


def nothing_is_adopted(patch: Patch) -> None:
    """What became of a create without an answer is nobody's concern, its sender's death included."""

    async def begin_anew(self: UnclearJobs, job: Job) -> Job | None:
        return await JobEndings(self.runtime).refused(job, NoClearAnswer("its sender died"))

    patch.setattr(UnclearJobs, "mark_unclear", begin_anew)
    faults.no_answer_is_a_refusal(patch)


MUTATIONS: Mapping[str, Callable[[Patch], None]] = {
    "adoption": nothing_is_adopted,
    "fencing": faults.nothing_is_fenced,
    "grace": faults.no_grace_for_jobs,
    "target-first": faults.target_is_written_last,
    "watch": faults.no_watch_for_twins,
}
"""by the name of the protection that is missing"""


def switch_off(name: str) -> None:
    """Go without a protection, for as long as this process lives."""
    MUTATIONS[name](pytest.MonkeyPatch())
