"""What of a provider's texts no client may see, in the forms that providers have."""

from __future__ import annotations

import pytest

from litebatch_asgi.scrub import scrub


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Incorrect API key provided: sk-ea***********cret.", "Incorrect API key provided: [key]."),
        ("no answer of 10.0.0.5:8000", "no answer of [address]"),
        ("no answer of vllm-1.prod.internal:8000", "no answer of [address]"),
        ("no answer of vllm-1.prod:8000", "no answer of [address]"),
        ("no answer of localhost:8000/v1", "no answer of [address]/v1"),
        ("see my-account.openai.azure.us", "see [address]"),
        ("in /subscriptions/0b1c2d3e-1111-2222-3333-444455556666/x", "in /subscriptions/[id]/x"),
        ("batch_0b1c2d3e-1111-2222-3333-444455556666 failed", "[id] failed"),
    ],
)
def test_what_is_blotted_out(text: str, shown: str) -> None:
    assert scrub(text, names={}) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Line 3 of the file: expected a number, but got 'a'. See 4.5 and 1.2.3.",
        "At 10:30:05 the limit of 2.000 tokens was reached, e.g. by gpt-4.1-mini.",
        "messages[0].content:12 is no text",
        "file-lb01m81c757zfxk8wcx8ss6xjsm9 is empty",
    ],
)
def test_what_is_not(text: str) -> None:
    assert scrub(text, names={}) == text
