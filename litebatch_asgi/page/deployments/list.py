"""The list of deployments."""

from __future__ import annotations

import htpy as h
from htpy import Node

from litebatch_asgi.operators import LAST_JOBS, DeploymentReport
from litebatch_asgi.page.deployments.paths import ONE
from litebatch_asgi.page.deployments.shown import (
    drain_button,
    error_rate_of,
    models_of,
    quotas_of,
    state_of,
    time_of,
)
from litebatch_asgi.page.parts import Column, code, empty, heading, table
from litebatch_asgi.page.shown import Shown
from litebatch_asgi.page.visit import Visit

_COLUMNS = (
    "Deployment",
    "Models",
    "State",
    Column("Open jobs", is_number=True),
    Column("Open requests", is_number=True),
    Column("Failed", is_number=True),
    Column("Median time", is_number=True),
    Column("95 % within", is_number=True),
    Column("Tokens at once", is_number=True),
    "",
)
_EXPLAINED = (
    f"How many requests failed, and how long jobs took, is of the last {LAST_JOBS} jobs of each. How many "
    "tokens a deployment takes at once is known once it has refused more."
)
_CONFIG = """\
model_list:
  - model_name: gpt-4o-batch
    litellm_params:
      model: openai/gpt-4o-mini
      api_key: os.environ/OPENAI_API_KEY
    model_info: {mode: batch, id: openai-east}"""


async def show_list(visit: Visit) -> Shown:
    """`GET /deployments`."""
    found = await visit.services.operators.reports()
    rows = [_row(visit, report) for report in found]
    content: Node = [
        heading("Deployments"),
        table("Deployments, in order of their ids", _COLUMNS, rows) if rows else _nothing(),
        h.p(".dim")[_EXPLAINED] if rows else None,
    ]
    return Shown(title="Deployments", content=content, is_live=True)


def _row(visit: Visit, report: DeploymentReport) -> list[Node]:
    return [
        h.a(".name", href=visit.url(ONE, {"id": report.id}))[report.id],
        models_of(report),
        state_of(visit, report),
        f"{report.open_jobs:,}",
        f"{report.open_requests:,}",
        error_rate_of(report),
        time_of(report.record.p50_seconds),
        time_of(report.record.p95_seconds),
        quotas_of(report),
        drain_button(visit, report),
    ]


def _nothing() -> Node:
    return empty(
        "No deployments yet",
        h.p["Put one into the configuration, and start the gateway with it:"],
        code(_CONFIG),
        code("litebatch serve --config litebatch.yaml"),
    )
