"""Rows of requests that were sent one by one say what was answered, and are read as any other."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.jsonl import RowFate, RowTally
from litebatch_asgi.jsonl.live_rows import error_row, is_only_error, is_row_body, result_row
from litebatch_asgi.jsonl.rows import read_rows

from .strategies import texts, values


@given(custom_id=texts, request_id=st.none() | texts, value=values, indent=st.none() | st.integers(0, 3))
def test_an_answer_is_put_in_as_it_came(
    custom_id: str, request_id: str | None, value: object, indent: int | None
) -> None:
    body = json.dumps(value, indent=indent).encode()
    row = result_row(custom_id, "batch_req_1", request_id, 200, body)
    assert row.endswith(b"\n")
    assert row.count(b"\n") == 1
    assert json.loads(row) == {
        "id": "batch_req_1",
        "custom_id": custom_id,
        "response": {"status_code": 200, "request_id": request_id or "batch_req_1", "body": value},
        "error": None,
    }


@given(custom_id=texts, message=texts)
def test_an_error_names_its_request(custom_id: str, message: str) -> None:
    row = error_row(custom_id, "batch_req_1", "request_timeout", message)
    assert row.count(b"\n") == 1
    told = json.loads(row)
    assert (told["custom_id"], told["response"]) == (custom_id, None)
    assert told["error"] == {"code": "request_timeout", "message": message}


@given(
    before=st.integers(0, 9000),
    digits=st.integers(4200, 4400),
    after=st.integers(0, 3000),
    sign=st.booleans(),
)
def test_stock_clients_can_read_every_row(before: int, digits: int, after: int, sign: bool) -> None:
    """Python reads no integer of more than 4,300 digits; of fractions and texts it takes any number."""
    number = "-" * sign + "9" * digits
    for told in (number, f"[{number}]", f'"{number}"', f"0.{number.strip('-')}", f"{number}.5"):
        body = f'{{"a": "{"x" * before}", "b": {told}, "c": "{"1" * after}"}}'.encode()
        try:
            json.loads(body)
        except ValueError:
            assert not is_row_body(body)
        else:
            assert is_row_body(body)


@pytest.mark.parametrize(
    ("row", "fate"),
    [
        (result_row("a", "r", None, 200, b"{}"), RowFate.EXECUTED),
        (result_row("a", "r", None, 400, b'{"error":{}}'), RowFate.EXECUTED),
        (result_row("a", "r", None, 429, b'{"error":{}}'), RowFate.RETRYABLE),
        (result_row("a", "r", None, 503, b"null"), RowFate.RETRYABLE),
        (result_row("a", "r", None, 200, b'{"error":{}}', is_success=False), RowFate.RETRYABLE),
        (error_row("a", "r", "request_timeout", "m"), RowFate.RETRYABLE),
        (error_row("a", "r", "connection_error", "m"), RowFate.RETRYABLE),
        (error_row("a", "r", "answer_too_large", "m"), RowFate.REFUSED),
        (error_row("a", "r", "line_abandoned", "m"), RowFate.REFUSED),
    ],
)
def test_what_may_pass_can_run_elsewhere(row: bytes, fate: RowFate) -> None:
    (read,) = read_rows([row])
    assert read is not None
    assert read.fate is fate


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        (b"{}", True),
        (b' [1,\r\n {"a": null}] ', True),
        ('{"a": "\u00e9"}'.encode(), True),
        (b'{"a": "\\ud83d"}', True),
        ('{"\u00e9": "\\ud83d"}'.encode(), True),
        (b"", False),
        (b"<html>", False),
        (b'{"a": 1', False),
        (b'{"a": 1} {"a": 2}', False),
        (b'{"a": NaN}', False),
        (b'{"a": -Infinity}', False),
        (b'{"a": "\xff"}', False),
        (b'{"a": "\xed\xa0\x80"}', False),
        (b'{"a": "\n"}', False),
        (b"\xef\xbb\xbf{}", False),
        (b"[" * 100_000, False),
    ],
)
def test_what_can_stand_in_a_row(body: bytes, is_one: bool) -> None:
    assert is_row_body(body) is is_one


@given(value=values, indent=st.none() | st.integers(0, 3), ascii_only=st.booleans())
def test_whatever_is_json_can(value: object, indent: int | None, ascii_only: bool) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert is_row_body(body)


@pytest.mark.parametrize("status", [100, 204, 299, 302, 304, 400, 599])
def test_what_is_no_success_is_read_as_none(status: int) -> None:
    (read,) = read_rows([result_row("a", "r", None, status, b"{}")])
    assert read is not None
    assert read.is_completed is (200 <= status < 300)
    assert read.fate is (RowFate.RETRYABLE if status == 599 else RowFate.EXECUTED)


def test_usage_is_counted() -> None:
    tally = RowTally()
    body = b'{"model": "m", "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}'
    tally.feed(result_row("a", "r", None, 200, body))
    found = tally.finish()
    assert (found.completed, found.usage.total_tokens if found.usage else None) == (1, 7)


@pytest.mark.parametrize(
    ("body", "is_error"),
    [
        (b'{"error": {"message": "upstream", "code": 502}}', True),
        (b'{"error": "upstream", "choices": null}', True),
        (b'{"choices": [], "error": {"message": "upstream"}}', True),
        (b'{"error": null, "choices": []}', False),
        (b'{"error": {}, "id": "1"}', False),
        (b'{"error": {"message": "odd"}, "choices": [{}]}', False),
        (b'{"error": {"message": "odd"}, "data": [{}]}', False),
        (b'{"object": "response", "status": "failed", "output": [], "error": {"message": "m"}}', False),
        (b'{"text": "\\"error\\""}', False),
        (b'["error"]', False),
        (b"null", False),
    ],
)
def test_an_error_in_place_of_a_result_is_told_from_one_beside_it(body: bytes, is_error: bool) -> None:
    assert is_only_error(body) is is_error
