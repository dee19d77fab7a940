"""What providers do in their own way, however it is asked for."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import msgspec

from . import azure_validation, validation
from .azure_answers import with_content_filters
from .azure_validation import AzureExamination
from .json_values import JSON
from .objects import BatchProblem
from .settings import FileStatus, FlavourName, SimulatorSettings
from .validation import Examination

DAY = 86_400
RESULT_SECONDS = 30 * DAY
"""life of result files unless asked otherwise"""


class Flavour(msgspec.Struct, frozen=True, kw_only=True):
    """The ways of one provider."""

    new_batch_id: Callable[[], str]
    examination: type[Examination]
    no_such_file: Callable[[str, SimulatorSettings], BatchProblem]
    """why a batch fails whose input file, by its id, cannot be read"""
    token_limit_exceeded: Callable[[str, SimulatorSettings], BatchProblem]
    """why a batch of a model fails that its queue has no room for"""
    input_status: FileStatus
    """what an uploaded batch input is at first"""
    input_seconds: int | None
    """life of a batch input unless asked otherwise; None: for ever"""
    window_ends: bool
    """whether a batch expires when its completion window is over"""
    empty_error_file: bool
    """whether a batch without failed rows has an error file, of no bytes"""
    finish: Callable[[JSON], JSON]
    """the last touch to the response body of a row"""


def _unchanged(body: JSON) -> JSON:
    return body


FLAVOURS: dict[FlavourName, Flavour] = {
    "openai": Flavour(
        new_batch_id=lambda: f"batch_{uuid.uuid4().hex}",
        examination=Examination,
        no_such_file=validation.no_such_file,
        token_limit_exceeded=validation.token_limit_exceeded,
        input_status="processed",
        input_seconds=30 * DAY,
        window_ends=True,
        empty_error_file=False,
        finish=_unchanged,
    ),
    "azure": Flavour(
        new_batch_id=lambda: f"batch_{uuid.uuid4()}",
        examination=AzureExamination,
        no_such_file=azure_validation.no_such_file,
        token_limit_exceeded=azure_validation.token_limit_exceeded,
        input_status="pending",
        input_seconds=None,
        window_ends=False,
        empty_error_file=True,
        finish=with_content_filters,
    ),
}
"""OpenAI's as its OpenAPI document and recordings have it, Azure's as its documentation of batch has it"""
