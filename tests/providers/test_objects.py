"""Reading File and Batch objects, however they are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.errors import NoClearAnswer
from litebatch_asgi.models import BatchError, BatchStatus, Counts, ProviderFileStatus, Usage
from litebatch_asgi.providers.openai.objects import parse_batch, parse_file, parse_time
from litebatch_asgi.providers.openai.reading import parse_object, parse_page

MOMENT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_a_batch_of_openai_is_read_whole() -> None:
    batch = parse_batch(
        {
            "id": "batch_1",
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "errors": {
                "object": "list",
                "data": [{"code": "c", "line": 3, "message": "m", "param": "body.model"}],
            },
            "input_file_id": "file-in",
            "completion_window": "24h",
            "status": "completed",
            "output_file_id": "file-out",
            "error_file_id": None,
            "created_at": 1_700_000_000,
            "in_progress_at": 1_700_000_001,
            "expires_at": 1_700_086_400,
            "finalizing_at": 1_700_000_002,
            "completed_at": 1_700_000_003,
            "failed_at": None,
            "expired_at": 1_700_000_004,
            "cancelling_at": 1_700_000_005,
            "cancelled_at": 1_700_000_006,
            "request_counts": {"total": 3, "completed": 2, "failed": 1},
            "usage": {
                "input_tokens": 40,
                "input_tokens_details": {"cached_tokens": 30},
                "output_tokens": 2,
                "output_tokens_details": {"reasoning_tokens": 1},
                "total_tokens": 42,
            },
            "model": "gpt-4o-mini",
            "metadata": {"litebatch_job": "j", "team": "a"},
        }
    )
    assert (batch.id, batch.status, batch.input_file_id) == ("batch_1", BatchStatus.COMPLETED, "file-in")
    assert (batch.output_file_id, batch.error_file_id) == ("file-out", None)
    assert batch.created_at == MOMENT
    assert batch.in_progress_at == MOMENT + timedelta(seconds=1)
    assert batch.finalizing_at == MOMENT + timedelta(seconds=2)
    assert batch.counts == Counts(total=3, completed=2, failed=1)
    assert batch.errors == (BatchError(code="c", line=3, message="m", param="body.model"),)
    assert batch.metadata == {"litebatch_job": "j", "team": "a"}
    assert (batch.endpoint, batch.completion_window) == ("/v1/chat/completions", "24h")
    assert (batch.model, batch.expires_at) == ("gpt-4o-mini", MOMENT + timedelta(days=1))
    ends = (batch.completed_at, batch.expired_at, batch.cancelling_at, batch.cancelled_at)
    assert ends == tuple(MOMENT + timedelta(seconds=seconds) for seconds in (3, 4, 5, 6))
    assert batch.failed_at is None
    assert batch.usage == Usage(
        input_tokens=40, cached_tokens=30, output_tokens=2, reasoning_tokens=1, total_tokens=42
    )


@pytest.mark.parametrize("usage", [{}, {"input_tokens": 10**30}, {"input_tokens_details": []}])
def test_usage_that_makes_no_sense_is_nothing(usage: dict[str, Any]) -> None:
    assert parse_batch({"id": "b", "usage": usage}).usage == Usage()


@pytest.mark.parametrize("absent", [None, ""])
def test_a_batch_that_says_little_is_read_as_well(absent: str | None) -> None:
    content: dict[str, Any] = {"id": "b"}
    content |= dict.fromkeys(
        ("output_file_id", "error_file_id", "input_file_id", "created_at", "errors"), absent
    )
    content |= dict.fromkeys(
        ("request_counts", "metadata", "status", "in_progress_at", "finalizing_at"), absent
    )
    batch = parse_batch(content)
    assert batch == parse_batch({"id": "b"})
    assert (batch.output_file_id, batch.error_file_id, batch.created_at, batch.counts) == (None,) * 4
    assert (batch.errors, batch.metadata, batch.status) == ((), {}, BatchStatus.IN_PROGRESS)


@pytest.mark.parametrize(
    ("written", "status"),
    [
        *((status.value, status) for status in BatchStatus),
        ("Validating", BatchStatus.VALIDATING),
        ("IN_PROGRESS", BatchStatus.IN_PROGRESS),
        ("In Progress", BatchStatus.IN_PROGRESS),
        ("queued", BatchStatus.VALIDATING),
        ("pending", BatchStatus.VALIDATING),
        ("scheduling", BatchStatus.VALIDATING),
        ("Scheduled", BatchStatus.VALIDATING),
        ("submitted", BatchStatus.VALIDATING),
        ("finalising", BatchStatus.FINALIZING),
        ("succeeded", BatchStatus.COMPLETED),
        ("running", BatchStatus.IN_PROGRESS),
        ("CANCELING", BatchStatus.CANCELLING),
        ("Canceled", BatchStatus.CANCELLED),
        ("paused", BatchStatus.IN_PROGRESS),
        (7, BatchStatus.IN_PROGRESS),
    ],
)
def test_a_status_is_read_in_any_spelling(written: object, status: BatchStatus) -> None:
    assert parse_batch({"id": "b", "status": written}).status is status


@pytest.mark.parametrize(
    ("written", "counts"),
    [
        ({"total": None, "completed": None, "failed": None}, None),
        ({}, None),
        ({"total": 5}, Counts(total=5)),
        ({"total": "5", "completed": "4", "failed": None}, Counts(total=5, completed=4)),
        ({"total": -1}, None),
        ([1], None),
    ],
)
def test_counts_may_be_missing(written: object, counts: Counts | None) -> None:
    assert parse_batch({"id": "b", "request_counts": written}).counts == counts


@pytest.mark.parametrize(
    "written",
    [
        [{"code": "c", "line": None, "message": "m"}, "not an entry"],
        {"object": "list", "data": [{"code": "c", "line": "x", "message": "m", "param": 5}]},
        {"object": "list", "data": {"code": "c", "line": None, "message": "m", "param": None}},
    ],
)
def test_errors_come_in_a_list_or_in_a_list_object_or_alone(written: object) -> None:
    assert parse_batch({"id": "b", "errors": written}).errors == (BatchError(code="c", message="m"),)


def test_metadata_keeps_what_is_text() -> None:
    assert parse_batch({"id": "b", "metadata": {"a": "1", "b": 2, "c": None}}).metadata == {"a": "1"}


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        (1_700_000_000, MOMENT),
        (1_700_000_000.0, MOMENT),
        ("1700000000", MOMENT),
        ("2023-11-14T22:13:20Z", MOMENT),
        ("2023-11-14T22:13:20", MOMENT),
        ("2023-11-14T23:13:20+01:00", MOMENT),
        ("2023-11-14T22:13:20.0000000Z", MOMENT),
        ("0001-01-01T00:00:00", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59-01:00", None),
        (-5, None),
        (0, None),
        ("", None),
        ("soon", None),
        (True, None),
        (10**30, None),
        (-1e300, None),
        ({}, None),
    ],
)
def test_times_are_read_in_any_notation(written: object, moment: datetime | None) -> None:
    assert parse_time(written) == moment


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone(timedelta(hours=2))))
)
def test_unix_and_iso_times_agree(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    assert parse_time(int(whole.timestamp())) == parse_time(whole.isoformat()) == whole


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("uploaded", ProviderFileStatus.READY),
        ("Processed", ProviderFileStatus.READY),
        (None, ProviderFileStatus.READY),
        ("pending", ProviderFileStatus.PENDING),
        ("running", ProviderFileStatus.PENDING),
        ("something", ProviderFileStatus.PENDING),
        ("error", ProviderFileStatus.FAILED),
        ("deleted", ProviderFileStatus.FAILED),
    ],
)
def test_a_file_of_openai_needs_no_wait(written: object, status: ProviderFileStatus) -> None:
    assert parse_file({"id": "f", "status": written}).status is status


def test_another_provider_says_which_statuses_are_ready() -> None:
    file = parse_file({"id": "f", "status": "uploaded"}, ready={"processed"})
    assert file.status is ProviderFileStatus.PENDING


def test_a_file_is_read_whole() -> None:
    file = parse_file(
        {"id": "f", "filename": "a.jsonl", "bytes": 7, "created_at": 1_700_000_000, "status_details": "so"}
    )
    assert (file.id, file.filename, file.bytes) == ("f", "a.jsonl", 7)
    assert (file.created_at, file.status_details) == (MOMENT, "so")


@pytest.mark.parametrize("written", [None, "seven", -1, True, 1.5, "9" * 5_000])
def test_a_size_that_is_none_is_unknown(written: object) -> None:
    assert parse_file({"id": "f", "bytes": written}).bytes is None


@pytest.mark.parametrize("content", [{}, {"id": None}, {"id": ""}, {"id": 5}])
def test_without_an_id_there_is_no_answer(content: dict[str, Any]) -> None:
    with pytest.raises(NoClearAnswer):
        parse_batch(content)
    with pytest.raises(NoClearAnswer):
        parse_file(content)


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"null", b'"x"', b"<html>", b"\xff", b"{" * 100_000, b'{"a":' * 100_000]
)
def test_an_answer_that_is_no_object_is_none(answer: bytes) -> None:
    with pytest.raises(NoClearAnswer):
        parse_object(answer)


@pytest.mark.parametrize(
    "answer", [b"{}", b'{"data":null}', b'{"data":{}}', b'{"data":[NaN}', b'{"data":[{}', b"[]"]
)
def test_an_answer_that_is_no_list_is_none(answer: bytes) -> None:
    with pytest.raises(NoClearAnswer):
        parse_page(answer)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(
    ["status", "created_at", "request_counts", "errors", "metadata", "bytes", "filename", "output_file_id"]
)


@given(st.dictionaries(names, json_values))
def test_no_field_breaks_the_reading(content: dict[str, Any]) -> None:
    content = msgspec.json.decode(msgspec.json.encode(content))
    assert parse_batch({**content, "id": "x"}).id == parse_file({**content, "id": "x"}).id == "x"
