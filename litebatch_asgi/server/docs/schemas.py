"""JSON schemas as people read them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import htpy as h
from htpy import Element, Node

from litebatch_asgi.models.texts import PLAIN_PATTERN
from litebatch_asgi.server.docs.prose import joined, prose

_LIMITS = (
    ("minimum", "at least {}"),
    ("maximum", "at most {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} items"),
    ("maxItems", "at most {} items"),
    ("maxProperties", "at most {} entries"),
    ("pattern", "matches {}"),
)


def type_of(schema: Mapping[str, Any]) -> Node:
    """What a value may be, with a link to each schema that has a name."""
    if "$ref" in schema:
        return link_to(str(schema["$ref"]).rpartition("/")[2])
    if "anyOf" in schema:
        return joined([type_of(each) for each in schema["anyOf"]], " or ")
    if "enum" in schema:
        return joined([h.code[json.dumps(value)] for value in schema["enum"]], " or ")
    match schema.get("type"):
        case "array":
            return ["list of ", type_of(schema.get("items", {}))]
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return ["object of ", type_of(schema["additionalProperties"])]
        case None:
            return "anything"
        case kind:
            return str(schema.get("format", kind) if kind == "string" else kind)


def link_to(name: str) -> Element:
    """A link to the schema of this name."""
    return h.a(href=f"#schema-{name}")[name]


def about(schema: Mapping[str, Any]) -> Node:
    """What else there is to know of a value: the description, the limits, what it is by default."""
    told: list[Node] = [prose(schema["description"])] if "description" in schema else []
    limits = list(_limits(schema))
    if "default" in schema:
        limits.append(["default ", h.code[json.dumps(schema["default"])]])
    told += [h.span(".limit")[joined(limits, ", ")]] if limits else []
    return joined(told, " ")


def _limits(schema: Mapping[str, Any]) -> Iterator[Node]:
    for part in (schema, *schema.get("anyOf", ()), schema.get("items", {})):
        for name, words in _LIMITS:
            if part.get(name) == PLAIN_PATTERN:
                yield "no control characters"
            elif name in part:
                before, _, after = words.partition("{}")
                yield [before, h.code[str(part[name])], after]


def fields(schema: Mapping[str, Any]) -> Element:
    """The fields of an object as a table; of anything else its type."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    if not properties:
        return h.p[type_of(schema), " ", about({**schema, "description": ""})]
    required = schema.get("required", ())
    return table(
        (name, each, name in required)
        for name, each in sorted(properties.items(), key=lambda it: it[0] not in required)
    )


def table(rows: Iterable[tuple[str, Mapping[str, Any], bool]], *, what: str = "field") -> Element:
    """Names with their schemas, and whether they must be there."""
    head = h.tr[(h.th(scope="col")[word] for word in (what, "type", ""))]
    body = (
        h.tr[
            h.td[h.code[name], h.b(title="required")[" *"] if is_required else None],
            h.td[type_of(schema)],
            h.td[about(schema)],
        ]
        for name, schema, is_required in rows
    )
    return h.div(".table")[h.table[head, body]]
