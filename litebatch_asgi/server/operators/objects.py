"""Jobs and deployments as operators are shown them. Times are in Unix seconds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from litebatch_asgi.models import Job, JobState, Lane, Page
from litebatch_asgi.models.texts import PLAIN_PATTERN
from litebatch_asgi.operators import DeploymentReport, Drained

MOST_AT_ONCE = 100
Name: TypeAlias = Annotated[str, Meta(max_length=256, extra_json_schema={"pattern": PLAIN_PATTERN})]
Unix: TypeAlias = Annotated[int, Meta(description="Unix seconds.")]
_STATES = ", ".join(f"`{state.value}`" for state in JobState)
State: TypeAlias = Literal[
    "waiting",
    "submitting",
    "unclear",
    "submitted",
    "ended",
    "settled",
    "refused",
    "failed",
    "withdrawn",
    "watched",
    "closed",
]
"""the values of `JobState`"""


class JobListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs."""

    limit: Annotated[int, Meta(ge=1, le=MOST_AT_ONCE)] = 20
    after: Annotated[Name | None, Meta(description="The id of the last job of the page before.")] = None
    batch_id: Annotated[
        Name | None, Meta(description="All jobs of this batch. Without it: those that have not ended.")
    ] = None
    deployment: Name | None = None
    state: State | UnsetType = UNSET


class JobCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Requests, as the provider has told last."""

    total: int
    completed: int
    failed: int


class JobObject(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to run one shard of a batch at one deployment."""

    id: str
    object: Literal["batch.job"] = "batch.job"
    batch_id: str
    owner: str
    shard: int
    attempt: int
    deployment: Annotated[str | None, Meta(description="Null: it waits for any.")]
    lane: Annotated[
        Lane,
        Meta(
            description="`native`: as a batch of its provider; `live`: request by request. Known once placed."
        ),
    ]
    state: Annotated[str, Meta(description=f"{_STATES}; more may come.")]
    counts: JobCounts
    tokens: Annotated[int, Meta(description="Of its requests, estimated; 0: not known.")]
    provider_batch_id: str | None
    reason: Annotated[str | None, Meta(description="Why it ended as it did.")]
    created_at: Unix
    submitted_at: Annotated[int | None, Meta(description="When its provider was asked, in Unix seconds.")]
    stop_requested_at: Annotated[int | None, Meta(description="Since when it is to stop, in Unix seconds.")]
    stop_reason: Annotated[str | None, Meta(description="Such as `stopped`, `moved`, `drained`, `late`.")]


class JobList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of jobs, those of the newest batches first."""

    object: Literal["list"] = "list"
    data: Sequence[JobObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class QuotaObject(msgspec.Struct, frozen=True, kw_only=True):
    """How many tokens a deployment takes at once."""

    model: Annotated[str, Meta(description="By the provider's name.")]
    tokens: Annotated[int, Meta(description="Of all jobs that are open there together.")]
    learned_at: Unix


class DeploymentRecordObject(msgspec.Struct, frozen=True, kw_only=True):
    """How a deployment did with its last 200 jobs."""

    settled_jobs: int
    refused_jobs: Annotated[
        int, Meta(description="Those that it did not take or gave back undone, or that were given up there.")
    ]
    failed_jobs: Annotated[int, Meta(description="Those whose content it refused.")]
    completed_requests: int
    failed_requests: Annotated[int, Meta(description="Those that it has run without success.")]
    handed_on_requests: Annotated[int, Meta(description="Those that were left to other jobs.")]
    error_rate: Annotated[
        float | None, Meta(description="Which part of what it has run failed. Null: it has run nothing.")
    ]
    p50_seconds: Annotated[
        float | None,
        Meta(description="From sending a job until it had ended, of half of them. Null: none has."),
    ]
    p95_seconds: Annotated[float | None, Meta(description="The same, of 95 in 100.")]
    since: Annotated[
        int | None, Meta(description="When the first of these jobs ended, in Unix seconds. Null: none has.")
    ]


class DeploymentObject(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that a running process has, where jobs are, or that is drained."""

    id: str
    object: Literal["deployment"] = "deployment"
    models: Annotated[Sequence[str], Meta(description="Virtual models that running processes serve there.")]
    drained_at: Annotated[int | None, Meta(description="Since when it gets no new jobs, in Unix seconds.")]
    open_jobs: int
    open_requests: int
    open_tokens: Annotated[int, Meta(description="Estimated.")]
    quotas: Annotated[
        Sequence[QuotaObject], Meta(description="How many tokens it takes at once, as it has said lately.")
    ]
    resting_until: Annotated[
        int | None,
        Meta(
            description="Until when a process places nothing there after refusals, in Unix seconds. Others "
            "than the one that answers may rest for longer, or have gone on since."
        ),
    ]
    record: DeploymentRecordObject


