from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.dialects import line_digest, line_number, surrogate
from litebatch_asgi.dialects.echoes import request_digest


@given(st.integers(0, 36**12 - 1))
def test_a_surrogate_finds_its_line(number: int) -> None:
    assert re.fullmatch(r"r[0-9a-z]{1,12}", surrogate(number))
    assert line_number(surrogate(number)) == number


@given(st.one_of(st.text(), st.integers(), st.none(), st.from_regex(r"\Ar[0-9a-z]+\Z")))
def test_only_a_surrogate_does(value: object) -> None:
    number = line_number(value)
    assert number is None or surrogate(number) == value


def test_digests_do_not_depend_on_spelling() -> None:
    line = b'{"custom_id":"r1","request":{"b":[1,{"d":2.0}],"a":"\xc3\xa9"}}'
    echoed = {"a": "é", "b": [1.0, {"d": 2, "e": None}]}
    assert line_digest(line) == request_digest(echoed)
    assert line_digest(line) != request_digest({**echoed, "a": "e"})
    assert line_digest(b"no line") is None
    assert request_digest({}) is None
