"""JSON schemas as people read them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from litebatch_asgi.models.texts import PLAIN_PATTERN
from litebatch_asgi.server.docs.html import Content, Markup, element, joined, prose

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


def type_of(schema: Mapping[str, Any]) -> Markup:
    """What a value may be, with a link to each schema that has a name."""
    if "$ref" in schema:
        return link_to(str(schema["$ref"]).rpartition("/")[2])
    if "anyOf" in schema:
        return joined((type_of(each) for each in schema["anyOf"]), " or ")
    if "enum" in schema:
        return joined((element("code", json.dumps(value)) for value in schema["enum"]), " or ")
    match schema.get("type"):
        case "array":
            return joined(("list of ", type_of(schema.get("items", {}))))
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return joined(("object of ", type_of(schema["additionalProperties"])))
        case None:
            return Markup("anything")
        case kind:
            return joined((schema.get("format", kind) if kind == "string" else kind,))


def link_to(name: str) -> Markup:
    """A link to the schema of this name."""
    return element("a", name, href=f"#schema-{name}")


def about(schema: Mapping[str, Any]) -> Markup:
    """What else there is to know of a value: the description, the limits, what it is by default."""
    told: list[Content] = [prose(schema["description"])] if "description" in schema else []
    limits = list(_limits(schema))
    if "default" in schema:
        limits.append(joined(("default ", element("code", json.dumps(schema["default"])))))
    told += [element("span", joined(limits, ", "), class_="limit")] if limits else []
    return joined(told, " ")


def _limits(schema: Mapping[str, Any]) -> Iterator[Content]:
    for part in (schema, *schema.get("anyOf", ()), schema.get("items", {})):
        for name, words in _LIMITS:
            if part.get(name) == PLAIN_PATTERN:
                yield "no control characters"
            elif name in part:
                before, _, after = words.partition("{}")
                yield joined((before, element("code", str(part[name])), after))


def fields(schema: Mapping[str, Any]) -> Markup:
    """The fields of an object as a table; of anything else its type."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    if not properties:
        return element("p", type_of(schema), " ", about({**schema, "description": ""}))
    required = schema.get("required", ())
    return table(
        (name, each, name in required)
        for name, each in sorted(properties.items(), key=lambda it: it[0] not in required)
    )


def table(rows: Any, *, what: str = "field") -> Markup:
    """Names with their schemas, and whether they must be there."""
    head = element("tr", *(element("th", word, scope="col") for word in (what, "type", "")))
    body = [
        element(
            "tr",
            element("td", element("code", name), element("b", " *", title="required") if is_required else ""),
            element("td", type_of(schema)),
            element("td", about(schema)),
        )
        for name, schema, is_required in rows
    ]
    return element("div", element("table", head, *body), class_="table")
