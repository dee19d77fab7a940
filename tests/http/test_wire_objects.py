"""Our objects in OpenAI's JSON: every field there, and the stock client's own models take them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from openai.types import Batch as OpenAIBatch
from openai.types import FileDeleted, FileObject, Model

from litebatch_asgi import wire
from litebatch_asgi.errors import Conflict, InvalidFile, InvalidRequest, Problem
from litebatch_asgi.models import (
    Batch,
    BatchError,
    BatchStatus,
    CopyState,
    Counts,
    DeploymentWait,
    File,
    FileCopy,
    FileKind,
    FileStatus,
    Page,
    Usage,
    WaitingFor,
)

NOW = datetime(2026, 9, 1, 12, 0, 0, 999_999, tzinfo=UTC)
LATER = datetime(2026, 10, 1, 12, tzinfo=UTC)
FILE = File(
    id="file-lb01k5",
    owner="team:search",
    created_by="ab12",
    kind=FileKind.INPUT,
    purpose="batch",
    filename="requests.jsonl",
    bytes=170,
    models=("gpt-4o-batch",),
    created_at=NOW,
)
BATCH = Batch(
    id="batch_lb01k5",
    owner="team:search",
    created_by="ab12",
    input_file_id=FILE.id,
    endpoint="/v1/chat/completions",
    completion_window="24h",
    model="gpt-4o-batch",
    created_at=NOW,
    expires_at=LATER,
)
COPIES = (
    FileCopy(file_id=FILE.id, deployment_id="east", owner=FILE.owner, state=CopyState.READY),
    FileCopy(file_id=FILE.id, deployment_id="west", owner=FILE.owner, state=CopyState.READY),
    FileCopy(file_id=FILE.id, deployment_id="west", owner=FILE.owner, state=CopyState.PENDING, shard=1),
)
FILE_FIELDS = {
    *("id", "object", "bytes", "created_at", "expires_at", "filename", "purpose", "status"),
    *("status_details", "litebatch"),
}
BATCH_FIELDS = {
    *("id", "object", "endpoint", "model", "errors", "input_file_id", "completion_window", "status"),
    *("output_file_id", "error_file_id", "created_at", "in_progress_at", "expires_at", "finalizing_at"),
    *("completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at", "request_counts"),
    *("usage", "metadata", "litebatch"),
}


def sent(value: object) -> dict[str, Any]:
    """What a client finds in the body."""
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return body


def test_a_file_has_every_field() -> None:
    body = sent(wire.file_object(FILE))
    assert set(body) == FILE_FIELDS
    assert body == {
        "id": FILE.id,
        "object": "file",
        "bytes": 170,
        "created_at": 1_788_264_000,
        "expires_at": None,
        "filename": "requests.jsonl",
        "purpose": "batch",
        "status": "uploaded",
        "status_details": None,
        "litebatch": {
            "waiting_for": {
                "reason": "copies_not_ready",
                "message": "No deployment can use the file yet: its copies are being made or checked.",
                "until": None,
            }
        },
    }


@pytest.mark.parametrize("status", FileStatus)
def test_the_stock_client_reads_a_file(status: FileStatus) -> None:
    file = replace(FILE, status=status, expires_at=LATER, purpose="batch_output")
    parsed = FileObject.model_validate(sent(wire.file_object(file)), strict=True)
    assert list(parsed.model_extra or ()) == ["litebatch"]
    assert parsed.status == status.value
    assert parsed.expires_at == 1_790_856_000


WAITING = WaitingFor(
    reason="deployments_busy",
    until=LATER,
    deployments={"east": DeploymentWait(reason="busy", status=429, until=LATER)},
)


def test_nothing_of_ours_alone_is_told() -> None:
    waiting = replace(BATCH, deployment_id="east", waiting_for=WAITING)
    for told in (wire.file_object(FILE, copies=COPIES), wire.batch_object(waiting)):
        assert not re.search("team:search|ab12|east", str(sent(told)))


def test_admins_are_told_whose_it_is_and_where() -> None:
    waiting = replace(BATCH, deployment_id="east", waiting_for=WAITING)
    assert sent(wire.batch_object(waiting, for_admin=True))["litebatch"] == {
        "owner": "team:search",
        "key": "ab12",
        "deployment": "east",
        "waiting_for": {
            "reason": "deployments_busy",
            "message": (
                "Every deployment of the model asks to wait or has no room: the batch goes to the first one "
                "that takes it, next at 12:00:00 UTC. (east: 429, asks to wait)"
            ),
            "until": 1_790_856_000,
            "deployments": {"east": {"reason": "busy", "status": 429, "said": None, "until": 1_790_856_000}},
        },
        "cost": None,
        "cost_is_final": False,
        "unpriced_requests": 0,
        "lines": {"done": 0, "failed": 0, "left": 0},
    }
    ready = replace(FILE, status=FileStatus.PROCESSED)
    assert sent(wire.file_object(ready, for_admin=True, copies=COPIES))["litebatch"] == {
        "owner": "team:search",
        "key": "ab12",
        "deployments": {"east": "ready", "west": "pending"},
        "waiting_for": None,
    }


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        (Counts(total=9), (0, 0, 9)),
        (Counts(total=9, completed=4, failed=2), (4, 2, 3)),
        (Counts(total=9, completed=8, failed=1), (8, 1, 0)),
    ],
)
def test_lines_are_told_as_far_as_they_are(counts: Counts, told: tuple[int, int, int]) -> None:
    lines = sent(wire.batch_object(replace(BATCH, counts=counts)))["litebatch"]["lines"]
    assert (lines["done"], lines["failed"], lines["left"]) == told


def test_a_cost_is_told_to_the_nanodollar() -> None:
    """It is final once the batch has ended and all requests have a price."""
    used = Usage(input_tokens=1, total_tokens=1)
    running = replace(BATCH, status=BatchStatus.FINALIZING, usage=used, cost=Decimal("1E-9"))
    ended = replace(running, status=BatchStatus.EXPIRED, cost=Decimal(9_000_000))
    told = [
        sent(wire.batch_object(batch))["litebatch"]
        for batch in (
            running,
            ended,
            replace(ended, unpriced_requests=1),
            replace(ended, cost=None),
            replace(ended, usage=None, cost=None),
            replace(running, usage=None, cost=None),
        )
    ]
    assert [(each["cost"], each["cost_is_final"]) for each in told] == [
        ("0.000000001", False),
        ("9000000.000000000", True),
        ("9000000.000000000", False),
        (None, False),
        ("0.000000000", True),
        (None, False),
    ]


def test_a_reason_of_a_later_version_is_passed_on() -> None:
    told = sent(wire.batch_object(replace(BATCH, waiting_for=WaitingFor(reason="moon"))))
    assert told["litebatch"]["waiting_for"] == {
        "reason": "moon",
        "message": "It is looked at again.",
        "until": None,
    }


def test_a_fresh_batch_has_every_field() -> None:
    body = sent(wire.batch_object(BATCH))
    assert set(body) == BATCH_FIELDS
    unset = {name for name, value in body.items() if value is None}
    assert unset == {
        *("errors", "output_file_id", "error_file_id", "in_progress_at", "finalizing_at", "completed_at"),
        *("failed_at", "expired_at", "cancelling_at", "cancelled_at", "usage", "metadata"),
    }
    assert body["model"] == "gpt-4o-batch"
    assert body["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert body["expires_at"] == 1_790_856_000


@pytest.mark.parametrize("status", BatchStatus)
def test_the_stock_client_reads_a_batch(status: BatchStatus) -> None:
    batch = replace(
        BATCH,
        status=status,
        metadata={"team": "search"},
        counts=Counts(total=3, completed=2, failed=1),
        usage=Usage(input_tokens=10, cached_tokens=4, output_tokens=20, reasoning_tokens=8, total_tokens=30),
        errors=(BatchError(code="invalid_json_line", line=2, message="This line is not parseable."),),
        output_file_id="file-lbout",
        error_file_id="file-lberr",
        completed_at=LATER,
    )
    parsed = OpenAIBatch.model_validate(sent(wire.batch_object(batch)), strict=True)
    assert list(parsed.model_extra or ()) == ["litebatch"]
    assert parsed.status == status.value
    assert parsed.completed_at == 1_790_856_000
    assert parsed.request_counts is not None
    assert (parsed.request_counts.completed, parsed.request_counts.failed) == (2, 1)
    assert parsed.errors is not None
    assert parsed.errors.data is not None
    assert (parsed.errors.object, parsed.errors.data[0].line) == ("list", 2)
    assert parsed.usage is not None
    assert parsed.usage.input_tokens_details.cached_tokens == 4
    assert parsed.usage.output_tokens_details.reasoning_tokens == 8


def test_lists_name_their_first_and_last() -> None:
    files = [replace(FILE, id="file-lb2"), replace(FILE, id="file-lb1")]
    body = sent(wire.file_list(Page(items=files, has_more=True)))
    assert (body["object"], body["first_id"], body["last_id"]) == ("list", "file-lb2", "file-lb1")
    assert body["has_more"] is True
    assert [item["object"] for item in body["data"]] == ["file", "file"]
    batches = sent(wire.batch_list(Page(items=[BATCH], has_more=False)))
    assert batches["first_id"] == batches["last_id"] == BATCH.id
    assert batches["has_more"] is False
    assert batches["data"] == [sent(wire.batch_object(BATCH))]


def test_an_empty_list_names_none() -> None:
    nothing: dict[str, Any] = {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }
    assert sent(wire.file_list(Page(items=[], has_more=False))) == nothing
    assert sent(wire.batch_list(Page(items=[], has_more=False))) == nothing


def test_the_stock_client_reads_a_deletion() -> None:
    parsed = FileDeleted.model_validate(sent(wire.DeletedFile(id=FILE.id)), strict=True)
    assert (parsed.id, parsed.deleted) == (FILE.id, True)


def test_the_stock_client_reads_models() -> None:
    body = sent(wire.model_list(["gpt-4o-batch", "openai/*"]))
    assert body["object"] == "list"
    models = [Model.model_validate(item, strict=True) for item in body["data"]]
    assert [model.id for model in models] == ["gpt-4o-batch", "openai/*"]
    assert {model.owned_by for model in models} == {"litebatch"}


def test_an_error_has_all_four_keys() -> None:
    body = sent(wire.error_body(Conflict("Cannot cancel a batch with status 'completed'.")))
    assert body == {
        "error": {
            "message": "Cannot cancel a batch with status 'completed'.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
    }
    body = sent(wire.error_body(InvalidRequest("No.", param="limit", code="invalid_type")))
    assert (body["error"]["param"], body["error"]["code"]) == ("limit", "invalid_type")


def test_a_refused_file_tells_all_its_problems() -> None:
    problems = [
        Problem(code="invalid_json_line", line=1, param=None, message="This line is not JSON."),
        Problem(code="duplicate_custom_id", line=7, param="custom_id", message="Twice."),
    ]
    error = sent(wire.error_body(InvalidFile(problems)))["error"]
    assert (error["code"], error["param"]) == ("invalid_json_line", None)
    assert error["errors"] == [
        {"code": "invalid_json_line", "line": 1, "param": None, "message": "This line is not JSON."},
        {"code": "duplicate_custom_id", "line": 7, "param": "custom_id", "message": "Twice."},
    ]
