"""One deployment, with what it has to do."""

from __future__ import annotations

import htpy as h
from htpy import Node

from litebatch_asgi.errors import NotFound
from litebatch_asgi.jobs import JobQuery
from litebatch_asgi.models import Job
from litebatch_asgi.operators import LAST_JOBS, STOPPABLE, DeploymentReport, short_id
from litebatch_asgi.page.deployments.paths import MOVE, ONE, STOP
from litebatch_asgi.page.deployments.shown import (
    drain_button,
    error_rate_of,
    models_of,
    quotas_of,
    state_of,
    time_of,
)
from litebatch_asgi.page.parts import (
    ago,
    chip,
    counted,
    empty,
    facts,
    heading,
    pager,
    post,
    progress,
    table,
    when,
)
from litebatch_asgi.page.shown import Shown
from litebatch_asgi.page.visit import Visit

_ROWS = 50
_COLUMNS = ("Job", "Batch", "Owner", "State", "Progress", "Created", "")


async def show_one(visit: Visit) -> Shown:
    """`GET /deployments/one?id=`."""
    deployment_id = visit.query.get("id", "")
    report = await _report(visit, deployment_id)
    query = JobQuery(deployment_id=report.id, after=visit.query.get("after") or None, limit=_ROWS)
    page = await visit.services.operators.jobs(query)
    rows = [_row(visit, job) for job in page.items]
    older = page.items[-1].id if page.has_more else None
    content: Node = [
        heading(report.id, drain_button(visit, report)),
        facts(_facts(visit, report)),
        h.h2[f"The last {LAST_JOBS} jobs"],
        facts(_record(report)),
        h.h2["Open jobs"],
        table("Open jobs, those of the newest batches first", _COLUMNS, rows) if rows else _nothing(visit),
        pager(visit, ONE, older=older),
    ]
    return Shown(title=report.id, content=content, is_live=True)


async def _report(visit: Visit, deployment_id: str) -> DeploymentReport:
    for report in await visit.services.operators.reports():
        if report.id == deployment_id:
            return report
    raise NotFound(f"No deployment {deployment_id[:100]!r}: no running process has it, and no job is there.")


def _facts(visit: Visit, report: DeploymentReport) -> list[tuple[str, Node]]:
    return [
        ("State", state_of(visit, report)),
        ("Models", models_of(report)),
        ("Open jobs", f"{report.open_jobs:,}"),
        ("Open requests", f"{report.open_requests:,}"),
        ("Open tokens, estimated", f"{report.open_tokens:,}"),
        ("Tokens at once", quotas_of(report)),
    ]


def _record(report: DeploymentReport) -> list[tuple[str, Node]]:
    record = report.record
    return [
        ("Settled", counted(record.settled, "job", "jobs")),
        ("Refused or given back", counted(record.refused, "job", "jobs")),
        ("Refused for their content", counted(record.failed, "job", "jobs")),
        ("Requests that failed", f"{record.failed_requests:,} ({error_rate_of(report)})"),
        ("Requests that others took over", f"{record.handed_on_requests:,}"),
        ("Median time of a job", time_of(record.p50_seconds)),
        ("95 % of the jobs within", time_of(record.p95_seconds)),
        ("Since", when(record.since)),
    ]


def _row(visit: Visit, job: Job) -> list[Node]:
    counts = job.snapshot.counts if job.snapshot is not None else None
    done, failed = (counts.completed, counts.failed) if counts is not None else (0, 0)
    return [
        h.span(".id")[short_id(job.id)],
        h.a(".id", href=visit.url(f"/batches/{job.batch_id}"))[job.batch_id],
        job.owner,
        h.span[chip(job.state), _stopping(job)],
        progress(done, failed, job.requests),
        ago(job.created_at, visit.now),
        _buttons(visit, job),
    ]


def _stopping(job: Job) -> Node:
    return [" ", chip("cancelling", f"stopping: {job.stop_reason}")] if job.stop_requested_at else None


def _buttons(visit: Visit, job: Job) -> Node:
    if job.state not in STOPPABLE or job.stop_requested_at is not None:
        return None
    fields, short = {"job": job.id}, short_id(job.id)
    return h.div(".actions")[
        post(visit, MOVE, "Move", fields=fields, confirm=f"{short} stops, and its lines run elsewhere."),
        post(visit, STOP, "Stop", fields=fields, confirm=f"{short} ends. What it has finished counts."),
    ]


def _nothing(visit: Visit) -> Node:
    if "after" in visit.query:
        return empty("No more jobs")
    return empty("No open jobs", h.p["Jobs are here while they wait for this deployment, or run there."])
