"""Running the lines of a Vertex job: every row into the output, in one file or several."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import msgspec

from .answers import Usage
from .directives import Directive
from .execution import Execution, ResultFiles, RowFile, Written
from .json_values import JSON
from .vertex_import import custom_id_of, imported
from .vertex_requests import Asked, asked_of, is_embedding, response_of, status_of


class Shards:
    """`ResultFiles` of Vertex: rows in turn into each of so many files.

    Files without rows are not there, but for the first one with `keep_empty`.
    """

    def __init__(self, path: Path, count: int, *, final_newline: bool, keep_empty: bool) -> None:
        self._keep_empty = keep_empty
        self._files = [
            RowFile(path.with_name(f"{path.name}.{index}"), final_newline=final_newline)
            for index in range(count)
        ]
        self._rows = 0

    def add(self, row: bytes, *, succeeded: bool) -> None:
        """Append one row to the file whose turn it is."""
        self._files[self._rows % len(self._files)].add(row)
        self._rows += 1

    def finish(self) -> tuple[tuple[Written, ...], tuple[Written, ...]]:
        """All files with rows, as output."""
        finished = [
            file.finish(keep_empty=self._keep_empty and index == 0) for index, file in enumerate(self._files)
        ]
        return tuple(file for file in finished if file is not None), ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        for file in self._files:
            file.close()


class VertexExecution(Execution):
    """One run over the lines of a job; those that it did not come to have no row."""

    @property
    def _model(self) -> str:
        return self._plan.endpoint.rpartition("/")[2]

    def _result_files(self) -> ResultFiles:
        return Shards(
            self._plan.output_path,
            self._plan.settings.output_shards,
            final_newline=self._final_newline(),
            keep_empty=self._plan.ending == "completed",
        )

    def _has_row(self, index: int) -> bool:
        return self._is_done(index)

    def _row(self, index: int, line: bytes) -> tuple[bool, bytes]:
        told = imported(line)
        request = told.pop("request")
        asked = asked_of(request, self._model)
        tried = self._tried(asked.directive, index, custom_id_of(told))
        asked = msgspec.structs.replace(asked, directive=tried)
        key = hashlib.blake2b(f"{self._plan.batch_id}:{index}".encode(), digest_size=16).hexdigest()
        if asked.fails:
            self._failed += 1
            return False, self._text(status_of(asked), asked, None, told, index)
        response, usage = self._respond(asked, key)
        self._completed += 1
        self._usage += usage
        return True, self._text("", asked, response, told, index)

    def _respond(self, asked: Asked, key: str) -> tuple[JSON, Usage]:
        return response_of(asked, key, self._plan.created, self._plan.settings.answer_characters)

    def _text(self, status: str, asked: Asked, response: JSON | None, siblings: JSON, index: int) -> bytes:
        """One row: what stood beside the request stands beside it still, somewhere."""
        at = datetime.fromtimestamp(self._plan.created, UTC) + timedelta(milliseconds=index % 1000)
        row: dict[str, Any] = {
            "status": status,
            "processed_time": at.isoformat(timespec="milliseconds"),
            "request": asked.request,
        }
        if response is not None:
            row["response"] = response
        row |= siblings
        names = list(row)
        random.Random(f"{self._plan.seed}/{index}").shuffle(names)  # noqa: S311 repeatable on purpose
        return msgspec.json.encode({name: row[name] for name in names})

    def _foreign_row(self, number: int) -> bytes:
        parts: list[JSON] = [{"text": "foreign"}]
        embeds = is_embedding(self._model)
        request: JSON = {"content": {"parts": parts}}
        if not embeds:
            request = {"contents": [{"role": "user", "parts": parts}]}
        directive = Directive(answer="foreign", input_tokens=1_000_000)
        asked = Asked(request=request, model="foreign", directive=directive, refusal=None)
        if embeds:
            asked = msgspec.structs.replace(asked, model="foreign-embedding")
        response, _ = self._respond(asked, f"{number:032x}")
        siblings = {"key" if embeds else "custom_id": f"foreign-{number}"}
        return self._text("", asked, response, siblings, number)
