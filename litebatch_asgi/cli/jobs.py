"""What `litebatch jobs` does: jobs are listed, stopped and moved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from litebatch_asgi.cli.accounts import with_storage
from litebatch_asgi.cli.figures import age_of, amount_of
from litebatch_asgi.cli.output import Output, Row, print_rows
from litebatch_asgi.cli.telling import tell
from litebatch_asgi.jobs import JobQuery
from litebatch_asgi.models import Job, JobState, Lane
from litebatch_asgi.operators import STOPPABLE, Operators, short_id
from litebatch_asgi.server.operators.objects import job_object
from litebatch_asgi.storage import Storage

_COLUMNS = ("JOB", "STATE", "WHERE", "DONE", "AGE", "OWNER")


def asked(*, batch: str | None, deployment: str | None, states: Sequence[str], limit: int) -> JobQuery:
    """Which jobs are meant. Raises `BadParameter` for a state that there is not."""
    known = [state.value for state in JobState]
    for state in states:
        if state not in known:
            raise click.BadParameter(f"there is no state {state!r}; there are {', '.join(known)}")
    return JobQuery(
        batch_id=batch, deployment_id=deployment, states=frozenset(map(JobState, states)), limit=limit
    )


def list_jobs(url: str, query: JobQuery, output: Output | None) -> None:
    """Print jobs, and tell whether there are more. Raises `ConfigError`."""

    async def run(storage: Storage) -> None:
        page, now = await Operators(storage).jobs(query), await storage.now()
        print_rows(_COLUMNS, (_row(job, now) for job in page.items), output)
        if page.has_more:
            tell(f"there are more than {query.limit}: --limit shows them")

    with_storage(url, run)


def stop(url: str, job_id: str) -> None:
    """Have a job stopped. Raises `RequestError` and `ConfigError`."""

    async def run(storage: Storage) -> None:
        job = await Operators(storage).stop(job_id)
        click.echo(f"{job.id} is to stop at {job.deployment_id}; running gateways follow within seconds")

    with_storage(url, run)


def move(url: str, job_id: str) -> None:
    """Have a job's lines run elsewhere. Raises `RequestError` and `ConfigError`."""

    async def run(storage: Storage) -> None:
        job = await Operators(storage).move(job_id)
        click.echo(f"{job.id} is to leave {job.deployment_id}; running gateways follow within seconds")

    with_storage(url, run)


def _row(job: Job, now: datetime) -> Row:
    shown = job_object(job)
    is_stopping = job.stop_requested_at is not None and job.state in STOPPABLE
    state = "stopping" if is_stopping else job.state.value
    done, total = shown.counts.completed + shown.counts.failed, shown.counts.total
    where, since = job.deployment_id or "", (now - job.created_at).total_seconds()
    return Row(
        cells=(
            short_id(job.id),
            state,
            f"{where} ({job.lane})" if where and job.lane is Lane.LIVE else where,
            f"{amount_of(done)}/{amount_of(total)}",
            age_of(since),
            job.owner,
        ),
        plain=(
            *(job.id, job.batch_id, str(job.shard), where, state),
            *(str(done), str(total), f"{job.created_at:%Y-%m-%dT%H:%M:%SZ}", job.owner),
            job.lane.value,
        ),
        object=shown,
    )
