"""What `litebatch deployments` does: deployments are listed, drained and put back."""

from __future__ import annotations

import typer

from litebatch_asgi.cli.accounts import with_storage
from litebatch_asgi.cli.output import Output, Row, print_rows
from litebatch_asgi.operators import DeploymentView, Operators
from litebatch_asgi.server.operators.objects import deployment_object
from litebatch_asgi.storage import Storage

_COLUMNS = ("DEPLOYMENT", "STATE", "JOBS", "REQUESTS", "TOKENS", "MODELS")


def list_deployments(url: str, output: Output | None) -> None:
    """Print all deployments. Raises `ConfigError`."""

    async def run(storage: Storage) -> None:
        print_rows(_COLUMNS, map(_row, await Operators(storage).deployments()), output)

    with_storage(url, run)


def drain(url: str, deployment_id: str) -> None:
    """Drain a deployment, and tell what becomes of its jobs. Raises `RequestError` and `ConfigError`."""

    async def run(storage: Storage) -> None:
        drained = await Operators(storage).drain(deployment_id)
        typer.echo(f"{deployment_id} is drained; running gateways follow within seconds")
        typer.echo(f"jobs that stop and are handed on: {drained.stopping}")
        typer.echo(f"jobs that run to their end there: {drained.staying}")

    with_storage(url, run)


def undrain(url: str, deployment_id: str) -> None:
    """Put a deployment back. Raises as `drain`."""

    async def run(storage: Storage) -> None:
        if await Operators(storage).undrain(deployment_id):
            typer.echo(f"{deployment_id} gets jobs again; running gateways follow within seconds")
        else:
            typer.echo(f"{deployment_id} was not drained: there is nothing to do")

    with_storage(url, run)


def _row(view: DeploymentView) -> Row:
    state = "gone" if not view.models else "active" if view.drained_at is None else "drained"
    if not view.models and view.drained_at is not None:
        state = "drained, gone"
    figures = [str(each) for each in (view.open_jobs, view.open_requests, view.open_tokens)]
    cells = (view.id, state, *figures, ", ".join(view.models))
    return Row(
        cells=cells, plain=(view.id, state, *figures, ",".join(view.models)), object=deployment_object(view)
    )
