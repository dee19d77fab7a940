"""Failed batches with tens of thousands of errors: a hundred are kept, and the event loop goes on."""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any

import msgspec
import pytest

from litebatch_asgi.models import BatchError, BatchStatus
from litebatch_asgi.models.provider import LONGEST_MESSAGE, MOST_ERRORS
from litebatch_asgi.providers._http import QUICK_BYTES, work_on
from litebatch_asgi.providers.openai.objects import parse_batch
from litebatch_asgi.providers.openai.reading import parse_object

from .wire import BATCH, adapter_for, answer, raw_server

LINES = 50_000


def error(line: int) -> dict[str, Any]:
    message = f"The custom_id 'request-{line % 7}' for this request is a duplicate of another request. " * 2
    return {"code": "duplicate_custom_id", "line": line, "message": message, "param": "custom_id"}


def failed(errors: object) -> bytes:
    return msgspec.json.encode({**BATCH, "status": "failed", "errors": errors, "metadata": {"a": "b"}})


@pytest.mark.parametrize("more", [b"", b',"x":NaN'], ids=["plain", "odd"])
async def test_a_hundred_errors_are_kept(more: bytes) -> None:
    text = failed({"object": "list", "data": [error(line) for line in range(1, LINES + 1)]})
    async with (
        raw_server(answer(raw=text[:-1] + more + b"}")) as server,
        adapter_for(server.base_url) as adapter,
    ):
        batch = await adapter.retrieve_batch("batch_1")
    assert (batch.status, batch.metadata) == (BatchStatus.FAILED, {"a": "b"})
    assert [each.line for each in batch.errors] == list(range(1, MOST_ERRORS + 1))


@pytest.mark.parametrize("bare", [False, True])
def test_no_more_errors_are_taken_apart_than_are_kept(bare: bool) -> None:
    errors = [error(line) for line in range(LINES)]
    text = failed(errors if bare else {"data": errors})
    tracemalloc.start()
    content = parse_object(text)
    kept = parse_batch(content).errors
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == MOST_ERRORS
    assert peak < 1.5 * len(text)


def test_errors_that_cannot_be_read_cost_no_others() -> None:
    text = b'{"id":"b","errors":{"object":"list","data":[{"code":"a"},"?",{"code":"b\\q"},NaN,{"line":3}]}}'
    assert parse_batch(parse_object(text)).errors == (BatchError(code="a"), BatchError(line=3))


def test_long_texts_of_an_error_are_cut() -> None:
    long = {"code": "c" * 9_000, "message": "é" * 90_000, "param": "p" * 9_000, "line": 1}
    (kept,) = parse_batch(parse_object(failed([long]))).errors
    assert kept.message == "é" * LONGEST_MESSAGE
    assert kept.code is not None
    assert kept.param is not None
    assert max(len(kept.code), len(kept.param)) <= 200


async def test_long_answers_are_read_in_another_thread() -> None:
    """Reading may take a tenth of a second, in which others have their turn."""

    def where(_: bytes) -> int:
        return threading.get_ident()

    assert await work_on(bytes(QUICK_BYTES), where) == threading.get_ident()
    assert await work_on(bytes(QUICK_BYTES + 1), where) != threading.get_ident()