class DeploymentList(msgspec.Struct, frozen=True, kw_only=True):
    """All deployments, in order of their ids."""

    object: Literal["list"] = "list"
    data: Sequence[DeploymentObject]


class DrainedObject(msgspec.Struct, frozen=True, kw_only=True):
    """What came of draining a deployment."""

    id: str
    object: Literal["deployment.drained"] = "deployment.drained"
    drained_at: Unix
    stopping: Annotated[int, Meta(description="Jobs that stop: others take over what they leave undone.")]
    staying: Annotated[int, Meta(description="Jobs that run to their end, for nothing else may take over.")]


class UndrainedObject(msgspec.Struct, frozen=True, kw_only=True):
    """What came of putting a deployment back."""

    id: str
    object: Literal["deployment.undrained"] = "deployment.undrained"
    was_drained: bool


def job_object(job: Job) -> JobObject:
    """A job as it is shown."""
    told = job.snapshot.counts if job.snapshot is not None else None
    return JobObject(
        id=job.id,
        batch_id=job.batch_id,
        owner=job.owner,
        shard=job.shard,
        attempt=job.attempt,
        deployment=job.deployment_id,
        lane=job.lane,
        state=job.state.value,
        counts=JobCounts(
            total=job.requests,
            completed=told.completed if told is not None else 0,
            failed=told.failed if told is not None else 0,
        ),
        tokens=job.tokens,
        provider_batch_id=job.provider_batch_id,
        reason=job.reason,
        created_at=int(job.created_at.timestamp()),
        submitted_at=_unix(job.submit_started_at),
        stop_requested_at=_unix(job.stop_requested_at),
        stop_reason=job.stop_reason,
    )


def job_list(page: Page[Job]) -> JobList:
    """A page of jobs as it is shown."""
    data = [job_object(job) for job in page.items]
    return JobList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=page.has_more,
    )


def deployment_object(report: DeploymentReport) -> DeploymentObject:
    """A deployment as it is shown."""
    return DeploymentObject(
        id=report.id,
        models=report.models,
        drained_at=_unix(report.drained_at),
        open_jobs=report.open_jobs,
        open_requests=report.open_requests,
        open_tokens=report.open_tokens,
        quotas=[
            QuotaObject(model=each.model, tokens=each.tokens, learned_at=int(each.learned_at.timestamp()))
            for each in report.quotas
        ],
        resting_until=_unix(report.resting_until),
        record=_record_object(report),
    )


def _record_object(report: DeploymentReport) -> DeploymentRecordObject:
    record = report.record
    return DeploymentRecordObject(
        settled_jobs=record.settled,
        refused_jobs=record.refused,
        failed_jobs=record.failed,
        completed_requests=record.completed_requests,
        failed_requests=record.failed_requests,
        handed_on_requests=record.handed_on_requests,
        error_rate=report.error_rate,
        p50_seconds=record.p50_seconds,
        p95_seconds=record.p95_seconds,
        since=_unix(record.since),
    )


def drained_object(drained: Drained) -> DrainedObject:
    """What came of draining a deployment, as it is shown."""
    return DrainedObject(
        id=drained.deployment_id,
        drained_at=int(drained.drained_at.timestamp()),
        stopping=drained.stopping,
        staying=drained.staying,
    )


def _unix(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
