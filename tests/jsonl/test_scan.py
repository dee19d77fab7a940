"""Members of an object are found where they are."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.jsonl.scan import Wanted, scan_array, scan_object

from .reference import members
from .strategies import Writer, keys, values

WANTED: Wanted = {"model": {}, "body": {"model": {}}, "a": {}}


@given(
    pairs=st.lists(st.tuples(st.one_of(keys, st.sampled_from(sorted(WANTED))), values), max_size=5),
    seed=st.integers(0, 2**32),
)
def test_members_are_those_of_a_scan_by_character(pairs: list[tuple[str, object]], seed: int) -> None:
    writer = Writer(seed)
    text = writer.object([(writer.string(key), writer.value(value)) for key, value in pairs])
    found = scan_object(text.encode(), WANTED)
    expected = [member for member in members(text) if json.loads(member.key) in WANTED]
    names = [json.loads(member.key) for member in expected]
    assert list(found.first) == list(dict.fromkeys(names))
    assert found.doubled == {name for name in names if names.count(name) > 1}
    assert found.escaped == {json.loads(member.key) for member in expected if "\\" in member.key}
    for member in reversed(expected):
        first = found.first[json.loads(member.key)]
        if names.count(json.loads(member.key)) == 1:
            assert text.encode()[first.start : first.end].decode() == member.value


def test_members_of_members_are_found_where_wanted() -> None:
    text = b'{"model": {"model": 1}, "body": {"x": {"model": 2}, "model": [3]}}'
    found = scan_object(text, WANTED).first
    assert found["model"].inner is None
    inner = found["body"].inner
    assert inner is not None
    model = inner.first["model"]
    assert text[model.key_start : model.end] == b'"model": [3]'


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"",
            b"[",
            b"[]",
            b"1",
            b'{"',
            b'{"a',
            b'{"a"',
            b'{"a"}',
            b'{"a":',
            b'{"a":}',
            b'{"a":1',
            b'{"a":1,',
        ),
        *(
            b'{"a":1,}',
            b'{"a":[',
            b'{"a":{"b":"',
            b'{"a" "b"}',
            b'{"a":?}',
            b"{a:1}",
            b'{"a":1 "b":2}',
            b"{,}",
        ),
        *(b'{"a":"\\', b'{"a":"\\"', b'{"\\x":1}', b'{"a":"\xff}', b'{"\xff":1}', b'{"a":' + b"[" * 1000),
    ],
)
def test_text_that_is_no_object_raises_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):
        scan_object(text, WANTED)


@pytest.mark.parametrize(
    "value",
    [
        b'"' + b"x" * 300_000 + b'"',
        b'"' + b'\\"' * 100_000 + b'"',
        b'"' + b"\\\\" * 100_000 + b'"',
        b'"' + b'{\\"a\\": ' * 30_000 + b'"',
        b"[" * 50_000 + b"]" * 50_000,
        b"[" + b"0.25, " * 50_000 + b"1]",
        b"[" + b'"ab", ' * 50_000 + b"1]",
        b'{"a": {}, ' * 30_000 + b'"b": 1' + b"}" * 30_000,
    ],
    ids=["long", "quotes", "backslashes", "json", "deep", "numbers", "strings", "objects"],
)
def test_huge_values_are_skipped_and_not_taken_apart(value: bytes) -> None:
    text = b'{"x": ' + value + b', "model": "m"}'
    tracemalloc.start()
    found = scan_object(text, WANTED).first["model"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert text[found.start : found.end] == b'"m"'
    assert peak < len(text) + 20_000


@given(inside=st.lists(values, max_size=6), seed=st.integers(0, 2**32))
def test_values_of_an_array_are_found_one_by_one(inside: list[object], seed: int) -> None:
    text = Writer(seed).value(inside).encode()
    found = [text[start:end] for start, end in scan_array(text)]
    assert list(map(json.loads, found)) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"1", b"[", b"[1", b"[1,", b"[1,]", b"[,]", b"[1 2]", b'["a', b"[[1]", b"[" * 1000],
)
def test_text_that_is_no_array_raises_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):
        list(scan_array(text))


def test_no_more_of_an_array_is_looked_at_than_asked_for() -> None:
    found = scan_array(b'[{"a": NaN}, "\\ud800\xff", nonsense here')
    assert [next(found), next(found)] == [(1, 11), (13, 22)]
