"""How a batch runs: how fast, how far, what it tells of it, and how it ends."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Speed = Annotated[float, msgspec.Meta(gt=0.0)]
CutShort = Literal["whole", "partial", "none"]


class Course(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The course of a batch from the start of its run to the end of it, by its account's clock.

    A batch with any of the first four has as many rows done as its speed allows, and whatever cuts it short
    leaves it with these; one without a speed takes `running_seconds` for all of them. A batch with none of
    them gets to `done_share` in `running_seconds`.

    A course that changes while the batch runs goes on from where the batch is.
    """

    rows_per_second: Speed | None = None
    """lines that are done in each second"""
    share_per_second: Speed | None = None
    """the same as a share of all lines; `rows_per_second` comes first"""
    stuck_at: Share | None = None
    """share of the lines at which the batch stays `in_progress`, until it is released, its course says
    otherwise, or something ends it"""
    ends_at: Share | None = None
    """share of the lines at which the batch ends, unless it is stuck before"""
    ends_as: Literal["expired", "failed", "cancelled"] = "expired"
    """how it ends there; `failed` has files of what was done and no rows of the rest"""
    counts: Literal["running", "ended", "never"] = "running"
    """when the batch tells how many rows are completed and failed, which are 0 until then: as it runs, when
    it has ended, or never; at Anthropic it is `ended` at best"""
    cut_short_results: CutShort | None = None
    """in place of `SimulatorSettings.cut_short_results`"""

    @property
    def is_paced(self) -> bool:
        """Whether the batch has as many rows done as its speed allows."""
        told = (self.rows_per_second, self.share_per_second, self.stuck_at, self.ends_at)
        return told != (None, None, None, None)
