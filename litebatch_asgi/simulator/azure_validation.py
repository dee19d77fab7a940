"""The checks of a batch's input file as Azure has them: other codes, and the file decides the endpoint.

Codes are those that Azure's documentation of batch lists; what it has no code for is `invalid_request`. The
text of `token_limit_exceeded` is the one that users were shown.
"""

from __future__ import annotations

from .lines_run import LinesRun
from .objects import BatchProblem
from .settings import SimulatorSettings
from .validation import Examination, LineRefused
from .wire import ENDPOINTS, versioned

WORDING: dict[str, tuple[str, str]] = {
    "invalid_json_line": ("invalid_json_line", "This line is not parseable as valid JSON."),
    "invalid_url": (
        "url_mismatch",
        "The URL of this request does not match the rest of the requests or the endpoint of the deployment.",
    ),
    "model_not_found": (
        "model_not_found",
        "The deployment that the model property of this request names was not found.",
    ),
    "mismatched_model": (
        "model_mismatch",
        "The deployment that the model property of this request names does not match the rest of the file.",
    ),
    "duplicate_custom_id": (
        "duplicate_custom_id",
        "The custom ID for this request is a duplicate of the custom ID in another request.",
    ),
    "empty_file": ("empty_file", "The input file is empty."),
    "too_many_tasks": ("too_many_tasks", "The number of requests in the input file exceeds the maximum."),
}
"""Azure's code and message for each of the codes of `validation`"""


class AzureExamination(Examination):
    """Reads an input file once, line by line; the `url` of the first line is that of the batch."""

    most_lines = 100_000
    too_many_lines = "too_many_tasks"

    def __init__(self, endpoint: str, settings: SimulatorSettings, lines_run: LinesRun) -> None:
        super().__init__(endpoint, settings, lines_run)
        self._decided = False

    def _check_url(self, url: object) -> None:
        if not self._decided and isinstance(url, str) and versioned(url) in ENDPOINTS:
            self._endpoint, self._decided = url, True
        super()._check_url(url)

    def _refuse(self, refused: LineRefused, number: int | None = None) -> None:
        code, message = WORDING.get(refused.code, ("invalid_request", refused.message))
        super()._refuse(LineRefused(code, message, refused.param), number)


def no_such_file(file_id: str, settings: SimulatorSettings) -> BatchProblem:
    """Why a batch fails whose input file was there when it was created and is not any more."""
    return BatchProblem(code="invalid_request", message=f"The input file '{file_id}' was not found.")


def token_limit_exceeded(model: str, settings: SimulatorSettings) -> BatchProblem:
    """Why a batch fails that the queue of its deployment has no room for."""
    most = settings.most_enqueued_tokens(model) or 0
    limit = f"{most // 1000}K" if most >= 1000 else str(most)
    message = (
        f"The number of enqueued tokens has surpassed the configured limit of {limit} for the deployment "
        f"'{model}'. Please either increase the limit or try again once the current jobs have finished."
    )
    return BatchProblem(code="token_limit_exceeded", message=message)
