"""The checks of a batch's input file, with OpenAI's codes and messages.

Codes and messages are those recorded from the live API. Of one line the first problem is told; what OpenAI
says of a `method` other than POST, a `custom_id` or `body` of a wrong type, no lines or too many is not
recorded, and follows the wording of its other errors.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left
from pathlib import Path

import msgspec

from .answers import texts_of, tokens_in
from .directives import directive_of
from .json_values import JSON, is_object
from .lines_run import DIGEST_BYTES, LinesRun, digest_of, is_chosen
from .objects import BatchProblem
from .running_order import lines_done, running_order
from .settings import SimulatorSettings
from .wire import versioned

MAX_PROBLEMS = 50_000  # one for each line

PROMPT_OF = {
    "/v1/chat/completions": "messages",
    "/v1/completions": "prompt",
    "/v1/embeddings": "input",
    "/v1/moderations": "input",
}


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks found out about an input file."""

    problems: tuple[BatchProblem, ...]
    offsets: array[int]
    """where each line begins, in bytes"""
    model: str | None
    custom_ids: list[str]
    """of each line, empty where there is none"""
    digests: bytes
    """of each line what `digest_of` makes of it, one after the other; zeros for a line that was refused"""
    failing: array[int]
    """the places, in the order in which lines are run, of those that fail by their own wish or by settings"""
    done_share: float
    """share of the lines that are done if a batch without a pace is cut short while it runs"""
    input_tokens: int
    endpoint: str
    """what the batch is run at"""

    def done(self, share: float) -> tuple[int, int]:
        """How many lines are completed and failed once this share of them is done."""
        done = lines_done(len(self.offsets), share)
        failed = bisect_left(self.failing, done)
        return done - failed, failed


