"""How quickly deployments get through requests, by the last jobs that they were through with. Pure.

A deployment's pace is what it has done in the time in which it had any job of ours. By Little's law that is
what a job meets that comes behind all those that are open there, run one by one or all at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from statistics import median

from litebatch_asgi.jobs import DeploymentRecord

LAST_JOBS = 100
"""of each deployment that count"""
LAPSE = timedelta(days=1)
"""after so long without a job that has ended nothing is known of a deployment, so that it is tried"""
PRIOR_SECONDS = 300.0
"""so much time at the median pace counts beside what was seen: a job of a few requests tells little"""


def requests_per_second(records: Mapping[str, DeploymentRecord], now: datetime) -> dict[str, float]:
    """The paces that are known, by deployment; one that has done nothing is no measure for others."""
    known = {where: each for where, each in records.items() if _is_known(each, now)}
    seen = [each.executed_requests / each.busy_seconds for each in known.values() if each.executed_requests]
    if not seen:
        return {}
    prior = PRIOR_SECONDS * median(seen)
    return {
        where: (each.executed_requests + prior) / (each.busy_seconds + PRIOR_SECONDS)
        for where, each in known.items()
    }


def _is_known(record: DeploymentRecord, now: datetime) -> bool:
    return record.busy_seconds > 0 and record.settled_at is not None and now - record.settled_at < LAPSE
