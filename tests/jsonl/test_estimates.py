"""What a file's requests have in tokens, and how long their answers may be."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import Any

import pytest

from litebatch_asgi.jsonl import CheckedFile, CheckLimits, Guesses, LineChecker
from litebatch_asgi.models import LongRequests

URL = "/v1/chat/completions"
RESPONSES = "/v1/responses"
URLS = (URL, RESPONSES, "/v1/completions", "/v1/embeddings", "/v1/moderations")
IMAGE, LOW_IMAGE, FILE = 37_000, 2_900, 100_000


def check(*blocks: bytes, **options: Any) -> CheckedFile:
    limits = CheckLimits(max_lines=1000, max_line_bytes=1 << 20)
    checker = LineChecker(endpoints=URLS, limits=limits, model_problem=lambda model: None, **options)
    for block in blocks:
        checker.feed(block)
    return checker.finish()


def line(custom_id: object = 1, spelled: str = '"messages": []', url: str = URL) -> bytes:
    body = f'{{"model": "m", {spelled}}}'
    return f'{{"custom_id": "{custom_id}", "method": "POST", "url": "{url}", "body": {body}}}\n'.encode()


@pytest.mark.parametrize(
    ("spelled", "tokens", "unlimited"),
    [
        ('"messages": []', 0, 1),
        ('"max_tokens": 7', 7, 0),
        ('"max_completion_tokens": 7', 7, 0),
        ('"max_output_tokens": 7', 0, 1),
        ('"max_output_tokens": 7, "max_tokens": 9', 9, 0),
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


def asking(*urls: str, text: str = "What is this?") -> dict[str, Any]:
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": text}, *parts]}]}


def spelled(body: dict[str, object]) -> str:
    return json.dumps(body)[1:-1]


@pytest.mark.parametrize(
    ("url", "read"),
    [
        (URL, ("max_tokens", "max_completion_tokens")),
        (RESPONSES, ("max_output_tokens",)),
        ("/v1/completions", ("max_tokens",)),
        ("/v1/embeddings", ()),
    ],
)
def test_a_limit_counts_where_its_endpoint_reads_it(url: str, read: tuple[str, ...]) -> None:
    """Elsewhere it is passed over, and the answer is as long as the model likes."""
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        found = check(*(line(number, f'"{name}": 7', url) for number in range(3)))
        expected = (21, 0) if name in read else (0, 3)
        assert (found.output_tokens, found.unlimited_answers) == expected, name


@pytest.mark.parametrize("escape", [False, True])
@pytest.mark.parametrize("order", ["model first", "model last"])
def test_an_image_counts_as_an_image(escape: bool, order: str) -> None:
    """In the line or by URL; PHP writes each slash with a backslash before it."""
    urls = (image(90_000), image(100, kind="svg+xml"), "https://example.com/a.png")
    text = spelled(asking(*urls))
    text = text.replace("/", "\\/") if escape else text
    lines = [line(number, text) for number in range(3)]
    if order == "model last":
        lines = [
            line(number, "").replace(b'"model": "m", ', f'{text}, "model": "m"'.encode())
            for number in range(3)
        ]
    found = check(*lines)
    bare = sum(map(len, lines)) - 3 * sum(len(json.dumps(url)) for url in urls[:2])
    bare -= 3 * sum(url.count("/") for url in urls[:2]) if escape else 0
    assert found.guessed_tokens == 9 * IMAGE
    assert found.tokens == -(-bare // 4) + 9 * IMAGE


FILES = [
    {"type": "file", "file": {"file_id": "file-1"}},
    {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}},
    {"type": "input_file", "file_id": "file-1"},
    {"type": "input_file", "file_url": "https://example.com/a.pdf"},
    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
    {"type": "input_image", "file_id": "file-1", "image_url": None},
]
REMOTE = "https://example.com/a.png"


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        ({"type": "image_url", "image_url": {"url": REMOTE}}, IMAGE),
        ({"type": "image_url", "image_url": {"url": REMOTE, "detail": "high"}}, IMAGE),
        ({"type": "image_url", "image_url": {"url": REMOTE, "detail": "auto"}}, IMAGE),
        ({"type": "image_url", "image_url": {"url": REMOTE, "detail": "low"}}, LOW_IMAGE),
        ({"type": "image_url", "image_url": {"url": REMOTE}, "detail": "low"}, IMAGE),
        ({"type": "input_image", "image_url": REMOTE}, IMAGE),
        ({"type": "input_image", "image_url": REMOTE, "detail": "low"}, LOW_IMAGE),
        *((part, FILE) for part in FILES),
        ({"type": "text", "text": json.dumps(FILES)}, 0),
        ({"type": "text", "text": "data:image/png;base64," + "A" * 9000}, 0),
        ({"type": "input_image", "image_url": None, "file_id": None}, 0),
    ],
)
def test_what_a_part_only_names_is_guessed(part: dict[str, object], tokens: int) -> None:
    """However it is spelled, and in whatever list it stands."""
    escaped = json.dumps(part).replace("_", "\\u005f")
    content = "[{}, 7]"
    for url, spelling in (
        (URL, '"messages": [{{"role": "user", "content": {}}}, {{"role": "user", "content": "and?"}}]'),
        (RESPONSES, '"input": [{{"role": "user", "content": {}}}, {{"type": "reasoning"}}]'),
        (RESPONSES, '"input": [{{"type": "function_call_output", "output": {}}}]'),
        (URL, '"max_output_tokens": {{}}, "messages": [{{"role": "user", "content": {}}}, 7]'),
    ):
        for each in (json.dumps(part), escaped):
            found = check(*(line(n, spelling.format(content.format(each)), url) for n in range(2)))
            assert found.guessed_tokens == 2 * tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ('"previous_response_id": "resp_1"', FILE),
        ('"previous_response_id": null', 0),
        ('"conversation": {"id": "conv_1"}, "input": "And then?"', FILE),
        ('"prompt": {"id": "pmpt_1"}', FILE),
        ('"prompt": "Once"', 0),
        ('"input": [{"type": "item_reference", "id": "msg_1"}]', FILE),
        ('"input": [{"type": "computer_call_output", "output": {"file_id": "file-1"}}]', FILE),
        ('"input": [1, 2, 3]', 0),
        ('"input": {"a": 1}', 0),
        ('"messages": {"a": 1}', 0),
        ('"messages": null', 0),
    ],
)
def test_what_a_request_goes_on_from_is_guessed(text: str, tokens: int) -> None:
    assert check(line(1, text, RESPONSES), line(2, text, RESPONSES)).guessed_tokens == 2 * tokens


def test_a_request_is_not_guessed_longer_than_any_model_reads() -> None:
    found = check(line(1, spelled(asking(*[REMOTE] * 100))))
    assert found.guessed_tokens == 1_000_000


def test_guesses_can_be_set() -> None:
    guesses = Guesses(image=800, file=5_000)
    parts = [*asking(REMOTE)["messages"][0]["content"], {"type": "file", "file": {"file_id": "file-1"}}]
    found = check(line(1, f'"messages": [{{"content": {json.dumps(parts)}}}]'), guesses=guesses)
    assert found.guessed_tokens == 5_800


@pytest.mark.parametrize(
    "url",
    [
        "data:application/pdf;base64," + "A" * 9000,
        "data:image/svg+xml," + "A" * 9000 + ";base64,",
        "https://example.com/data:image/png;base64," + "A" * 9000,
        json.dumps({"url": "data:image/png;base64," + "A" * 9000}),
    ],
)
def test_the_bytes_of_anything_else_count(url: str) -> None:
    content = line(1, spelled(asking(url)))
    assert check(content).tokens == -(-len(content) // 4) + IMAGE


def test_long_requests_are_summed_up_by_their_length() -> None:
    """Each by its own, with what it names: the average says nothing of them."""
    word = json.dumps("w" * 4_000)
    contents = [
        line(1, '"max_tokens": 5'),
        line(2, f'"max_tokens": 7, "messages": [{{"content": {word}}}]'),
        line(3, f'"messages": [{{"content": {word}}}], "n": 2'),
        line(4, spelled(asking(REMOTE))),
    ]
    found = check(*contents, thresholds=(1_000, 37_000, 50_000))
    sizes = [-(-(len(each) - 1) // 4) for each in contents]
    assert found.long_requests == (
        LongRequests(
            above=1_000, requests=2, tokens=sizes[1] + sizes[2], output_tokens=7, unlimited_answers=2
        ),
        LongRequests(above=37_000, requests=1, tokens=sizes[3] + IMAGE, output_tokens=0, unlimited_answers=1),
    )
    assert check(*contents).long_requests == ()


@pytest.mark.parametrize("url", ["/v1/embeddings", "/v1/moderations"])
def test_the_file_keeps_what_its_lines_say(url: str) -> None:
    """Whether answers of an endpoint have tokens at all is for the estimate to know."""
    limits = CheckLimits(max_lines=9, max_line_bytes=1 << 20)
    checker = LineChecker(endpoints=[url], limits=limits, model_problem=lambda model: None)
    checker.feed(line().replace(URL.encode(), url.encode()))
    assert checker.finish().unlimited_answers == 1
