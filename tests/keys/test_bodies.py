"""What is described of requests about keys, users and teams is what is taken."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.routes.openapi import describe
from litebatch_asgi.server.keys import KEY_OPERATIONS, bodies
from litebatch_asgi.server.keys.parsing import parse_body
from litebatch_asgi.wire.amounts import amount_of

DOCUMENT: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(describe("1", KEY_OPERATIONS)))
BODIES: dict[str, type[bodies.Fields]] = {
    "/key/generate": bodies.NewKeyFields,
    "/key/update": bodies.ChangedKeyFields,
    "/key/{key}/regenerate": bodies.KeyFields,
    "/key/delete": bodies.DeletedKeys,
    "/team/new": bodies.NewTeamFields,
    "/team/delete": bodies.DeletedTeams,
    "/user/new": bodies.NewUserFields,
    "/user/block": bodies.NamedUser,
}

durations = ["30d", "30d\n", "30h", "24h", "7d", "1mo", "-1", "99999w", "100000w"]
texts = st.text("a\0é\x9f \n", max_size=3) | st.sampled_from(
    ["", "x" * 256, "x" * 257, "sk-" + "x" * 17, "sk-" + "x" * 16, *durations]
)
numbers = (
    st.integers(-2, 3)
    | st.floats(-2, 2e9)
    | st.integers(-2, 3).map(float)
    | st.sampled_from([1 << 53, (1 << 53) + 2, 1e9, 1_000_000_001, 0.5, 5e-324, 1e300])
)
amounts = st.decimals(-1, 2_000_000_000, places=3).map(str) | st.sampled_from(
    ["1000000000", "1000000000.00", "1000000000.01", "1e3", " 1", "+1", ".5", "5.", "0.5\n", "NaN", "inf"]
)
odd = st.none() | st.booleans() | numbers | texts | amounts | st.lists(texts | numbers, max_size=2)


def values(name: str) -> st.SearchStrategy[Any]:
    if name in ("models", "keys", "key_aliases", "team_ids", "user_ids"):
        return st.lists(texts, max_size=2) | odd
    if name == "metadata":
        return st.dictionaries(texts, odd, max_size=2) | odd
    return odd


def schema_of(path: str) -> Draft202012Validator:
    body = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return Draft202012Validator(body | {"components": DOCUMENT["components"]})


VALIDATORS = {path: schema_of(path) for path in BODIES}


@pytest.mark.parametrize("path", BODIES)
@given(st.data())
def test_what_is_described_is_what_is_taken(path: str, draw: st.DataObject) -> None:
    names = st.sampled_from([*BODIES[path].__struct_fields__, "unknown"])
    chosen = draw.draw(st.lists(names, unique=True, max_size=3))
    body = {name: draw.draw(values(name), label=name) for name in chosen}
    try:
        parse_body(json.dumps(body).encode(), BODIES[path])
        taken = True
    except InvalidRequest:
        taken = False
    assert VALIDATORS[path].is_valid(body) == taken


@pytest.mark.parametrize("path", BODIES)
def test_an_empty_body_says_nothing(path: str) -> None:
    is_optional = not DOCUMENT["paths"][path]["post"]["requestBody"]["required"]
    try:
        parse_body(b"", BODIES[path])
        taken = True
    except InvalidRequest:
        taken = False
    assert is_optional == taken


@given(st.floats(0, 1e9) | st.decimals(0, 999_999_999, places=3).map(lambda amount: f"{amount:f}"))
def test_an_amount_is_what_was_written(written: float | str) -> None:
    amount = amount_of(written, "max_budget")
    if isinstance(written, str):
        assert amount == Decimal(written)
    else:
        assert abs(float(amount) - written) <= 1e-30
