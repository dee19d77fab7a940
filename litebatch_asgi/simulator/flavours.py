"""What providers do in their own way, however it is asked for."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from . import (
    anthropic_intake,
    azure_validation,
    mistral_validation,
    validation,
    vertex_examination,
    vertex_flavour,
)
from .anthropic_intake import AnthropicExamination
from .anthropic_rows import AnthropicExecution
from .azure_answers import with_content_filters
from .azure_validation import AzureExamination
from .execution import Execution, Written
from .json_values import JSON
from .mistral_execution import MistralExecution
from .mistral_validation import MistralExamination
from .objects import BatchObject, BatchProblem
from .settings import FileStatus, FlavourName, SimulatorSettings
from .storage_uploads import measured
from .validation import Examination
from .vertex_examination import VertexExamination
from .vertex_execution import VertexExecution
from .wire import DAY


class ResultPlaces(msgspec.Struct, frozen=True, kw_only=True):
    """Where the results of a batch are, which are several files of one kind."""

    files: tuple[tuple[str | None, str], ...]
    """of each its id, None being any that is new, and its filename"""
    shown: str | None = None
    """what the batch has as their id; None: the id of the first"""


class Flavour(msgspec.Struct, frozen=True, kw_only=True):
    """The ways of one provider."""

    new_batch_id: Callable[[], str]
    new_file_id: Callable[[], str] = lambda: f"file-{uuid.uuid4().hex[:24]}"
    details: Callable[[BatchObject], JSON]
    """what is known of a batch beside that, if it was made by the simulator itself"""
    examination: type[Examination]
    refuse: Callable[[BatchObject, JSON, SimulatorSettings], BatchProblem | None]
    """why a batch with these details fails before its input is looked at"""
    no_such_file: Callable[[str, SimulatorSettings], BatchProblem]
    """why a batch fails whose input file, by its id, cannot be read"""
    token_limit_exceeded: Callable[[str, SimulatorSettings], BatchProblem]
    """why a batch of a model fails that its queue has no room for"""
    input_status: FileStatus
    """what an uploaded batch input is at first"""
    input_seconds: int | None
    """life of a batch input unless asked otherwise; None: for ever"""
    result_seconds: int | None
    """life of result files unless asked otherwise; None: for ever"""
    deadline: Callable[[BatchObject], float | None]
    """Unix seconds from which on a batch expires; None: it does not, as far as one can tell yet"""
    execution: type[Execution]
    """what runs the lines of a batch"""
    result_places: Callable[[BatchObject, JSON, str, int], ResultPlaces]
    """where so many files go, which are of the kind `output` or `error`, of a batch with these details"""
    measure: Callable[[Path], tuple[Written, JSON]] | None
    """what is known of a file beside its size, by reading it in a thread; None: nothing"""
    empty_error_file: bool
    """whether a batch without failed rows has an error file, of no bytes"""
    finish: Callable[[JSON], JSON]
    """the last touch to the response body of a row"""


def _unchanged(body: JSON) -> JSON:
    return body


def _no_details(batch: BatchObject) -> JSON:
    return {}


def _nothing_refused(batch: BatchObject, details: JSON, settings: SimulatorSettings) -> None:
    return None


def _under_its_id(batch: BatchObject, details: JSON, kind: str, count: int) -> ResultPlaces:
    return ResultPlaces(files=((batch.id, f"{batch.id}_results.jsonl"),) * count)


def _never(batch: BatchObject) -> None:
    return None


def _new_files(batch: BatchObject, details: JSON, kind: str, count: int) -> ResultPlaces:
    return ResultPlaces(files=((None, f"{batch.id}_{kind}.jsonl"),) * count)


def _objects(batch: BatchObject, details: JSON, kind: str, count: int) -> ResultPlaces:
    directory = vertex_flavour.output_directory(batch, details)
    names = vertex_flavour.output_names(count)
    return ResultPlaces(files=tuple((f"{directory}/{name}", name) for name in names), shown=f"{directory}/")


_OPENAI = Flavour(
    new_batch_id=lambda: f"batch_{uuid.uuid4().hex}",
    details=_no_details,
    examination=Examination,
    refuse=_nothing_refused,
    no_such_file=validation.no_such_file,
    token_limit_exceeded=validation.token_limit_exceeded,
    input_status="processed",
    input_seconds=30 * DAY,
    result_seconds=30 * DAY,
    deadline=lambda batch: batch.expires_at,
    execution=Execution,
    result_places=_new_files,
    measure=None,
    empty_error_file=False,
    finish=_unchanged,
)

FLAVOURS: dict[FlavourName, Flavour] = {
    "openai": _OPENAI,
    "azure": replace(
        _OPENAI,
        new_batch_id=lambda: f"batch_{uuid.uuid4()}",
        examination=AzureExamination,
        no_such_file=azure_validation.no_such_file,
        token_limit_exceeded=azure_validation.token_limit_exceeded,
        input_status="pending",
        input_seconds=None,
        deadline=_never,
        empty_error_file=True,
        finish=with_content_filters,
    ),
    "groq": replace(
        _OPENAI,
        new_batch_id=lambda: f"batch_{uuid.uuid4().hex[:26]}",
        new_file_id=lambda: f"file_{uuid.uuid4().hex[:26]}",
        input_seconds=None,
        result_seconds=None,
    ),
    "mistral": replace(
        _OPENAI,
        new_batch_id=lambda: str(uuid.uuid4()),
        new_file_id=lambda: str(uuid.uuid4()),
        examination=MistralExamination,
        no_such_file=mistral_validation.no_such_file,
        input_seconds=None,
        result_seconds=None,
        execution=MistralExecution,
    ),
    "vertex": replace(
        _OPENAI,
        new_batch_id=vertex_flavour.new_job_name,
        details=vertex_flavour.job_details,
        examination=VertexExamination,
        refuse=vertex_examination.unusable_bucket,
        no_such_file=vertex_examination.no_such_object,
        token_limit_exceeded=vertex_examination.token_limit_exceeded,
        input_seconds=None,
        result_seconds=None,
        deadline=vertex_flavour.deadline,
        execution=VertexExecution,
        result_places=_objects,
        measure=measured,
    ),
    "vllm": _OPENAI,
    "anthropic": replace(
        _OPENAI,
        new_batch_id=lambda: f"msgbatch_{uuid.uuid4().hex[:24]}",
        examination=AnthropicExamination,
        no_such_file=anthropic_intake.no_such_file,
        token_limit_exceeded=anthropic_intake.token_limit_exceeded,
        input_seconds=None,
        result_seconds=None,
        execution=AnthropicExecution,
        result_places=_under_its_id,
    ),
}
"""OpenAI's as its OpenAPI document and recordings have it, Azure's and Anthropic's as their documentation
of batches has it, Vertex's as its API's discovery document and observations have it, Groq's as the types of
its package, Mistral's as its OpenAPI document and third parties' captures have it; vLLM has no batches"""
