"""The checker says what the plain rules say, of any file, in whatever slices it comes."""

from collections.abc import Iterable

from hypothesis import example, given, settings
from hypothesis import strategies as st

from litebatch_asgi.errors import InvalidFile, Problem
from litebatch_asgi.jsonl import CheckedFile, CheckLimits, LineChecker, json_string

from .reference import Finding, Reference
from .strategies import MODELS, OTHER_URL, URL, files, sliced

ENDPOINTS = (URL, OTHER_URL)
LIMITS = CheckLimits(max_lines=5, max_line_bytes=700, max_problems=1000)


def model_problem(model: str) -> Problem | None:
    if model in MODELS:
        return None
    return Problem(code="model_not_found", line=None, param="body.model", message="no such model")


def check(blocks: Iterable[bytes], limits: CheckLimits = LIMITS) -> CheckedFile | list[Finding]:
    checker = LineChecker(endpoints=ENDPOINTS, limits=limits, model_problem=model_problem)
    try:
        for block in blocks:
            checker.feed(block)
        return checker.finish()
    except InvalidFile as error:
        return [(problem.line, problem.code, problem.param) for problem in error.problems]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Line by line; within a line in any order."""
    return sorted(findings, key=lambda finding: (finding[0] or 10**9, finding[1], finding[2] or ""))


@settings(max_examples=120)
@given(content=files(), data=st.data())
@example(content=b"", data=None)
def test_the_verdict_is_that_of_the_plain_rules(content: bytes, data: st.DataObject | None) -> None:
    expected = Reference(ENDPOINTS, MODELS, LIMITS.max_lines, LIMITS.max_line_bytes)
    expected.check(content)
    found = check(data.draw(sliced(content)) if data else [content])
    if expected.findings:
        assert isinstance(found, list)
        assert in_order(found) == in_order(expected.findings)
        lines = [line or 10**9 for line, _, _ in found]
        assert lines == sorted(lines)
        return
    assert isinstance(found, CheckedFile)
    assert (found.model, found.url) == (expected.model, expected.url)
    assert (found.lines, found.id_count, found.id_sum) == (
        len(expected.ids),
        len(expected.ids),
        expected.id_sum,
    )
    assert (found.output_tokens, found.unlimited_answers) == (
        expected.output_tokens,
        expected.unlimited_answers,
    )
    assert found.bytes == len(content)
    assert found.tokens == -(-len(content) // 4)
    assert list(found.spans) == expected.spans
    for span in found.spans:
        assert content.startswith(json_string(found.model), span)


@settings(max_examples=80)
@given(content=files(faults=False), data=st.data())
def test_good_files_are_accepted_in_any_slices(content: bytes, data: st.DataObject) -> None:
    limits = CheckLimits(max_lines=6, max_line_bytes=1 << 20)
    whole, cut = check([content], limits), check(data.draw(sliced(content)), limits)
    assert isinstance(whole, CheckedFile)
    assert cut == whole
