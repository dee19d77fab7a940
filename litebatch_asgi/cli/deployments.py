"""What `litebatch deployments` does: deployments are listed, drained and put back."""

from __future__ import annotations

import click

from litebatch_asgi.cli.accounts import with_storage
from litebatch_asgi.cli.output import Output, Row, print_rows
from litebatch_asgi.operators import DeploymentReport, Operators
from litebatch_asgi.server.operators.objects import deployment_object
from litebatch_asgi.storage import Storage

_COLUMNS = ("DEPLOYMENT", "STATE", "JOBS", "REQUESTS", "TOKENS", "MODELS")


def list_deployments(url: str, output: Output | None) -> None:
    """Print all deployments. Raises `ConfigError`."""

    async def run(storage: Storage) -> None:
        print_rows(_COLUMNS, map(_row, await Operators(storage).reports()), output)

    with_storage(url, run)


def drain(url: str, deployment_id: str) -> None:
    """Drain a deployment, and tell what becomes of its jobs. Raises `RequestError` and `ConfigError`."""

    async def run(storage: Storage) -> None:
        drained = await Operators(storage).drain(deployment_id)
        click.echo(f"{deployment_id} is drained; running gateways follow within seconds")
        click.echo(f"jobs that stop and are handed on: {drained.stopping}")
        click.echo(f"jobs that run to their end there: {drained.staying}")

    with_storage(url, run)


def undrain(url: str, deployment_id: str) -> None:
    """Put a deployment back. Raises as `drain`."""

    async def run(storage: Storage) -> None:
        if await Operators(storage).undrain(deployment_id):
            click.echo(f"{deployment_id} gets jobs again; running gateways follow within seconds")
        else:
            click.echo(f"{deployment_id} was not drained: there is nothing to do")

    with_storage(url, run)


def _row(report: DeploymentReport) -> Row:
    figures = [str(each) for each in (report.open_jobs, report.open_requests, report.open_tokens)]
    state = _state(report)
    return Row(
        cells=(report.id, state, *figures, ", ".join(report.models)),
        plain=(report.id, state, *figures, ",".join(report.models)),
        object=deployment_object(report),
    )


def _state(report: DeploymentReport) -> str:
    if not report.models:
        return "gone" if report.drained_at is None else "drained, gone"
    if report.drained_at is not None:
        return "drained"
    return "active" if report.resting_until is None else "resting"
