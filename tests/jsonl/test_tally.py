"""Rows are counted as the plain rules count them, and what cannot be read never raises."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.jsonl import RowTally, Tally, id_digest
from litebatch_asgi.models import Usage

from .reference import DETAILS, RowReference
from .strategies import Writer, sliced, texts, values

CHAT = {
    "prompt_tokens": 10,
    "completion_tokens": 20,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 5},
}
RESPONSES = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 30,
}
THRESHOLDS = (6, 12)
ALL = Usage(input_tokens=10, cached_tokens=4, output_tokens=20, reasoning_tokens=5, total_tokens=30)


def row(
    custom_id: str = "a", usage: object = None, status: object = 200, error: object = None
) -> dict[str, Any]:
    body = {"id": "chatcmpl-1", "choices": [{"message": {"content": '"usage": 1'}}], "usage": usage}
    answer = {"status_code": status, "request_id": "r", "body": body}
    return {"id": "batch_req_1", "custom_id": custom_id, "response": answer, "error": error}


def tally(*blocks: bytes, max_row_bytes: int = 1 << 20, thresholds: Sequence[int] = ()) -> Tally:
    counted = RowTally(max_row_bytes=max_row_bytes, thresholds=thresholds)
    for block in blocks:
        counted.feed(block)
    return counted.finish()


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in rows)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (CHAT, ALL),
        (RESPONSES, ALL),
        ({"prompt_tokens": 7, "total_tokens": 7}, Usage(input_tokens=7, total_tokens=7)),
        (
            {"prompt_tokens": 7, "completion_tokens": 2},
            Usage(input_tokens=7, output_tokens=2, total_tokens=9),
        ),
        (
            {**CHAT, "prompt_tokens_details": None, "completion_tokens_details": {}},
            Usage(input_tokens=10, output_tokens=20, total_tokens=30),
        ),
        (None, Usage()),
        ({}, Usage()),
        ("lots", Usage()),
        ([1], Usage()),
        ({"prompt_tokens": None, "completion_tokens": "3", "total_tokens": True}, Usage()),
        ({"prompt_tokens": -5, "completion_tokens": 10**18, "total_tokens": 2**40}, Usage()),
        ({**CHAT, "prompt_tokens": 10.0}, ALL),
        ({**RESPONSES, "output_tokens": 20.0, "cost": 0.5}, ALL),
    ],
)
def test_usage_is_summed_whatever_words_it_is_in(usage: object, expected: Usage) -> None:
    found = tally(lines(row("a", usage), row("b", usage), row("c", CHAT, status=500)))
    assert (found.rows, found.completed, found.failed, found.unparsable) == (3, 2, 1, 0)
    assert found.usage == expected + expected


@pytest.mark.parametrize("usage", [CHAT, RESPONSES, {**CHAT, "total_tokens": 30.0}])
@pytest.mark.parametrize("spaces", ["", "\n "])
def test_a_body_may_be_json_in_a_string(usage: dict[str, Any], spaces: str) -> None:
    """As OGX and Llama Stack write it; what goes out is the row as it is."""
    written = row("a", usage)
    written["response"]["body"] = spaces + json.dumps(written["response"]["body"])
    found = tally(lines(written, row("b", CHAT)))
    assert (found.completed, found.usage) == (2, ALL + ALL)


@pytest.mark.parametrize(
    "body",
    [
        *("", "text", "1", "null", "[]", '"{}"', '{"usage"', '{"usage": null}', '{"usage": 7}'),
        *("[" * 100_000, '{"usage": NaN}', "\ud83d", '{"a": "\ud83d"}', '{"a": "\t"}'),
    ],
)
def test_a_body_that_is_other_text_has_no_usage(body: str) -> None:
    written = {"custom_id": "a", "response": {"status_code": 200, "body": body}}
    found = tally(lines(written, row("b", CHAT)))
    assert (found.completed, found.unparsable, found.usage) == (2, 0, ALL)


@pytest.mark.parametrize(
    ("answer", "is_completed"),
    [
        (row(), True),
        (row(error={}), True),
        (row(status=399), True),
        (row(status=400), False),
        (row(status=None), False),
        (row(status="200"), False),
        (row(status=True), False),
        (row(status=200.0), True),
        (row(error={"code": "x"}), False),
        (row(error="broken"), False),
        ({"custom_id": "a"}, False),
        ({"custom_id": "a", "response": None, "error": {"code": "batch_expired", "message": "m"}}, False),
        ({"custom_id": "a", "response": {"status_code": 200}}, True),
        ({"custom_id": "a", "response": {"status_code": 200, "body": None}}, True),
        ({"custom_id": "a", "response": {"status_code": 400, "body": '{"message": "text"}'}}, False),
        ({"custom_id": "a", "response": {"status_code": 200, "body": "text"}}, True),
        ({"custom_id": "a", "response": "text"}, False),
        ({"custom_id": "a", "response": [200]}, False),
    ],
)
def test_a_row_is_completed_or_failed(answer: dict[str, Any], is_completed: bool) -> None:
    found = tally(lines(answer))
    assert (found.rows, found.completed, found.failed) == (1, int(is_completed), int(not is_completed))
    assert found.executed == int(answer.get("response") is not None)


@pytest.mark.parametrize(
    "bad",
    [
        *(
            b"nope",
            b"{",
            b"[]",
            b"1",
            b"null",
            b"{}",
            b'{"custom_id": 1}',
            b'{"custom_id": null}',
            b"\xff",
            b"\x00",
        ),
        *(
            b"[" * 100_000,
            b'{"custom_id": "a"',
            b'{"custom_id": "a"}}',
            b'{"custom_id": "' + b"x" * 3000 + b'"}',
        ),
    ],
)
def test_what_cannot_be_read_is_counted(bad: bytes) -> None:
    good = lines(row("a"))
    found = tally(good + bad + b"\n" + good, max_row_bytes=2000)
    assert (found.rows, found.unparsable) == (2, 1)
    assert not found.holds_all(2, found.id_sum)


@pytest.mark.parametrize(
    "odd",
    [
        b'{"custom_id": "a", "x": NaN}',
        b'{"custom_id": "a", "x": "\\ud83d"}',
        b'{"custom_id": "a", "x": "\xff\t"}',
        b'{"custom_id": "a", "custom_id": "a"}',
        b' { "custom_id" : "\\u0061" } \r',
    ],
)
def test_rows_that_most_readers_take_are_taken(odd: bytes) -> None:
    found = tally(odd)
    assert (found.rows, found.unparsable) == (1, 0)
    assert found.id_sum == int.from_bytes(id_digest(b"a"))


def test_a_custom_id_that_is_no_text_is_some_other_id() -> None:
    found = tally(b'{"custom_id": "\\ud83d"}\n{"custom_id": "\xff"}')
    assert (found.rows, found.unparsable) == (2, 0)


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\n\n \n"])
def test_line_ends_make_no_difference(newline: bytes, ended: bool) -> None:
    content = newline.join(json.dumps(row(custom_id, CHAT)).encode() for custom_id in "abc")
    content += newline if ended else b""
    found = tally(content)
    assert (found.rows, found.unparsable, found.usage.input_tokens) == (3, 0, 30)


def test_nothing_is_a_tally_of_nothing() -> None:
    assert tally() == tally(b"") == Tally()
    assert Tally().holds_all(0, 0)


def test_tallies_add_up() -> None:
    output, errors = lines(row("a", CHAT), row("b", RESPONSES)), lines(row("c", status=400))[:-1]
    together = tally(output) + tally(errors)
    assert together == tally(output, errors)
    expected = sum(int.from_bytes(id_digest(custom_id)) for custom_id in (b"a", b"b", b"c")) % 2**128
    assert together.holds_all(3, expected)
    assert not together.holds_all(2, expected)
    assert not together.holds_all(3, expected + 1)
    assert (together + Tally()) == together


counts = st.one_of(
    st.integers(0, 20),
    st.integers(0, 20),
    st.integers(-2, 2**41),
    st.floats(allow_nan=False),
    st.none(),
    st.booleans(),
    st.text(max_size=2),
)
details = st.one_of(
    st.none(), st.dictionaries(st.sampled_from(DETAILS), st.integers(0, 5) | counts, max_size=3), counts
)
usages: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {}, optional={name: details if name.endswith("details") else counts for name in (*CHAT, *RESPONSES)}
)
statuses = st.one_of(st.sampled_from([200, 200, 200, 400, 500]), counts)
models = st.one_of(st.sampled_from(["m", "n", "", "x" * 201, "a\0"]), values)
told: dict[str, st.SearchStrategy[object]] = {"usage": usages, "model": models, "results": values}
objects: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries({}, optional=told)
bodies: st.SearchStrategy[object] = st.one_of(objects, objects.map(json.dumps), texts)
parts: dict[str, st.SearchStrategy[object]] = {"status_code": statuses, "body": bodies}
answers: st.SearchStrategy[object] = st.one_of(values, st.fixed_dictionaries({}, optional=parts))
rows: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {"custom_id": texts}, optional={"response": answers, "error": st.one_of(st.none(), values), "id": texts}
)
contents = st.one_of(
    st.tuples(rows, st.integers(0, 99)).map(lambda drawn: Writer(drawn[1]).value(drawn[0]).encode()),
    st.binary(max_size=20).map(lambda raw: raw.replace(b"\x0b", b"").replace(b"\x0c", b"")),
)


@given(found=st.lists(contents, max_size=5), data=st.data())
def test_a_tally_is_that_of_the_plain_rules(found: list[bytes], data: st.DataObject) -> None:
    content = b"\n".join(found)
    expected = RowReference(*THRESHOLDS)
    expected.count(content)
    counted = tally(*data.draw(sliced(content)), thresholds=THRESHOLDS)
    assert (counted.rows, counted.completed, counted.failed, counted.executed, counted.unparsable) == (
        len(expected.ids),
        expected.completed,
        expected.failed,
        expected.executed,
        expected.unparsable,
    )
    digests = [id_digest(custom_id.encode("utf-8", "surrogatepass")) for custom_id in expected.ids]
    assert counted.id_sum == sum(map(int.from_bytes, digests)) % 2**128
    assert counted.usage == expected.usage
    assert {model: found.requests for model, found in counted.models.items()} == expected.requests
    found_classes = {
        (model, above): bucket
        for model, found in counted.models.items()
        for above, bucket in found.buckets.items()
    }
    assert found_classes.keys() == expected.classes.keys()
    for group, classes in expected.classes.items():
        bucket = found_classes[group]
        told = {name.removesuffix("_tokens"): getattr(bucket, name) for name in bucket.__struct_fields__[2:]}
        assert told == {name: classes[name] for name in told}
        assert sum(told.values()) - told["reasoning"] - told["requests"] == classes["input"] + sum(
            classes[f"{kind}_output"] for kind in ("plain", "audio", "image")
        )
