"""Running the requests of a Message Batch: one file of rows, whatever became of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Self

import msgspec

from .answers import Ask, Usage, texts_of
from .anthropic_errors import error_body, error_type
from .anthropic_rules import why_refused
from .directives import DEFAULT, Directive, directive_in_text
from .execution import Execution, ResultFiles, RowFile, Written
from .json_values import JSON
from .settings import Status

UNEXECUTED: dict[Status, str] = {"expired": "expired", "cancelled": "canceled"}
"""`type` of the result of a request that was not run, by how its batch ended"""


class OneFile:
    """`ResultFiles` of Anthropic: every row into the output."""

    def __init__(self, path: Path, *, final_newline: bool) -> None:
        self._file = RowFile(path, final_newline=final_newline)

    def add(self, row: bytes, *, succeeded: bool) -> None:
        """Append one row."""
        self._file.add(row)

    def finish(self) -> tuple[tuple[Written, ...], tuple[Written, ...]]:
        """The output, unless it has no rows."""
        written = self._file.finish()
        return (() if written is None else (written,)), ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._file.close()


class AnthropicExecution(Execution):
    """One run over the requests of a batch."""

    def _result_files(self) -> ResultFiles:
        return OneFile(self._plan.output_path, final_newline=self._final_newline())

    def _row(self, index: int, line: bytes) -> tuple[bool, bytes]:
        request: JSON = msgspec.json.decode(line)
        key = hashlib.blake2b(f"{self._plan.batch_id}:{index}".encode(), digest_size=16).hexdigest()
        if not self._is_done(index):
            self._failed += 1
            self._unexecuted += 1
            return False, _text(request["custom_id"], {"type": UNEXECUTED[self._plan.ending]})
        params: JSON = request["params"]
        directive = self._tried(_directive_of(params), index, request["custom_id"])
        refused = self._refusal(params, directive)
        if refused is not None:
            self._failed += 1
            return False, _text(request["custom_id"], {"type": "errored", "error": error_body(*refused, key)})
        message, usage = self._message(params, directive, key)
        self._completed += 1
        self._usage += usage
        return True, _text(request["custom_id"], {"type": "succeeded", "message": message})

    def _refusal(self, params: JSON, directive: Directive) -> tuple[str, str] | None:
        """Type and message of the error that a request is answered with; None: it succeeds."""
        wrong = why_refused(params)
        if wrong is not None:
            return "invalid_request_error", wrong
        known = self._plan.settings.models
        if known is not None and params["model"] not in known:
            return "not_found_error", f"model: {params['model']}"
        if not directive.fails:
            return None
        kind = error_type(directive.status, directive.error or directive.code)
        return kind, directive.message or f"This request was asked to fail: {kind}."

    def _message(self, params: JSON, directive: Directive, key: str) -> tuple[JSON, Usage]:
        ask = Ask(
            body=params,
            directive=directive,
            key=key,
            created=self._plan.created,
            answer_characters=self._plan.settings.answer_characters,
        )
        usage = ask.usage(ask.text, reasons=False)
        written = directive.cache_write_tokens
        told: JSON = {
            "input_tokens": usage.input_tokens - usage.cached_tokens - written,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": usage.cached_tokens,
            "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
            "output_tokens": usage.output_tokens,
            "service_tier": "batch",
        }
        if directive.reasoning_tokens is not None:
            told["output_tokens_details"] = {"thinking_tokens": directive.reasoning_tokens}
        return {
            "id": f"msg_{key[:24]}",
            "type": "message",
            "role": "assistant",
            "model": ask.model,
            "content": [{"type": "text", "text": ask.text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": told if directive.usage is msgspec.UNSET else directive.usage,
        }, usage

    def _foreign_row(self, number: int) -> bytes:
        params: JSON = {"model": "foreign", "messages": []}
        directive = Directive(answer="foreign", input_tokens=1_000_000)
        message, _ = self._message(params, directive, f"{number:032x}")
        return _text(f"foreign-{number}", {"type": "succeeded", "message": message})


def _directive_of(params: JSON) -> Directive:
    """What the last text of a request asks for: the parameters have no room for it."""
    last = ""
    for last in texts_of(params):  # noqa: B007 only the last one is wanted
        pass
    return directive_in_text(last) if last else DEFAULT


def _text(custom_id: str, result: Any) -> bytes:
    return msgspec.json.encode({"custom_id": custom_id, "result": result})
