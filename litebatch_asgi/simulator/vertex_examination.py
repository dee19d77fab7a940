"""The look at the lines of a Vertex job before it runs: whether they can be imported, all or none."""

from __future__ import annotations

from .json_values import JSON
from .lines_run import LinesRun
from .objects import BatchObject, BatchProblem
from .proto_json import canonical
from .settings import SimulatorSettings
from .validation import Examination, LineRefused
from .vertex_flavour import bucket_and_name, output_directory
from .vertex_import import ImportFailed, custom_id_of, imported
from .vertex_requests import asked_of

INVALID_ARGUMENT = "3"
NOT_FOUND = "5"
PERMISSION_DENIED = "7"
RESOURCE_EXHAUSTED = "8"
FAILED_PRECONDITION = "9"


class VertexExamination(Examination):
    """Reads an input file once, line by line; its endpoint is the name of the job's model."""

    most_lines = 200_000
    too_many_lines = INVALID_ARGUMENT

    def __init__(self, endpoint: str, settings: SimulatorSettings, lines_run: LinesRun) -> None:
        super().__init__(endpoint, settings, lines_run)
        self._model = endpoint.rpartition("/")[2]

    def _check(self, line: bytes) -> None:
        try:
            row = imported(line)
        except ImportFailed as failed:
            number = len(self._offsets) - 1
            message = (
                "Failed to import data. Error while reading data, error message: JSON table encountered too "
                f"many errors, giving up. Rows: {number}; errors: 1. Reason: {failed}"
            )
            raise LineRefused(INVALID_ARGUMENT, message) from failed
        asked = asked_of(row["request"], self._model or "")
        self._note(custom_id_of(row), canonical(asked.request), fails=asked.fails)

    def _refuse(self, refused: LineRefused, number: int | None = None) -> None:
        if not self._problems:
            code = INVALID_ARGUMENT if refused.code == "empty_file" else refused.code
            super()._refuse(LineRefused(code, refused.message))


def unusable_bucket(batch: BatchObject, details: JSON, settings: SimulatorSettings) -> BatchProblem | None:
    """Why a job fails one of whose buckets is not there, or none that Vertex may use; None: it does not."""
    for uri in (batch.input_file_id, output_directory(batch, details)):
        bucket, _ = bucket_and_name(uri) or ("", "")
        if settings.buckets is not None and bucket not in settings.buckets:
            return BatchProblem(
                code=FAILED_PRECONDITION, message=f"The Cloud Storage bucket of {uri} does not exist."
            )
        if settings.agent_buckets is not None and bucket not in settings.agent_buckets:
            message = (
                f"The Vertex AI service agent has no permission to access {uri}. Grant it the role "
                "Storage Object Admin on the bucket."
            )
            return BatchProblem(code=PERMISSION_DENIED, message=message)
    return None


def no_such_object(file_id: str, settings: SimulatorSettings) -> BatchProblem:
    """Why a job fails whose input object is not there."""
    return BatchProblem(code=NOT_FOUND, message=f"The input {file_id} was not found.")


def token_limit_exceeded(model: str, settings: SimulatorSettings) -> BatchProblem:
    """Why a job fails that the queue of its model has no room for."""
    return BatchProblem(code=RESOURCE_EXHAUSTED, message=f"Quota exceeded for the batch requests of {model}.")
