"""Vertex AI's batch prediction jobs."""

from __future__ import annotations

import msgspec

from .account import NewBatch
from .batch_progress import BatchProgress
from .calls import Call
from .google_dialects import VertexDialect
from .json_values import JSON
from .lists import listed
from .page_tokens import PageToken
from .replies import Reply, json_reply
from .vertex_filter import job_filter
from .vertex_flavour import new_job_name, project_number
from .vertex_jobs import ENDED, Job, invalid, job_shown
from .wire import ApiError, integer

MOST_PER_PAGE = 100


async def create_job(call: Call[VertexDialect]) -> Reply:
    """`POST /v1/projects/{project}/locations/{location}/batchPredictionJobs`."""
    params = call.request.path_params
    _check_project(call)
    try:
        call.asked = msgspec.json.decode(await call.request.body(), type=JSON)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise invalid("Invalid JSON payload received. Parsing terminated before end of input.") from exc
    job = Job(call.asked)
    call.metadata = job.metadata
    await call.begin()
    account, name = call.account, job.model.rpartition("/")[2]
    if account.settings.models is not None and name not in account.settings.models:
        message = (
            f"Publisher Model `projects/{params['project']}/locations/{params['location']}/{job.model}` was "
            "not found or your project does not have access to it. Please ensure you are using a valid model "
            "version."
        )
        raise ApiError(404, message)
    new = NewBatch(
        input_file_id=job.input_uri,
        endpoint=job.model,
        completion_window="24h",
        metadata=job.metadata,
        model=name,
        batch_id=new_job_name(params["project"], params["location"]),
        details=job.details,
    )
    progress = account.create_batch(new)
    call.object_id = progress.batch.id
    return json_reply(job_shown(progress, progress.shown()))


async def get_job(call: Call[VertexDialect]) -> Reply:
    """`GET /v1/{name}`."""
    progress = await _begin(call)
    (shown,) = call.garbled([progress], [job_shown(progress, progress.retrieved())])
    return json_reply(shown)


async def list_jobs(call: Call[VertexDialect]) -> Reply:
    """`GET /v1/projects/{project}/locations/{location}/batchPredictionJobs`: newest first, in pages."""
    _check_project(call)
    params, account = call.request.query_params, call.account
    size = integer("pageSize", params.get("pageSize") or MOST_PER_PAGE, 0, 2**31 - 1) or MOST_PER_PAGE
    token, matches = PageToken.read(params.get("pageToken")), job_filter(params.get("filter", ""))
    call.page = token.page
    await call.begin()
    present = account.faults.present(account.name, account.batch_store.all(account.settings.project))
    seen = listed(present, call.fault, account.lists_made["list_batches"])
    account.lists_made["list_batches"] += 1
    parent, before = _parent(call), int(token.after or 2**63)
    found = [
        (progress, shown)
        for progress in reversed(seen)
        if progress.number < before
        and progress.batch.id.startswith(f"{parent}/")
        and matches(shown := job_shown(progress, progress.shown()))
    ]
    chosen = found[: min(size, MOST_PER_PAGE)]
    told: JSON = {}
    if chosen:
        jobs = call.garbled([progress for progress, _ in chosen], [shown for _, shown in chosen])
        told["batchPredictionJobs"] = jobs
    if len(found) > len(chosen):
        told["nextPageToken"] = token.next(str(chosen[-1][0].number))
    return json_reply(told)


async def cancel_job(call: Call[VertexDialect]) -> Reply:
    """`POST /v1/{name}:cancel`; 400 FAILED_PRECONDITION for a job that has ended."""
    progress = await _begin(call)
    if progress.batch.status in ENDED or not progress.cancel():
        raise _wrong_state(progress, "cancelled")
    return json_reply({})


async def delete_job(call: Call[VertexDialect]) -> Reply:
    """`DELETE /v1/{name}`; 400 FAILED_PRECONDITION for a job that has not ended."""
    progress = await _begin(call)
    if progress.batch.status not in ENDED:
        raise _wrong_state(progress, "deleted")
    call.account.batch_store.remove(progress.batch.id)
    parent, _, job = progress.batch.id.partition("/batchPredictionJobs/")
    return json_reply(
        {
            "name": f"{parent}/operations/{job}",
            "metadata": {
                "@type": "type.googleapis.com/google.cloud.aiplatform.v1.DeleteOperationMetadata",
            },
            "done": True,
            "response": {"@type": "type.googleapis.com/google.protobuf.Empty"},
        }
    )


async def _begin(call: Call[VertexDialect]) -> BatchProgress:
    """The job that the call is about, when faults have had their say."""
    _check_project(call)
    call.object_id = f"{_parent(call)}/batchPredictionJobs/{call.request.path_params['job']}"
    progress = call.account.batch_store.find(call.object_id, call.account.settings.project)
    call.is_about_batch(progress)
    await call.begin()
    if progress is None or call.fault.vanish:
        raise ApiError(404, f"The BatchPredictionJob {call.object_id!r} was not found.")
    return progress


def _parent(call: Call[VertexDialect]) -> str:
    params = call.request.path_params
    return f"projects/{project_number(params['project'])}/locations/{params['location']}"


def _check_project(call: Call[VertexDialect]) -> None:
    known, asked = call.account.settings.projects, call.request.path_params["project"]
    if known is not None and project_number(asked) not in {project_number(each) for each in known}:
        message = (
            f"Permission 'aiplatform.batchPredictionJobs.{call.name.partition('_')[0]}' denied on resource "
            f"'//aiplatform.googleapis.com/{_parent(call)}' (or it may not exist)."
        )
        raise ApiError(403, message)


def _wrong_state(progress: BatchProgress, what: str) -> ApiError:
    state = job_shown(progress, progress.shown())["state"]
    message = f"The BatchPredictionJob {progress.batch.id!r} cannot be {what}: its state is {state}."
    return ApiError(400, message, code="FAILED_PRECONDITION")
