"""Vertex AI's BatchPredictionJob, written and read. Pure.

Source: the discovery document of aiplatform v1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from litebatch_asgi.dialects.vertex.statuses import NAMES
from litebatch_asgi.errors import NoClearAnswer
from litebatch_asgi.models import BatchError, BatchStatus, Counts, ProviderBatch
from litebatch_asgi.models.provider import LONGEST_MESSAGE, TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.provider import BatchSubmission
from litebatch_asgi.providers.vertex.place import model_resource
from litebatch_asgi.providers.vertex.reading import Object, count_of, items_of, part_of, text_of, time_of

_STATES: Mapping[str, BatchStatus] = {
    "JOB_STATE_UNSPECIFIED": BatchStatus.VALIDATING,
    "JOB_STATE_QUEUED": BatchStatus.VALIDATING,
    "JOB_STATE_PENDING": BatchStatus.VALIDATING,
    "JOB_STATE_RUNNING": BatchStatus.IN_PROGRESS,
    "JOB_STATE_PAUSED": BatchStatus.IN_PROGRESS,
    "JOB_STATE_UPDATING": BatchStatus.IN_PROGRESS,
    "JOB_STATE_SUCCEEDED": BatchStatus.COMPLETED,
    "JOB_STATE_PARTIALLY_SUCCEEDED": BatchStatus.COMPLETED,
    "JOB_STATE_FAILED": BatchStatus.FAILED,
    "JOB_STATE_CANCELLING": BatchStatus.CANCELLING,
    "JOB_STATE_CANCELLED": BatchStatus.CANCELLED,
    "JOB_STATE_EXPIRED": BatchStatus.EXPIRED,
}
TAGS = (TAG_INSTALLATION, TAG_JOB)
"""in the order in which `displayName` has them"""
_NAME = "litebatch"
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NO_ACCESS = frozenset({"PERMISSION_DENIED", "FAILED_PRECONDITION"})


def write_job(submission: BatchSubmission, *, model: str, output: str) -> Object:
    """The job that a submission asks for. Its tag stands in the name, and in labels as far as it fits."""
    tags = [submission.metadata.get(key, "") for key in TAGS]
    return {
        "displayName": "/".join((_NAME, *(quote(tag, safe="") for tag in tags))),
        "model": model_resource(model),
        "inputConfig": {
            "instancesFormat": "jsonl",
            "gcsSource": {"uris": [submission.input_file_id]},
        },
        "outputConfig": {
            "predictionsFormat": "jsonl",
            "gcsDestination": {"outputUriPrefix": output},
        },
        "labels": {key: tag for key, tag in zip(TAGS, tags, strict=True) if _LABEL.fullmatch(tag)},
    }


def known_state(content: Object) -> BatchStatus | None:
    """The status that a job's state stands for; None: it is a new one of Google's."""
    return _STATES.get(text_of(content, "state") or "JOB_STATE_UNSPECIFIED")


def read_job(content: Object) -> ProviderBatch:
    """A job. Raises `NoClearAnswer` if it has no name.

    A state that is not known counts as `in_progress`, so that the job is looked at again.
    """
    name = text_of(content, "name")
    if name is None:
        raise NoClearAnswer("the answer names no job")
    status = known_state(content) or BatchStatus.IN_PROGRESS
    uris = items_of(part_of(content, "inputConfig", "gcsSource"), "uris")
    return ProviderBatch(
        id=name,
        status=status,
        created_at=time_of(content, "createTime"),
        in_progress_at=time_of(content, "startTime"),
        input_file_id=next((uri for uri in uris if isinstance(uri, str) and uri), None),
        output_file_id=_results(content) if status.is_final else None,
        counts=_counts(part_of(content, "completionStats")),
        errors=_errors(part_of(content, "error")) if status is BatchStatus.FAILED else (),
        metadata=_tags(content),
    )


def advised(error: BatchError, batch_id: str, bucket: str) -> BatchError:
    """An error with what an operator may do against it."""
    if error.code not in _NO_ACCESS:
        return error
    project = batch_id.partition("/")[2].partition("/")[0]
    advice = (
        f"does the bucket {bucket} exist, and has the service agent of Vertex AI, "
        f"service-{project}@gcp-sa-aiplatform.iam.gserviceaccount.com, the role Storage Object Admin there "
        "(roles/storage.objectAdmin)?"
    )
    return BatchError(
        code=error.code, message=f"{error.message or 'no access'} - {advice}", param=error.param
    )


def _results(content: Object) -> str | None:
    """The directory of the results, as the id of all its objects."""
    directory = text_of(part_of(content, "outputInfo"), "gcsOutputDirectory")
    return None if directory is None else f"{directory.rstrip('/')}/"


def _counts(stats: Object) -> Counts | None:
    """Members that are 0 are left out, and those that are not known are -1."""
    names = ("successfulCount", "failedCount", "incompleteCount")
    told = [count_of(stats, name) if name in stats else 0 for name in names]
    if not any(name in stats for name in names):
        return None
    completed, failed, left = told
    if completed is None or failed is None:
        return None
    return Counts(total=0 if left is None else completed + failed + left, completed=completed, failed=failed)


def _errors(error: Object) -> tuple[BatchError, ...]:
    number = error.get("code")
    code = NAMES.get(number, "UNKNOWN") if isinstance(number, int) else "UNKNOWN"
    message = text_of(error, "message")
    return (BatchError(code=code, message=None if message is None else message[:LONGEST_MESSAGE]),)


def _tags(content: Object) -> dict[str, str]:
    labels = part_of(content, "labels")
    named, *parts = (text_of(content, "displayName") or "").split("/")
    in_name = dict(zip(TAGS, map(unquote, parts), strict=False)) if named == _NAME else {}
    told = {key: text_of(labels, key) or in_name.get(key) for key in TAGS}
    return {key: value for key, value in told.items() if value}
