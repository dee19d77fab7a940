"""What the buttons of deployments do."""

from __future__ import annotations

from litebatch_asgi.models import Job
from litebatch_asgi.operators import short_id
from litebatch_asgi.page.deployments.paths import LIST, path_of
from litebatch_asgi.page.parts import counted
from litebatch_asgi.page.shown import Moved
from litebatch_asgi.page.visit import Visit


async def drain(visit: Visit) -> Moved:
    """`POST /deployments/drain`."""
    drained = await visit.services.operators.drain(await _given(visit, "deployment"))
    stopping, staying = drained.stopping, drained.staying
    said = f"{drained.deployment_id} gets no new jobs."
    if stopping:
        said += f" {counted(stopping, 'job stops', 'jobs stop')}: others take over what is undone."
    if staying:
        said += f" {counted(staying, 'job stays to its end', 'jobs stay to their end')} there."
    return Moved(path=path_of(drained.deployment_id), notice=said)


async def undrain(visit: Visit) -> Moved:
    """`POST /deployments/undrain`."""
    deployment_id = await _given(visit, "deployment")
    was_drained = await visit.services.operators.undrain(deployment_id)
    said = "gets new jobs again." if was_drained else "was not drained."
    return Moved(path=path_of(deployment_id), notice=f"{deployment_id} {said}")


async def stop(visit: Visit) -> Moved:
    """`POST /deployments/stop-job`."""
    job = await visit.services.operators.stop(await _given(visit, "job"))
    return _back(job, "stops: what it has finished counts.")


async def move(visit: Visit) -> Moved:
    """`POST /deployments/move-job`."""
    job = await visit.services.operators.move(await _given(visit, "job"))
    return _back(job, "stops: another deployment takes over what it leaves undone.")


def _back(job: Job, said: str) -> Moved:
    path = LIST if job.deployment_id is None else path_of(job.deployment_id)
    return Moved(path=path, notice=f"Job {short_id(job.id)} {said}")


async def _given(visit: Visit, name: str) -> str:
    return (await visit.form()).get(name, "")
