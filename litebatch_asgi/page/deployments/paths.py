"""Where pages and buttons of deployments are. Ids may hold anything, and are in queries and fields."""

from __future__ import annotations

from urllib.parse import urlencode

LIST = "/deployments"
ONE = "/deployments/one"
DRAIN = "/deployments/drain"
UNDRAIN = "/deployments/undrain"
STOP = "/deployments/stop-job"
MOVE = "/deployments/move-job"


def path_of(deployment_id: str) -> str:
    """The page of a deployment, as `Moved` has it."""
    return f"{ONE}?{urlencode({'id': deployment_id})}"
