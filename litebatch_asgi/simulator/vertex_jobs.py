"""Batch prediction jobs: what a create must say, and how a job is shown.

Source: `BatchPredictionJob` in the discovery document of Vertex AI's API `v1`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from .batch_progress import BatchProgress
from .json_values import JSON
from .objects import BatchObject
from .proto_json import Message, NotTheMessage, anything, canonical, mapping, repeated, string, struct
from .settings import Status
from .vertex_flavour import bucket_and_name
from .wire import ApiError

JOB = Message(
    {
        "name": string,
        "displayName": string,
        "model": string,
        "inputConfig": Message(
            {
                "instancesFormat": string,
                "gcsSource": Message({"uris": repeated(string)}),
                "bigquerySource": struct,
                "vertexMultimodalDatasetSource": struct,
            }
        ),
        "instanceConfig": struct,
        "modelParameters": anything,
        "outputConfig": Message(
            {
                "predictionsFormat": string,
                "gcsDestination": Message({"outputUriPrefix": string}),
                "bigqueryDestination": struct,
                "vertexMultimodalDatasetDestination": struct,
            }
        ),
        "serviceAccount": string,
        "labels": mapping(string),
        "encryptionSpec": struct,
        "dedicatedResources": struct,
        "manualBatchTuningParameters": struct,
        "generateExplanation": anything,
        "disableContainerLogging": anything,
    }
)
MODEL = re.compile(
    r"(projects/[^/]+/locations/[^/]+/)?publishers/[^/]+/models/[^/]+|projects/[^/]+/locations/[^/]+/models/[^/]+"
)
LABEL = re.compile(r"[a-z0-9_-]{0,63}")
STATES: dict[Status, str] = {
    "scheduling": "QUEUED",
    "validating": "PENDING",
    "in_progress": "RUNNING",
    "finalizing": "RUNNING",
    "completed": "SUCCEEDED",
    "failed": "FAILED",
    "expired": "EXPIRED",
    "cancelling": "CANCELLING",
    "cancelled": "CANCELLED",
}
ENDED = ("completed", "failed", "expired", "cancelled")
CANCELLED = 1
DEADLINE_EXCEEDED = 4
UNKNOWN = 2


class Job:
    """What a create says of a job, by the names in camel case. Raises ApiError for what is wrong."""

    def __init__(self, asked: JSON) -> None:
        try:
            JOB(asked, "batch_prediction_job")
        except NotTheMessage as exc:
            raise invalid(str(exc)) from exc
        self.details: JSON = canonical(asked)
        self.details.pop("name", None)
        self._check_names()
        self.model: str = self.details.get("model", "")
        if not MODEL.fullmatch(self.model):
            raise invalid(f"Invalid resource name for field `model`: {self.model!r}.")
        self.input_uri: str = self._input()
        self._check_output()

    @property
    def metadata(self) -> dict[str, str]:
        """Labels and `displayName`, as the simulator keeps what a batch was called."""
        labels: dict[str, str] = self.details.get("labels", {})
        return {**labels, "displayName": self.details["displayName"]}

    def _check_names(self) -> None:
        name = self.details.get("displayName")
        if not name:
            raise invalid("The field `display_name` is required, but is missing.")
        if len(name) > 128:
            raise invalid("The field `display_name` must not be longer than 128 characters.")
        labels = self.details.get("labels", {})
        if len(labels) > 64:
            raise invalid("There must not be more than 64 labels.")
        for key, value in labels.items():
            if not key or not LABEL.fullmatch(key) or not LABEL.fullmatch(value):
                message = (
                    f"Invalid label '{key}': '{value}'. Keys and values can only have lowercase letters, "
                    "digits, underscores and dashes, 63 at most."
                )
                raise invalid(message)

    def _input(self) -> str:
        config = canonical(self.details.get("inputConfig", {}))
        if config.get("instancesFormat") != "jsonl":
            raise invalid(f"Unsupported `instances_format`: {config.get('instancesFormat')!r}. Use jsonl.")
        uris = canonical(config.get("gcsSource", {})).get("uris", [])
        uris = [uris] if isinstance(uris, str) else uris
        if len(uris) != 1:
            raise invalid("The simulator takes exactly one uri in `input_config.gcs_source.uris`.")
        place = bucket_and_name(uris[0])
        if place is None or not place[1]:
            raise invalid(f"Invalid Cloud Storage uri in `input_config.gcs_source.uris`: {uris[0]!r}.")
        self.details["inputConfig"] = {"instancesFormat": "jsonl", "gcsSource": {"uris": uris}}
        uri: str = uris[0]
        return uri

    def _check_output(self) -> None:
        config = canonical(self.details.get("outputConfig", {}))
        if config.get("predictionsFormat") != "jsonl":
            raise invalid(
                f"Unsupported `predictions_format`: {config.get('predictionsFormat')!r}. Use jsonl."
            )
        prefix = canonical(config.get("gcsDestination", {})).get("outputUriPrefix", "")
        if bucket_and_name(prefix) is None:
            raise invalid(f"Invalid Cloud Storage uri in `output_config.gcs_destination`: {prefix!r}.")
        destination = {"outputUriPrefix": prefix}
        self.details["outputConfig"] = {"predictionsFormat": "jsonl", "gcsDestination": destination}


def invalid(message: str) -> ApiError:
    """400 INVALID_ARGUMENT."""
    return ApiError(400, message, code="INVALID_ARGUMENT")


def job_shown(progress: BatchProgress, batch: BatchObject) -> JSON:
    """A job as clients see it; `batch` is what `progress` shows."""
    told: JSON = {"name": batch.id, **progress.details, "state": f"JOB_STATE_{STATES[batch.status]}"}
    told |= _times(progress, batch)
    error = _error(batch)
    if error is not None:
        told["error"] = error
    stats = _completion_stats(batch)
    if stats is not None:
        told["completionStats"] = stats
    if batch.output_file_id is not None:
        told["outputInfo"] = {"gcsOutputDirectory": batch.output_file_id.rstrip("/")}
    return told


def _times(progress: BatchProgress, batch: BatchObject) -> JSON:
    ended = batch.completed_at or batch.failed_at or batch.expired_at or batch.cancelled_at
    created, started = progress.made_at, batch.in_progress_at
    updated = max(
        at for at in (created, started, batch.finalizing_at, batch.cancelling_at, ended) if at is not None
    )
    times = {"createTime": created, "startTime": started, "endTime": ended, "updateTime": updated}
    return {
        name: datetime.fromtimestamp(max(at, created), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for name, at in times.items()
        if at is not None
    }


def _error(batch: BatchObject) -> JSON | None:
    if batch.status == "cancelled":
        return {"code": CANCELLED, "message": "The job was cancelled."}
    if batch.status == "expired":
        return {"code": DEADLINE_EXCEEDED, "message": "The job ran for longer than 24 hours."}
    if batch.errors is None:
        return None
    problem = batch.errors.data[0]
    code = int(problem.code) if problem.code.isdecimal() else UNKNOWN
    return {"code": code, "message": problem.message}


def _completion_stats(batch: BatchObject) -> JSON | None:
    """Counters are texts, and those that are zero are not there; before the job runs there are none."""
    if batch.in_progress_at is None or batch.status == "failed":
        return None
    counts = batch.request_counts
    left = counts.total - counts.completed - counts.failed
    told = {"successfulCount": counts.completed, "failedCount": counts.failed, "incompleteCount": left}
    return {name: str(count) for name, count in told.items() if count}
