"""What a part of an input is estimated at."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.costs import Estimate, InputShare
from litebatch_asgi.models import LongRequests, Settings

ENDPOINT = "/v1/chat/completions"
NUMBERS = st.integers(0, 10**9)


@st.composite
def inputs(draw: st.DrawFn) -> InputShare:
    """What is known of an input of at least one request, with some long ones."""
    long, lines, tokens = list[LongRequests](), draw(st.integers(1, 1000)), draw(NUMBERS)
    outputs, unlimited = draw(NUMBERS), draw(st.integers(0, lines))
    for above in range(draw(st.integers(0, 2))):
        long.append(
            LongRequests(
                above=above,
                requests=lines // 3,
                tokens=tokens // 3,
                output_tokens=outputs // 3,
                unlimited_answers=unlimited // 3,
            )
        )
    is_known = draw(st.booleans())
    return InputShare(
        lines=lines,
        tokens=tokens,
        output_tokens=outputs if is_known else None,
        unlimited_answers=unlimited if is_known else None,
        guessed_tokens=draw(st.integers(0, tokens)),
        long_requests=tuple(long) if is_known else None,
    )


@given(inputs(), st.data())
def test_a_part_is_a_part(whole: InputShare, data: st.DataObject) -> None:
    lines = data.draw(st.integers(1, whole.lines))
    tokens = data.draw(st.integers(0, whole.tokens))
    part = InputShare.of(whole, lines=lines, tokens=tokens)
    found, of_whole = (Estimate.of(each, ENDPOINT, Settings()) for each in (part, whole))
    assert (found.requests, found.input_tokens) == (lines, tokens)
    assert found.guessed_tokens <= tokens
    assert sum(each.requests for each in found.parts) == lines
    assert sum(each.input_tokens for each in found.parts) == tokens
    assert all(min(each.requests, each.input_tokens, each.output_tokens) >= 0 for each in found.parts)
    least = of_whole.output_tokens * lines // whole.lines
    assert least <= found.output_tokens <= least + Settings().estimated_output_tokens + 1


@given(inputs())
def test_all_of_it_is_the_whole(whole: InputShare) -> None:
    assert InputShare.of(whole, lines=whole.lines, tokens=whole.tokens) == whole
