"""The list of deployments."""

from __future__ import annotations

import htpy as h
from htpy import Node

from litebatch_asgi.operators import DeploymentView
from litebatch_asgi.page.deployments.paths import DRAIN, ONE, UNDRAIN
from litebatch_asgi.page.parts import Column, ago, chip, code, counted, empty, heading, post, table
from litebatch_asgi.page.shown import Shown
from litebatch_asgi.page.visit import Visit

_COLUMNS = (
    "Deployment",
    "Models",
    "State",
    Column("Open jobs", is_number=True),
    Column("Open requests", is_number=True),
    Column("Open tokens", is_number=True),
    "",
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
    found = await visit.services.operators.deployments()
    rows = [_row(visit, view) for view in found]
    content: Node = [
        heading("Deployments"),
        table("Deployments, in order of their ids", _COLUMNS, rows) if rows else _nothing(),
    ]
    return Shown(title="Deployments", content=content, is_live=True, wide=True)


def _row(visit: Visit, view: DeploymentView) -> list[Node]:
    return [
        h.a(".name", href=visit.url(ONE, {"id": view.id}))[view.id],
        models_of(view),
        state_of(visit, view),
        f"{view.open_jobs:,}",
        f"{view.open_requests:,}",
        f"{view.open_tokens:,}",
        drain_button(visit, view),
    ]


def models_of(view: DeploymentView) -> Node:
    """The models that it serves, or that nobody has it."""
    return ", ".join(view.models) or h.span(".dim")["no running process has it"]


def state_of(visit: Visit, view: DeploymentView) -> Node:
    """Whether it gets new jobs."""
    if view.drained_at is not None:
        return h.span[chip("drained"), " ", h.small[ago(view.drained_at, visit.now)]]
    return chip("ready", "in use") if view.models else chip("gone")


def drain_button(visit: Visit, view: DeploymentView) -> Node:
    """What keeps new jobs away, or lets them come again."""
    fields = {"deployment": view.id}
    if view.drained_at is not None:
        return post(visit, UNDRAIN, "Undrain", fields=fields, class_="quiet")
    asked = f"{view.id} gets no new jobs."
    if view.open_jobs:
        asked += (
            f" Of its {counted(view.open_jobs, 'open job', 'open jobs')} those stop that another deployment "
            "can take over; the others run to their end."
        )
    return post(visit, DRAIN, "Drain", fields=fields, confirm=asked)


def _nothing() -> Node:
    return empty(
        "No deployments yet",
        h.p["Put one into the configuration, and start the gateway with it:"],
        code(_CONFIG),
        code("litebatch serve --config litebatch.yaml"),
    )
