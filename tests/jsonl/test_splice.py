"""Another model is written into the lines, and nothing else changes."""

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from litebatch_asgi.errors import InvalidFile
from litebatch_asgi.jsonl import (
    CheckedFile,
    CheckLimits,
    LineChecker,
    ModelRewriter,
    Splicer,
    json_string,
    spliced_size,
)

from .strategies import URL, files, sliced

names = st.one_of(
    st.sampled_from(["gpt-4o-mini", "", "m", 'a "b" \\c', "größe/模型", "\n\x00"]), st.text(max_size=9)
)


def checked(content: bytes) -> CheckedFile:
    checker = LineChecker(
        endpoints=[URL],
        limits=CheckLimits(max_lines=1000, max_line_bytes=1 << 20),
        model_problem=lambda model: None,
    )
    checker.feed(content)
    return checker.finish()


def splice(blocks: list[bytes], found: CheckedFile, model: str) -> bytes:
    splicer = Splicer(found.spans, len(json_string(found.model)), json_string(model))
    return b"".join(map(splicer.feed, blocks))


def rewrite(blocks: list[bytes], old: str, new: str) -> bytes:
    rewriter = ModelRewriter(old, new)
    return b"".join(map(rewriter.feed, blocks)) + rewriter.finish()


def with_model(line: bytes, model: str) -> object:
    request = json.loads(line)
    request["body"]["model"] = model
    return request


@settings(max_examples=60)
@given(content=files(faults=False), model=names, data=st.data())
def test_only_the_model_changes_and_comes_back(content: bytes, model: str, data: st.DataObject) -> None:
    assume(not any("\ud800" <= character <= "\udfff" for character in model))
    found = checked(content)
    spliced = splice(data.draw(sliced(content)), found, model)
    assert len(spliced) == spliced_size(len(content), found.lines, found.model, model)
    for before, after in zip(content.split(b"\n"), spliced.split(b"\n"), strict=True):
        if before.strip():
            assert json.loads(after) == with_model(before, model)
            assert len(after) - len(before) == len(json_string(model)) - len(json_string(found.model))
        else:
            assert after == before
    assert rewrite(data.draw(sliced(spliced)), model, found.model) == content


@settings(max_examples=60)
@given(content=files(), data=st.data())
def test_every_accepted_file_comes_back_byte_for_byte(content: bytes, data: st.DataObject) -> None:
    try:
        found = checked(content)
    except InvalidFile:
        return
    spliced = splice([content], found, "other/deployment")
    assert rewrite(data.draw(sliced(spliced)), "other/deployment", found.model) == content


def test_the_same_model_leaves_the_file_as_it_is() -> None:
    content = b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"m"}}'
    assert splice([content], checked(content), "m") == content


def test_a_block_may_end_anywhere_in_a_value() -> None:
    content = b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"model"}}\n'
    found = checked(content)
    expected = content.replace(b'"model"}', b'"x"}')
    for cut in range(len(content)):
        assert splice([content[:cut], b"", content[cut:]], found, "x") == expected


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("gpt-4o", b'"gpt-4o"'),
        ("openai/é", '"openai/é"'.encode()),
        ('a"b\\c\n', b'"a\\"b\\\\c\\n"'),
        ("\x7f\u2028😀", '"\x7f\u2028😀"'.encode()),
    ],
)
def test_names_are_escaped_only_where_json_needs_it(name: str, spelled: bytes) -> None:
    assert json_string(name) == spelled


LINE = b'{"custom_id": "a", "method": "POST", "url": "/v1/x", "body": {"model": "up", "n": {"model": "x"}}}\n'


def test_the_first_lines_spelling_does_not_bind_the_next_ones() -> None:
    other = b'{"body":{"n":{"model":"up"},"model":"up"},"custom_id":"up","method":"POST","url":"u"}\r\n'
    content = b"\n" + LINE + other + b"  \r\n" + LINE.replace(b'"a"', b'"b"') + other.strip()
    expected = content.replace(b'"body": {"model": "up"', b'"body": {"model": "virtual"')
    expected = expected.replace(b'},"model":"up"', b'},"model":"virtual"')
    assert rewrite([content], "up", "virtual") == expected


def test_deep_lines_can_be_read_back() -> None:
    content = LINE.replace(b'{"model": "x"}', b"[" * 100_000 + b"]" * 100_000)
    assert rewrite([content], "up", "m") == content.replace(b'"up"', b'"m"')


@pytest.mark.parametrize(
    "bad",
    [
        LINE.replace(b'"up"', b'"other"'),
        LINE.replace(b'"up"', b'"\\u0075p"'),
        LINE.replace(b'"model": "up", ', b""),
        LINE.replace(b'"body"', b'"boby"'),
        LINE[:30],
        b"nope",
        b'{"body": []}',
        b"[" * 10_000,
    ],
)
def test_a_line_without_the_model_is_an_error(bad: bytes) -> None:
    with pytest.raises(ValueError, match="line 3 "):
        rewrite([LINE + b"\n" + bad], "up", "m")


def test_a_line_over_the_limit_is_an_error() -> None:
    rewriter = ModelRewriter("up", "m", max_line_bytes=200)
    assert rewriter.feed(LINE)
    with pytest.raises(ValueError, match="line 2 is too long"):
        rewriter.feed(b"x" * 300)
