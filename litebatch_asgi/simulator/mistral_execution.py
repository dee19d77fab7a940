"""Running the lines of a job of Mistral's. Those that it did not come to have no row."""

from __future__ import annotations

import hashlib
import json

import msgspec

from .answers import Usage
from .directives import Directive, directive_of
from .execution import Execution
from .json_values import JSON
from .mistral_answers import mistral_answer, mistral_failure
from .mistral_rules import Refused, check_request
from .wire import versioned


class MistralExecution(Execution):
    """One run over the lines of a job; the body of a request that failed is a string with the JSON in it."""

    def _has_row(self, index: int) -> bool:
        return self._is_done(index)

    def _row(self, index: int, line: bytes) -> tuple[bool, bytes]:
        request: JSON = msgspec.json.decode(line)
        custom_id, body = request.get("custom_id"), request["body"]
        key = hashlib.blake2b(f"{self._plan.batch_id}:{index}".encode(), digest_size=16).hexdigest()
        directive = self._tried(directive_of(body), index, custom_id or "")
        if directive.error is not None:
            self._failed += 1
            return False, self._text(key, custom_id, None, directive.message or directive.error)
        status, answered, usage = self._run(body, directive, key)
        if usage is None:
            self._failed += 1
            response = {"status_code": status, "body": msgspec.json.encode(answered).decode()}
            return False, self._text(key, custom_id, response)
        self._completed += 1
        self._usage += usage
        return True, self._text(key, custom_id, {"status_code": status, "body": answered})

    def _run(self, body: JSON, directive: Directive, key: str) -> tuple[int, JSON, Usage | None]:
        """Status and body of the response, and what it used if it succeeded."""
        try:
            check_request(body, versioned(self._plan.endpoint))
        except Refused as refused:
            return refused.status, refused.body, None
        if directive.fails:
            return directive.status, mistral_failure(directive), None
        answered, usage = self._answer(self._in_openais_words(body), directive, key)
        return directive.status, mistral_answer(answered, body, directive, key), usage

    def _in_openais_words(self, body: JSON) -> JSON:
        told = {"model": self._plan.model, **body}
        if "output_dimension" in body:
            told["dimensions"] = body["output_dimension"]
        return told

    def _text(
        self, key: str, custom_id: str | None, response: JSON | None, error: str | None = None
    ) -> bytes:
        row = {"id": f"batch-{key[:8]}-{key}", "custom_id": custom_id, "response": response, "error": error}
        return json.dumps(row, ensure_ascii=self._plan.settings.escape_unicode).encode()

    def _foreign_row(self, number: int) -> bytes:
        key = f"{number:032x}"
        directive = Directive(answer="foreign", input_tokens=1_000_000)
        body: JSON = {"model": "foreign", "messages": [], "input": "foreign"}
        answered, _ = self._answer(body, directive, key)
        response = {"status_code": 200, "body": mistral_answer(answered, body, directive, key)}
        return self._text(key, f"foreign-{number}", response)
