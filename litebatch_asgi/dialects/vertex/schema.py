"""JSON Schema as Vertex takes it.

Source: `GenerationConfig.response_json_schema` of the aiplatform v1 API, which lists the keywords. Less is
imported: see `litebatch_asgi.dialects.vertex.imports`.
"""

from __future__ import annotations

from litebatch_asgi.dialects.json_schema import SchemaRules, convert_schema
from litebatch_asgi.dialects.values import Object

_RULES = SchemaRules(
    kept=frozenset(
        {"title", "description", "format", "minItems", "maxItems", "minimum", "maximum", "required"}
    ),
    structural=frozenset({"anyOf", "oneOf", "properties", "items", "prefixItems", "additionalProperties"}),
    literals=(str, int, float),
)
_ORDERED = _RULES._replace(is_ordered=True)


def vertex_schema(schema: Object, param: str, *, ordered: bool = False) -> Object:
    """The schema for Vertex; empty if it allows everything.

    Args:
        schema: the client's.
        param: its place.
        ordered: ask for properties in the order of the schema, as OpenAI does for answers.

    Raises:
        Refusal: it uses what Vertex has not.

    """
    return convert_schema(schema, param, _ORDERED if ordered else _RULES)
