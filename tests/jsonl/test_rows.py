"""What became of a request is told from its row, also where that is written oddly."""

import json
from typing import Any

import pytest

from litebatch_asgi.jsonl import RowFate, RowTally

EXECUTED, RETRYABLE, NOT_EXECUTED = RowFate.EXECUTED, RowFate.RETRYABLE, RowFate.NOT_EXECUTED


def response(status: object) -> dict[str, Any]:
    return {"status_code": status, "request_id": "r", "body": {}}


@pytest.mark.parametrize(
    ("told", "error", "fate"),
    [
        (response(200), None, EXECUTED),
        (response(400), None, EXECUTED),
        (response(404), {"code": "model_not_found"}, EXECUTED),
        (response(None), None, EXECUTED),
        (response("no number"), None, EXECUTED),
        (response(600), None, EXECUTED),
        (response(408), None, RETRYABLE),
        (response(429), {"code": "insufficient_quota"}, RETRYABLE),
        (response(429.0), None, RETRYABLE),
        (response(500), None, RETRYABLE),
        (response(529), "overloaded", RETRYABLE),
        (response(200), {"code": "server_error"}, RETRYABLE),
        (response(400), {"code": "rate_limit_exceeded"}, RETRYABLE),
        (response(200), {"code": "batch_expired"}, RETRYABLE),
        (None, {"code": "request_timeout"}, RETRYABLE),
        (None, {"code": "429", "message": "slow down"}, RETRYABLE),
        (None, {"code": 503}, RETRYABLE),
        (None, {"code": "batch_expired"}, NOT_EXECUTED),
        (None, {"code": "batch_cancelled"}, NOT_EXECUTED),
        (None, {"code": "404"}, RowFate.REFUSED),
        (None, {"code": "content_filter"}, RowFate.REFUSED),
        (None, {"code": "9" * 5000}, RowFate.REFUSED),
        (None, {"code": ["429"]}, NOT_EXECUTED),
        (None, {"code": None}, NOT_EXECUTED),
        (None, "batch_expired", NOT_EXECUTED),
        (None, None, NOT_EXECUTED),
    ],
)
def test_a_row_tells_the_fate_of_its_request(told: object, error: object, fate: RowFate) -> None:
    tally = RowTally()
    tally.feed(json.dumps({"custom_id": "a", "response": told, "error": error}).encode())
    found = tally.finish()
    assert (found.rows, found.unparsable) == (1, 0)
    assert (found.retryable, found.not_executed) == (fate == RETRYABLE, fate == NOT_EXECUTED)
    assert found.executed == (told is not None)
    assert found.failed >= found.retryable + found.not_executed


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9" * 5000, "1." + "9" * 5000, "1e" + "9" * 5000])
@pytest.mark.parametrize(
    "row",
    [
        '{"custom_id": "a", "response": {"status_code": 200, "body": {"usage": {"total_tokens": %}}}}',
        '{"custom_id": "a", "response": {"status_code": 200, "body": %}}',
        '{"custom_id": "a", "response": {"status_code": 200, "body": "{\\"usage\\": {\\"input\\": %}}"}}',
        '{"custom_id": "a", "response": {"status_code": 200}, "error": null, "id": %, "more": "\\ud800"}',
    ],
)
def test_a_row_may_have_numbers_of_any_length(row: str, number: str) -> None:
    """Though Python reads no integer of more than 4,300 digits."""
    tally = RowTally()
    tally.feed(row.replace("%", number).encode())
    found = tally.finish()
    assert (found.rows, found.unparsable, found.completed) == (1, 0, 1)
