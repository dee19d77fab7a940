"""How requests have failed, and which have failed alike."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.jsonl import FailureGroups, RowIds, id_digest, in_common, row_error
from litebatch_asgi.models import RowError

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=600)
MOST = 1 << 20
_NOTHING: list[Any] = []
REPEATED = 500_000 * [_NOTHING]
"""what is large beside its text"""


def row(**members: Any) -> bytes:
    return json.dumps({"custom_id": "a", "response": None, "error": None} | members).encode()


def answered(status: Any, body: Any) -> dict[str, Any]:
    return {"response": {"status_code": status, "body": body}}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"error": {"code": "batch_expired", "message": "Too late"}}, (None, "batch_expired", "Too late")),
        ({"error": {"type": "server_error", "message": None}}, (None, "server_error", None)),
        ({"error": {"code": 429}}, (None, "429", None)),
        ({"error": "It broke at 12:30"}, (None, None, "It broke at #:#")),
        (
            answered(400, {"error": {"type": "t", "code": "c", "message": "The  word\n'x' is odd"}}),
            (400, "c", "The word 'x' is odd"),
        ),
        (answered(400, '{"error": {"code": "c"}}'), (400, "c", None)),
        (answered(502, "<html>Bad gateway</html>"), (502, None, "<html>Bad gateway</html>")),
        (answered(422, {"message": "no", "type": "invalid"}), (422, "invalid", "no")),
        (answered(500.0, {}), (500, None, None)),
        (answered("500", None), (None, None, None)),
        (answered(10**30, []), (None, None, None)),
        ({"response": "odd"}, (None, None, None)),
        (answered(400, {"error": {"code": "b"}}) | {"error": {"code": "a"}}, (400, "a", None)),
    ],
)
def test_the_error_of_a_row_is_its_own_or_that_of_its_answer(
    members: dict[str, Any], expected: tuple[int | None, str | None, str | None]
) -> None:
    for line in (row(**members), row(**members, x=REPEATED[:100_000])):
        error = row_error(line)
        assert (error.status, error.code, error.message) == expected


@pytest.mark.parametrize(
    "members",
    [
        answered(422, {"detail": [{"type": "missing", "input": REPEATED}], "message": "no"}),
        answered(422, json.dumps({"detail": REPEATED, "message": "no"})),
        {"error": {"code": "a", "message": REPEATED}},
    ],
)
def test_what_an_error_repeats_of_the_request_is_not_held(members: dict[str, Any]) -> None:
    line = row(**members)
    tracemalloc.start()
    error = row_error(line)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error.message in ("no", None)
    assert peak < 3 * len(line)


@pytest.mark.parametrize("line", [b"", b"no row", b"[]", 9_000 * b"[", b'{"error": {"code": "\xff"}}', b"{"])
def test_what_cannot_be_read_raises_nothing(line: bytes) -> None:
    assert row_error(line).status is None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "Rate limit for org-8xY reached on req_12: 3 of 5 tokens.",
            "Rate limit for # reached on #: # of # tokens.",
        ),
        ("Unknown model gpt-4o-mini", "Unknown model #"),
        ("No digits \t here", "No digits here"),
        ("bd5c3a5e-0000-4000-8000-000000000000", "#"),
    ],
)
def test_words_with_digits_do_not_count(message: str, expected: str) -> None:
    assert in_common(message) == expected


@given(ANY_TEXT)
def test_what_messages_have_in_common_stays_as_it_is(message: str) -> None:
    once = in_common(message)
    assert in_common(once) == once
    assert len(once) <= 400
    assert not any(map(str.isnumeric, once))


@given(ANY_TEXT, st.integers(0, 10**6), st.integers(0, 10**6))
def test_numbers_make_no_difference(text: str, one: int, other: int) -> None:
    assert in_common(f"{one} {text} id-{one}") == in_common(f"{other} {text} id-{other}")


def test_a_long_message_takes_no_longer_than_its_beginning() -> None:
    assert len(in_common(10_000_000 * "a" + "1")) == 400


ERRORS = st.sampled_from(
    [
        RowError(status=400, code="a", message="m #"),
        RowError(status=400, code="a", message="n"),
        RowError(status=429, code="b"),
        RowError(code="c"),
    ]
)


def row_of(error: RowError | None, custom_id: str) -> bytes:
    if error is None:
        return row(custom_id=custom_id, **answered(200, {}))
    told = {"code": error.code, "message": error.message and error.message.replace("#", custom_id)}
    if error.status is None:
        return row(custom_id=custom_id, error=told)
    return row(custom_id=custom_id, **answered(error.status, {"error": told}))


@given(
    st.lists(st.lists(st.none() | ERRORS, max_size=12), max_size=3), st.integers(1, 300), st.integers(0, 5)
)
def test_each_failed_row_counts_once(
    files: Sequence[Sequence[RowError | None]], size: int, most: int
) -> None:
    groups, number, first = FailureGroups(max_row_bytes=MOST, max_groups=most), 0, dict[RowError, str]()
    for errors in files:
        rows = list[bytes]()
        for error in errors:
            custom_id = f"x{(number := number + 1)}"
            rows.append(row_of(error, custom_id))
            if error is not None:
                first.setdefault(error, custom_id)
        content = b"\n".join([b"no row", *rows])
        for start in range(0, len(content), size):
            groups.feed(content[start : start + size])
        groups.finish_file()
    every = Counter(error for errors in files for error in errors if error is not None)
    assert groups.failed == every.total()
    assert groups.illegible == len(files)
    found = {group.error: group.count for group in groups.groups}
    assert found == {error: every[error] for error in list(first)[:most]}
    assert groups.others == every.total() - sum(found.values())
    assert [group.count for group in groups.groups] == sorted(found.values(), reverse=True)
    for group in groups.groups:
        assert group.custom_id == first[group.error]
        assert json.loads(group.row or b"")["custom_id"] == group.custom_id


def test_samples_are_small() -> None:
    groups = FailureGroups(max_row_bytes=MOST)
    groups.feed(row(custom_id=600 * "x", error={"code": "a"}) + b"\n")
    groups.feed(row(error={"code": "b"}, id=40_000 * "x") + b"\n")
    groups.feed(row(custom_id="\ud800", error={"code": "c\ud800 \n d", "message": "\udfff"}) + b"\n")
    assert [(group.custom_id, group.row is None) for group in groups.groups] == [
        (None, False),
        ("a", True),
        (None, False),
    ]
    assert groups.groups[2].error == RowError(code="c? d", message="?")


@given(
    st.lists(st.none() | ERRORS, max_size=20),
    st.lists(ERRORS | st.just(RowError(status=400)) | st.just(RowError()), max_size=2),
    st.sets(st.integers(0, 19), max_size=4),
)
def test_chosen_rows_are_those_that_are_named_or_have_failed_so(
    errors: Sequence[RowError | None], wanted: Sequence[RowError], numbers: set[int]
) -> None:
    rows = RowIds(chosen={id_digest(f"x{number}".encode()) for number in numbers}, errors=wanted)
    rows.feed(b"\n".join(row_of(error, f"x{number}") for number, error in enumerate(errors)))
    rows.finish_file()
    expected = [
        id_digest(f"x{number}".encode())
        for number, error in enumerate(errors)
        if error is not None
        and (
            number in numbers
            or any(
                all(
                    getattr(each, name) in (None, getattr(error, name))
                    for name in ("status", "code", "message")
                )
                for each in wanted
            )
        )
    ]
    assert list(rows.chosen) == expected
