"""Which requests have succeeded, by the rows of result files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.jsonl import RowIds, RowTally, id_digest

ANSWERED: dict[str, Any] = {"response": {"status_code": 200, "body": {}}, "error": None}
OUTCOMES: Sequence[dict[str, Any]] = (
    ANSWERED,
    {"response": {"status_code": 429, "body": {}}, "error": None},
    {"response": None, "error": {"code": "batch_expired"}},
    {"response": {"status_code": 200, "body": {}}, "error": {"code": "server_error"}},
    {"response": {"body": {}}, "error": None},
    {"response": None, "error": None},
)


@given(st.lists(st.lists(st.sampled_from(OUTCOMES)), max_size=3), st.integers(1, 300))
def test_each_row_is_on_the_side_on_which_it_is_counted(
    files: Sequence[Sequence[dict[str, Any]]], size: int
) -> None:
    ids, tally = RowIds(), RowTally()
    completed, failed = list[bytes](), list[bytes]()
    for number, outcomes in enumerate(files):
        named = [(f"{number}-{line}", outcome) for line, outcome in enumerate(outcomes)]
        for custom_id, outcome in named:
            (completed if outcome is ANSWERED else failed).append(id_digest(custom_id.encode()))
        content = b"no row\n" + b"\n".join(
            json.dumps({"custom_id": custom_id} | outcome).encode() for custom_id, outcome in named
        )
        for start in range(0, len(content), size):
            ids.feed(content[start : start + size])
        ids.finish_file()
        tally.feed(content + b"\n")
    assert (list(ids.completed), list(ids.failed)) == (completed, failed)
    found = tally.finish()
    assert (len(ids.completed), len(ids.failed)) == (found.completed, found.failed)
