"""What the list of deployments and the page of one both show."""

from __future__ import annotations

import htpy as h
from htpy import Node

from litebatch_asgi.operators import DeploymentReport
from litebatch_asgi.page.deployments.paths import DRAIN, UNDRAIN
from litebatch_asgi.page.parts import ago, chip, counted, duration, post
from litebatch_asgi.page.visit import Visit

_NOTHING = "-"


def models_of(report: DeploymentReport) -> Node:
    """The models that it serves, or that nobody has it."""
    return ", ".join(report.models) or h.span(".dim")["no running process has it"]


def state_of(visit: Visit, report: DeploymentReport) -> Node:
    """Whether it gets new jobs, and since or until when not."""
    if report.drained_at is not None:
        return h.span[chip("drained"), " ", h.small[ago(report.drained_at, visit.now)]]
    if not report.models:
        return chip("gone")
    if report.resting_until is not None:
        return h.span[chip("resting"), " ", h.small["goes on ", ago(report.resting_until, visit.now)]]
    return chip("ready", "in use")


def error_rate_of(report: DeploymentReport) -> str:
    """Which part of the requests that it has run failed."""
    return _NOTHING if report.error_rate is None else f"{100 * report.error_rate:.1f} %"


def time_of(seconds: float | None) -> str:
    """How long a job took."""
    return _NOTHING if seconds is None else duration(seconds)


def quotas_of(report: DeploymentReport) -> Node:
    """How many tokens it takes at once, as far as it has said."""
    if not report.quotas:
        return _NOTHING
    if len(report.quotas) == 1:
        return f"{report.quotas[0].tokens:,}"
    return h.span[[h.div[f"{each.model}: {each.tokens:,}"] for each in report.quotas]]


def drain_button(visit: Visit, report: DeploymentReport) -> Node:
    """What keeps new jobs away, or lets them come again."""
    fields = {"deployment": report.id}
    if report.drained_at is not None:
        return post(visit, UNDRAIN, "Undrain", fields=fields, class_="quiet")
    asked = f"{report.id} gets no new jobs."
    if report.open_jobs:
        asked += (
            f" Of its {counted(report.open_jobs, 'open job', 'open jobs')} those stop that another "
            "deployment can take over; the others run to their end."
        )
    return post(visit, DRAIN, "Drain", fields=fields, confirm=asked)
