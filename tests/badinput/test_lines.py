"""Batch inputs that are refused: each problem with its line and its key, and all of them at once."""

from __future__ import annotations

import codecs
from typing import Any

import pytest

from tests.badinput.bad_lines import BAD_JSON, BAD_REQUESTS, NOT_JSON, A, raw
from tests.badinput.probe import OTHER, Probe, a_line, error_of
from tests.harness import MODEL
from tests.http.forms import field


@pytest.mark.parametrize("kind", BAD_JSON)
async def test_a_line_that_is_no_json(probe: Probe, kind: str) -> None:
    error = await probe.refuses_content(BAD_JSON[kind])
    assert (error["code"], error["param"]) == ("invalid_json_line", None)
    assert found(error) == [NOT_JSON]


@pytest.mark.parametrize("kind", BAD_REQUESTS)
async def test_a_line_that_asks_for_the_wrong_thing(probe: Probe, kind: str) -> None:
    content, told = BAD_REQUESTS[kind]
    error = await probe.refuses_content(content)
    assert (error["code"], error["param"]) == (told[0][0], told[0][2])
    assert error["type"] == "invalid_request_error"
    assert found(error) == told


async def test_every_bad_line_is_found_among_good_ones(probe: Probe) -> None:
    """What follows good lines is looked at in another way than the first line, and must be told the same."""
    bad = {kind: (line, [NOT_JSON]) for kind, line in BAD_JSON.items()} | BAD_REQUESTS
    async with probe.unharmed(uploads=True):
        for kind, (line, told) in bad.items():
            if b"\n" in line or {number for _, number, _ in told} != {1}:
                continue
            content = b"\n".join([a_line("y"), a_line("z"), line, a_line("zz")])
            error = error_of(await probe.upload(content), 400)
            assert found(error) == [(code, 3, param) for code, _, param in told], kind


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ],
)
async def test_a_byte_order_mark_is_called_by_its_name(probe: Probe, mark: bytes, encoding: str) -> None:
    content = mark + b"\n".join([a_line("a"), a_line("b")]).decode().encode(encoding)
    error = await probe.refuses_content(content)
    assert found(error) == [NOT_JSON]
    assert "byte order mark" in error["message"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-be"])
async def test_another_encoding_without_a_mark(probe: Probe, encoding: str) -> None:
    error = await probe.refuses_content(A.decode().encode(encoding))
    assert error["code"] == "invalid_json_line"


async def test_all_problems_of_a_file_come_at_once(probe: Probe) -> None:
    content = b"\r\n".join(
        [
            a_line("a"),
            b"",
            b"no JSON",
            a_line("a"),
            a_line("b", method="GET", url="/v1/nope"),
            b"   ",
            a_line(without="body"),
            a_line("c", body={"model": "gpt-5", "stream": True}),
            a_line("d"),
            raw('"e"').replace(b'"e"', b'"\xff"'),
            a_line("f", body={"model": OTHER}),
            a_line("", url=7),
        ]
    )
    error = await probe.refuses_content(content)
    assert found(error) == [
        ("invalid_json_line", 3, None),
        ("duplicate_custom_id", 4, "custom_id"),
        ("invalid_value", 5, "method"),
        ("invalid_url", 5, "url"),
        ("missing_required_parameter", 7, "body"),
        ("duplicate_custom_id", 7, "custom_id"),
        ("streaming_unsupported", 8, "body.stream"),
        ("model_not_found", 8, "body.model"),
        ("invalid_json_line", 10, None),
        ("mismatched_model", 11, "body.model"),
        ("invalid_value", 12, "custom_id"),
        ("invalid_type", 12, "url"),
    ]
    assert error["message"].startswith("Line 3: ")
    assert "12 problems in all" in error["message"]


async def test_problems_are_told_up_to_a_hundred(probe: Probe) -> None:
    error = await probe.refuses_content(b"no JSON\n" * 120)
    assert found(error) == [("invalid_json_line", line, None) for line in range(1, 101)]


@pytest.mark.parametrize("where", ["first", "last"])
async def test_a_model_the_key_may_not_use(probe: Probe, where: str) -> None:
    allowed, denied = a_line("a", body={"model": OTHER}), a_line("b")
    content = b"\n".join([denied, allowed] if where == "first" else [allowed, denied])
    error = await probe.refuses_content(content, key=f"mallory:{OTHER}", status=403)
    assert (error["code"], error["param"]) == ("model_access_denied", "model")
    assert OTHER in error["message"]


@pytest.mark.parametrize(
    ("names", "status", "code"),
    [
        ("gpt-5", 400, "model_not_found"),
        (f"{MODEL},gpt-5", 400, "model_not_found"),
        ("x" * 300, 400, "string_above_max_length"),
        (",".join(map(str, range(101))), 400, "array_above_max_length"),
        ("gpt\0", 400, "invalid_value"),
        ("gpt\n4o", 400, "invalid_value"),
    ],
)
async def test_target_models_that_cannot_be(probe: Probe, names: str, status: int, code: str) -> None:
    error = await probe.refuses_content(A, field("target_model_names", names), status=status)
    assert (error["code"], error["param"]) == (code, "target_model_names")


async def test_a_line_for_another_than_the_target_models(probe: Probe) -> None:
    error = await probe.refuses_content(A, field("target_model_names", OTHER))
    assert found(error) == [("mismatched_model", 1, "body.model")]


async def test_a_target_model_that_the_key_may_not_use(probe: Probe) -> None:
    parts = [field("target_model_names", MODEL)]
    error = await probe.refuses_content(A, *parts, key=f"mallory:{OTHER}", status=403)
    assert (error["code"], error["param"]) == ("model_access_denied", "model")


def found(error: dict[str, Any]) -> list[tuple[object, ...]]:
    """Code, line and param of all problems that an error tells."""
    for problem in error["errors"]:
        assert set(problem) == {"code", "line", "param", "message"}
        assert problem["message"]
    return [(problem["code"], problem["line"], problem["param"]) for problem in error["errors"]]
