"""Where in a line a problem is, and texts of others that a terminal must not act on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from litebatch_asgi.cli.checking import Gateway, check
from litebatch_asgi.cli.problems import excerpt, excerpts_of, place_of
from litebatch_asgi.cli.telling import visible, visible_in_line, visible_json
from litebatch_asgi.errors import Problem
from litebatch_asgi.jsonl.request import read_request
from tests.cli.terminal import forked_terminal
from tests.harness import lines

FINE = b'{"custom_id": "1", "method": "POST", "url": "/v1/responses", "body": {"model": "m"}}'


def changed(old: bytes, new: bytes) -> bytes:
    assert old in FINE
    return FINE.replace(old, new)


@pytest.mark.parametrize(
    ("line", "under"),
    [
        (changed(b'"POST"', b'"GET"'), b'"GET"'),
        (changed(b'"1"', b"17"), b"17"),
        (changed(b'"m"', b'"m", "stream": true'), b"true"),
        (changed(b'"m"', b'"m", "model": "n"'), b'"model": "m"'),
        (changed(b'"model": "m"', b""), b"{}}"),
        (changed(b'"custom_id": "1", ', b""), b'{"method"'),
        (changed(b'"model"', b'"\\u006dodel"'), b'"\\u006dodel"'),
        (changed(b', "url"', b', oops "url"'), b'oops "url"'),
        (changed(b'"1"', b'"\xff"'), b'\xff"'),
        (FINE[:-1], b""),
        (b"  [1]", b"  [1]"),
    ],
)
def test_the_place_of_a_problem(line: bytes, under: bytes) -> None:
    (problem, *_) = read_request(line).problems
    place = place_of(line, problem)
    assert place is not None
    assert line[place:].startswith(under)
    assert under or place == len(line)


def test_excerpts_fit_and_point_at_the_place(tmp_path: Path) -> None:
    """Also with wide characters, with control characters, and far inside a long line."""
    text = "漢字\x1b[2J\u202e" * 300
    row = json.dumps({"custom_id": text, "method": "PUT", "url": "/v1/responses"}, ensure_ascii=False)
    body = '"body": {"model": "m", "input": "' + "x" * 5000 + '", "stream": true}}'
    path = tmp_path / "in.jsonl"
    path.write_text("\n" + row.replace("\x1b", "\\u001b")[:-1] + ", " + body + "\n")
    problems = check(path, Gateway.of(None), None)
    assert isinstance(problems, tuple)
    found = excerpts_of(path, problems, 40)
    assert [each.param for each in problems] == ["method", "body.stream"]
    for problem, under in zip(problems, ('"PUT"', "true}}"), strict=True):
        shown, caret = found[problem].split("\n")
        assert cell_len(shown) <= 40
        assert shown.isprintable()
        before = shown[: shown.index(under)]
        assert cell_len(before) == caret.index("^")


def test_an_excerpt_of_a_short_line_is_all_of_it() -> None:
    assert excerpt(b"{oops", 1, 40) == "{oops\n ^"
    assert excerpt(b"abc", 3, 40) == "abc\n   ^"


def test_a_line_that_is_gone_has_no_excerpt(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"{}")
    problem = Problem(code="invalid_value", line=7, param="method", message="No.")
    assert excerpts_of(path, [problem], 40) == {}


def test_control_characters_are_spelled_out() -> None:
    text = "a\x1b[31mb\x07\r\x9b2J\u202e\ud800c\td\ne"
    assert visible(text) == "a\\x1b[31mb\\x07\\r\\x9b2J\\u202e\\ud800c\td\ne"
    assert visible_in_line("a\tb\nc\x1b") == "a\\tb\\nc\\x1b"
    assert visible_json('"\u009b2J\u202eä"') == '"\\u009b2J\\u202eä"'
    assert json.loads(visible_json('"\u009b2J\u202eä"')) == "\u009b2J\u202eä"


def test_problems_do_nothing_to_a_terminal(tmp_path: Path) -> None:
    row = lines(1).replace(b"request-0", rb"\u001b]0;pwned\u0007\u009b2J")
    (tmp_path / "in.jsonl").write_bytes(row + b"\n" + row)
    for form in ("table", "json", "plain"):
        with forked_terminal("files", "validate", "in.jsonl", "--output", form, cwd=tmp_path) as shown:
            assert shown.end() == 1
            assert "duplicate" in shown.shown
            assert not {"\x07", "\x9b"} & set(shown.raw)
            assert "\x1b]" not in shown.raw
