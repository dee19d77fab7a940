"""Texts of others on the page, and JSON as people read it. Properties of what is pure."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.page.parts import pretty, size_limit, told, visible

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
JOINERS = {"\u200c", "\u200d"}
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)


@given(ANY_TEXT)
def test_nothing_that_turns_or_hides_text_is_left(text: str) -> None:
    shown = visible(text)
    shown.encode()
    kinds = {unicodedata.bidirectional(each) for each in shown if each not in JOINERS}
    assert not kinds & {"LRE", "LRO", "RLE", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "BN"}
    assert not [each for each in shown if unicodedata.category(each) in ("Cc", "Cs") and each not in "\t\n"]


@given(st.text(st.characters(categories=("L", "N", "P", "S", "M", "Zs")), max_size=200))
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert visible(text) == text


def test_what_is_told_is_cut_and_keeps_its_direction_to_itself() -> None:
    assert str(told("a\u202eb" + 400 * "x")) == f"<bdi>a\\u202eb{296 * 'x'}…</bdi>"
    assert str(told("<b> \n &")) == "<bdi>&lt;b&gt; &amp;</bdi>"


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_pretty_json_is_the_same_json(value: Any, indent: int | None, ascii_only: bool) -> None:
    shown, is_all = pretty(json.dumps(value, indent=indent, ensure_ascii=ascii_only), 1 << 20)
    assert is_all
    assert json.loads(shown) == value
    if isinstance(value, list | dict):
        assert shown == json.dumps(value, indent=2, ensure_ascii=ascii_only)


@given(st.text('[]{},:"\\ ab1\n', max_size=300), st.integers(0, 100))
def test_pretty_takes_whatever_claims_to_be_json(text: str, most: int) -> None:
    shown, is_all = pretty(text, most)
    assert len(shown) <= most
    if is_all:
        assert "".join(shown.split()) == "".join(text.split())


def test_what_is_nested_deeply_is_not_much_longer_when_it_is_pretty() -> None:
    deep = 50_000 * "[" + 50_000 * "]"
    shown, _ = pretty(deep, 1 << 30)
    assert len(shown) < 60 * len(deep)


@pytest.mark.parametrize(
    ("count", "told"),
    [(1 << 30, "1 GiB"), (200 << 20, "200 MiB"), (1_000_000_000, "1,000,000,000 bytes"), (3 << 10, "3 KiB")],
)
def test_limits_are_told_exactly(count: int, told: str) -> None:
    assert size_limit(count) == told
