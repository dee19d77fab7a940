"""Whole files through a dialect and back: in blocks of any size, with every row at its line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.dialects import (
    Dialect,
    EchoedLines,
    FileEncoder,
    ResultDecoder,
    TranslatedRows,
    encode_alike,
)
from litebatch_asgi.dialects.anthropic import AnthropicDialect, ClaudeModel
from litebatch_asgi.dialects.encoding import MOST_PROBLEMS, EncodedLine
from litebatch_asgi.dialects.vertex import GeminiModel, VertexDialect
from litebatch_asgi.jsonl import RawIds
from tests.dialects.sorts import ALL_SORTS

CLAUDE = AnthropicDialect(ClaudeModel(name="claude-x", max_tokens=100))
GEMINI = VertexDialect(GeminiModel(name="gemini-x"))
DIALECTS: tuple[Dialect, ...] = (CLAUDE, GEMINI)
EVERY = pytest.mark.parametrize("dialect", DIALECTS, ids=["anthropic", "vertex"])
JOB = "job_lb0-0-1"
CREATED = 1_790_000_000

ids = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.sampled_from(["000000", "7", "null", 'a"b\\c', "x" * 500, "\u2028\U0001f600é", " ", "r1"]),
)
spellings = st.sampled_from([True, False])
breaks = st.sampled_from(["\n", "\r\n", "\n\n", "\n  \t\n"])


def request(custom_id: str, text: str, *, escaped: bool = False, **body: Any) -> str:
    messages = [{"role": "user", "content": text}]
    told = {"model": "virtual", "messages": messages, **body}
    line = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": told}
    return json.dumps(line, ensure_ascii=escaped)


@st.composite
def inputs(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """A file and the custom ids of its requests as they are spelled there."""
    chosen = draw(st.lists(ids, min_size=1, max_size=6, unique=True))
    text, spelled = draw(st.sampled_from(["", "\n", " \n\n"])), list[str]()
    for number, custom_id in enumerate(chosen):
        escaped = draw(spellings)
        spelled.append(json.dumps(custom_id, ensure_ascii=escaped))
        text += request(custom_id, f"Say {number}.", escaped=escaped) + draw(breaks)
    return (text.rstrip() if draw(st.booleans()) else text).encode(), spelled


def blocks(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def encoded(dialect: Dialect, content: bytes, size: int) -> list[EncodedLine]:
    encoder = FileEncoder(dialect)
    lines = [line for block in blocks(content, size) for line in encoder.feed(block)] + encoder.finish()
    assert not encoder.problems
    return lines


def raw_ids(content: bytes, size: int) -> list[bytes]:
    reader = RawIds()
    return [each for block in blocks(content, size) for each in reader.feed(block)] + reader.finish()


def table(content: bytes) -> dict[int, msgspec.Raw]:
    return {
        line: msgspec.Raw(each) for line, each in enumerate(raw_ids(content, len(content)), start=1) if each
    }


def answered(dialect: Dialect, sent: EncodedLine) -> dict[str, Any]:
    """A row of the provider's, as its documentation shows it."""
    told = json.loads(sent.text)
    if dialect is CLAUDE:
        message = {
            **{"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x"},
            "content": [{"type": "text", "text": f"Answer to {told['custom_id']}"}],
            **{"stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 2}},
        }
        return {"custom_id": told["custom_id"], "result": {"type": "succeeded", "message": message}}
    answer = {"content": {"parts": [{"text": "Answer"}], "role": "model"}, "finishReason": "STOP"}
    return {**told, "status": "", "response": {"candidates": [answer], "modelVersion": "gemini-x"}}


def decoded(decoder: ResultDecoder, rows: bytes, size: int) -> TranslatedRows:
    pieces = [decoder.feed(block) for block in blocks(rows, size)] + [decoder.finish()]
    return TranslatedRows(*(b"".join(each) for each in zip(*pieces, strict=True)))


def jsonl(rows: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@EVERY
@ALL_SORTS
@given(file=inputs(), size=st.integers(1, 400), data=st.data())
def test_custom_ids_come_back_byte_for_byte(
    dialect: Dialect, file: tuple[bytes, list[str]], size: int, data: st.DataObject
) -> None:
    """Lesson 16: custom ids were lost on Vertex (LL#22723)."""
    content, spelled = file
    rows = [answered(dialect, line) for line in encoded(dialect, content, size)]
    shuffled = data.draw(st.permutations(rows))
    decoder = ResultDecoder(dialect, table(content).get, job=JOB, created=CREATED)
    found = decoded(decoder, jsonl(shuffled), size)
    assert (found.error, found.untold, decoder.unknown) == (b"", b"", 0)
    came = [line.split(b'"custom_id":', 1)[1] for line in found.output.split(b"\n") if line]
    assert len(came) == len(spelled)
    for custom_id in spelled:
        assert any(row.startswith(custom_id.encode() + b',"response":{') for row in came)
    whole = decoded(
        ResultDecoder(dialect, table(content).get, job=JOB, created=CREATED), jsonl(shuffled), 9999
    )
    assert whole == found


@EVERY
def test_every_row_has_a_response_or_an_error_and_is_in_its_file(dialect: Dialect) -> None:
    """Lesson 17: both were set (LL#27041); exactly one of the two is."""
    content = "\n".join(request(name, "Hello") for name in "abcd").encode()
    good, bad, expired, foreign = (answered(dialect, line) for line in encoded(dialect, content, 50))
    if dialect is CLAUDE:
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
        bad["result"] = {"type": "errored", "error": error}
        expired["result"] = {"type": "expired"}
        foreign["custom_id"] = "r1z"
    else:
        del bad["response"], expired["response"]
        said = {"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}
        bad["status"] = expired["status"] = f"Bad Request: {json.dumps(said)}"
        foreign["custom_id"] = foreign["request"]["labels"]["litebatch_line"] = "r1z"
    decoder = ResultDecoder(dialect, table(content).get, job=JOB, created=CREATED)
    found = decoded(decoder, jsonl([expired, good, "no row", foreign, bad]), 17)
    output, error_rows = ([json.loads(row) for row in rows.splitlines()] for rows in found[:2])
    assert [row["custom_id"] for row in output] == ["a"]
    assert [row["custom_id"] for row in error_rows] == ["c", "b"]
    assert decoder.unknown == 2
    for row in (*output, *error_rows):
        assert (row["response"] is None) != (row["error"] is None)
    assert output[0]["response"]["status_code"] == 200
    assert error_rows[1]["response"]["status_code"] == 400


@ALL_SORTS
@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(1, 300), st.data())
def test_rows_that_only_repeat_their_request_find_a_line_each(
    texts: list[int], size: int, data: st.DataObject
) -> None:
    """Equal requests have as many answers as there are lines of them, each at a line of its own."""
    content = "\n".join(request(f"id-{at}", f"Say {text}") for at, text in enumerate(texts)).encode()
    rows = [answered(GEMINI, line) for line in encoded(GEMINI, content, size)]
    for row in rows:
        del row["custom_id"], row["request"]["labels"]
    shuffled = data.draw(st.permutations(rows))
    first = ResultDecoder(GEMINI, table(content).get, job=JOB, created=CREATED)
    untold = decoded(first, jsonl(shuffled), size).untold
    lines = EchoedLines(GEMINI, first.echoes)
    for block in blocks(content, size):
        lines.feed(block)
    lines.finish()
    second = ResultDecoder(GEMINI, table(content).get, job=JOB, created=CREATED, echoed=lines.take)
    found = decoded(second, untold, size)
    assert sorted(json.loads(row)["custom_id"] for row in found.output.splitlines()) == sorted(
        f"id-{at}" for at in range(len(texts))
    )
    assert (found.untold, second.unknown) == (b"", 0)


@EVERY
@ALL_SORTS
@given(file=inputs(), size=st.integers(1, 200))
def test_lines_are_numbered_as_they_stand_in_the_file(
    dialect: Dialect, file: tuple[bytes, list[str]], size: int
) -> None:
    content, _ = file
    numbers = [line.number for line in encoded(dialect, content, size)]
    assert numbers == [at for at, line in enumerate(content.split(b"\n"), start=1) if line.strip()]
    assert numbers == [at for at, each in enumerate(raw_ids(content, size), start=1) if each]


def test_problems_are_told_with_their_lines_and_nothing_is_given_out_any_more() -> None:
    good, bad = request("a", "Hello"), request("b", "Hello", logit_bias={"1": 1})
    encoder = FileEncoder(CLAUDE)
    found = encoder.feed("\n".join([good, "", bad, good] + [bad] * 200).encode())
    assert encoder.finish() == []
    assert found == []
    assert len(encoder.problems) == MOST_PROBLEMS
    assert [problem.line for problem in encoder.problems[:3]] == [3, 5, 6]
    assert encoder.problems[0].param == "body.logit_bias"


def test_a_line_that_was_never_accepted_is_an_error() -> None:
    with pytest.raises(ValueError, match="too long"):
        FileEncoder(CLAUDE, max_line_bytes=10).feed(b"{" + b" " * 20 + b"}\n")
    with pytest.raises(ValueError, match="too long"):
        RawIds(max_line_bytes=10).feed(b"{" + b" " * 20 + b"}\n")
    with pytest.raises(ValueError, match="not a request line"):
        RawIds().feed(b"[]\n")
    nested = "[" * 4000 + "]" * 4000
    assert RawIds().feed(f'{{"body":{nested},"custom_id":"\\u00e9"}}\n'.encode()) == [b'"\\u00e9"']


def test_a_row_that_is_too_long_is_left_out() -> None:
    decoder = ResultDecoder(CLAUDE, dict[int, msgspec.Raw]().get, job=JOB, created=CREATED, max_row_bytes=10)
    assert decoded(decoder, b"{" + b" " * 20 + b"}\n", 4) == TranslatedRows()
    assert decoder.unknown == 1


def test_dialects_for_equal_models_encode_alike() -> None:
    same = AnthropicDialect(ClaudeModel(name="claude-x", max_tokens=100), names={"east": "the deployment"})
    assert encode_alike(CLAUDE, same)
    assert not encode_alike(CLAUDE, AnthropicDialect(ClaudeModel(name="claude-x")))
    assert not encode_alike(CLAUDE, GEMINI)
