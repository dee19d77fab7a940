"""`litebatch metrics`: what `/metrics` shows, and what to look at it with."""

from __future__ import annotations

from importlib import resources

import click

from litebatch_asgi.cli.options import example
from litebatch_asgi.metrics.definitions import DEFINITIONS


@click.command(
    epilog=example(
        "litebatch metrics --dashboard > litebatch.json", "litebatch metrics --alerts > alerts.yaml"
    )
)
@click.option("--dashboard", is_flag=True, help="Print a dashboard for Grafana, in JSON.")
@click.option("--alerts", is_flag=True, help="Print alert rules for Prometheus, in YAML.")
def metrics(*, dashboard: bool, alerts: bool) -> None:
    """Show what is measured, or a dashboard and alerts for it."""
    if dashboard and alerts:
        raise click.BadParameter("--dashboard and --alerts are two files: ask for one at a time")
    if dashboard or alerts:
        click.echo(asset("dashboard.json" if dashboard else "alerts.yaml"), nl=False)
        return
    for each in DEFINITIONS:
        labels = f"{{{', '.join(each.labels)}}}" if each.labels else ""
        click.echo(f"{each.name}{labels}\n    {each.kind}: {each.help}")


def asset(name: str) -> str:
    """The text of a file that comes with the package."""
    return resources.files("litebatch_asgi.metrics").joinpath("assets", name).read_text(encoding="utf-8")
