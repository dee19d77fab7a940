"""Checks every line of a batch input file while it arrives."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Collection, Sequence
from functools import cache

import msgspec

from litebatch_asgi.errors import InvalidFile, Problem
from litebatch_asgi.jsonl.digest_set import DigestSet
from litebatch_asgi.jsonl.frames import LineFramer, Run, is_utf8, line_end
from litebatch_asgi.jsonl.ids import ID_MODULUS, id_digest
from litebatch_asgi.jsonl.lengths import Lengths
from litebatch_asgi.jsonl.limits import allowed
from litebatch_asgi.jsonl.marks import MARK_STEPS, Mark, Marker, Marks, MarkSteps
from litebatch_asgi.jsonl.request import find_bom, make_problem, quote, read_request
from litebatch_asgi.jsonl.request_body import Body
from litebatch_asgi.jsonl.shape import Shape
from litebatch_asgi.jsonl.size import GUESSES, Guesses, beside_text, estimated_tokens
from litebatch_asgi.models import LongRequests

_BLANK_LINES = re.compile(rb"(?:[ \t\r]{0,64}+\n){1,1024}+")


MOST_PROBLEMS = 100
"""of a file; after so many the rest is not looked at"""


class CheckLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch input file may hold."""

    max_lines: int
    """requests; blank lines do not count"""
    max_line_bytes: int
    """of one line, without its newline"""
    max_problems: int = MOST_PROBLEMS