class LineRefused(Exception):
    """A line that makes its batch fail."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


class Examination:
    """Reads an input file once, line by line."""

    most_lines = 50_000
    too_many_lines = "invalid_request"

    def __init__(self, endpoint: str, settings: SimulatorSettings, lines_run: LinesRun) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._lines_run = lines_run
        self._custom_ids: set[str] = set()
        self._problems: list[BatchProblem] = []
        self._offsets = array("Q")
        self._model: str | None = None
        self._line_ids: list[str] = []
        self._digests = bytearray()
        self._failing: list[int] = []
        self._input_tokens = 0

    def read(self, path: Path, stop: threading.Event) -> Examined:
        """Check every line of the file at `path`; leaves off early when `stop` is set."""
        offset = 0
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if stop.is_set():
                    break
                if not line.isspace():
                    self._offsets.append(offset)
                    self._examine(number, line)
                offset += len(line)
        self._check_number_of_lines()
        return Examined(
            problems=tuple(self._problems),
            offsets=self._offsets,
            model=self._model,
            custom_ids=self._line_ids,
            digests=bytes(self._digests),
            failing=self._places_of_failing(),
            done_share=self._settings.done_share,
            input_tokens=self._input_tokens,
            endpoint=self._endpoint,
        )

    def _places_of_failing(self) -> array[int]:
        if not self._failing:
            return array("Q")
        failing = set(self._failing)
        order = running_order(len(self._offsets))
        return array("Q", [place for place, index in enumerate(order) if index in failing])

    def _check_number_of_lines(self) -> None:
        lines, most = len(self._offsets), self._settings.max_lines or self.most_lines
        if lines == 0:
            self._refuse(LineRefused("empty_file", "The input file has no requests."))
        elif lines > most:
            message = f"The input file has {lines} requests. A batch may have at most {most}."
            self._refuse(LineRefused(self.too_many_lines, message))

    def _examine(self, number: int, line: bytes) -> None:
        try:
            self._check(line)
        except LineRefused as refused:
            if len(self._problems) < MAX_PROBLEMS:
                self._refuse(refused, number)
            self._line_ids.append("")
            self._digests += bytes(DIGEST_BYTES)

    def _refuse(self, refused: LineRefused, number: int | None = None) -> None:
        self._problems.append(
            BatchProblem(code=refused.code, line=number, message=refused.message, param=refused.param)
        )

    def _check(self, line: bytes) -> None:
        request = parse(line)
        for key in ("custom_id", "method", "url", "body"):
            if request.get(key) is None:
                raise missing(key)
        self._check_custom_id(request["custom_id"])
        if request["method"] != "POST":
            message = f"Invalid value: '{request['method']}'. Supported values are: 'POST'."
            raise LineRefused("invalid_value", message, "method")
        self._check_url(request["url"])
        body = request["body"]
        if not is_object(body):
            raise LineRefused("invalid_type", "Invalid type for 'body': expected an object.", "body")
        self._check_body(body)
        self._note(request["custom_id"], body, fails=directive_of(body).fails)

    def _note(self, custom_id: str | None, body: JSON, *, fails: bool) -> None:
        """Keep what is to be known of a line that is good."""
        texts, named, settings = tuple(texts_of(body)), custom_id or "", self._settings
        digest = digest_of(body, texts)
        self._line_ids.append(named)
        self._digests += digest
        self._input_tokens += sum(map(tokens_in, texts))
        if not fails and settings.first_run_status is not None:
            fails = self._lines_run.is_new(digest) and is_chosen(named, settings.first_run_share)
        if fails:
            self._failing.append(len(self._offsets) - 1)

    def _check_custom_id(self, custom_id: object) -> None:
        if not isinstance(custom_id, str):
            message = "Invalid type for 'custom_id': expected a string."
            raise LineRefused("invalid_type", message, "custom_id")
        if custom_id in self._custom_ids:
            message = (
                f"The custom_id '{custom_id}' for this request is a duplicate of another request. "
                "The custom_id parameter must be unique for each request in a batch."
            )
            raise LineRefused("duplicate_custom_id", message, "custom_id")
        self._custom_ids.add(custom_id)

    def _check_url(self, url: object) -> None:
        if url != self._endpoint:
            message = "The URL provided for this request does not match the batch endpoint."
            raise LineRefused("invalid_url", message, "url")

    def _check_body(self, body: JSON) -> None:
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise LineRefused("invalid_request", "Model parameter is required.", "body.model")
        self._check_model(model)
        if body.get("stream") is True:
            message = "Chat Completions: Streaming is not supported in the Batch API."
            raise LineRefused("streaming_unsupported", message, "body.stream")
        prompt = PROMPT_OF.get(versioned(self._endpoint))
        if prompt is not None and body.get(prompt) is None:
            raise missing(f"body.{prompt}")

    def _check_model(self, model: str) -> None:
        if self._settings.models is not None and model not in self._settings.models:
            message = f"The provided model '{model}' is not supported by the Batch API."
            raise LineRefused("model_not_found", message, "body.model")
        if self._model is None:
            self._model = model
        elif model != self._model:
            message = (
                f"The model '{model}' for this request does not match the rest of the batch. "
                "Each batch must contain requests for a single model."
            )
            raise LineRefused("mismatched_model", message, "body.model")


def parse(line: bytes) -> JSON:
    """The JSON object of one line; raises `LineRefused` when it is none."""
    try:
        return msgspec.json.decode(line, type=JSON)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise LineRefused("invalid_json_line", "This line is not parseable as valid JSON.") from exc


def missing(param: str) -> LineRefused:
    """The refusal of a line that lacks `param`."""
    return LineRefused("missing_required_parameter", f"Missing required parameter: '{param}'.", param)


def no_such_file(file_id: str, settings: SimulatorSettings) -> BatchProblem:
    """Why a batch fails whose input file is not there or of another purpose."""
    message = (
        f"Cannot find file {file_id}, or organization {settings.organization} does not have access to it."
    )
    return BatchProblem(code="invalid_request", message=message, param="file_id")


def token_limit_exceeded(model: str, settings: SimulatorSettings) -> BatchProblem:
    """Why a batch fails that the queue of its model has no room for."""
    message = (
        f"Enqueued token limit reached for {model} in organization {settings.organization}. "
        f"Limit: {settings.most_enqueued_tokens(model) or 0:,} enqueued tokens. "
        "Please try again once some in_progress batches have been completed."
    )
    return BatchProblem(code="token_limit_exceeded", message=message)
