"""What answers used is counted by answering model and length of input, in classes that share no token."""

from __future__ import annotations

import json
from typing import Any

import pytest

from litebatch_asgi.jsonl import ModelTally, RowTally
from litebatch_asgi.models import Usage, UsageBucket

THRESHOLDS = (128_000, 200_000, 272_000)
SENSELESS: list[object] = [
    None,
    "lots",
    [1],
    {},
    {"total_tokens": 5},
    {"prompt_tokens": 5, "total_tokens": 9},
    {"prompt_tokens": -5, "completion_tokens": 1},
    {"prompt_tokens": "5", "completion_tokens": 1},
    {"prompt_tokens": 2**40, "completion_tokens": 1},
    {"prompt_tokens": 5, "completion_tokens": True},
    {"prompt_tokens": 5.5, "completion_tokens": 1},
    {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 6}},
    {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": -1}},
    {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": "1"}},
    {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": 3},
    {
        "prompt_tokens": 5,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 3},
    },
    {"prompt_tokens": 5, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 2}},
    {
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 2},
    },
]
"""usages that nobody can be charged for"""


def answered(**body: Any) -> dict[str, Any]:
    return {"custom_id": "a", "response": {"status_code": 200, "body": body}, "error": None}


def using(usage: object, model: str = "m") -> dict[str, Any]:
    return answered(model=model, usage=usage)


def tallied(*rows: dict[str, Any], block: int = 1 << 20) -> dict[str | None, ModelTally]:
    content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    tally = RowTally(thresholds=THRESHOLDS)
    for start in range(0, len(content), block):
        tally.feed(content[start : start + block])
    return dict(tally.finish().models)


def classes(usage: object) -> dict[str, int]:
    """The classes of one answer that have tokens, without `_tokens`."""
    (bucket,) = tallied(using(usage))["m"].buckets.values()
    assert bucket.requests == 1
    told = {name.removesuffix("_tokens"): getattr(bucket, name) for name in bucket.__struct_fields__[3:]}
    return {name: count for name, count in told.items() if count}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (  # a chat completion with audio on both sides
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 30, "audio_tokens": 20},
                "completion_tokens_details": {"reasoning_tokens": 7, "audio_tokens": 10},
            },
            {
                "plain_input": 50,
                "cached": 30,
                "audio_input": 20,
                "plain_output": 40,
                "reasoning": 7,
                "audio_output": 10,
            },
        ),
        (  # a response
            {
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 60},
                "output_tokens": 50,
                "output_tokens_details": {"reasoning_tokens": 50},
                "total_tokens": 150,
            },
            {"plain_input": 10, "cached": 30, "cache_write": 60, "plain_output": 50, "reasoning": 50},
        ),
        (  # an image
            {
                "input_tokens": 50,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
                "output_tokens": 60,
                "output_tokens_details": {"text_tokens": 5, "image_tokens": 55},
                "total_tokens": 110,
            },
            {"plain_input": 10, "image_input": 40, "plain_output": 5, "image_output": 55},
        ),
        ({"prompt_tokens": 7, "total_tokens": 7}, {"plain_input": 7}),  # an embedding
        (  # a completion
            {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
            {"plain_input": 7, "plain_output": 3},
        ),
        ({"prompt_tokens": 7.0, "completion_tokens": 3}, {"plain_input": 7, "plain_output": 3}),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, {}),
    ],
)
def test_classes_share_no_token(usage: dict[str, Any], expected: dict[str, int]) -> None:
    assert classes(usage) == expected


def test_a_moderation_uses_nothing() -> None:
    told = tallied(answered(id="modr-1", model="omni-moderation-2024-09-26", results=[{"flagged": False}]))
    assert told == {
        "omni-moderation-2024-09-26": ModelTally(
            requests=1, buckets={0: UsageBucket(until=128_000, requests=1)}
        )
    }


@pytest.mark.parametrize("usage", SENSELESS)
def test_a_usage_that_makes_no_sense_is_in_no_bucket(usage: object) -> None:
    """It is counted, and so are the others."""
    sound = {"prompt_tokens": 10, "completion_tokens": 20}
    told = tallied(using(sound), using(usage), using(sound))["m"]
    assert told.requests == 3
    assert [bucket.requests for bucket in told.buckets.values()] == [2]


@pytest.mark.parametrize(
    ("length", "above", "until"),
    [
        (0, 0, 128_000),
        (128_000, 0, 128_000),
        (128_001, 128_000, 200_000),
        (200_000, 128_000, 200_000),
        (200_001, 200_000, 272_000),
        (272_001, 272_000, None),
    ],
)
def test_a_bucket_begins_above_its_threshold(length: int, above: int, until: int | None) -> None:
    told = tallied(using({"prompt_tokens": length, "completion_tokens": 1}))["m"]
    assert {key: (bucket.above, bucket.until) for key, bucket in told.buckets.items()} == {
        above: (above, until)
    }


@pytest.mark.parametrize("block", [1, 100, 1 << 20])
def test_each_model_has_its_own_buckets(block: int) -> None:
    long = {"prompt_tokens": 300_000, "completion_tokens": 5}
    short = {"prompt_tokens": 3, "completion_tokens": 5}
    rows = [
        using(long),
        using(short, "n"),
        using(short),
        using(long, "n"),
        using(short),
        answered(usage=short),
    ]
    told = tallied(*rows, block=block)
    assert {model: tally.requests for model, tally in told.items()} == {"m": 3, "n": 2, None: 1}
    assert {above: bucket.requests for above, bucket in told["m"].buckets.items()} == {272_000: 1, 0: 2}
    assert told["m"].buckets[0].plain_input_tokens == 6
    assert told["n"].usage == Usage(input_tokens=300_003, output_tokens=10, total_tokens=300_013)


@pytest.mark.parametrize("model", ["", "a\0b", "x" * 201, "a\ud83d", None, 5, ["m"]])
def test_what_is_no_name_counts_as_none(model: object) -> None:
    """A name goes into the database."""
    told = tallied(answered(model=model, usage={"prompt_tokens": 3, "completion_tokens": 5}))
    assert list(told) == [None]


@pytest.mark.parametrize("block", [50, 1 << 20])
def test_sixteen_models_have_their_own_tally(block: int) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 5}
    names = [f"m{number}" for number in range(20)]
    told = tallied(*(using(usage, name) for name in (*names, "m3", "m18", "m3")), block=block)
    assert told.keys() == {*names[:16], None}
    assert (told["m3"].requests, told[None].requests) == (3, 5)


def test_a_body_in_a_string_tells_its_model() -> None:
    body = json.dumps({"model": "m", "usage": {"prompt_tokens": 3, "completion_tokens": 5}})
    row = {"custom_id": "a", "response": {"status_code": 200, "body": body}}
    assert list(tallied(row)["m"].buckets) == [0]
