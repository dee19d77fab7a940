"""What a file's requests have in tokens, and how long their answers may be."""

from __future__ import annotations

import base64
import json
import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litebatch_asgi.jsonl import CheckedFile, CheckLimits, LineChecker

from .strategies import sliced

URL = "/v1/chat/completions"
TOKENS_OF_AN_IMAGE = 1000


def check(*blocks: bytes) -> CheckedFile:
    limits = CheckLimits(max_lines=1000, max_line_bytes=1 << 20)
    checker = LineChecker(endpoints=[URL], limits=limits, model_problem=lambda model: None)
    for block in blocks:
        checker.feed(block)
    return checker.finish()


def line(custom_id: object = 1, spelled: str = '"messages": []') -> bytes:
    body = f'{{"model": "m", {spelled}}}'
    return f'{{"custom_id": "{custom_id}", "method": "POST", "url": "{URL}", "body": {body}}}\n'.encode()


@pytest.mark.parametrize(
    ("spelled", "tokens", "unlimited"),
    [
        ('"messages": []', 0, 1),
        ('"max_tokens": 7', 7, 0),
        ('"max_completion_tokens": 7', 7, 0),
        ('"max_output_tokens": 7', 7, 0),
        ('"max_tokens": 7, "n": 3', 21, 0),
        ('"n": 3', 0, 3),
        ('"max_tokens": 7, "max_completion_tokens": 9', 9, 0),
        ('"max_tokens": 7, "max_tokens": 9, "max_tokens": 8', 8, 0),
        ('"max_tokens": 0', 0, 1),
        ('"max_tokens": 7, "n": 2, "best_of": 5', 35, 0),
        ('"prompt": ["a", "b", "c"], "max_tokens": 7, "n": 2', 42, 0),
        ('"prompt": [[1, 2], [3]]', 0, 2),
        ('"prompt": [1, 2, 3], "max_tokens": 7', 7, 0),
        ('"prompt": "[]", "max_tokens": 7', 7, 0),
        ('"prompt": [], "max_tokens": 7', 7, 0),
        ('"prompt": {"a": ["b", "c"]}', 0, 1),
        ('"max_tokens": 10000000', 10_000_000, 0),
        ('"max_tokens": 10000001', 0, 1),
        ('"max_tokens": 7, "n": 128', 7 * 128, 0),
        ('"max_tokens": 7, "n": 129', 7 * 128, 0),
        *((f'"max_tokens": {value}', 0, 1) for value in ("-7", "7.0", '"7"', "null", "true", "1e400", "{}")),
        *((f'"n": {value}', 0, 1) for value in ("-7", "7.0", '"7"', "null", "0", "[7]")),
    ],
)
def test_answers_are_counted_by_their_limits(spelled: str, tokens: int, unlimited: int) -> None:
    """The first line is examined, those after it are read by its shape."""
    found = check(*(line(number, spelled) for number in range(3)))
    assert (found.output_tokens, found.unlimited_answers) == (3 * tokens, 3 * unlimited)


def image(size: int, *, kind: str = "png") -> str:
    data = base64.b64encode(Random(size).randbytes(size)).decode()
    return f"data:image/{kind};base64,{data}"


def asking(*urls: str, text: str = "What is this?") -> dict[str, object]:
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": text}, *parts]}]}


def spelled(body: dict[str, object]) -> str:
    return json.dumps(body)[1:-1]


@pytest.mark.parametrize("escape", [False, True])
def test_an_image_counts_as_an_image(escape: bool) -> None:
    """PHP writes each slash with a backslash before it."""
    bare = line(1, spelled(asking("", "", text="A; or B?")))
    text = spelled(asking(image(90_000), image(30_000, kind="svg+xml"), text="A; or B?"))
    found = check(line(1, text.replace("/", "\\/") if escape else text))
    assert found.tokens == pytest.approx(len(bare) / 4 + 2 * TOKENS_OF_AN_IMAGE, abs=2)


@pytest.mark.parametrize(
    "url",
    [
        "data:application/pdf;base64," + "A" * 9000,
        "data:image/svg+xml," + "A" * 9000 + ";base64,",
        "https://example.com/data:image/png;base64," + "A" * 9000,
        json.dumps({"url": "data:image/png;base64," + "A" * 9000}),
        "data:image/png;base64," + "A" * 2000,
    ],
)
def test_anything_else_counts_by_its_bytes(url: str) -> None:
    content = line(1, spelled(asking(url)))
    assert check(content).tokens == -(-len(content) // 4)


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
pieces = st.sampled_from(
    [
        '"data:image/png;base64,' + "A" * 5000 + '"',
        '"data:image/png;base64,' + "A" * 3000 + '"',
        '"data:image\\/jpeg;charset=x;base64,' + "B" * 4300 + '"',
        '"data:image/png,' + "A" * 5000 + '"',
        '"a \\"data:image/png;base64,' + "A" * 5000 + '\\""',
        '"' + "word; " * 900 + '"',
        '"data:image"',
        '";base64,"',
    ]
)


@settings(max_examples=60)
@given(drawn=st.lists(st.lists(pieces, max_size=4), min_size=1, max_size=4), data=st.data())
def test_images_are_found_in_any_slices(drawn: list[list[str]], data: st.DataObject) -> None:
    """Compared with a search of all strings."""
    content = b"".join(line(number, f'"input": [{", ".join(each)}]') for number, each in enumerate(drawn))
    counted = len(content)
    for string in _STRING.findall(content):
        is_image = re.match(rb'"data:image\\?/[^,"]*;base64,', string)
        counted -= max(0, len(string) - 4 * TOKENS_OF_AN_IMAGE) if is_image else 0
    assert check(*data.draw(sliced(content))).tokens == -(-counted // 4)


@pytest.mark.parametrize("url", ["/v1/embeddings", "/v1/moderations"])
def test_the_file_keeps_what_its_lines_say(url: str) -> None:
    """Whether answers of an endpoint have tokens at all is for the estimate to know."""
    limits = CheckLimits(max_lines=9, max_line_bytes=1 << 20)
    checker = LineChecker(endpoints=[url], limits=limits, model_problem=lambda model: None)
    checker.feed(line().replace(URL.encode(), url.encode()))
    assert checker.finish().unlimited_answers == 1
