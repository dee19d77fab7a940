"""A line that is accepted for its shape would have been accepted by itself."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from litebatch_asgi.jsonl.frames import is_utf8
from litebatch_asgi.jsonl.request import read_request
from litebatch_asgi.jsonl.shape import Shape

from .strategies import LIMIT_NAMES, MODELS, TRAPS, LineWriter, Pair, escaped

LINE = b'{"custom_id": "a", "method": "POST", "url": "/v1/x", "body": {"model": "m", "n": 1}}'
SPLICES = (
    *(
        b'"model"',
        b'"stream"',
        b'"model": "gpt-4o-batch"',
        b'"model":"gpt-4o-batch"',
        b'"", ',
        b'"":""',
        b'"',
    ),
    *(
        b',"model":"x"',
        b'"mod\\u0065l":1,',
        b',"stream":true',
        b'"custom_id":"b",',
        b'{"a":',
        b'"a":1,',
        b".5",
    ),
    *(b"\\", b"{", b"}", b"}}", b"[", b"]", b",", b":", b" ", b"\t", b"\r", b"\x00", b"e5", b"1", b"null"),
)


def shape_of(line: bytes) -> Shape:
    request = read_request(line)
    assert not request.problems
    assert request.shape is not None
    return request.shape


def extra(random: Random) -> dict[str, object]:
    inner = (
        1,
        None,
        random.choice(TRAPS),
        {"model": "gpt-4o-batch"},
        [{"stream": True}],
        {"a": {"model": "b"}},
    )
    names = [random.choice((*TRAPS, "a", "messages")) for _ in range(random.randint(0, 3))]
    return {name: random.choice(inner) for name in names}


def some_limits(random: Random) -> list[Pair]:
    names = (*(f'"{name}"' for name in LIMIT_NAMES), escaped("n"))
    values = ("5", "9", "null", "[]", "-1", "1e400", "7.0")
    return [(random.choice(names), random.choice(values)) for _ in range(random.choice((0, 1, 1, 3)))]


def mangle(line: bytes, random: Random) -> bytes:
    start, end = sorted(random.randint(0, len(line)) for _ in range(2))
    at = random.randint(0, len(line))
    changes = (
        line[:at] + random.choice(SPLICES) + line[at:],
        line[:at] + line[at + random.randint(1, 3) :],
        line[:at] + line[start:end] + line[at:],
        line[:start] + line[end:],
    )
    return random.choice(changes)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), model=st.sampled_from(MODELS))
def test_what_a_shape_accepts_is_acceptable(seed: int, model: str) -> None:
    random, writer = Random(seed), LineWriter(seed, model)
    known = read_request(writer.line("known", extra(random), None, some_limits(random)))
    if known.shape is None:
        return
    for _ in range(30):
        custom_id = random.choice(("a", 'x"y', "\\", "é模"))
        line = writer.line(custom_id, extra(random), None, some_limits(random))
        for _ in range(random.choice((0, 1, 1, 2))):
            line = mangle(line, random)
        before, after = b'"\n', b'\n{"custom_id": "'
        found = None
        if is_utf8(line, 0, len(line)):
            found = known.shape.read(before + line + after, len(before), len(before) + len(line))
        if found is not None:
            request = read_request(line)
            assert not request.problems
            assert request.custom_id is not None
            offset = len(before) + request.model_offset
            assert request.body is not None
            body = replace(request.body, model=UNSET, stream=UNSET)  # these are looked at by their text
            assert found == (request.custom_id.encode(), offset, body)


@pytest.mark.parametrize(
    "line",
    [
        LINE,
        b'{"method": "POST", "custom_id": "a", "url": "/v1/x", "body": {"model": "m"}}\r',
        b'{"custom_id":"a","method":"POST","url":"\\/v1\\/x","body":{ "stream": false, "model" : "m" } }',
        b'{"body": {"n": 1, "model": "m"}, "custom_id": "a", "method": "POST", "url": "/v1/x"}\r',
        b'{"body":{ "model":"m","n":1 } , "url":"u","method":"POST", "custom_id":"a" }',
        b'{"x":{"body":1},"custom_id":"a","method":"POST","url":"u","body":{"t":[],"model":"m","stream":null},"y":2}',
    ],
)
def test_a_line_has_its_own_shape(line: bytes) -> None:
    other = line.replace(b'"a"', b'"other \\u00e9"')
    found = shape_of(line).read(other, 0, len(other))
    assert found is not None
    assert found[0] == "other é".encode()
    assert other.startswith(b'"m"', found[1])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"m", "n": 1', b'"m".5, "n": 1'),
        (b'"m", "n": 1', b'"m""x", "n": 1'),
        (b'"m", "n": 1', b'"m", "n": 1, "model": "other"'),
        (b'"m", "n": 1', b'"m", "n": 1, "mod\\u0065l": "other"'),
        (b'"m", "n": 1', b'"m", "n": 1, "stream": true'),
        (b'"m", "n": 1', b'"m", "n": 1,'),
        (b'"m", "n": 1', b'"m", "n": 01'),
        (b'"m", "n": 1', b'"m", "n": "\\ud800"'),
        (b'"m", "n": 1', b'"m", "n": ' + b"[" * 100_000 + b"]" * 100_000),
        (b'"m", "n": 1', b'"m", "n": [1]'),
        (b'"m", "n": 1', b'"m", "max_tokens": 1e400'),
        (b'"m", "n": 1', b'"m"'),
        (b'"a"', b'""'),
        (b'"a"', b'"\t"'),
        (b'"a"', b'"\\ud800"'),
        (b'"a"', b'"a", "custom_id": "b"'),
        (b"1}}", b"1}"),
        (b"1}}", b"1}}}"),
        (b"1}}", b"1}} "),
        (b"1}}", b"1}, 2}"),
    ],
)
def test_what_differs_from_the_shape_is_left_to_the_examination(old: bytes, new: bytes) -> None:
    line = LINE.replace(old, new, 1)
    found = shape_of(LINE).read(line, 0, len(line))
    assert found is None or not read_request(line).problems


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"m"}, "custom', b'"m"}}, "custom'),
        (b'"m"}, "custom', b'"m"}, "custom_id": "b", "custom'),
        (b'"m"}, "custom', b'"m"}, "body": {"model": "m"}, "custom'),
        (b'"m"}, "custom', b'"m", "model": "other"}, "custom'),
        (b'"m"}, "custom', b'"m", "n": 1e400}, "custom'),
        (b'{"n": 1, "model": "m"}, ', b'{"n": 1, "x": "}, '),
        (b'"a"', b'""'),
        (b'"a"', b'"a\\"'),
        (b'"a"', b'"a", "custom_id": "b"'),
        (b'"a"', b'"a\t"'),
        (b"/v1/x", b"/v1/y"),
    ],
)
def test_nor_is_a_line_taken_for_one_with_its_custom_id_behind_the_body(old: bytes, new: bytes) -> None:
    line = b'{"body": {"n": 1, "model": "m"}, "custom_id": "a", "method": "POST", "url": "/v1/x"}'
    other = line.replace(old, new, 1)
    assert other != line
    assert shape_of(line).read(other, 0, len(other)) is None


def test_a_key_that_ends_like_the_model_is_not_the_model() -> None:
    """The stand-in for the rest must not complete a key that was cut at an escaped quote."""
    line = LINE.replace(b'"model": "m", "n": 1', b'"n": 1, "model": "m"')
    shape = shape_of(line)
    trap = line.replace(b'"n": 1', b'"n\\"model": "m"')
    assert shape.read(trap, 0, len(trap)) is None
