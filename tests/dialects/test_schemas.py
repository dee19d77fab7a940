"""Schemas for Vertex mean the same, or are refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given

from litebatch_asgi.dialects.refusal import Refusal
from litebatch_asgi.dialects.vertex.imports import check_import
from litebatch_asgi.dialects.vertex.schema import vertex_schema
from tests.dialects.requests import root_schemas
from tests.dialects.sorts import ALL_SORTS
from tests.dialects.vertex_rules import check_schema


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": ["string", "null"]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"type": ["string"]}, {"type": "string"}),
        (
            {"type": ["string", "null"], "enum": ["a", None]},
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
        ),
        ({"enum": ["a", None]}, {"anyOf": [{"enum": ["a"]}, {"type": "null"}]}),
        ({"const": 3}, {"enum": [3]}),
        ({"type": "array", "items": {}}, {"type": "array"}),
        ({"type": "object", "properties": {}, "$schema": "x", "$id": "y"}, {"type": "object"}),
        ({"type": "object", "additionalProperties": {}}, {"type": "object", "additionalProperties": True}),
        ({"type": "string", "default": None, "description": None}, {"type": "string"}),
        ({"allOf": [{"type": "string"}], "description": "d"}, {"type": "string", "description": "d"}),
        ({"$ref": "#/definitions/A", "definitions": {"A": {"type": "string"}}}, {"type": "string"}),
        (
            {"oneOf": [{"type": "string"}, {"type": "null"}]},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
    ],
)
def test_what_means_the_same(schema: dict[str, Any], told: dict[str, Any]) -> None:
    assert vertex_schema(schema, "s") == told
    check_schema(told)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"type": "string", "pattern": "a"}, "s.pattern"),
    ({"not": {"type": "string"}}, "s.not"),
    ({"allOf": [{}, {}]}, "s.allOf"),
    ({"type": "object", "properties": {"a": {}}}, "s.properties.a"),
    ({"$ref": "https://example.com/schema"}, "s.$ref"),
    (
        {"$ref": "#/$defs/A", "$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}}},
        "s.items.$ref",
    ),
    ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "s.$ref"),
    ({"enum": [True]}, "s.enum[0]"),
    ({"type": "thing"}, "s.type"),
    ({"type": ["string"], "enum": [1]}, "s"),
]


@pytest.mark.parametrize(("schema", "param"), REFUSED)
def test_what_is_refused(schema: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as refusal:
        vertex_schema(schema, "s")
    assert refusal.value.param == param


def test_references_do_not_multiply_without_end() -> None:
    doubling = {
        f"D{n}": {"type": "array", "prefixItems": [{"$ref": f"#/$defs/D{n + 1}"}] * 2} for n in range(40)
    }
    definitions = {**doubling, "D40": {"type": "string"}}
    with pytest.raises(Refusal, match="parts"):
        vertex_schema({"$ref": "#/$defs/D0", "$defs": definitions}, "s")
    large = {"A": {"type": "string", "description": "x" * 100_000}}
    with pytest.raises(Refusal, match="bytes"):
        vertex_schema({"prefixItems": [{"$ref": "#/$defs/A"}] * 100, "$defs": large}, "s")


@ALL_SORTS
@given(root_schemas)
def test_every_schema_is_one_that_the_provider_takes_or_refused(schema: dict[str, Any]) -> None:
    with contextlib.suppress(Refusal):
        check_schema(vertex_schema(schema, "s", ordered=True))


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ({"a": {}}, "v.a"),
        ({"a b": 1}, "v"),
        ({"$ref": 1}, "v"),
        ({"a": [1, None]}, "v.a[1]"),
        ({"a": 2**63}, "v.a"),
        ([[[[1]]]], "v[0][0][0]"),
    ],
)
def test_what_cannot_be_imported(value: Any, param: str) -> None:
    check_import({"größe": [1, "x", 2.5, True], "a-b_1": []}, "v", 12)
    with pytest.raises(Refusal) as refusal:
        check_import(value, "v", 13)
    assert refusal.value.param == param
    assert param in refusal.value.message


def test_a_reference_is_compared_with_few_of_those_that_led_to_it() -> None:
    compared = 0

    class Name(str):
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

    class Reference(dict[str, Any]):
        """Whoever asks for its members gets names; what is written as JSON are plain texts."""

        def __iter__(self) -> Iterator[str]:
            return super().__iter__()

        def __getitem__(self, key: str) -> Name:
            return Name(super().__getitem__(key))

    definitions: dict[str, Any] = {f"d{n}": Reference({"$ref": f"#/$defs/d{n + 1}"}) for n in range(400)}
    definitions["d400"] = {"type": "string"}
    schema = {"$ref": "#/$defs/d0", "$defs": definitions}
    assert vertex_schema(schema, "s") == {"type": "string"}
    assert len(definitions) < compared < 10 * len(definitions)
