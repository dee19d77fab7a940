"""What operators can do over HTTP: by this table requests are routed, and described."""

from __future__ import annotations

from litebatch_asgi.errors import Conflict, InvalidRequest, NotFound
from litebatch_asgi.routes.operations import Operation, Operations
from litebatch_asgi.server.operators import objects

OPERATOR_OPERATIONS: Operations = {
    "/jobs": {
        "get": Operation(
            id="listJobs",
            summary="List jobs at deployments, for admins.",
            query=objects.JobListQuery,
            answer=objects.JobList,
            errors=(InvalidRequest,),
        )
    },
    "/jobs/{id}/stop": {
        "post": Operation(
            id="stopJob",
            summary="End a job at its provider, for admins: what it has finished by then counts.",
            answer=objects.JobObject,
            errors=(NotFound, Conflict),
        )
    },
    "/jobs/{id}/move": {
        "post": Operation(
            id="moveJob",
            summary="Have what a job leaves undone run at another deployment, for admins.",
            answer=objects.JobObject,
            errors=(NotFound, Conflict),
        )
    },
    "/deployments": {
        "get": Operation(
            id="listDeployments",
            summary="List deployments, with what is open there, for admins.",
            answer=objects.DeploymentList,
        )
    },
    "/deployments/{id}/drain": {
        "post": Operation(
            id="drainDeployment",
            summary="Keep new jobs away from a deployment, and hand on those that are there, for admins.",
            answer=objects.DrainedObject,
            errors=(NotFound, Conflict),
        )
    },
    "/deployments/{id}/undrain": {
        "post": Operation(
            id="undrainDeployment",
            summary="Let jobs go to a deployment again, for admins.",
            answer=objects.UndrainedObject,
            errors=(NotFound,),
        )
    },
}
