"""`litebatch metrics`: what `/metrics` shows, and what to look at it with."""

from __future__ import annotations

from importlib import resources
from typing import Annotated

import typer

from litebatch_asgi.metrics.definitions import DEFINITIONS


def metrics(
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Print a dashboard for Grafana, in JSON.")
    ] = False,
    alerts: Annotated[
        bool, typer.Option("--alerts", help="Print alert rules for Prometheus, in YAML.")
    ] = False,
) -> None:
    """Show what is measured, or a dashboard and alerts for it."""
    if dashboard and alerts:
        raise typer.BadParameter("--dashboard and --alerts are two files: ask for one at a time")
    if dashboard or alerts:
        typer.echo(asset("dashboard.json" if dashboard else "alerts.yaml"), nl=False)
        return
    for each in DEFINITIONS:
        labels = f"{{{', '.join(each.labels)}}}" if each.labels else ""
        typer.echo(f"{each.name}{labels}\n    {each.kind}: {each.help}")


def asset(name: str) -> str:
    """The text of a file that comes with the package."""
    return resources.files("litebatch_asgi.metrics").joinpath("assets", name).read_text(encoding="utf-8")
