"""JSON Schema as Claude follows it, in answers and in strict calls.

Source: what the `anthropic` package makes of schemas before it sends them.
"""

from __future__ import annotations

from litebatch_asgi.dialects.json_schema import SchemaRules, convert_schema
from litebatch_asgi.dialects.values import Object

_RULES = SchemaRules(
    kept=frozenset({"title", "description", "required"}),
    structural=frozenset({"anyOf", "oneOf", "properties", "items", "additionalProperties"}),
    literals=(str, int, float, bool, type(None)),
    formats=frozenset(
        {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
    ),
    is_closed=True,
)


def claude_schema(schema: Object, param: str) -> Object:
    """The schema for Anthropic.

    Raises:
        Refusal: it uses what Claude does not follow.

    """
    return convert_schema(schema, param, _RULES)
