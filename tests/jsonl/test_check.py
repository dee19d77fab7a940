"""Each rule for the lines of an input file, and each oddity that is let pass."""

import sys
import tracemalloc

import pytest

from litebatch_asgi.errors import InvalidFile, Problem
from litebatch_asgi.jsonl import CheckedFile, CheckLimits, LineChecker

ENDPOINTS = ("/v1/chat/completions", "/v1/embeddings")
LIMITS = CheckLimits(max_lines=1000, max_line_bytes=1 << 20)


def line(custom_id: str = "a", body: str = '{"model": "m", "messages": []}') -> bytes:
    head = f'{{"custom_id": "{custom_id}", "method": "POST", "url": "/v1/chat/completions"'
    return f'{head}, "body": {body}}}'.encode()


class Models:
    """Allows `m` and `n`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, model: str) -> Problem | None:
        self.asked.append(model)
        if model in ("m", "n"):
            return None
        return Problem(code="model_not_found", line=None, param="body.model", message=f"no {model}")


def check(content: bytes, limits: CheckLimits = LIMITS, models: Models | None = None) -> CheckedFile:
    checker = LineChecker(endpoints=ENDPOINTS, limits=limits, model_problem=models or Models())
    checker.feed(content)
    return checker.finish()


def problems(content: bytes, limits: CheckLimits = LIMITS) -> list[tuple[int | None, str, str | None]]:
    with pytest.raises(InvalidFile) as caught:
        check(content, limits)
    return [(problem.line, problem.code, problem.param) for problem in caught.value.problems]


def message(content: bytes) -> str:
    with pytest.raises(InvalidFile) as caught:
        check(content)
    return caught.value.problems[0].message


@pytest.mark.parametrize(
    ("old", "new", "code", "param"),
    [
        ('"custom_id": "a", ', "", "missing_required_parameter", "custom_id"),
        ('"method": "POST", ', "", "missing_required_parameter", "method"),
        ('"url": "/v1/chat/completions", ', "", "missing_required_parameter", "url"),
        (', "body": {"model": "m", "messages": []}', "", "missing_required_parameter", "body"),
        ('"model": "m", ', "", "invalid_request", "body.model"),
        ('"custom_id": "a"', '"custom_id": 1', "invalid_type", "custom_id"),
        ('"custom_id": "a"', '"custom_id": null', "invalid_type", "custom_id"),
        ('"custom_id": "a"', '"custom_id": ""', "invalid_value", "custom_id"),
        ('"POST"', '"GET"', "invalid_value", "method"),
        ('"POST"', "{}", "invalid_type", "method"),
        ('"/v1/chat/completions"', '"/v1/nope"', "invalid_url", "url"),
        ('"/v1/chat/completions"', "true", "invalid_type", "url"),
        ('{"model": "m", "messages": []}', '"m"', "invalid_type", "body"),
        ('{"model": "m", "messages": []}', '["m"]', "invalid_type", "body"),
        ('"m"', "-1.5e3", "invalid_type", "body.model"),
        ('"m"', '"x"', "model_not_found", "body.model"),
        ('"m"', '"\\u006d"', "invalid_value", "body.model"),
        ('"model"', '"mod\\u0065l"', "invalid_value", "body.model"),
        ('"model": "m"', '"model": "m", "stream": true', "streaming_unsupported", "body.stream"),
        ('"model": "m"', '"model": "m", "stream": "yes"', "invalid_type", "body.stream"),
        ('"model": "m"', '"model": "m", "str\\u0065am": false', "invalid_value", "body.stream"),
        ('"model": "m"', '"model": "m", "model": "m"', "duplicate_parameter", "body.model"),
        (
            '"model": "m"',
            '"stream": null, "model": "m", "stream": null',
            "duplicate_parameter",
            "body.stream",
        ),
        ('"custom_id": "a"', '"custom_id": "a", "custom_id": "a"', "duplicate_parameter", "custom_id"),
        ('"POST"', '"POST", "method": "POST"', "duplicate_parameter", "method"),
        ('"POST"', '"POST", "url": "/v1/chat/completions"', "duplicate_parameter", "url"),
        ('"POST"', '"POST", "body": {"model": "m"}', "duplicate_parameter", "body"),
        ('"method"', '"\\u006dethod"', "invalid_value", "method"),
        ("}}", "}", "invalid_json_line", None),
        ("}}", "}}}", "invalid_json_line", None),
        ("[]", "[NaN]", "invalid_json_line", None),
        ("[]", "[1,]", "invalid_json_line", None),
        ("[]", "['a']", "invalid_json_line", None),
        ("[]", '["\t"]', "invalid_json_line", None),
        ("[]", '["\x00"]', "invalid_json_line", None),
        ("[]", "\x00", "invalid_json_line", None),
        ("[]", '["\\ud83d"]', "invalid_json_line", None),
        ("[]", '["\\ude00"]', "invalid_json_line", None),
        ("[]", '["\\x41"]', "invalid_json_line", None),
        ("[]", "[" * 100_000 + "]" * 100_000, "invalid_json_line", None),
        ("[]", '{"a":' * 100_000 + "1" + "}" * 100_000, "invalid_json_line", None),
    ],
)
def test_a_bad_line_is_named(old: str, new: str, code: str, param: str | None) -> None:
    bad = line().decode().replace(old, new, 1).encode()
    assert bad != line()
    good = line("b")
    assert problems(b"\n".join((line("0"), bad, good))) == [(2, code, param)]
    assert problems(bad) == [(1, code, param)]


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x98"])
def test_bytes_that_are_not_utf8_are_a_problem_of_their_line(bad: bytes) -> None:
    spoilt = line("b", '{"model": "m", "x": "?"}').replace(b"?", bad)
    assert problems(b"\n".join((line(), spoilt, line("ü")))) == [(2, "invalid_json_line", None)]
    assert problems(b"\n".join((line(), line("b").replace(b'"b"', b'"' + bad + b'"')))) == [
        (2, "invalid_json_line", None)
    ]


@pytest.mark.parametrize("text", [b"[]", b'"a"', b"1", b"null", b"nope", b"[" + line() + b"]", b"{", b"\xa0"])
def test_a_line_that_is_no_object_is_a_problem(text: bytes) -> None:
    assert problems(line() + b"\n" + text) == [(2, "invalid_json_line", None)]


def test_all_problems_are_named_in_the_order_of_the_lines() -> None:
    bad = b'{"custom_id": 1, "url": "/v1/nope", "body": {"stream": true}}'
    found = problems(b"\n".join((line(), b"nope", b"", bad, line("a"))))
    assert found == [
        (2, "invalid_json_line", None),
        (4, "missing_required_parameter", "method"),
        (4, "invalid_type", "custom_id"),
        (4, "streaming_unsupported", "body.stream"),
        (4, "invalid_request", "body.model"),
        (4, "invalid_url", "url"),
        (5, "duplicate_custom_id", "custom_id"),
    ]


def test_a_custom_id_is_unique_however_it_is_spelled() -> None:
    assert problems(b"\n".join((line("é"), line("b"), line("\\u00e9")))) == [
        (3, "duplicate_custom_id", "custom_id")
    ]


def test_the_id_of_a_line_with_problems_counts_too() -> None:
    assert problems(line("a", "{}") + b"\n" + line("a")) == [
        (1, "invalid_request", "body.model"),
        (2, "duplicate_custom_id", "custom_id"),
    ]


def test_models_and_urls_are_the_same_on_each_line() -> None:
    content = b"\n".join(
        (
            line("1", '{"model": "unknown"}'),
            line("2"),
            line("3", '{"model": "n"}'),
            line("4", '{"model": "unknown"}'),
            line("5").replace(b"/v1/chat/completions", b"/v1/embeddings"),
            line("6"),
        )
    )
    assert problems(content) == [
        (1, "model_not_found", "body.model"),
        (3, "mismatched_model", "body.model"),
        (4, "model_not_found", "body.model"),
        (5, "invalid_url", "url"),
    ]


def test_each_model_is_asked_for_once() -> None:
    models = Models()
    bodies = ('{"model": "x"}', '{"model": "m"}', '{"model": "n"}', '{"model": "x"}', '{"model": "m"}')
    with pytest.raises(InvalidFile):
        check(b"\n".join(line(str(index), body) for index, body in enumerate(bodies)), models=models)
    assert models.asked == ["x", "m", "n"]


def test_no_more_problems_are_collected_than_wanted() -> None:
    limits = CheckLimits(max_lines=1000, max_line_bytes=1000, max_problems=3)
    assert problems(b"{}\n" * 500, limits) == [
        (1, "missing_required_parameter", name) for name in ("custom_id", "method", "url")
    ]
    assert problems(b"x\n" * 500, limits) == [(number, "invalid_json_line", None) for number in (1, 2, 3)]


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\r\n", b" \t", b"\n \n"])
def test_a_file_without_requests_is_empty(content: bytes) -> None:
    assert problems(content) == [(None, "empty_file", None)]


def test_one_request_too_many_ends_the_check() -> None:
    limits = CheckLimits(max_lines=2, max_line_bytes=1000)
    assert check(b"\n\n" + line("a") + b"\n\n" + line("b") + b"\n\n", limits).lines == 2
    assert problems(b"\n".join((line("a"), b"x", line("c"), b"x")), limits) == [
        (2, "invalid_json_line", None),
        (None, "too_many_tasks", None),
    ]


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_a_line_too_long_is_a_problem_and_the_next_ones_are_checked(size: int) -> None:
    exact = line("a", '{"model": "m", "x": "' + "y" * 100 + '"}')
    limits = CheckLimits(max_lines=9, max_line_bytes=len(exact))
    content = b"\n".join((exact, exact.replace(b"yy", b"yyy").replace(b'"a"', b'"b"'), b"{}", line("c")))
    checker = LineChecker(endpoints=ENDPOINTS, limits=limits, model_problem=Models())
    for start in range(0, len(content), size):
        checker.feed(content[start : start + size])
    with pytest.raises(InvalidFile) as caught:
        checker.finish()
    found = [(problem.line, problem.code) for problem in caught.value.problems]
    assert found[0] == (2, "line_too_long")
    assert [number for number, _ in found[1:]] == [3, 3, 3, 3]
    assert check(exact, limits).lines == 1


def test_a_line_too_long_is_not_held() -> None:
    limits = CheckLimits(max_lines=9, max_line_bytes=1 << 16)
    checker = LineChecker(endpoints=ENDPOINTS, limits=limits, model_problem=Models())
    block = b"x" * (1 << 15)
    tracemalloc.start()
    for _ in range(1000):
        checker.feed(block)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 18
    with pytest.raises(InvalidFile):
        checker.finish()


def test_the_members_of_a_line_are_not_held() -> None:
    for member in ('"a": 1', '"model": "m"', '"\\u0061": {}'):
        content = line("a", "{" + ", ".join([member] * 20_000) + "}")
        tracemalloc.start()
        with pytest.raises(InvalidFile) as caught:
            check(content, CheckLimits(max_lines=1, max_line_bytes=1 << 24))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(caught.value.problems) == 1
        assert peak < 4 * len(content) + (1 << 16)


@pytest.mark.parametrize(
    ("mark", "name"), [(b"\xef\xbb\xbf", "UTF-8"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")]
)
def test_a_byte_order_mark_is_named(mark: bytes, name: str) -> None:
    assert problems(mark + line() + b"\n" + line("b")) == [(1, "invalid_json_line", None)]
    assert "BOM" in message(mark + line())
    assert name in message(mark + line())


def test_a_file_in_utf16_gives_one_problem() -> None:
    content = b"\n".join([line(str(number)) for number in range(20)]).decode().encode("utf-16")
    assert problems(content) == [(1, "invalid_json_line", None)]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\n\n", b"\n \t\r\n"])
@pytest.mark.parametrize("ended", [True, False])
def test_ordinary_line_ends_are_accepted(newline: bytes, ended: bool) -> None:
    content = newline.join((line("a"), line("b"), line("c"))) + (newline if ended else b"")
    checked = check(content)
    assert (checked.lines, checked.id_count, checked.bytes) == (3, 3, len(content))
    assert [content[span : span + 3] for span in checked.spans] == [b'"m"'] * 3


def test_blank_lines_count_as_lines_and_not_as_requests() -> None:
    blank = b"\n" * 5000 + b" " * 1000 + b"\r\n" + b"\t" * 65 + b"\n"
    content = blank + line("a") + b"\n" + blank + b"x\n" + line("b") + b"\n" + b" " * 100
    assert problems(content) == [(2 * 5002 + 2, "invalid_json_line", None)]
    assert check(content.replace(b"x", b"")).lines == 2


@pytest.mark.parametrize(
    "text",
    [
        b'{"body":{"model":"m"},"custom_id":"a","method":"POST","url":"/v1/chat/completions"}',
        b' { "url":"\\/v1\\/chat\\/completions" ,"x":[{}],"method" : "P\\u004fST","body":{"model"\t:"m"}'
        b',"custom_id":"a" } ',
        line("a", '{"messages": [{"model": "x", "stream": true}], "model": "m", "stream": false}'),
        line(
            "a", '{"tools": {"model": {"model": "x"}}, "stream": null, "model": "m", "body": {"stream": 1}}'
        ),
        line("a", '{"x": "\\"model\\": \\"y\\"", "model": "m", "x": 1}'),
        line(
            "a",
            '{"é\\u00e9": "\\ud83d\\ude00 \\\\", "model": "m", "a": -0.5E+7, "b": 12345678901234567890123}',
        ),
        line("ä€😀 \\u00e9 \\\\ \\" + '"'),
        line("a" * 10_000),
    ],
)
def test_unusual_spelling_is_accepted(text: bytes) -> None:
    checked = check(text)
    assert checked.model == "m"
    assert text[checked.spans[0] :].startswith(b'"m"')


def test_depth_that_the_parser_can_take_is_accepted() -> None:
    depth = sys.getrecursionlimit() // 2
    content = line("a", '{"model": "m", "x": ' + "[" * depth + "]" * depth + "}")
    assert check(content).lines == 1


def test_messages_quote_no_more_than_a_little_of_the_clients_text() -> None:
    long = "x" * 100_000
    for content in (
        line(long, "{}") + b"\n" + line(long),
        line().replace(b"POST", long.encode()),
        line().replace(b"/v1/chat/completions", long.encode()),
        line("a", '{"model": "' + "\\u0041" * 1000 + '"}'),
        line("a") + b"\n" + line("b", '{"model": "n' + '"}'),
        line("a") + long.encode(),
    ):
        with pytest.raises(InvalidFile) as caught:
            check(content)
        assert all(len(problem.message) < 400 for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (line("a", '{"model": "m", "x": NaN}'), "near"),
        (line("a", '{"model": "m", "x": "\\ud83d"}'), "surrogate"),
        (b"[" * 100_000, "nested"),
        (b"[1]", "one whole JSON object"),
        (line("a", '{"model": "m", "x": "\x01"}'), "invalid character"),
        (line().replace(b'"a"', b'"\xff"'), "UTF-8"),
        (line().replace(b"POST", b"GET"), "'POST'"),
        (line().replace(b"/v1/chat/completions", b"/x"), "/v1/embeddings"),
    ],
)
def test_messages_say_what_to_look_for(content: bytes, said: str) -> None:
    assert said in message(content)


def test_a_file_can_be_fed_byte_by_byte() -> None:
    content = b"\r\n".join((line("ä"), b"", line("b"), line("c", '{"model": "m", "x": {"model": "y"}}')))
    checker = LineChecker(endpoints=ENDPOINTS, limits=LIMITS, model_problem=Models())
    for byte in content:
        checker.feed(bytes([byte]))
    assert checker.finish() == check(content)
