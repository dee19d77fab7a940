"""Sending one request, and what its answer means."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from litebatch_asgi.errors import AnswerTooLarge, NoAnswer, ServerAway
from litebatch_asgi.jsonl import LiveLine
from litebatch_asgi.jsonl.live_rows import error_row, is_only_error, is_row_body, result_row
from litebatch_asgi.live.inputs import ModelNames
from litebatch_asgi.load import Outcome, outcome_of_status
from litebatch_asgi.models import NO_HINTS, Deployment, FileKind, LineResult, RateHints, Settings
from litebatch_asgi.provider import AnswerRoom, LiveAnswer, LiveRequest, LiveServer
from litebatch_asgi.scrub import scrub_body

_OF_OPERATOR = frozenset({401, 402, 403, 404})
"""statuses that most likely the operator can mend: the key, its rights or credit, the model, the address"""
_NOT_FOUND = 404
_NO_MODEL = frozenset({403, 404})
"""statuses of a model that is not there, or not for this key"""
_PASSING = frozenset({408, 425, 429})
"""statuses below 500 that may be others at another try"""
_MOST_TOKENS = 100_000_000
"""of one request, by its answer: who tells of more counts otherwise"""
_UNREADABLE = "The request cannot be read."


class Attempt(NamedTuple):
    """An attempt at one request, once it is over."""

    outcome: Outcome
    result: LineResult
    """of the request, if this was the last attempt at it"""
    is_final: bool = True
    """whether another attempt would come out no better"""
    tokens: int | None = None
    """that it has used, by its answer"""
    hints: RateHints = NO_HINTS


class _Usage(msgspec.Struct, gc=False):
    total_tokens: int | None = None


class _Answer(msgspec.Struct, gc=False):
    usage: _Usage | None = None


_decode_usage = msgspec.json.Decoder(_Answer).decode


class LineSender:
    """Sends requests to one deployment. Never raises for what that does."""

    def __init__(
        self, server: LiveServer, deployment: Deployment, settings: Settings, *, timeout: float
    ) -> None:
        self._server = server
        self._timeout = timeout
        self._most_bytes = settings.max_answer_bytes
        self._places = deployment.place_names
        self._takes_any_model = deployment.takes_any_model
        self._served = set[str]()
        """the paths at which requests have succeeded"""

    async def send(
        self,
        line: LiveLine,
        row_id: str,
        models: ModelNames,
        room: AnswerRoom | None = None,
        resent: Callable[[], object] | None = None,
    ) -> Attempt:
        """Send a request; `row_id` is the id of its row. For the others see `LiveRequest`."""
        try:
            custom_id, url, body = line.request()
        except (msgspec.DecodeError, RecursionError):
            return self._without(line, "", row_id, Outcome.ANSWERED, "invalid_request", _UNREADABLE)
        request = LiveRequest(
            path=url,
            body=body,
            model=models.upstream,
            timeout_seconds=self._timeout,
            most_bytes=self._most_bytes,
            room=room,
            resent=resent,
        )
        try:
            answer = await self._server.send(request)
        except ServerAway:
            words = "connection_error", "The server could not be reached."
            return self._without(line, custom_id, row_id, Outcome.AWAY, *words, is_final=False)
        except AnswerTooLarge:
            told = f"The answer has more than {self._most_bytes} bytes, which is as much as is kept."
            return self._without(line, custom_id, row_id, Outcome.ANSWERED, "answer_too_large", told)
        except NoAnswer as error:
            told = "The server broke the connection off before it had answered."
            outcome, code = Outcome.CUT, "connection_error"
            if error.was_silent:
                told = f"The server did not answer within {self._timeout:g} seconds."
                outcome, code = Outcome.SILENT, "request_timeout"
            return self._without(line, custom_id, row_id, outcome, code, told, is_final=False)
        if 200 <= answer.status < 300:
            self._served.add(url)
        elif answer.status == _NOT_FOUND and self._lacks(url, answer.body):
            told = f"The server does not have {url}."
            return self._without(line, custom_id, row_id, Outcome.ANSWERED, "request_refused", told)
        return self._answered(line, custom_id, row_id, answer, models)

    def _lacks(self, path: str, body: bytes) -> bool:
        """Whether a 404 is of a path alone: others are there, and it is not the model that is not."""
        return path not in self._served and bool(self._served) and not _is_about_model(body)

    def _answered(
        self, line: LiveLine, custom_id: str, row_id: str, answer: LiveAnswer, models: ModelNames
    ) -> Attempt:
        body, status, outcome = answer.body, answer.status, outcome_of_status(answer.status)
        is_json, is_success = is_row_body(body), 200 <= status < 300
        is_result = is_success and is_json and not is_only_error(body)
        if is_result:
            row = result_row(custom_id, row_id, answer.request_id, status, body)
            result = LineResult(line=line.line, kind=FileKind.OUTPUT, row=row)
            return Attempt(outcome, result, tokens=_tokens(body), hints=answer.limits)
        is_of_model = self._takes_any_model and status in _NO_MODEL and _is_about_model(body)
        is_of_operator = status in _OF_OPERATOR and not is_of_model
        if is_success:
            outcome = Outcome.FAILED if is_json else outcome
        elif is_of_operator:
            outcome = Outcome.UNAVAILABLE
        is_final = not is_success and status < 500 and status not in _PASSING | _OF_OPERATOR
        if is_json and not is_of_operator:
            shown = scrub_body(body, names={**self._places, models.upstream: models.virtual})
            row = result_row(custom_id, row_id, answer.request_id, status, shown, is_success=False)
            result = LineResult(line=line.line, kind=FileKind.ERROR, row=row)
            return Attempt(outcome, result, is_final=is_final, hints=answer.limits)
        code = "invalid_answer" if is_success else "request_refused"
        told = f"The server answered with status {status}" + (
            ", and not in JSON that can be read." if is_success else "."
        )
        attempt = self._without(line, custom_id, row_id, outcome, code, told, is_final=is_final)
        return attempt._replace(hints=answer.limits)

    def _without(
        self,
        line: LiveLine,
        custom_id: str,
        row_id: str,
        outcome: Outcome,
        code: str,
        message: str,
        *,
        is_final: bool = True,
    ) -> Attempt:
        """An attempt without an answer that could be passed on."""
        row = error_row(custom_id, row_id, code, message)
        return Attempt(outcome, LineResult(line=line.line, kind=FileKind.ERROR, row=row), is_final)


def _is_about_model(body: bytes) -> bool:
    """Whether a refusal speaks of a model, or of Azure's deployment of one."""
    told = body.lower()
    return b"model" in told or b"deployment" in told


def abandoned(line: LiveLine, row_id: str, tries: int) -> LineResult:
    """The result of a request whose senders were lost each time they had it."""
    try:
        custom_id = line.request()[0]
    except (msgspec.DecodeError, RecursionError):
        custom_id = ""
    told = f"Whoever sent the request was lost {tries} times before there was an answer."
    return LineResult(
        line=line.line, kind=FileKind.ERROR, row=error_row(custom_id, row_id, "line_abandoned", told)
    )


def _tokens(body: bytes) -> int | None:
    try:
        usage = _decode_usage(body).usage
    except (msgspec.DecodeError, RecursionError):
        return None
    total = usage.total_tokens if usage is not None else None
    return total if total is not None and 0 <= total <= _MOST_TOKENS else None