class CheckedFile(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a file whose lines are all right."""

    lines: int
    """requests: blank lines do not count"""
    bytes: int
    id_count: int
    id_sum: int
    """sum modulo 2**128 of the blake2b-128 digests of the unescaped custom ids in UTF-8"""
    tokens: int
    """of the input, estimated: see `size`"""
    guessed_tokens: int
    """those of them that are guessed, for images and for what is only named"""
    output_tokens: int
    """of all answers that their requests limit, at most"""
    unlimited_answers: int
    """answers that no request limits"""
    long_requests: tuple[LongRequests, ...]
    """those of all of these whose inputs are longer than the first of the thresholds, the shorter first"""
    model: str
    url: str
    spans: array[int]
    """type code Q: for each request the offset in the file of its model's value, at the opening quote

    The value is spelled plainly, and so the same, on each line: see `json_string`.
    """
    marks: Marks
    """what lies before some places between its lines, its beginning and its end among them"""


class LineChecker:
    """Checks a batch input file that is fed in consecutive blocks of any size.

    The rules and the words for what breaks them are those of OpenAI's Batch API. Beyond these, a line must be
    strict JSON, must not repeat the keys that count, nor spell them or the model with escapes: then nobody
    downstream can read another model or custom_id in it than was checked here.

    Args:
        endpoints: what `url` may be; it must be the same on each line.
        limits: see `CheckLimits`.
        model_problem: says what is wrong with naming this model, or None. Called once for each name. The
            line is filled in here.
        guesses: how many tokens things have that nobody counts.
        thresholds: lengths of inputs, in tokens and ascending, at which prices change.
        steps: how far apart the marks are, see `ShardLimits.steps`.

    """

    def __init__(
        self,
        *,
        endpoints: Collection[str],
        limits: CheckLimits,
        model_problem: Callable[[str], Problem | None],
        guesses: Guesses = GUESSES,
        thresholds: Sequence[int] = (),
        steps: MarkSteps = MARK_STEPS,
    ) -> None:
        self._endpoints = endpoints
        self._limits = limits
        self._model_problem = cache(model_problem)
        self._framer = LineFramer(limits.max_line_bytes)
        self._problems: list[Problem] = []
        self._stopped = False
        self._line = 0
        self._requests = 0
        self._digests = DigestSet()
        self._id_sum = 0
        self._guesses = guesses
        self._spared_bytes = 0
        self._guessed_tokens = 0
        self._lengths = Lengths(thresholds)
        self._output_tokens = 0
        self._unlimited_answers = 0
        self._spans = array("Q")
        self._marker = Marker(steps)
        self._shape: Shape | None = None
        self._model: str | None = None
        self._url: str | None = None

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the file. One thread at a time; it need not be always the same."""
        for run in self._framer.feed(block) if not self._stopped else ():
            self._check(run)

    def finish(self) -> CheckedFile:
        """The end of the file.

        Raises:
            InvalidFile: with all that is wrong, up to `max_problems`, in the order of the lines.

        """
        for run in self._framer.finish() if not self._stopped else ():
            self._check(run)
        if not self._requests and not self._problems:
            message = "The file holds no requests: it is empty, or all of its lines are."
            self._add(make_problem("empty_file", None, message))
        if self._problems or self._model is None or self._url is None:
            raise InvalidFile(self._problems)
        end = self._mark(self._framer.offset)
        return CheckedFile(
            lines=self._requests,
            bytes=self._framer.offset,
            id_count=len(self._digests),
            id_sum=end.id_sum,
            tokens=end.tokens,
            guessed_tokens=self._guessed_tokens,
            output_tokens=self._output_tokens,
            unlimited_answers=self._unlimited_answers,
            long_requests=self._lengths.long_requests,
            model=self._model,
            url=self._url,
            spans=self._spans,
            marks=self._marker.end(end),
        )

    def _check(self, run: Run) -> None:
        if run.text is None:
            self._refuse_long_line()
            return
        text, start, offset, marker = run.text, run.start, run.offset, self._marker
        utf8 = is_utf8(text, start, run.end)
        while start < run.end and not self._stopped:
            before = start
            if utf8:
                start = self._accept_alike(text, start, run.end, offset)
            if start == before:
                if (blank := _BLANK_LINES.match(text, start, run.end)) is not None:
                    self._line += text.count(b"\n", start, blank.end())
                    start = blank.end()
                else:
                    end = line_end(text, start)
                    self._examine(text[start:end], offset + start)
                    start = end + 1
                if self._requests == marker.requests:
                    marker.move(self._mark(offset + min(start, run.end)))
            if self._is_mark_due(offset + start):
                marker.set(self._mark(offset + min(start, run.end)))

    def _is_mark_due(self, offset: int) -> bool:
        return self._requests >= self._marker.due_requests or offset >= self._marker.due_offset

    def _mark(self, offset: int) -> Mark:
        """What is known of all that is before `offset`, where the lines end that were checked."""
        tokens = estimated_tokens(offset - self._spared_bytes) + self._guessed_tokens
        return Mark(self._line, offset, self._requests, self._id_sum % ID_MODULUS, tokens)

    def _accept_alike(self, text: bytes, start: int, end: int, offset: int) -> int:
        """Accept the lines from `start` on that are like the last one examined, until a mark is due.

        Returns where the first one begins that is not, or that comes after the mark.
        """
        shape, marker = self._shape, self._marker
        if shape is None:
            return start
        read, most, last = shape.read, self._limits.max_lines, marker.due_offset - offset
        while start < end and self._requests < most:
            stop = line_end(text, start)
            found = read(text, start, stop)
            if found is None or not self._remember(found[0]):
                break
            self._line += 1
            self._requests += 1
            self._accept(offset + found[1], found[2], stop - start)
            start = stop + 1
            if self._requests >= marker.due_requests or start >= last:
                break
        return start

    def _accept(self, model: int, body: Body | None, size: int) -> None:
        self._spans.append(model)
        limited, unlimited = allowed(body, self._url)
        self._output_tokens += limited
        self._unlimited_answers += unlimited
        spared, guessed = beside_text(body, self._guesses)
        if spared or guessed:
            self._spared_bytes += spared
            self._guessed_tokens += guessed
            self._marker.guess(guessed)
        if guessed or size >= self._lengths.shortest_bytes:
            self._lengths.add(estimated_tokens(size - spared) + guessed, limited, unlimited)

    def _remember(self, custom_id: bytes) -> bool:
        """Take note of a custom_id; False if it was there before."""
        digest = id_digest(custom_id)
        if not self._digests.add(digest):
            return False
        self._id_sum += int.from_bytes(digest)
        return True

    def _examine(self, line: bytes, offset: int) -> None:
        self._line += 1
        if not line.strip(b" \t\r") or not self._count_request():
            return
        before = len(self._problems)
        bom = find_bom(line)
        if bom is not None:
            self._refuse_bom(bom.encoding)
            line = line[len(bom.mark) :]
        if self._stopped:
            return
        request = read_request(line)
        for problem in request.problems:
            self._add(problem, self._line)
        self._check_id(request.custom_id)
        self._check_url(request.url)
        self._check_model(request.model)
        if len(self._problems) == before:
            self._accept(offset + request.model_offset, request.body, len(line))
            self._shape = request.shape

    def _count_request(self) -> bool:
        """False if it is one too many; then nothing more is looked at."""
        self._requests += 1
        most = self._limits.max_lines
        if self._requests > most:
            message = f"The file holds more than {most} requests; split it into several files."
            self._add(make_problem("too_many_tasks", None, message))
            self._stopped = True
        return not self._stopped

    def _check_id(self, custom_id: str | None) -> None:
        if custom_id and not self._remember(custom_id.encode()):
            message = (
                f"The custom_id {quote(custom_id)} for this request is a duplicate of another request."
                " The custom_id parameter must be unique for each request in a batch."
            )
            self._add(make_problem("duplicate_custom_id", "custom_id", message), self._line)

    def _check_url(self, url: str | None) -> None:
        if url is None or url == self._url:
            return
        if url not in self._endpoints:
            supported = ", ".join(f"'{endpoint}'" for endpoint in self._endpoints)
            message = f"The URL {quote(url)} is not supported. Supported values are: {supported}."
        elif self._url is None:
            self._url = url
            return
        else:
            message = (
                f"The URL {quote(url)} for this request does not match the rest of the batch: '{self._url}'."
            )
        self._add(make_problem("invalid_url", "url", message), self._line)

    def _check_model(self, model: str | None) -> None:
        if model is None or model == self._model:
            return
        problem = self._model_problem(model)
        if problem is None and self._model is None:
            self._model = model
            return
        message = (
            f"The model {quote(model)} for this request does not match the rest of the batch."
            " Each batch must contain requests for a single model."
        )
        self._add(problem or make_problem("mismatched_model", "body.model", message), self._line)

    def _refuse_long_line(self) -> None:
        self._line += 1
        if self._count_request():
            message = f"This line is longer than {self._limits.max_line_bytes} bytes."
            self._add(make_problem("line_too_long", None, message), self._line)

    def _refuse_bom(self, encoding: str) -> None:
        message = (
            f"This line begins with a byte order mark (BOM) of {encoding}. Save the file as UTF-8 without."
        )
        self._add(make_problem("invalid_json_line", None, message), self._line)
        if encoding != "UTF-8":
            self._stopped = True  # each further line would only say the same

    def _add(self, problem: Problem, line: int | None = None) -> None:
        if not self._stopped:
            self._problems.append(msgspec.structs.replace(problem, line=line))
            self._stopped = len(self._problems) >= self._limits.max_problems
