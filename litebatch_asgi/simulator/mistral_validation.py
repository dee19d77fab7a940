"""The checks of Mistral's batch inputs: all lines as a file is uploaded, their bodies when a job runs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from .directives import directive_of
from .json_values import JSON, prepare_types
from .mistral_rules import Refused, check_request, details
from .mistral_schema import BatchRequest
from .objects import BatchProblem
from .settings import SimulatorSettings
from .validation import Examination, LineRefused, parse
from .wire import ApiError, versioned

MOST_TOLD = 10
prepare_types(BatchRequest)


class MistralExamination(Examination):
    """Reads an input file once, line by line. Custom ids may be missing, and the same."""

    most_lines = 1_000_000

    def _check(self, line: bytes) -> None:
        request = parse(line)
        body: JSON = request["body"]
        self._note(request.get("custom_id"), body, fails=fails(body, versioned(self._endpoint)))


def fails(body: JSON, endpoint: str) -> bool:
    """Whether a request is refused, or asks for its own failure."""
    try:
        check_request(body, endpoint)
    except Refused:
        return True
    return directive_of(body).fails


def check_lines(path: Path) -> None:
    """Look at every line of an upload. Raises ApiError, with 422, if any breaks the schema."""
    problems: list[JSON] = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            if not line.isspace() and len(problems) < MOST_TOLD:
                problems += _problems(line, number)
    if problems:
        raise ApiError(422, "Invalid file format.", extra={"detail": problems})


def _problems(line: bytes, number: int) -> list[JSON]:
    place = ("body", "file", number)
    try:
        msgspec.convert(parse(line), BatchRequest)
    except LineRefused as refused:
        return [{"type": "json_invalid", "loc": list(place), "msg": refused.message, "input": None}]
    except msgspec.ValidationError as error:
        return details(error, *place)
    return []


def no_such_file(file_id: str, settings: SimulatorSettings) -> BatchProblem:
    """Why a job fails whose input file was there when it was created and is not any more."""
    return BatchProblem(code="not_found", message=f"Input file {file_id} not found")
